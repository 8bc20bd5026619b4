"""Which commands need root, and how that is said."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from kukeon_api import errors
from kukeon_cli import settings

if TYPE_CHECKING:
    from kukeon_cli.session import Session


def require_root(command: str, session: Session) -> None:
    """Raise `MustRunAsRoot` unless this process is root's."""
    if os.geteuid() != 0:
        # sudo keeps no environment, so the instance has to be an option.
        hint = f"sudo kuke{settings.option(session.settings.run_path.value)} {command}"
        raise errors.MustRunAsRoot(f"cannot run 'kuke {command}': it must run as root", hint=hint)
