"""`kuke daemon`: kukeond's process on this host. Cells do not depend on it and go on without it."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import click

from kukeon_cli import lazy, options, tree

if TYPE_CHECKING:
    from collections.abc import Callable

    from kukeon_api import model
    from kukeon_api.errors import KukeonError
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
    "killed": "kukeond force-killed after {timeout_s:g}s grace period expired; cells keep running",
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


def stopped_words(action: str, timeout_s: float) -> str:
    """Return what to say about an outcome of `ensure_stopped`."""
    return _STOPPED[action].format(timeout_s=timeout_s)


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
    out.result(value, [stopped_words(action, timeout_s)], _NAME)


def restart(server: Server, service: Service, dial: Dial, out: Output, *, timeout_s: float) -> None:
    """Stop kukeond if it runs, and start it."""
    check_initialised(server, "restart")
    before = ensure_stopped(service, timeout_s)
    answer, _ = ensure_started(server, service, dial)
    value = {"action": "restarted", "before": before, "pid": answer.pid, "address": server.address}
    first = stopped_words(before, timeout_s).replace(" is ", " was ")
    out.result(value, [first, f"kukeond started (pid {answer.pid}, {server.address})"], _NAME)


def kill(server: Server, service: Service, out: Output) -> None:
    """End kukeond at once, whatever it is doing, unless it is stopped."""
    check_initialised(server, "kill")
    running = service.pid() is not None
    if running:
        service.kill()
    action = "killed" if running else "already stopped"
    words = "kukeond force-killed; cells keep running" if running else _STOPPED[action]
    out.result({"action": action, "address": server.address}, [words], _NAME)


def logs(server: Server, service: Service, *, follow: bool, tail: int | None = None) -> int:
    """Print what kukeond says about its own work, all or the last `tail` lines, also when it does not run any more."""
    import sys

    from kukeon_api import errors
    from kukeon_api.logs import selection
    from kukeon_api.logs.source import Source
    from kukeon_cli import log_files
    from kukeon_cli import service as services

    if isinstance(service, services.Systemd):
        return services.journal(follow=follow, tail=tail)
    check_initialised(server, "print the log of")
    place, wanted = Source(str(server.log), server.run_path, terminal=True), selection.Selection(tail=tail)
    try:
        server.log.stat()
        for entries in (log_files.follow if follow else log_files.read)(place, wanted):
            for entry in entries:
                sys.stdout.buffer.write(entry.data)
            sys.stdout.buffer.flush()
    except FileNotFoundError as exc:
        raise errors.Conflict(
            f"cannot print the log of kukeond: there is no {str(server.log)!r}",
            hint=f"start it: sudo kuke{server.option} daemon start",
        ) from exc
    except PermissionError as exc:
        raise errors.Denied(f"cannot read {str(server.log)!r}: {exc.strerror}", hint="use sudo") from exc
    return 0


def no_image(reference: str) -> KukeonError:
    """Return the error for whoever wants kukeond to come out of an image."""
    from kukeon_api import errors

    return errors.Unsupported(
        f"cannot run kukeond from the image {reference!r}: it is an ordinary process of this host",
        hint="leave --kukeond-image away; a newer kukeond comes with: pip install --upgrade kukeon-daemon",
    )


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
    pid = service.pid()
    with terminal.Progress("starting kukeond" if pid is None else "waiting for kukeond"):
        if pid is None:
            service.start()
            return readiness.wait(dial, server, service, log_start=since), True
        _check_paused(server, pid)
        woken = service.wake()
        return readiness.wait(dial, server, service, log_start=since), woken


def _check_paused(server: Server, pid: int) -> None:
    """Raise `Conflict` when what runs cannot answer: it was paused by a signal, and waiting for it is in vain."""
    from kukeon_api import errors
    from kukeon_cli import processes

    for each in (pid, processes.holder(server.pid_file)):
        if each is not None and processes.paused(each):
            raise errors.Conflict(
                f"cannot start kukeond: it runs (pid {each}), but a signal has paused it",
                hint=f"let it go on: sudo kill -CONT {each}; or: sudo kuke{server.option} daemon restart",
            )


def ensure_stopped(service: Service, timeout_s: float) -> str:
    """Stop kukeond and return what it took: `already stopped`, `stopped` or `killed`."""
    from kukeon_cli import terminal

    if service.pid() is None:
        return "already stopped"
    with terminal.Progress("stopping kukeond"):
        return "killed" if service.stop(timeout_s) else "stopped"


def _about_kukeond(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """Return `function` behind a check that --no-daemon was not given, and that whoever changes something is root."""

    @functools.wraps(function)
    def checked(session: Session, /, *arguments: Any, **given: Any) -> Any:
        from kukeon_cli import privilege

        session.require_daemon(f"daemon {name}")
        if name != "logs":
            privilege.require_root(f"daemon {name}", session)
        return function(session, *arguments, **given)

    return checked


def _verb(name: str, *, timeout: bool) -> Callable[[Callable[..., Any]], click.Command]:
    """Return the decorator of a daemon verb: its click command with the options that all of them have."""
    entry = next(entry for entry in tree.DAEMON if entry.name == name)

    def decorate(function: Callable[..., Any]) -> click.Command:
        function = click.pass_obj(_about_kukeond(name, function))
        function = options.server_configuration(function)
        if name != "logs":
            function = options.output()(function)
        if timeout:
            function = click.option(
                "--timeout",
                "timeout_s",
                default="10s",
                envvar=f"KUKE_DAEMON_{name.upper()}_TIMEOUT",
                allow_from_autoenv=False,
                callback=_seconds,
                metavar="DURATION",
                help="How long it may take before it is killed.  [default: 10s]",
            )(function)
        return click.command(name, cls=lazy.Command, help=entry.help)(function)

    return decorate


@_verb("start", timeout=False)
def start_command(session: Session, output: str, **given: Any) -> None:
    from kukeon_cli import service as services

    server = session.server(given, purpose="start kukeond")
    start(server, services.of(server), session.dial, session.output(output))


@_verb("stop", timeout=True)
def stop_command(session: Session, output: str, timeout_s: float, **given: Any) -> None:
    from kukeon_cli import service as services

    server = session.server(given, purpose="stop kukeond")
    stop(server, services.of(server), session.output(output), timeout_s=timeout_s)


@_verb("restart", timeout=True)
def restart_command(session: Session, output: str, timeout_s: float, **given: Any) -> None:
    from kukeon_cli import service as services

    server = session.server(given, purpose="restart kukeond")
    restart(server, services.of(server), session.dial, session.output(output), timeout_s=timeout_s)


@_verb("kill", timeout=False)
def kill_command(session: Session, output: str, **given: Any) -> None:
    from kukeon_cli import service as services

    server = session.server(given, purpose="kill kukeond")
    kill(server, services.of(server), session.output(output))


@_verb("reset", timeout=True)
@click.option("--purge-system", is_flag=True, help="Also remove what belongs to kukeond and no cell needs.")
def reset_command(session: Session, output: str, timeout_s: float, purge_system: bool, **given: Any) -> None:
    from kukeon_cli import service as services
    from kukeon_cli.commands import daemon_reset

    server = session.server(given, purpose="reset kukeond")
    service = services.of(server)
    daemon_reset.reset(server, service, session.output(output), timeout_s=timeout_s, purge_system=purge_system)


@_verb("recreate", timeout=True)
@click.option("--kukeond-image", metavar="REF", help="Refused: kukeond is a process of this host and has no image.")
def recreate_command(session: Session, output: str, timeout_s: float, kukeond_image: str | None, **given: Any) -> None:
    from kukeon_cli import service as services
    from kukeon_cli.commands import daemon_reset

    if kukeond_image:
        raise no_image(kukeond_image)
    server = session.server(given, purpose="recreate kukeond")
    service = services.of(server)
    daemon_reset.recreate(server, service, session.dial, session.output(output), timeout_s=timeout_s)


@click.option("-n", "--tail", type=click.IntRange(min=0), metavar="LINES", help="Only the last lines.  [default: all]")
@click.option("-f", "--follow", is_flag=True, help="Go on as it is written, until Ctrl-C.")
def _logs(session: Session, follow: bool, tail: int | None, **given: Any) -> int:
    from kukeon_cli import service as services

    server = session.server(given, purpose="print the log of kukeond")
    try:
        return logs(server, services.of(server), follow=follow, tail=tail)
    except KeyboardInterrupt:
        if not follow:
            raise
        # Ctrl-C is how following ends.
        return 0


logs_command = _verb("logs", timeout=False)(_logs)

group = lazy.LazyGroup(
    "daemon",
    entries=tree.DAEMON,
    instead={"status": "how kukeond and its host are: kuke status"},
    help="Start, stop and look into kukeond.",
)
