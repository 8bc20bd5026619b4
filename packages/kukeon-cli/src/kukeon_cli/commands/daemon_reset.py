"""`kuke daemon reset` and `recreate`: kukeond without what an earlier one left behind. Cells are never touched."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from kukeon_cli.output import Output
    from kukeon_cli.server import Server
    from kukeon_cli.service import Service
    from kukeon_sdk.client import Client

_NAME = ("daemon/kukeond",)


def reset(server: Server, service: Service, out: Output, *, timeout_s: float, purge_system: bool) -> None:
    """Stop kukeond and remove its socket and pid files; nothing to do is no error.

    With `purge_system` what is kukeond's own goes as well: the system realm, the systemd unit, and the settings file,
    which gets another name. The next `kuke init` makes them anew. Realms of users, their cells and the firewall around
    these stay.
    """
    from kukeon_cli.commands import daemon

    before = daemon.ensure_stopped(service, timeout_s)
    removed = [str(path) for path in _leftovers(server) if _unlink(path)]
    moved: dict[str, str] = {}
    if purge_system:
        removed += _purge_system(server)
        moved = _put_aside(server.configuration)
    stopped = before != "already stopped"
    lines = [daemon.stopped_words(before, timeout_s)] if stopped else []
    if not stopped and not removed and not moved:
        lines.append(f"kukeond already torn down (run path {server.run_path})")
    lines += [f"removed {path}" for path in removed]
    lines += [f"moved {path} to {to}" for path, to in moved.items()]
    value = {"action": "reset", "before": before, "removed": removed, "moved": moved}
    out.result(value, lines, _NAME)


def recreate(server: Server, service: Service, dial: Callable[[str], Client], out: Output, *, timeout_s: float) -> None:
    """Stop kukeond, remove what it left, write its systemd unit anew where it has one, and start it."""
    from kukeon_cli import service as services
    from kukeon_cli.commands import daemon

    daemon.check_initialised(server, "recreate")
    before = daemon.ensure_stopped(service, timeout_s)
    for path in _leftovers(server):
        _unlink(path)
    if isinstance(service, services.Systemd):
        services.install_unit(server)
    answer, _ = daemon.ensure_started(server, service, dial)
    value = {"action": "recreated", "before": before, "pid": answer.pid, "address": server.address}
    words = f"kukeond recreated (pid {answer.pid}, {server.address})"
    out.result({**value, "version": answer.version}, [words, f"kukeond is ready ({server.address})"], _NAME)


def _leftovers(server: Server) -> Iterator[Path]:
    """What a kukeond that was killed leaves: only files that nobody holds, since it is stopped."""
    from pathlib import Path

    yield Path(server.socket)
    yield server.pid_file
    yield server.supervisor_pid_file


def _unlink(path: Path) -> bool:
    from kukeon_api import errors

    try:
        path.unlink()
    except FileNotFoundError:
        return False
    except OSError as exc:
        raise errors.HostError(f"cannot remove {str(path)!r}: {exc.strerror}") from exc
    return True


def _purge_system(server: Server) -> list[str]:
    """Return what was removed of kukeond's own."""
    from kukeon_cli import local
    from kukeon_cli import service as services

    removed = local.purge_system(server) if local.available() else []
    if server.default and services.SYSTEMD_RUNTIME.is_dir() and services.remove_unit() == "removed":
        removed.append(str(services.UNIT_FILE))
    return removed


def _put_aside(path: Path) -> dict[str, str]:
    """Give the settings file another name, for somebody may have edited it; return both names, or nothing."""
    from kukeon_api import errors

    aside = path.with_name(f"{path.name}.old")
    try:
        path.replace(aside)
    except FileNotFoundError:
        return {}
    except OSError as exc:
        raise errors.HostError(f"cannot rename {str(path)!r}: {exc.strerror}") from exc
    return {str(path): str(aside)}
