"""The door to this host's accounts: the group whose members may use kukeond without being root."""

from __future__ import annotations

import grp
import pwd
from dataclasses import dataclass

from kukeon_cli import service

GROUP = "kukeon"
USER = "kukeon"
_SHELLS = ("/usr/sbin/nologin", "/sbin/nologin", "/bin/false")


@dataclass(frozen=True)
class Account:
    """A group or user, and whether this call made it."""

    kind: str
    name: str
    number: int
    created: bool


def group_gid(name: str = GROUP) -> int | None:
    """Return the group's number, None when there is no such group."""
    try:
        return grp.getgrnam(name).gr_gid
    except KeyError:
        return None


def ensure_group() -> Account:
    """Make the group unless it is there. Raises `HostError`."""
    found = group_gid()
    if found is not None:
        return Account("group", GROUP, found, created=False)
    service.run("groupadd", "--system", GROUP)
    return Account("group", GROUP, grp.getgrnam(GROUP).gr_gid, created=True)


def ensure_user() -> Account:
    """Make the user, which nobody can log in as, unless it is there. Raises `HostError`."""
    try:
        return Account("user", USER, pwd.getpwnam(USER).pw_uid, created=False)
    except KeyError:
        pass
    nowhere = ("--no-create-home", "--home-dir", "/nonexistent", "--shell", _shell())
    service.run("useradd", "--system", "--gid", GROUP, *nowhere, USER)
    return Account("user", USER, pwd.getpwnam(USER).pw_uid, created=True)


def remove_user() -> str:
    """Remove the user and say what became of it."""
    try:
        pwd.getpwnam(USER)
    except KeyError:
        return "absent"
    service.run("userdel", USER)
    return "removed"


def remove_group() -> str:
    """Remove the group and say what became of it."""
    if group_gid() is None:
        return "absent"
    service.run("groupdel", GROUP)
    return "removed"


def _shell() -> str:
    import os

    return next((shell for shell in _SHELLS if os.access(shell, os.X_OK)), _SHELLS[-1])
