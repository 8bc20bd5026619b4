"""A client without kukeond: a controller on an event loop of its own, behind the methods that every client has.

It knows controllers by what they do; `local` hands it a way to open one.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import os
import threading
import weakref
from typing import TYPE_CHECKING, Any

from kukeon_api import errors
from kukeon_cli import interruption
from kukeon_sdk.calls import Calls
from kukeon_sdk.deadline import Deadline

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
    from concurrent.futures import Future
    from contextlib import AbstractAsyncContextManager

    from kukeon_api.methods import Method

UNDO_S = 30.0
"""What a change that is given up may take to clear away what it had begun; the runner's own undo has a deadline."""

_END = b""


class InProcessClient(Calls):
    """A client that does the work itself, as kukeond would: same results, same errors.

    `opened` returns the context of a controller; its argument tells whether that may change things. Reading opens one
    that may not. A change opens one that may, on the first time, and keeps it (and with it the run path) until
    `close`. Calls may come from any thread. A call that runs out of time, or a Ctrl-C, gives the work up and waits for
    it to be undone: nobody else would go on with it.
    """

    def __init__(self, opened: Callable[[bool], AbstractAsyncContextManager[Any]], run_path: str) -> None:
        self._opened = opened
        self._run_path = run_path
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._closed = False
        self._controllers: dict[bool, Any] = {}
        self._held = contextlib.AsyncExitStack()
        self._opening: asyncio.Lock | None = None
        self._links: weakref.WeakSet[Any] = weakref.WeakSet()
        """Streams that have begun."""

    def __repr__(self) -> str:
        return f"InProcessClient({self._run_path!r})"

    def perform(self, name: str, arguments: dict[str, Any], timeout: float | None) -> Any:
        """Do the method `name` of the controller."""
        from kukeon_api import methods

        method = methods.BY_PYTHON[name]
        # What merely tells what a change would do is a look.
        changes = method.writes and not arguments.get("dry_run")
        if changes and os.geteuid() != 0:
            raise errors.MustRunAsRoot(
                f"cannot change {self._run_path!r} without kukeond: it must run as root",
                hint="use sudo, or leave --no-daemon and --run-path away to go through kukeond",
            )
        if timeout is not None and timeout <= 0:
            raise _timed_out(method, timeout)
        if method.stream:
            return self._stream(method, arguments, timeout)
        feed = _Feed(arguments[method.upload]) if method.upload else None
        accepted = _accepted(method, arguments)
        try:
            return self._wait(method, self._do(method, accepted, feed, changes=changes), timeout)
        except Exception:
            if feed is not None and feed.error is not None:
                raise feed.error from None
            raise

    def _stream(self, method: Method, arguments: dict[str, Any], timeout: float | None) -> Any:
        """Return the items, or the session, of a method that streams; it ends with them, or when time is over."""
        from kukeon_cli import inprocess_streams
        from kukeon_sdk import sessions, streams

        accepted = inprocess_streams.accepted(method, arguments)

        async def generator(asked: AsyncIterator[Any]) -> Any:
            does = getattr(await self._controller(writes=method.writes), method.python, None)
            if does is None:
                raise errors.NotSupportedYet(f"cannot do {method.name}: this version is not able to")
            return does(*(accepted[name] for name, _ in method.params), *([asked] if method.stream == "both" else []))

        link = inprocess_streams.Link(
            self._start, self._give_up, generator, Deadline(timeout), lambda: _timed_out(method, timeout)
        )
        self._links.add(link)
        if method.stream == "server":
            return streams.Stream(inprocess_streams.Items(link))
        return sessions.SESSIONS[method.name](link)

    def close(self) -> None:
        """Let go of the run path and end the event loop. Twice is fine."""
        for link in list(self._links):
            link.cancel()
        with self._lock:
            self._closed = True
            loop, self._loop = self._loop, None
        if loop is None or self._thread is None:
            return
        asyncio.run_coroutine_threadsafe(self._close(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        self._thread.join()

    async def _close(self) -> None:
        current = asyncio.current_task()
        running = [task for task in asyncio.all_tasks() if task is not current and task.get_name() == _TASK]
        for task in running:
            task.cancel()
        if running:
            await asyncio.wait(running, timeout=UNDO_S)
        await self._held.aclose()

    def _wait(self, method: Method, work: Coroutine[Any, Any, Any], timeout: float | None) -> Any:
        future = self._start(work)
        try:
            return future.result(timeout)
        except TimeoutError as exc:
            if future.done():  # the work's own
                raise
            self._give_up(future)
            raise _timed_out(method, timeout) from exc
        except concurrent.futures.CancelledError as exc:
            raise errors.Conflict(f"cannot finish {method.name}: this client was closed") from exc
        except KeyboardInterrupt as exc:
            self._give_up(future)
            raise interruption.Interrupted("what had been begun was undone as far as possible") from exc

    def _give_up(self, future: Future[Any]) -> None:
        """Cancel the work and return when it has undone what it did, or when that takes too long."""
        ended = threading.Event()

        def cancel() -> None:
            task: asyncio.Task[Any] = future.task  # type: ignore[attr-defined] # begun before this on the same loop
            task.add_done_callback(lambda _: ended.set())
            task.cancel()

        with self._lock:
            if self._loop is None:
                return
            self._loop.call_soon_threadsafe(cancel)
        ended.wait(UNDO_S)

    def _start(self, work: Coroutine[Any, Any, Any]) -> Future[Any]:
        """Have `work` begun on the loop; the future that is returned knows its task."""
        from concurrent.futures import Future

        future: Any = Future()

        def begin() -> None:
            future.task = asyncio.get_running_loop().create_task(work, name=_TASK)
            future.task.add_done_callback(lambda task: _settle(future, task))

        with self._lock:
            if self._closed:
                work.close()
                raise errors.Conflict("cannot work: this client is closed")
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                # Not waited for when the process ends without `close`: after a second Ctrl-C nothing is.
                self._thread = threading.Thread(target=_run, args=(self._loop,), name="kuke in-process", daemon=True)
                self._thread.start()
            self._loop.call_soon_threadsafe(begin)
        return future  # type: ignore[no-any-return]

    async def _do(self, method: Method, arguments: dict[str, Any], feed: _Feed | None, *, changes: bool) -> Any:
        controller = await self._controller(writes=changes)
        if feed is not None:
            arguments = {**arguments, method.upload: feed.pieces()}
        does = getattr(controller, method.python, None)
        if does is None:
            raise errors.NotSupportedYet(f"cannot do {method.name}: this version is not able to")
        # By position: what a parameter is called is the controller's own business.
        result = await does(*(arguments[name] for name, _ in method.params))
        return tuple(result) if method.listed else result

    async def _controller(self, *, writes: bool) -> Any:
        """Return an open controller, the one that may change things once there is one."""
        if self._opening is None:
            self._opening = asyncio.Lock()
        async with self._opening:
            if True in self._controllers:
                return self._controllers[True]
            if writes not in self._controllers:
                try:
                    controller = await self._held.enter_async_context(self._opened(writes))
                except errors.RunPathLocked as exc:
                    raise type(exc)(exc.message, kind=exc.kind, hint=_through_daemon(self._run_path)) from exc
                if writes:
                    await controller.bootstrap()
                self._controllers[writes] = controller
            return self._controllers[writes]


_TASK = "kuke in-process call"


def _run(loop: asyncio.AbstractEventLoop) -> None:
    asyncio.set_event_loop(loop)
    try:
        loop.run_forever()
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.run_until_complete(loop.shutdown_default_executor())
    finally:
        loop.close()


def _settle(future: Any, task: asyncio.Task[Any]) -> None:
    """Hand over what became of the work, unless nobody waits for it any more."""
    if task.cancelled():
        future.cancel()
        return
    error = task.exception()
    if error is not None:
        future.set_exception(error)
    else:
        future.set_result(task.result())


def _accepted(method: Method, arguments: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments as they arrive at kukeond: checked and completed by the wire, which is one check for all."""
    from kukeon_api import calls

    pack = calls.first_chunk if method.upload else calls.pack_args
    return calls.unpack_args(method, pack(method, arguments))


def _through_daemon(run_path: str) -> str:
    from kukeon_cli import settings

    if run_path == settings.DEFAULT_RUN_PATH:
        way = "leave --no-daemon and --run-path away to go through kukeond"
    else:
        way = f"go through kukeond: pass --host unix://{settings.socket_of(run_path)} instead"
    return f"{way}, or stop it first: sudo kuke{settings.option(run_path)} daemon stop"


def _timed_out(method: Method, timeout_s: float | None) -> errors.TimedOut:
    return errors.TimedOut(
        f"cannot finish {method.name}: not done within {timeout_s:g} s",
        hint="what had been begun was undone as far as possible; allow more time",
    )


class _Feed:
    """An image archive on its way to the loop, read on threads of its own; remembers what reading raised."""

    def __init__(self, tarball: Any) -> None:
        from kukeon_sdk import chunks

        self.error: Exception | None = None
        self._pieces: Iterator[bytes] = chunks.pieces(tarball)

    async def pieces(self) -> AsyncIterator[bytes]:
        """Yield the archive piece by piece."""
        while piece := await asyncio.to_thread(self._next):
            yield piece

    def _next(self) -> bytes:
        try:
            return next(self._pieces, _END)
        except Exception as exc:
            self.error = exc
            raise
