"""The default seccomp profile of a container, as the OCI runtime specification has it. Pure.

Whatever is not allowed is refused with EPERM. On machines that run 32-bit programs, those get the same rules.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Any

from kukeon_runner import seccomp_table as table

if TYPE_CHECKING:
    from collections.abc import Collection

ARCHITECTURES = {
    # x32 programs, which Docker admits, are left out: distributions switch them off in the kernel.
    "x86_64": ("SCMP_ARCH_X86_64", "SCMP_ARCH_X86"),
    "aarch64": ("SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM"),
    "ppc64le": ("SCMP_ARCH_PPC64LE",),
    "riscv64": ("SCMP_ARCH_RISCV64",),
    "s390x": ("SCMP_ARCH_S390X", "SCMP_ARCH_S390"),
}
"""By `uname -m`; on other machines the runtime filters for the one it was built for."""

ALLOW, REFUSE = "SCMP_ACT_ALLOW", "SCMP_ACT_ERRNO"

NEW_NAMESPACES = 0x7E020000
"""All CLONE_NEW* flags but CLONE_NEWTIME, which clone(2) cannot carry: <linux/sched.h>."""

AF_ALG, AF_VSOCK, AF_MAX = 38, 40, 46
"""<linux/socket.h>: the kernel's cryptography, and sockets to the hypervisor, which know no network namespaces."""

PERSONALITIES = (0x0, 0x0008, 0x20000, 0x20008, 0xFFFFFFFF)
"""Linux, 32-bit Linux, the same with UNAME26, and asking which one it is: <linux/personality.h>."""


def profile(capabilities: Collection[str], machine: str) -> dict[str, Any]:
    """The profile for a container with `capabilities` on a `machine` of that `uname -m`."""
    allowed = table.ALLOWED | table.BY_MACHINE.get(machine, frozenset())
    for capability in set(capabilities) & table.BY_CAPABILITY.keys():
        allowed |= table.BY_CAPABILITY[capability]
    rules: list[dict[str, Any]] = [{"names": sorted(allowed), "action": ALLOW}]
    rules += _sockets()
    rules += [_when("personality", 0, value, "SCMP_CMP_EQ") for value in PERSONALITIES]
    if "CAP_SYS_ADMIN" not in capabilities:
        # s390 has the first two parameters of clone(2) the other way round.
        place = 1 if machine == "s390x" else 0
        rules.append(_when("clone", place, NEW_NAMESPACES, "SCMP_CMP_MASKED_EQ", 0))
        # The flags of clone3 are behind a pointer, which no filter can follow; told ENOSYS, libc falls back to clone.
        rules.append({"names": ["clone3"], "action": REFUSE, "errnoRet": errno.ENOSYS})
    made: dict[str, Any] = {"defaultAction": REFUSE, "defaultErrnoRet": errno.EPERM, "syscalls": rules}
    if machine in ARCHITECTURES:
        made["architectures"] = list(ARCHITECTURES[machine])
    return made


def _sockets() -> list[dict[str, Any]]:
    """Every family but the two. Compared for equality: the kernel drops upper bits that "greater than" would see."""
    below = _when("socket", 0, AF_ALG, "SCMP_CMP_LT")
    others = (family for family in range(AF_ALG, AF_MAX) if family not in (AF_ALG, AF_VSOCK))
    return [below, *(_when("socket", 0, family, "SCMP_CMP_EQ") for family in others)]


def _when(name: str, index: int, value: int, op: str, value_two: int | None = None) -> dict[str, Any]:
    argument: dict[str, Any] = {"index": index, "value": value, "op": op}
    if value_two is not None:
        argument["valueTwo"] = value_two
    return {"names": [name], "action": ALLOW, "args": [argument]}
