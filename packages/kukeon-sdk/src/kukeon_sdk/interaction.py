"""A person at a terminal of this host and a program at one in a container, put together."""

from __future__ import annotations

import contextlib
import enum
import os
import selectors
import signal
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from kukeon_api import errors
from kukeon_sdk import attach, own_terminal
from kukeon_sdk.detach import DetachKeys

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

    from kukeon_api import model
    from kukeon_sdk.client import Client

RECONNECT_S = 10.0
"""How long a connection that was cut off is tried again: kuketty is back in a fraction of a second."""

_RECONNECT_PAUSE_S = 0.05
_KEY_PAUSE_S = 0.5
"""A Ctrl-] that is followed by nothing for so long is for the program."""
_RESIZE_AGAIN_S = 1.0
_LEAVING_S = 1.0
"""How long the program may take for what was typed before somebody leaves."""
_READ_BYTES = 16 * 1024
_MAX_TYPED_BYTES = 64 * 1024
"""What is kept of what is typed while a connection is made anew."""


class How(enum.StrEnum):
    """How an interaction was over."""

    DETACHED = "detached"
    ENDED = "ended"


@dataclass(frozen=True)
class Over:
    how: How
    code: int | None = None
    """The program's exit code, when it ended and that is known."""


class Terminal(Protocol):
    """A container's terminal that somebody is connected with: `attach.Terminal`, or one through kukeond."""

    position: int
    ended: bool
    code: int | None

    def fileno(self) -> int: ...
    def take(self) -> bytes: ...
    def put(self, data: bytes) -> None: ...
    def flush(self) -> bool: ...
    def close(self) -> None: ...


class Connect(Protocol):
    """Makes a connection that begins with recent output, or goes on at `position`; raises what keeps it from that."""

    def __call__(self, position: int | None = None, /) -> Terminal: ...


def at_socket(path: str) -> Connect:
    """The terminal whose socket is at `path` on this host, as `Client.attach_container` tells it."""

    def connect(position: int | None = None, /) -> Terminal:
        return attach.Terminal(path, position=position)

    return connect


def through(client: Client, doc: model.ContainerDoc) -> Connect:
    """The container's terminal through kukeond, wherever that is."""
    from kukeon_sdk.stream_terminal import StreamTerminal

    def connect(position: int | None = None, /) -> Terminal:
        begin = position or 0
        return StreamTerminal(client.attach(doc, position=begin), begin)

    return connect


def first_of(*ways: Connect) -> Connect:
    """The first of these ways that leads to the terminal, and that one again when its connection is cut off.

    Raises what the last one raises.
    """
    chosen: Connect | None = None

    def connect(position: int | None = None, /) -> Terminal:
        nonlocal chosen
        for way in (chosen,) if chosen is not None else ways:
            try:
                terminal = way(position)
            except (errors.Unavailable, errors.Denied):
                if way in (chosen, ways[-1]):
                    raise
            else:
                chosen = way
                return terminal
        raise errors.Invalid("cannot connect: no way is given")

    return connect


def interact(
    connect: Connect,
    keyboard: int,
    screen: int,
    resize: Callable[[int, int], object] | None = None,
    *,
    reconnect_s: float = RECONNECT_S,
) -> Over:
    """Put a container's terminal together with `keyboard` and `screen` until its program ends or somebody leaves it.

    Typing Ctrl-] twice leaves it; so do SIGTERM and SIGHUP, which raise `own_terminal.Left`.

    `keyboard` is raw meanwhile. `resize` is called with rows and columns at first and whenever the window changes, and
    again when it raised a KukeonError; it runs in a thread of its own. A connection that is cut off is made anew, and
    goes on where it was. Raises what `connect` raises when that does not work for `reconnect_s`. Call it in the main
    thread.
    """
    window = _Window(screen, resize)
    # Connecting comes first: what it has to say is for a terminal in order.
    session = _Session(connect, keyboard, window, reconnect_s)
    with (
        contextlib.closing(session),
        own_terminal.leaving(signal.SIGTERM, signal.SIGHUP),
        own_terminal.raw(keyboard),
        own_terminal.Screen(screen) as shown,
        window,
    ):
        return session.run(shown)


