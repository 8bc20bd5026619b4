"""What makes one container's settings right, beyond their types.

Everything here is decided by the document alone; whether an image, a user or a path of the host exists is found out
where it is used.  Every function yields all problems, with paths relative to the container.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from kukeon_api import (
    errors,
    image_ref,
    image_rules,
    isolation_rules,
    model,
    normalise,
    place_rules,
    ports,
    restart_rules,
    suggest,
    unsupported,
)
from kukeon_api.errors import Problem

if TYPE_CHECKING:
    from collections.abc import Iterator

# capabilities(7), up to Linux 6, in the order of their numbers in <linux/capability.h>.
_CAPABILITIES = """
CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE NET_BIND_SERVICE
NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO SYS_CHROOT SYS_PTRACE SYS_PACCT SYS_ADMIN
SYS_BOOT SYS_NICE SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG MKNOD LEASE AUDIT_WRITE AUDIT_CONTROL SETFCAP MAC_OVERRIDE
MAC_ADMIN SYSLOG WAKE_ALARM BLOCK_SUSPEND AUDIT_READ PERFMON BPF CHECKPOINT_RESTORE
"""
CAPABILITIES = tuple(f"CAP_{word}" for word in _CAPABILITIES.split())

# tmpfs(5) and mount(8); nosuid and nodev are always on, so their opposites are not offered.
_FLAGS = """
ro rw exec noexec nosuid nodev atime noatime diratime nodiratime relatime norelatime strictatime sync async mand nomand
"""
_TMPFS_FLAGS = frozenset(_FLAGS.split())
_TMPFS_VALUES = {
    "size": re.compile(r"[0-9]+[kKmMgG%]?"),
    "nr_blocks": re.compile(r"[0-9]+[kKmMgG]?"),
    "nr_inodes": re.compile(r"[0-9]+[kKmMgG]?"),
    "mode": re.compile(r"[0-7]{1,5}"),
    "uid": re.compile(r"[0-9]{1,10}"),
    "gid": re.compile(r"[0-9]{1,10}"),
    "huge": re.compile(r"never|always|within_size|advise"),
}
_USER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,254}\$?(?::[A-Za-z0-9_][A-Za-z0-9_.-]{0,254}\$?)?")
# runc takes no larger ids, although uid_t and gid_t have 32 bits.
_MAX_ID = 2**31 - 1
# The kernel's own bounds: kernel/sched/sched.h, MIN_SHARES and MAX_SHARES.
MIN_CPU_SHARES, MAX_CPU_SHARES = 2, 262144
_ENV_NAME = re.compile(r"[^\s=\0]+")
_TRUTHS = frozenset({"1", "t", "true", "0", "f", "false"})


def problems(spec: model.ContainerSpec) -> Iterator[Problem]:
    """Yield everything wrong with a container's own settings; its ids and place are its document's affair."""
    yield from _image(spec.image)
    yield from _text("command", spec.command)
    for index, argument in enumerate(spec.args):
        yield from _text(f"args[{index}]", argument)
    if spec.working_dir:
        yield from place_rules.absolute("workingDir", spec.working_dir)
    for index, entry in enumerate(spec.env):
        yield from _env(f"env[{index}]", entry)
    for index, volume in enumerate(spec.volumes):
        yield from _volume(f"volumes[{index}]", volume)
    yield from isolation_rules.problems(spec)
    yield from settings(spec)
    yield from _mounted_twice(spec)
    yield from ports.problems(spec.ports)
    yield from restart_rules.problems(spec)
    yield from image_rules.problems(spec)


def settings(spec: model.ContainerSpec | model.ContainerDefaults) -> Iterator[Problem]:
    """Yield everything wrong with the settings that a space may have defaults for."""
    if spec.user:
        yield from _user(spec.user)
    if spec.capabilities is not None:
        yield from _capabilities(spec.capabilities)
    for index, option in enumerate(spec.security_opts or ()):
        yield from _security_opt(f"securityOpts[{index}]", option)
    for index, tmpfs in enumerate(spec.tmpfs or ()):
        yield from _tmpfs(f"tmpfs[{index}]", tmpfs)
    if spec.resources is not None:
        yield from _resources(spec.resources)


def _image(image: str) -> Iterator[Problem]:
    if not image:
        yield Problem(path="image", message="is required")
        return
    try:
        image_ref.parse(image)
    except errors.InvalidImage as exc:
        yield Problem(path="image", message=str(exc))


def _text(path: str, text: str) -> Iterator[Problem]:
    if "\0" in text:
        yield Problem(path=path, message="must not contain NUL characters")


def _env(path: str, entry: str) -> Iterator[Problem]:
    name, separator, _ = entry.partition("=")
    # Values may be secrets: the message shows the name at most.
    if not separator:
        yield Problem(path=path, message="is not KEY=VALUE", suggestion="an empty value is written KEY=")
    elif not _ENV_NAME.fullmatch(name):
        yield Problem(path=path, message=f"{name[:80]!r} cannot be the name of an environment variable")
    yield from _text(path, entry)


def _volume(path: str, volume: model.VolumeMount) -> Iterator[Problem]:
    yield from place_rules.mount_point(f"{path}.target", volume.target)
    if volume.kind is model.VolumeKind.TMPFS:
        if volume.source:
            yield Problem(path=f"{path}.source", message="a tmpfs has no source")
        if volume.size_bytes is not None and volume.size_bytes < 0:
            yield Problem(path=f"{path}.sizeBytes", message="must not be negative")
        if volume.mode is not None and not 0 <= volume.mode <= 0o7777:
            yield Problem(path=f"{path}.mode", message=f"{volume.mode:#o} is not a mode between 0 and 07777")
        return
    if not volume.source:
        yield Problem(path=f"{path}.source", message="is required")
    elif "/" not in volume.source:
        yield Problem(
            path=f"{path}.source",
            message=f"{volume.source[:80]!r} is not an absolute path, and a named volume {unsupported.MESSAGE}",
        )
    else:
        yield from place_rules.absolute(f"{path}.source", volume.source)
    for name, value in (("sizeBytes", volume.size_bytes), ("mode", volume.mode)):
        if value is not None:
            yield Problem(path=f"{path}.{name}", message="is for kind tmpfs only")


def _mounted_twice(spec: model.ContainerSpec) -> Iterator[Problem]:
    seen: dict[str, str] = {}
    mounts = [(f"volumes[{index}].target", volume.target) for index, volume in enumerate(spec.volumes)]
    mounts += [(f"tmpfs[{index}].path", tmpfs.path) for index, tmpfs in enumerate(spec.tmpfs or ())]
    mounts += [(f"secrets[{index}].mountPath", each.mount_path) for index, each in enumerate(spec.secrets)]
    for path, target in mounts:
        if not target:
            continue  # a secret that becomes a variable; of others, that is told elsewhere
        clean = place_rules.clean(target)
        if clean == "/":
            continue
        if clean in seen:
            yield Problem(path=path, message=f"{clean[:200]!r} is already mounted by {seen[clean]}")
        seen.setdefault(clean, path)


def _user(user: str) -> Iterator[Problem]:
    if not _USER.fullmatch(user):
        yield Problem(path="user", message=f"{user[:80]!r} is not a user", suggestion="write uid, uid:gid or names")
        return
    for part in user.split(":"):
        if part.isdecimal() and int(part) > _MAX_ID:
            yield Problem(path="user", message=f"{part[:40]} is beyond the last id, {_MAX_ID}")


def _capabilities(capabilities: model.Capabilities) -> Iterator[Problem]:
    for name in ("drop", "add"):
        for index, text in enumerate(getattr(capabilities, name)):
            path = f"capabilities.{name}[{index}]"
            spelled = normalise.capability(text)
            if spelled == "ALL":
                if name == "add":
                    yield Problem(path=path, message="ALL can only be dropped", suggestion="add them one by one")
            elif spelled not in CAPABILITIES:
                yield Problem(
                    path=path,
                    message=f"unknown capability {text[:80]!r}",
                    suggestion=_meant(spelled),
                )


def _meant(capability: str) -> str:
    # The prefix that all have in common would make any two of them look alike.
    near = suggest.nearest(capability.removeprefix("CAP_"), _CAPABILITIES.split())
    return suggest.question(f"CAP_{near}" if near else "")


def _security_opt(path: str, option: str) -> Iterator[Problem]:
    name, separator, value = normalise.security_opt(option).partition("=")
    if name == "no-new-privileges":
        if separator and value.lower() not in _TRUTHS:
            yield Problem(path=path, message=f"{value[:80]!r} is neither true nor false")
    elif name == "seccomp" and value.startswith("/"):
        yield from place_rules.absolute(path, value)
    elif name != "seccomp" or value != "unconfined":
        yield Problem(
            path=path,
            message=f"unknown security option {option[:80]!r}",
            suggestion=suggest.did_you_mean(
                option, ("no-new-privileges", "no-new-privileges=false", "seccomp=unconfined")
            )
            or "known are no-new-privileges[=true|false], seccomp=unconfined and seccomp=/PATH",
        )


def _tmpfs(path: str, tmpfs: model.Tmpfs) -> Iterator[Problem]:
    yield from place_rules.mount_point(f"{path}.path", tmpfs.path)
    if tmpfs.size_bytes is not None and tmpfs.size_bytes < 0:
        yield Problem(path=f"{path}.sizeBytes", message="must not be negative")
    for index, option in enumerate(tmpfs.options):
        name, separator, value = option.partition("=")
        known = _TMPFS_VALUES.get(name) if separator else None
        if option in ("suid", "dev"):
            yield Problem(path=f"{path}.options[{index}]", message="a tmpfs is always mounted nosuid and nodev")
        elif known and not known.fullmatch(value):
            yield Problem(path=f"{path}.options[{index}]", message=f"{value[:80]!r} is not a value of {name}")
        elif not known and (separator or option not in _TMPFS_FLAGS):
            yield Problem(
                path=f"{path}.options[{index}]",
                message=f"unknown tmpfs option {option[:80]!r}",
                suggestion=suggest.did_you_mean(option, (*_TMPFS_FLAGS, *(f"{each}=" for each in _TMPFS_VALUES))),
            )


def _resources(resources: model.Resources) -> Iterator[Problem]:
    for name, value in (
        ("memoryLimitBytes", resources.memory_limit_bytes),
        ("cpuShares", resources.cpu_shares),
        ("pidsLimit", resources.pids_limit),
    ):
        if value is not None and value < 0:
            yield Problem(path=f"resources.{name}", message="must not be negative", suggestion="0 means no limit")
    shares = resources.cpu_shares
    if shares is not None and shares > 0 and not MIN_CPU_SHARES <= shares <= MAX_CPU_SHARES:
        yield Problem(
            path="resources.cpuShares", message=f"{shares} is not between {MIN_CPU_SHARES} and {MAX_CPU_SHARES}"
        )
