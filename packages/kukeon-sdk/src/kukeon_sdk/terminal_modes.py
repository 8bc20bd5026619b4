"""What a program has made of the user's terminal, so that leaving it can be made good. Pure."""

from __future__ import annotations

import re

_CHANGE = re.compile(rb"\x1b\[\?([0-9;]{1,40})([hl])|(\x1bc)")
_LONGEST = 44

_USUAL_ON = frozenset({b"7", b"25"})
"""Modes that are set in a fresh terminal: wrapping lines and a visible cursor."""

_OTHER_SCREEN = (b"1049", b"1047", b"47")


class TerminalModes:
    """Follows output for DEC private modes (`ESC [ ? n h` sets and `l` resets) that differ from the usual."""

    def __init__(self) -> None:
        self._changed: set[bytes] = set()
        self._rest = b""

    def feed(self, output: bytes) -> None:
        text = self._rest + output
        end = 0
        for found in _CHANGE.finditer(text):
            end = found.end()
            if found[3]:
                self._changed.clear()
                continue
            for mode in found[1].split(b";"):
                if (found[2] == b"h") is (mode in _USUAL_ON):
                    self._changed.discard(mode)
                else:
                    self._changed.add(mode)
        # A sequence may come in two pieces.
        begun = text.rfind(b"\x1b", max(end, len(text) - _LONGEST))
        self._rest = text[begun:] if begun >= 0 else b""

    def undo(self) -> bytes:
        """What to write to the terminal to have its usual modes again; nothing when it has."""
        if not self._changed:
            return b""
        # The other screen goes last: what is reset before belongs to it.
        modes = sorted(self._changed, key=lambda mode: (mode in _OTHER_SCREEN, mode))
        return b"\x1b[m" + b"".join(b"\x1b[?%b%c" % (each, b"h" if each in _USUAL_ON else b"l") for each in modes)
