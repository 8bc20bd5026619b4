"""A seccomp profile of the user's own: Docker's format and the OCI runtime specification's, read into the latter. Pure.

What it says is not judged, only whether the runtime can be given it: the whole file, or an error that says where.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import msgspec

from kukeon_api import errors
from kukeon_runner import seccomp

if TYPE_CHECKING:
    from collections.abc import Collection

MAX_BYTES = 1024 * 1024
MAX_RULES = 10_000

# As words in a line, which are read faster than a list of quotes (SIM905).
# OCI runtime specification, config-linux, seccomp. NOTIFY is missing: it hands system calls to a listener on the host.
_ACTIONS = frozenset(f"SCMP_ACT_{word}" for word in "KILL KILL_PROCESS KILL_THREAD TRAP ERRNO TRACE ALLOW LOG".split())  # noqa: SIM905
_OPERATORS = frozenset(f"SCMP_CMP_{word}" for word in "NE LT LE EQ GE GT MASKED_EQ".split())  # noqa: SIM905
_FLAGS = frozenset({"SECCOMP_FILTER_FLAG_LOG", "SECCOMP_FILTER_FLAG_SPEC_ALLOW", "SECCOMP_FILTER_FLAG_TSYNC"})
_ARCHITECTURE = re.compile(r"SCMP_ARCH_[A-Z0-9_]{1,24}")
_SYSCALL = re.compile(r"[a-z0-9_]{1,64}")
_MAX_ERRNO = 4095  # MAX_ERRNO of the kernel's include/linux/err.h

# What Docker's `arches` say, by `uname -m`.
_GO_MACHINES = {"x86_64": "amd64", "aarch64": "arm64"}


class _Struct(msgspec.Struct, forbid_unknown_fields=True, rename="camel"):
    pass


class _Argument(_Struct):
    index: int
    value: int
    op: str
    value_two: int = 0


class _Condition(_Struct):
    caps: list[str] | None = None
    arches: list[str] | None = None
    min_kernel: str | None = None


class _Rule(_Struct):
    """`errno` repeats as a word what `errno_ret` says: Podman's file has both."""

    action: str
    names: list[str] | None = None
    name: str = ""
    errno: str = ""
    errno_ret: int | None = None
    args: list[_Argument] | None = None
    comment: str = ""
    includes: _Condition | None = None
    excludes: _Condition | None = None


class _Sub(_Struct):
    architecture: str
    sub_architectures: list[str] | None = None


class _File(_Struct):
    default_action: str
    default_errno: str = ""
    default_errno_ret: int | None = None
    architectures: list[str] | None = None
    arch_map: list[_Sub] | None = None
    flags: list[str] | None = None
    syscalls: list[_Rule] | None = None


def parse(content: bytes, path: str, capabilities: Collection[str], machine: str, kernel: str) -> dict[str, Any]:
    """The profile in `content` as the runtime takes it, for a container with `capabilities`.

    `machine` and `kernel` are `uname -m` and `-r`, which the conditions of Docker's format are about. Raises Invalid,
    which quotes no more of the file than one word: it may be any file of the host.
    """
    try:
        found = msgspec.json.decode(content, type=_File)
    except msgspec.ValidationError as error:
        raise _wrong(path, str(error)) from None
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise _wrong(path, "it is not JSON") from None
    _check(path, "defaultAction", found.default_action, _ACTIONS)
    rules = [
        _rule(path, f"syscalls[{index}]", rule)
        for index, rule in enumerate(found.syscalls or ())
        if _holds(path, rule, capabilities, machine, kernel)
    ]
    if len(rules) > MAX_RULES:
        raise _wrong(path, f"it has more than {MAX_RULES} rules")
    made: dict[str, Any] = {"defaultAction": found.default_action, "syscalls": rules}
    if found.default_errno_ret is not None:
        made["defaultErrnoRet"] = _errno(path, "defaultErrnoRet", found.default_errno_ret)
    if architectures := _architectures(path, found, machine):
        made["architectures"] = architectures
    if found.flags:
        for index, flag in enumerate(found.flags):
            _check(path, f"flags[{index}]", flag, _FLAGS)
        made["flags"] = found.flags
    return made


