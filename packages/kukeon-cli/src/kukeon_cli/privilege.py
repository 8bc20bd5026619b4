"""Which commands need root, and how that is said."""

from __future__ import annotations

import os

from kukeon_api import errors


def require_root(command: str) -> None:
    """Raise `MustRunAsRoot` unless this process is root's."""
    if os.geteuid() != 0:
        raise errors.MustRunAsRoot(f"cannot run 'kuke {command}': it must run as root", hint=f"sudo kuke {command}")
