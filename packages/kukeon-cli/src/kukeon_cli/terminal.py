"""What a terminal is told: progress, colour, and never somebody else's control characters."""

from __future__ import annotations

import re
import sys
import threading
import time
from typing import TYPE_CHECKING, Self, TextIO

if TYPE_CHECKING:
    from types import TracebackType

# C0 but tab and newline, DEL, C1, and the marks that reverse the direction of text.
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")

SHOW_AFTER_S = 0.5
"""Work that ends sooner leaves no trace."""
_FRAME_S = 0.1
_FRAMES = "|/-\\"
_COLUMNS = 80

_CUT = "~"

_COLOURS = {
    "Ready": "32",
    "OK": "32",
    "Failed": "31",
    "Error": "31",
    "FAIL": "31",
    "Degraded": "33",
    "Unknown": "33",
    "WARN": "33",
}


def printable(text: str) -> str:
    """Return `text` with control characters spelled out: what a container or a file wrote can't drive the terminal."""
    return _CONTROL.sub(lambda match: match[0].encode("unicode_escape").decode(), text)


def is_terminal(stream: TextIO) -> bool:
    """Tell whether people watch `stream`; a closed or missing one is nobody's."""
    try:
        return stream.isatty()
    except (AttributeError, ValueError):
        return False


def width(stream: TextIO) -> int:
    """Return how many columns the terminal `stream` has, 80 where nobody knows."""
    import os

    try:
        return os.get_terminal_size(stream.fileno()).columns or _COLUMNS
    except (OSError, ValueError):
        return _COLUMNS


def coloured(text: str, word: str, stream: TextIO, environ: dict[str, str] | None = None) -> str:
    """Return `text` in the colour of the state `word`, on a terminal whose owner didn't set NO_COLOR."""
    import os

    values = os.environ if environ is None else environ
    colour = _COLOURS.get(word)
    if colour is None or values.get("NO_COLOR") or values.get("TERM") == "dumb" or not is_terminal(stream):
        return text
    return f"\x1b[{colour}m{text}\x1b[0m"


class Progress:
    """One line on stderr that says what takes so long; only on a terminal, only after half a second, gone at the end.

    `update` may be called from the thread that does the work, as often as it likes.
    """

    def __init__(self, text: str, stream: TextIO | None = None, *, after_s: float = SHOW_AFTER_S) -> None:
        self._stream = sys.stderr if stream is None else stream
        self._text = text
        self._after_s = after_s
        self._done = threading.Event()
        self._drawn = 0
        self._thread: threading.Thread | None = None

    def update(self, text: str) -> None:
        """Say something else from now on."""
        self._text = text

    def __enter__(self) -> Self:
        if is_terminal(self._stream):
            self._thread = threading.Thread(target=self._draw, daemon=True)
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._thread is not None:
            self._done.set()
            self._thread.join()
            self._thread = None

    def _draw(self) -> None:
        if self._done.wait(self._after_s):
            return
        started = time.monotonic()
        while True:
            elapsed = time.monotonic() - started + self._after_s
            frame, ending = _FRAMES[int(elapsed / _FRAME_S) % len(_FRAMES)], f" ({elapsed:.0f} s)"
            # What reaches the last column may go on in the next line, from where nothing leads back.
            room = max(1, width(self._stream) - len(frame) - len(ending) - 2)
            text = printable(self._text)
            line = f"{frame} {text if len(text) <= room else text[: room - 1] + _CUT}{ending}"
            self._stream.write("\r" + line.ljust(self._drawn))
            self._stream.flush()
            self._drawn = len(line)
            if self._done.wait(_FRAME_S):
                break
        self._stream.write("\r" + " " * self._drawn + "\r")
        self._stream.flush()
