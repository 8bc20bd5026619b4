"""What this host and this process can do, asked once: it does not change while we run."""

from __future__ import annotations

import ctypes
import errno
import functools
import os
from pathlib import Path

from kukeon_api.container_rules import CAPABILITIES
from kukeon_runner import observed

_STATUS = Path("/proc/self/status")
_SYS_MOUNT_SETATTR = 442  # the same on every architecture, since Linux 5.12


@functools.cache
def abilities() -> observed.Abilities:
    """What there is to know of this host and this process."""
    host = os.uname()
    return observed.Abilities(
        machine=host.machine,
        kernel=host.release,
        capabilities=bounding_set(_STATUS.read_text()),
        recursive_read_only=_recursive_read_only(),
    )


def bounding_set(status: str) -> frozenset[str]:
    """The capabilities that a process may pass on, from its /proc/<pid>/status (proc(5): CapBnd)."""
    mask = next((line.split()[1] for line in status.splitlines() if line.startswith("CapBnd:")), "0")
    return frozenset(name for bit, name in enumerate(CAPABILITIES) if int(mask, 16) >> bit & 1)


def _recursive_read_only() -> bool:
    """Whether there is mount_setattr(2): asked with a size that it refuses before it looks at anything else."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.syscall(ctypes.c_long(_SYS_MOUNT_SETATTR), ctypes.c_int(-1), b"", ctypes.c_uint(0), None, ctypes.c_size_t(1))
    return ctypes.get_errno() not in (errno.ENOSYS, errno.EPERM)