class _Window:
    """Follows the size of the window, and has it told."""

    def __init__(self, screen: int, tell: Callable[[int, int], object] | None) -> None:
        self._screen = screen
        self._tell = tell
        self._changed = threading.Event()
        self._over = False
        self._thread = threading.Thread(target=self._follow, name="window size", daemon=True)
        self._before: Callable[[int, FrameType | None], Any] | int | None = None

    def changed(self) -> None:
        self._changed.set()

    def __enter__(self) -> _Window:
        if self._tell is not None:
            self._before = signal.signal(signal.SIGWINCH, lambda _number, _frame: self.changed())
            self._thread.start()
            self.changed()
        return self

    def __exit__(self, *_: object) -> None:
        if self._tell is not None:
            signal.signal(signal.SIGWINCH, self._before)
            self._over = True
            # A call that is under way has a time limit of its own; nobody waits for it.
            self._changed.set()

    def _follow(self) -> None:
        assert self._tell is not None
        patience_s: float | None = None
        while True:
            self._changed.wait(patience_s)
            self._changed.clear()
            if self._over:
                return
            try:
                size = os.get_terminal_size(self._screen)
                self._tell(size.lines, size.columns)
                patience_s = None
            except OSError:
                return
            except errors.KukeonError:
                patience_s = _RESIZE_AGAIN_S


class _Session:
    def __init__(self, connect: Connect, keyboard: int, window: _Window, reconnect_s: float) -> None:
        self.terminal = connect()
        self._connect = connect
        self._keyboard = keyboard
        self._window = window
        self._reconnect_s = reconnect_s
        self._keys = DetachKeys()
        self._typed = bytearray()
        """What is to be passed on."""

    def run(self, screen: own_terminal.Screen) -> Over:
        while True:
            try:
                over = self._turn(screen)
            except errors.Unavailable as lost:
                over = self._reconnect(lost)
            if over is not None:
                return over

    def close(self) -> None:
        self.terminal.close()

    def _turn(self, screen: own_terminal.Screen) -> Over | None:
        with selectors.DefaultSelector() as selector:
            selector.register(self._keyboard, selectors.EVENT_READ)
            selector.register(self.terminal, selectors.EVENT_READ)
            while True:
                # Before waiting: what has come already is not told of again.
                shown = self.terminal.take()
                screen.show(shown)
                if self.terminal.ended:
                    return Over(How.ENDED, self.terminal.code)
                self._pass_on()
                waiting = not self.terminal.flush()
                selector.modify(self.terminal, selectors.EVENT_READ | (selectors.EVENT_WRITE if waiting else 0))
                patience_s = 0 if shown else _KEY_PAUSE_S if self._keys.held else None
                ready = {key.fileobj for key, _ in selector.select(patience_s)}
                if self._keyboard in ready and self._type():
                    self._send_rest()
                    return Over(How.DETACHED)
                if not ready and not shown:
                    self._typed += self._keys.release()

    def _type(self) -> bool:
        """Take what was typed; True when it is time to leave."""
        try:
            typed = os.read(self._keyboard, _READ_BYTES)
        except OSError:
            typed = b""
        passed = self._keys.feed(typed)
        if len(self._typed) < _MAX_TYPED_BYTES:
            self._typed += passed
        # A terminal that is gone types nothing any more.
        return self._keys.detached or not typed

    def _pass_on(self) -> None:
        if self._typed:
            self.terminal.put(bytes(self._typed))
            self._typed.clear()

    def _send_rest(self) -> None:
        """Have sent what was typed right before leaving, unless the program takes no input."""
        self._pass_on()
        deadline = time.monotonic() + _LEAVING_S
        with selectors.DefaultSelector() as selector:
            selector.register(self.terminal, selectors.EVENT_WRITE)
            while not self.terminal.flush():
                if not selector.select(max(0.0, deadline - time.monotonic())):
                    return

    def _reconnect(self, lost: errors.Unavailable) -> Over | None:
        """Connect again where we were; Over when somebody left meanwhile. Raises `lost`, or why it does not work."""
        position = self.terminal.position
        self.terminal.close()
        deadline = time.monotonic() + self._reconnect_s
        while True:
            try:
                self.terminal = self._connect(position)
            except errors.Unavailable:
                if time.monotonic() > deadline:
                    raise lost from None
            else:
                self._window.changed()
                if self.terminal.position != position:
                    # What was typed meanwhile was for the program that was there before.
                    self._typed.clear()
                return None
            with selectors.DefaultSelector() as selector:
                selector.register(self._keyboard, selectors.EVENT_READ)
                if selector.select(_RECONNECT_PAUSE_S) and self._type():
                    return Over(How.DETACHED)
