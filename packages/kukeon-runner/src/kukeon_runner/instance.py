"""What a run path was made with, and who may change it.

A run path belongs to one instance for ever: its containers, cgroups and networks carry names derived from the record,
so a start that wishes for something else is refused instead of losing sight of them. The functions here block for a
few small file operations.
"""

from __future__ import annotations

import dataclasses
import hashlib
import ipaddress
import os
import re
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias

import msgspec

from kukeon_api import errors
from kukeon_runner import durable, layout
from kukeon_runner.options import (
    DEFAULT_CGROUP_ROOT,
    DEFAULT_CONTAINERD_SOCKET,
    DEFAULT_NAMESPACE_SUFFIX,
    DEFAULT_POD_SUBNET,
    DEFAULT_RUN_PATH,
    Options,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping

    from kukeon_api.model import Ref

ContainerdMode = Literal["system", "embedded"]

Answers: TypeAlias = "Callable[[str], Awaitable[bool]]"
"""Tells whether a containerd replies on the socket of that path."""

SPACE_PREFIX_LENGTH = 24
"""The subnet of a space: room for 253 cells."""

# A suffix becomes part of containerd's identifiers, each with letters and digits, single separators between.
_SUFFIX = re.compile(r"[a-z0-9]+([.-][a-z0-9]+)*")
_CGROUP_ROOT = re.compile(r"(/[A-Za-z0-9_.@:-]+)+")


class Containerd(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which containerd the instance lives in: the host's, or one of its own."""

    mode: ContainerdMode
    socket: str


@dataclass(frozen=True)
class Instance:
    """The identity of one kukeon on a host. The default run path has the empty id, any other one eight hex digits."""

    id: str
    run_path: str
    namespace_suffix: str
    cgroup_root: str
    pod_subnet: str
    containerd: Containerd | None = None
    """None until it has been decided, once, at the first start."""
    oci_runtime: str = ""
    """The program that makes containers, crun or runc; empty until it has been decided."""


class _Record(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """The instance file. Unknown fields are refused: what a newer version records may decide what is safe to touch."""

    id: str
    containerd_namespace_suffix: str
    cgroup_root: str
    pod_subnet: str
    containerd: Containerd | None = None
    oci_runtime: str = ""


def instance_id(run_path: str) -> str:
    """Return "" for the default run path, else eight hex digits that stand for the real path."""
    real = os.path.realpath(run_path)
    if real == os.path.realpath(DEFAULT_RUN_PATH):
        return ""
    return hashlib.sha256(os.fsencode(real)).hexdigest()[:8]


def wanted(options: Options, recorded: Instance | None = None) -> Instance:
    """Return what `options` ask for, checked and written in one way.

    A blank setting means "as recorded", and for a new run path the default. Raises Invalid.
    """
    if not options.run_path.startswith("/") or os.path.normpath(options.run_path) == "/":
        raise errors.Invalid(f"cannot use run path {options.run_path!r}: it must be absolute, and not '/'")
    run_path = os.path.normpath(options.run_path)
    suffix = options.namespace_suffix.strip() or (recorded.namespace_suffix if recorded else DEFAULT_NAMESPACE_SUFFIX)
    if not _SUFFIX.fullmatch(suffix):
        raise errors.Invalid(
            f"cannot use namespace suffix {suffix!r}: lower-case letters and digits, single '.' or '-' between"
        )
    cgroup_root = options.cgroup_root.strip().rstrip("/")
    if not options.cgroup_root.strip():
        cgroup_root = recorded.cgroup_root if recorded else DEFAULT_CGROUP_ROOT
    parts = cgroup_root.split("/")
    suffixes = (layout.CONTAINERD_CGROUP_SUFFIX, layout.KUKETTY_CGROUP_SUFFIX)
    reserved = any(part.endswith(suffixes) for part in parts)
    if not _CGROUP_ROOT.fullmatch(cgroup_root) or {".", ".."} & set(parts) or reserved:
        raise errors.Invalid(
            f"cannot use cgroup root {options.cgroup_root!r}: it must be absolute, not '/', of plain names"
            f" that do not end in {' or '.join(map(repr, suffixes))}"
        )
    subnet = _pool(options.pod_subnet.strip() or (recorded.pod_subnet if recorded else DEFAULT_POD_SUBNET))
    return Instance(instance_id(run_path), run_path, suffix, cgroup_root, subnet)


def _pool(text: str) -> str:
    try:
        network = ipaddress.IPv4Network(text)
    except ValueError as exc:
        raise errors.Invalid(f"cannot use pod subnet {text!r}: {exc}") from exc
    if network.prefixlen > SPACE_PREFIX_LENGTH:
        raise errors.Invalid(
            f"cannot use pod subnet {text!r}: each space takes a /{SPACE_PREFIX_LENGTH} of it",
            hint=f"give a prefix of at most /{SPACE_PREFIX_LENGTH}",
        )
    return str(network)


def find_instance(run_path: str) -> Instance | None:
    """Return what is recorded for `run_path`, None when there is no record (or no such directory)."""
    run_path = os.path.normpath(run_path)
    path = layout.instance_file(run_path)
    with durable.host_errors("read", path):
        try:
            with durable.directory(run_path, ()) as fd:
                content = durable.read(fd, Path(path).name)
        except FileNotFoundError:
            return None
    try:
        record = msgspec.json.decode(content, type=_Record)
    except msgspec.DecodeError as exc:
        raise errors.CorruptMetadata(
            f"cannot read {path!r}: {exc}", hint="nothing of ours overwrites it: repair it by hand"
        ) from exc
    return Instance(
        record.id,
        run_path,
        record.containerd_namespace_suffix,
        record.cgroup_root,
        record.pod_subnet,
        record.containerd,
        record.oci_runtime,
    )


def get_instance(options: Options) -> Instance:
    """Return the recorded instance for reading; nothing but the identity of the run path is compared.

    Raises NotFound when the run path was never set up, InstanceMismatch when it was moved or copied.
    """
    found = find_instance(options.run_path)
    if found is None:
        raise errors.NotFound(
            f"cannot read {options.run_path!r}: no kukeon was ever set up there", hint="run `kuke init`"
        )
    _verify(found, {"run path": (found.id, instance_id(found.run_path))})
    return found


def ensure_instance(options: Options) -> Instance:
    """Return the instance of the run path after comparing it with `options`; record it if there is none.

    Makes the run path if need be. Two that start at once agree on one record. Raises InstanceMismatch, a Conflict that
    names each setting with both values; Invalid for a setting that can't be used.
    """
    recorded = find_instance(options.run_path)
    if recorded is None:
        wish = wanted(options)
        _make_run_path(wish.run_path, options.group_gid)
        with durable.host_errors("write", layout.instance_file(wish.run_path)):
            try:
                _write(wish, options.group_gid, durable.create)
            except FileExistsError:
                pass  # Somebody else's start was first; it is compared like any other record.
            else:
                return wish
        recorded = find_instance(options.run_path)
        if recorded is None:
            raise errors.Aborted(f"cannot set up {wish.run_path!r}: its record comes and goes", hint="try again")
    wish = wanted(options, recorded)
    _verify(
        recorded,
        {
            "run path": (recorded.id, wish.id),
            "namespace suffix": (recorded.namespace_suffix, wish.namespace_suffix),
            "cgroup root": (recorded.cgroup_root, wish.cgroup_root),
            "pod subnet": (recorded.pod_subnet, wish.pod_subnet),
        },
    )
    return recorded


def _verify(recorded: Instance, settings: Mapping[str, tuple[str, str]]) -> None:
    differing = [name for name, (was, now) in settings.items() if was != now]
    if not differing:
        return
    if "run path" in differing:
        was, now = settings["run path"]
        raise errors.InstanceMismatch(
            f"cannot use run path {recorded.run_path!r}: it was made as instance {was or 'default'!r},"
            f" but this place is instance {now or 'default'!r}",
            hint="it was moved or copied, and its networks and cgroups carry the old place's name: move it back",
        )
    values = "; ".join(f"{name} is {settings[name][0]!r}, asked for {settings[name][1]!r}" for name in differing)
    raise errors.InstanceMismatch(
        f"cannot use run path {recorded.run_path!r} with other settings than it was made with: {values}",
        hint="start with the recorded values (or leave them out), or give another run path",
    )


def _make_run_path(run_path: str, gid: int) -> None:
    with durable.host_errors("make", run_path):
        parent = Path(run_path).parent
        parent.mkdir(parents=True, exist_ok=True)
        fd = os.open(parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            durable.make_directory(fd, Path(run_path).name, gid)
        finally:
            os.close(fd)


def _write(instance: Instance, gid: int, how: Callable[..., None]) -> None:
    record = _Record(
        instance.id,
        instance.namespace_suffix,
        instance.cgroup_root,
        instance.pod_subnet,
        instance.containerd,
        instance.oci_runtime,
    )
    content = msgspec.json.format(msgspec.json.encode(record), indent=2) + b"\n"
    with durable.directory(instance.run_path, ()) as fd:
        how(fd, Path(layout.instance_file("")).name, content, gid=gid)


async def decide_containerd(instance: Instance, options: Options, answers: Answers, embedded_socket: str) -> Instance:
    """Return `instance` with its containerd, deciding and recording it if this is the first start.

    `answers` tells whether a containerd replies on a socket; `embedded_socket` is where one of our own would listen.
    `auto` takes the host's if it replies now. What is recorded is never changed: the cells are in that containerd, so
    an explicit wish for the other one is an InstanceMismatch. The caller holds the run path's lock.
    """
    wish = options.containerd
    socket = options.containerd_socket or DEFAULT_CONTAINERD_SOCKET
    if instance.containerd is not None:
        _verify_containerd(instance, instance.containerd, options)
        return instance
    if wish != "embedded" and _is_socket(socket) and await answers(socket):
        chosen = Containerd("system", layout.check_socket_path(socket))
    elif wish == "system":
        raise errors.ConnectContainerd(
            f"cannot use the host's containerd: nothing answers on {socket!r}",
            hint="start containerd or name its socket; or choose `--containerd embedded`",
        )
    else:
        chosen = Containerd("embedded", embedded_socket)
    decided = dataclasses.replace(instance, containerd=chosen)
    with durable.host_errors("write", layout.instance_file(instance.run_path)):
        _write(decided, options.group_gid, durable.replace)
    return decided


def record_oci_runtime(instance: Instance, runtime: str, gid: int) -> Instance:
    """Return `instance` with the program that makes its containers, recorded. The caller holds the run path's lock."""
    decided = dataclasses.replace(instance, oci_runtime=runtime)
    with durable.host_errors("write", layout.instance_file(instance.run_path)):
        _write(decided, gid, durable.replace)
    return decided


def _verify_containerd(instance: Instance, recorded: Containerd, options: Options) -> None:
    if options.containerd == "auto":
        return
    socket = options.containerd_socket if options.containerd == "system" else ""
    if options.containerd == recorded.mode and socket in ("", recorded.socket):
        return
    asked = f"{options.containerd} on {socket}" if socket else options.containerd
    raise errors.InstanceMismatch(
        f"cannot use another containerd for run path {instance.run_path!r}: its cells live in"
        f" '{recorded.mode} on {recorded.socket}', asked for {asked!r}",
        hint=f"start with `--containerd {recorded.mode}` or `--containerd auto`, or give another run path",
    )


def _is_socket(path: str) -> bool:
    try:
        return stat.S_ISSOCK(os.stat(path).st_mode)  # noqa: PTH116 - a string is what gRPC gets
    except OSError:
        return False


def check_bridges(names: layout.Layout, spaces: Iterable[Ref], new: Ref) -> None:
    """Raise Conflict if the bridge of the space `new` has the name of that of another one in `spaces`.

    Bridge names are hashes cut to 40 bits, so this is not expected to happen; two tenants on one wire must not.
    """
    bridge = names.bridge(new)
    for other in spaces:
        if other != new and names.bridge(other) == bridge:
            raise errors.Conflict(
                f"cannot make space {str(new)!r}: its bridge {bridge!r} is that of space {str(other)!r}",
                hint="give the space another name",
            )
