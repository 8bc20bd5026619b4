"""`kuke daemon`: kukeond's process on this host. Cells do not depend on it and go on without it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from kukeon_cli import lazy, options, tree

if TYPE_CHECKING:
    from collections.abc import Callable

    from kukeon_api import model
    from kukeon_cli.output import Output
    from kukeon_cli.server import Server
    from kukeon_cli.service import Service
    from kukeon_cli.session import Session
    from kukeon_sdk.client import Client

    Dial = Callable[[str], Client]

_NAME = ("daemon/kukeond",)

_STOPPED = {
    "already stopped": "kukeond is already stopped",
    "stopped": "kukeond stopped; cells keep running",
    "killed": "kukeond force-killed after {timeout_s:g} s; cells keep running",
}


def _seconds(ctx: click.Context, param: click.Parameter, value: str) -> float:
    """Read `10s` or `1m30s`; a bare number is seconds."""
    from kukeon_api import duration, errors

    try:
        seconds = duration.parse(f"{value}s" if value.isdecimal() else value)
    except errors.Invalid as exc:
        raise click.BadParameter(exc.message, ctx, param) from exc
    if seconds < 0:
        raise click.BadParameter("it must not be negative", ctx, param)
    return seconds


def start(server: Server, service: Service, dial: Dial, out: Output) -> None:
    """Start kukeond unless it runs, and wait until it answers."""
    check_initialised(server, "start")
    answer, started = ensure_started(server, service, dial)
    action = "started" if started else "already running"
    words = "kukeond started" if started else "kukeond is already running"
    value = {"action": action, "pid": answer.pid, "address": server.address, "version": answer.version}
    out.result(value, [f"{words} (pid {answer.pid}, {server.address})"], _NAME)


def stop(server: Server, service: Service, out: Output, *, timeout_s: float) -> None:
    """Stop kukeond unless it is stopped, by force when it takes longer than `timeout_s`."""
    check_initialised(server, "stop")
    action = ensure_stopped(service, timeout_s)
    value = {"action": action, "address": server.address}
    out.result(value, [_STOPPED[action].format(timeout_s=timeout_s)], _NAME)


def restart(server: Server, service: Service, dial: Dial, out: Output, *, timeout_s: float) -> None:
    """Stop kukeond if it runs, and start it."""
    check_initialised(server, "restart")
    before = ensure_stopped(service, timeout_s)
    answer, _ = ensure_started(server, service, dial)
    value = {"action": "restarted", "before": before, "pid": answer.pid, "address": server.address}
    first = _STOPPED[before].replace(" is ", " was ").format(timeout_s=timeout_s)
    out.result(value, [first, f"kukeond started (pid {answer.pid}, {server.address})"], _NAME)


def logs(server: Server, service: Service, *, follow: bool) -> int:
    """Print what kukeond says about its own work, also when it does not run any more."""
    import sys

    from kukeon_api import errors
    from kukeon_cli import rotated
    from kukeon_cli import service as services

    if isinstance(service, services.Systemd):
        return services.journal(follow=follow)
    check_initialised(server, "print the log of")
    try:
        with rotated.RotatedLog(str(server.log)) as log:
            for line in log.lines(follow=follow):
                sys.stdout.buffer.write(line)
                if follow:
                    sys.stdout.buffer.flush()
    except FileNotFoundError as exc:
        raise errors.Conflict(
            f"cannot print the log of kukeond: there is no {str(server.log)!r}",
            hint=f"start it: sudo kuke{server.option} daemon start",
        ) from exc
    except PermissionError as exc:
        raise errors.Denied(f"cannot read {str(server.log)!r}: {exc.strerror}", hint="use sudo") from exc
    return 0


def check_initialised(server: Server, verb: str) -> None:
    """Raise `Conflict` when nothing was ever set up at the run path."""
    from pathlib import Path

    from kukeon_api import errors

    if server.file is None and not (Path(server.run_path) / ".kukeon-instance.json").exists():
        raise errors.Conflict(
            f"cannot {verb} kukeond: this host has no kukeon at {server.run_path!r}",
            hint=f"set it up: sudo kuke{server.option} init",
        )


def ensure_started(server: Server, service: Service, dial: Dial) -> tuple[model.PingResult, bool]:
    """Return kukeond's answer, and whether this call started it."""
    from kukeon_cli import readiness, terminal

    answer = readiness.ping(dial, server.address)
    if answer is not None:
        return answer, False
    since = readiness.size_of(server.log)
    running = service.pid() is not None
    with terminal.Progress("starting kukeond" if not running else "waiting for kukeond"):
        if not running:
            service.start()
        return readiness.wait(dial, server, service, log_start=since), not running


def ensure_stopped(service: Service, timeout_s: float) -> str:
    """Stop kukeond and return what it took: `already stopped`, `stopped` or `killed`."""
    from kukeon_cli import terminal

    if service.pid() is None:
        return "already stopped"
    with terminal.Progress("stopping kukeond"):
        return "killed" if service.stop(timeout_s) else "stopped"


def _verb(name: str, *, timeout: bool) -> Callable[[Callable[..., Any]], click.Command]:
    """Return the decorator of a daemon verb: its click command with the options that all of them have."""
    entry = next(entry for entry in tree.DAEMON if entry.name == name)

    def decorate(function: Callable[..., Any]) -> click.Command:
        function = click.pass_obj(function)
        function = options.server_configuration(function)
        if name != "logs":
            function = options.output()(function)
        if timeout:
            function = click.option(
                "--timeout",
                "timeout_s",
                default="10s",
                callback=_seconds,
                metavar="DURATION",
                help="How long it may take before it is killed.  [default: 10s]",
            )(function)
        return click.command(name, cls=lazy.Command, help=entry.help)(function)

    return decorate


@_verb("start", timeout=False)
def start_command(session: Session, output: str, **given: Any) -> None:
    from kukeon_cli import privilege
    from kukeon_cli import service as services

    privilege.require_root("daemon start", session)
    server = session.server(given, purpose="start kukeond")
    start(server, services.of(server), session.dial, session.output(output))


@_verb("stop", timeout=True)
def stop_command(session: Session, output: str, timeout_s: float, **given: Any) -> None:
    from kukeon_cli import privilege
    from kukeon_cli import service as services

    privilege.require_root("daemon stop", session)
    server = session.server(given, purpose="stop kukeond")
    stop(server, services.of(server), session.output(output), timeout_s=timeout_s)


@_verb("restart", timeout=True)
def restart_command(session: Session, output: str, timeout_s: float, **given: Any) -> None:
    from kukeon_cli import privilege
    from kukeon_cli import service as services

    privilege.require_root("daemon restart", session)
    server = session.server(given, purpose="restart kukeond")
    restart(server, services.of(server), session.dial, session.output(output), timeout_s=timeout_s)


@click.option("-f", "--follow", is_flag=True, help="Go on as it is written, until Ctrl-C.")
def _logs(session: Session, follow: bool, **given: Any) -> int:
    from kukeon_cli import service as services

    server = session.server(given, purpose="print the log of kukeond")
    try:
        return logs(server, services.of(server), follow=follow)
    except KeyboardInterrupt:
        if not follow:
            raise
        # Ctrl-C is how following ends.
        return 0


logs_command = _verb("logs", timeout=False)(_logs)

group = lazy.LazyGroup("daemon", entries=tree.DAEMON, help="Start, stop and look into kukeond.")