def _rule(path: str, where: str, rule: _Rule) -> dict[str, Any]:
    _check(path, f"{where}.action", rule.action, _ACTIONS)
    names = [*(rule.names or ()), *([rule.name] if rule.name else ())]
    if not names:
        raise _wrong(path, f"{where} names no system call")
    for name in names:
        if not _SYSCALL.fullmatch(name):
            raise _wrong(path, f"{where} names {name[:64]!r}, which cannot be a system call")
    made: dict[str, Any] = {"names": names, "action": rule.action}
    if rule.errno_ret is not None:
        made["errnoRet"] = _errno(path, f"{where}.errnoRet", rule.errno_ret)
    if rule.args:
        made["args"] = [_argument(path, f"{where}.args[{index}]", each) for index, each in enumerate(rule.args)]
    return made


def _argument(path: str, where: str, argument: _Argument) -> dict[str, Any]:
    _check(path, f"{where}.op", argument.op, _OPERATORS)
    if not 0 <= argument.index <= 5:
        raise _wrong(path, f"{where}.index is {argument.index}, and a system call has six arguments, from 0")
    for value in (argument.value, argument.value_two):
        if not 0 <= value < 2**64:
            raise _wrong(path, f"{where} compares with {value}, which no register holds")
    return {
        "index": argument.index,
        "value": argument.value,
        "valueTwo": argument.value_two,
        "op": argument.op,
    }


def _holds(path: str, rule: _Rule, capabilities: Collection[str], machine: str, kernel: str) -> bool:
    """Whether the rule is for this container: all that it includes is so, and nothing of what it excludes."""
    arch = _GO_MACHINES.get(machine, machine)
    if (wanted := rule.includes) is not None:
        if wanted.caps and not set(wanted.caps) <= set(capabilities):
            return False
        if wanted.arches and arch not in wanted.arches:
            return False
        if wanted.min_kernel and _version(path, kernel) < _version(path, wanted.min_kernel):
            return False
    if (unwanted := rule.excludes) is not None:
        if set(unwanted.caps or ()) & set(capabilities) or arch in (unwanted.arches or ()):
            return False
        if unwanted.min_kernel and _version(path, kernel) >= _version(path, unwanted.min_kernel):
            return False
    return True


def _architectures(path: str, found: _File, machine: str) -> list[str]:
    named = list(found.architectures or ())
    native = seccomp.ARCHITECTURES.get(machine, ("",))[0]
    for each in found.arch_map or ():
        if each.architecture == native:
            named += [native, *(each.sub_architectures or ())]
    for name in named:
        if not _ARCHITECTURE.fullmatch(name):
            raise _wrong(path, f"{name[:64]!r} is no architecture")
    return named


def _version(path: str, text: str) -> tuple[int, int]:
    found = re.match(r"(\d{1,4})\.(\d{1,4})", text)
    if found is None:
        raise _wrong(path, f"{text[:32]!r} is no version of a kernel")
    return int(found[1]), int(found[2])


def _errno(path: str, where: str, value: int) -> int:
    if not 0 <= value <= _MAX_ERRNO:
        raise _wrong(path, f"{where} is {value}, which is no error number")
    return value


def _check(path: str, where: str, word: str, known: frozenset[str]) -> None:
    if word not in known:
        raise _wrong(path, f"{where} is {word[:64]!r}", hint=f"known are {', '.join(sorted(known))}")


def _wrong(path: str, why: str, hint: str = "") -> errors.Invalid:
    return errors.Invalid(f"cannot use the seccomp profile {path!r}: {why}", hint=hint)
