"""`kukeond serve`: take the run path, set the host up, listen, drain at the end; cells keep running without it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from kukeon_api import errors
from kukeon_daemon import background, belongings, config, listening, logs, notify
from kukeon_daemon.server import Server
from kukeon_daemon.tasks import UNDO_S

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from contextlib import AbstractAsyncContextManager

    from kukeon_runner.options import Options

log = logging.getLogger("kukeond")

# What a running call may still take once the daemon was told to stop; then it is cancelled.
GRACE_S = 10.0


class Report(Protocol):
    """What bootstrap did: rows with `label`, `outcome` and `detail`."""

    @property
    def rows(self) -> tuple[Any, ...]: ...


class Controller(Protocol):
    """What the daemon needs of a controller besides the methods of the wire."""

    async def bootstrap(self) -> Report: ...
    async def reconcile(self) -> None: ...
    async def watch_events(self) -> None: ...
    async def keep_current(self) -> None: ...


class OpenController(Protocol):
    """`kukeon_runner.open_controller`, or a stand-in."""

    def __call__(self, options: Options) -> AbstractAsyncContextManager[Controller]: ...


async def serve(settings: config.Settings, open_controller: OpenController, reload: Callable[[], str]) -> None:
    """Serve until SIGTERM or SIGINT; a second one ends the process at once. SIGHUP sets the level `reload` returns.

    Raises `Conflict` when another kukeond has the run path or the socket, and whatever opening the host raises.
    """
    socket = listening.SocketFile(settings.socket, settings.socket_gid)
    with _Signals(socket, reload) as signals:
        listening.check_run_path(Path(settings.run_path))
        listening.check_path(settings.socket)
        socket.check_free()  # looked at again under the lock; here it spares the host a start in vain
        notify.status("opening")
        try:
            async with open_controller(settings.for_runner()) as controller:
                notify.status("setting the host up")
                _log_bootstrap(await controller.bootstrap())
                await _serve(settings, controller, socket, signals)
        except asyncio.CancelledError:
            if not signals.told:
                raise
            log.info("stopped before the socket was open")


async def _serve(
    settings: config.Settings, controller: Controller, socket: listening.SocketFile, signals: _Signals
) -> None:
    path = settings.socket
    own = {Path(settings.run_path), Path(config.DEFAULT_SOCKET).parent}
    listening.make_directory(path.parent, settings.socket_gid, own)
    with listening.pid_file(listening.pid_path(path)), belongings.run_path(str(settings.run_path)) as lost:
        socket.check_free()
        server = Server(controller, socket)
        work: list[asyncio.Task[Any]] = []
        try:
            await server.start()
            log.info("serving %s", logs.pairs(socket=path, run_path=settings.run_path, pid=os.getpid()))
            notify.ready(f"serving at {path}")
            work += _background(settings, controller, server)
            await _until_over(signals, lost)
        finally:
            notify.stopping()
            for task in work:
                task.cancel()
            if work:
                await asyncio.wait(work, timeout=UNDO_S)
            await server.stop(GRACE_S)
            log.info("stopped; cells keep running")


async def _until_over(signals: _Signals, lost: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Wait until the process is told to stop, or has lost what it serves."""
    over = [
        asyncio.create_task(signals.wait_stop(), name="signals"),
        asyncio.create_task(lost(), name="run path"),
    ]
    try:
        await asyncio.wait(over, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in over:
            task.cancel()


def _background(settings: config.Settings, controller: Controller, server: Server) -> list[asyncio.Task[Any]]:
    """Start what the daemon does on its own; whoever calls this ends it."""
    work: dict[str, Coroutine[Any, Any, Any]] = {
        "events": background.keep_running("following events", controller.watch_events),
        "networks": background.keep_running("keeping networks", controller.keep_current),
        "watchdog": notify.keep_alive(),
    }
    if settings.reconcile_interval_s > 0:
        interval_s = settings.reconcile_interval_s
        work["reconcile"] = background.every(interval_s, "reconcile", controller.reconcile, server.tasks)
    return [asyncio.create_task(each, name=name) for name, each in work.items()]


def _log_bootstrap(report: Report) -> None:
    for row in report.rows:
        wrong = str(row.outcome) in {"missing", "damaged"}
        log.log(logging.WARNING if wrong else logging.INFO, "%s: %s", row.label, f"{row.outcome} {row.detail}".strip())


class _Signals:
    """What the process is told from outside."""

    def __init__(self, socket: listening.SocketFile, reload: Callable[[], str]) -> None:
        self.told = False
        self._socket = socket
        self._reload = reload
        self._stop = asyncio.Event()
        self._main: asyncio.Task[Any] | None = None

    def __enter__(self) -> _Signals:
        loop = asyncio.get_running_loop()
        self._main = asyncio.current_task()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._terminate, number)
        loop.add_signal_handler(signal.SIGHUP, self._hang_up)
        return self

    def __exit__(self, *_: object) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            loop.remove_signal_handler(number)

    async def wait_stop(self) -> None:
        """Wait until the process is told to stop."""
        self._main = None  # from here on it stops in order, not by being cancelled
        await self._stop.wait()

    def _terminate(self, number: signal.Signals) -> None:
        if self.told:
            log.warning("%s again: ending at once, calls in flight are lost", number.name)
            with contextlib.suppress(OSError):
                self._socket.remove()
            os._exit(128 + number)
        log.info("%s: stopping", number.name)
        self.told = True
        self._stop.set()
        if self._main is not None:
            self._main.cancel()

    def _hang_up(self) -> None:
        try:
            level = self._reload()
        except errors.KukeonError as error:
            log.warning("SIGHUP: the settings stay as they are: %s", error)
            return
        logs.set_level(level)
        log.info("SIGHUP: log level is %s", level)
