"""Which kukeon of this host is meant, when an address may say one thing and a run path another.

What is done to the host itself (init, daemon, uninstall, all work without kukeond) goes by the run path. An address
that was stated beside it is never passed over: whoever talks to one kukeon would work on another, or take it down.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from kukeon_api import errors
from kukeon_cli import server, settings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kukeon_cli.server import Server
    from kukeon_cli.session import Session
    from kukeon_cli.settings import Settings

_SOCKET_NAME = "kukeond.sock"
_SHARED = frozenset({"/", "/tmp", "/var/tmp", "/run", "/var/run", "/dev/shm"})  # noqa: S108 (compared, never written)
"""Directories that are nobody's run path; a socket that was forwarded from elsewhere is often put there."""

NO_OPTION = "leave --host and KUKEON_HOST away for the kukeond of this host"


def meant(session: Session, given: Mapping[str, str | None], *, purpose: str, takes_host: bool) -> Server:
    """See `Session.server`."""
    found = session.settings
    run_path = found.run_path.value if found.run_path.source != "default" else None
    flags = {"run_path": run_path}
    if takes_host and run_path is not None:
        flags["host"] = session.flags.get("host")
    resolved = server.resolve(flags, given, session.environ)
    if found.host_named and _path(found.host.value) != os.path.realpath(resolved.socket):
        raise errors.Invalid(
            f"cannot {purpose} at {resolved.run_path!r}: {_stated(found)} names another kukeond, at "
            f"{found.host.value!r}",
            hint=_other(found, session.environ),
        )
    return resolved


def option(found: Settings, environ: Mapping[str, str]) -> str | None:
    """Return what to add to `kuke` to manage the kukeond that `found` leads to; None when that is none of this host."""
    path = run_path(found, environ)
    return None if path is None else settings.option(path)


def run_path(found: Settings, environ: Mapping[str, str]) -> str | None:
    """Return the run path of the kukeond that `found` leads to; None when that is none of this host."""
    stated = found.run_path.value
    if not found.host_named:
        return stated
    path = _path(found.host.value)
    if path == os.path.realpath(settings.socket_of(stated)):
        return stated
    if path == os.path.realpath(settings.DEFAULT_SOCKET) or path == _main_socket(environ):
        return settings.DEFAULT_RUN_PATH
    directory, name = os.path.split(path)
    return None if name != _SOCKET_NAME or directory in _SHARED else directory


def _main_socket(environ: Mapping[str, str]) -> str:
    """Return where the host's main kukeond listens by its settings file; empty when that can't be read."""
    try:
        return os.path.realpath(server.resolve({"run_path": settings.DEFAULT_RUN_PATH}, {}, environ).socket)
    except errors.KukeonError:
        # It is about somebody else's trouble; what is wrong with the file is told to who uses it.
        return ""


def _other(found: Settings, environ: Mapping[str, str]) -> str:
    wanted = option(found, environ)
    if wanted is None:
        return f"this kuke cannot manage what is behind that address; {NO_OPTION}"
    return f"pass{wanted or f' --run-path {settings.DEFAULT_RUN_PATH}'} for that one; or {NO_OPTION}"


def _stated(found: Settings) -> str:
    return {"flag": "--host", "environment": "KUKEON_HOST"}.get(found.host.source, f"the host in {found.host.source!r}")


def _path(address: str) -> str:
    """Return the path of a socket's address without links; for another scheme something that is no path."""
    path = address.removeprefix("unix://")
    return os.path.realpath(path) if path.startswith("/") else address
