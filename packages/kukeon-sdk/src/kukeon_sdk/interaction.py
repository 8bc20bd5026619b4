"""A person at a terminal of this host and a program at one in a container, put together."""

from __future__ import annotations

import contextlib
import enum
import os
import selectors
import signal
import termios
import threading
import time
import tty
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kukeon_api import errors
from kukeon_sdk.attach import Terminal
from kukeon_sdk.detach import DetachKeys
from kukeon_sdk.terminal_modes import TerminalModes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

RECONNECT_S = 10.0
"""How long a connection that was cut off is tried again: kuketty is back in a fraction of a second."""

_RECONNECT_PAUSE_S = 0.05
_KEY_PAUSE_S = 0.5
"""A Ctrl-] that is followed by nothing for so long is for the program."""
_RESIZE_AGAIN_S = 1.0
_READ_BYTES = 16 * 1024


class How(enum.StrEnum):
    """How an interaction was over."""

    DETACHED = "detached"
    ENDED = "ended"


@dataclass(frozen=True)
class Over:
    how: How
    code: int | None = None
    """The program's exit code, when it ended and that is known."""


@contextlib.contextmanager
def raw(fd: int) -> Iterator[None]:
    """Have the terminal `fd` pass every key on; as it was before at the end, also when a signal ends us.

    SIGTERM and SIGHUP raise SystemExit inside. Call it in the main thread. Raises `Invalid` for what is no terminal.
    """
    try:
        before = termios.tcgetattr(fd)
    except termios.error as error:
        raise errors.Invalid("cannot use the keyboard: this is not a terminal") from error

    def leave(number: int, frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    handlers = {number: signal.signal(number, leave) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        tty.setraw(fd, termios.TCSADRAIN)
        yield
    finally:
        # The terminal itself may be gone.
        with contextlib.suppress(termios.error):
            termios.tcsetattr(fd, termios.TCSANOW, before)
        for number, handler in handlers.items():
            signal.signal(number, handler)


def interact(
    path: str,
    keyboard: int,
    screen: int,
    resize: Callable[[int, int], object] | None = None,
    *,
    reconnect_s: float = RECONNECT_S,
) -> Over:
    """Connect the terminal at `path` with `keyboard` and `screen` until the program ends or Ctrl-] was typed twice.

    `keyboard` is raw meanwhile. `resize` is called with rows and columns at first and whenever the window changes, and
    again when it raised a KukeonError; it runs in a thread of its own. A connection that is cut off is made anew, and
    goes on where it was. Raises what `Terminal` raises when that does not work for `reconnect_s`.
    """
    window = _Window(screen, resize)
    # Connecting comes first: what it has to say is for a terminal in order.
    session = _Session(Terminal(path), keyboard, screen, window, reconnect_s)
    with contextlib.closing(session), raw(keyboard), window:
        return session.run()


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
    def __init__(self, terminal: Terminal, keyboard: int, screen: int, window: _Window, reconnect_s: float) -> None:
        self.terminal = terminal
        self._keyboard = keyboard
        self._screen = screen
        self._modes = TerminalModes()
        self._window = window
        self._reconnect_s = reconnect_s
        self._keys = DetachKeys()

    def run(self) -> Over:
        try:
            while True:
                try:
                    over = self._turn()
                except errors.Unavailable as lost:
                    over = self._reconnect(lost)
                if over is not None:
                    return over
        finally:
            # The screen itself may be gone.
            with contextlib.suppress(OSError):
                os.write(self._screen, self._modes.undo())

    def close(self) -> None:
        self.terminal.close()

    def _turn(self) -> Over | None:
        with selectors.DefaultSelector() as selector:
            selector.register(self._keyboard, selectors.EVENT_READ)
            selector.register(self.terminal, selectors.EVENT_READ)
            while True:
                # Before waiting: what has come already is not told of again.
                shown = self.terminal.take()
                self._show(shown)
                if self.terminal.ended:
                    return Over(How.ENDED, self.terminal.code)
                waiting = not self.terminal.flush()
                selector.modify(self.terminal, selectors.EVENT_READ | (selectors.EVENT_WRITE if waiting else 0))
                patience_s = 0 if shown else _KEY_PAUSE_S if self._keys.held else None
                ready = {key.fileobj for key, _ in selector.select(patience_s)}
                if self._keyboard in ready and self._type():
                    return Over(How.DETACHED)
                if not ready and not shown:
                    self.terminal.put(self._keys.release())

    def _type(self, *, pass_on: bool = True) -> bool:
        """Pass on what was typed; True when it is time to leave."""
        try:
            typed = os.read(self._keyboard, _READ_BYTES)
        except OSError:
            typed = b""
        passed = self._keys.feed(typed)
        if pass_on:
            self.terminal.put(passed)
        # A terminal that is gone types nothing any more.
        return self._keys.detached or not typed

    def _show(self, shown: bytes) -> None:
        self._modes.feed(shown)
        rest = memoryview(shown)
        while rest:
            rest = rest[os.write(self._screen, rest) :]

    def _reconnect(self, lost: errors.Unavailable) -> Over | None:
        """Connect again where we were; Over when somebody left meanwhile. Raises `lost`, or why it does not work."""
        position = self.terminal.position
        self.terminal.close()
        deadline = time.monotonic() + self._reconnect_s
        while True:
            try:
                self.terminal = Terminal(self.terminal.path, position=position)
            except errors.Unavailable:
                if time.monotonic() > deadline:
                    raise lost from None
            else:
                self._window.changed()
                return None
            with selectors.DefaultSelector() as selector:
                selector.register(self._keyboard, selectors.EVENT_READ)
                # What is typed while nobody is there is not for whoever comes.
                if selector.select(_RECONNECT_PAUSE_S) and self._type(pass_on=False):
                    return Over(How.DETACHED)
