"""The key that leaves a terminal: Ctrl-] twice, typed and not pasted. Pure."""

from __future__ import annotations

KEY = 0x1D
"""Ctrl-]."""

_PASTE_BEGINS = b"\x1b[200~"
_PASTE_ENDS = b"\x1b[201~"


class DetachKeys:
    """Looks at what is typed and tells what of it is for the program.

    The first Ctrl-] is held back until the next key, so that a program never sees half of the sequence. Whoever uses
    this calls `release` when nothing came for a moment: a single Ctrl-] is for the program. Terminals mark what is
    pasted where the program asked for that (bracketed paste); there, the key means nothing.
    """

    def __init__(self) -> None:
        self.detached = False
        self.held = False
        """Whether a Ctrl-] is held back."""
        self._pasting = False
        self._matched = 0
        """How many bytes of the mark that is looked for were seen last."""

    def feed(self, typed: bytes) -> bytes:
        """Return what goes to the program. After the two keys `detached` is True and the rest is forgotten."""
        passed = bytearray()
        for byte in typed:
            if byte == KEY and not self._pasting:
                if self.held:
                    self.held, self.detached = False, True
                    break
                self.held = True
                self._matched = 0
                continue
            if self.held:
                passed.append(KEY)
                self.held = False
            passed.append(byte)
            self._look_for_mark(byte)
        return bytes(passed)

    def release(self) -> bytes:
        """Return what was held back, as no second key came."""
        held, self.held = self.held, False
        return bytes((KEY,)) if held else b""

    def _look_for_mark(self, byte: int) -> None:
        mark = _PASTE_ENDS if self._pasting else _PASTE_BEGINS
        if byte == mark[self._matched]:
            self._matched += 1
        else:
            # Escape is only the first byte of a mark, so a failed match can't hide the beginning of another one.
            self._matched = 1 if byte == mark[0] else 0
        if self._matched == len(mark):
            self._pasting = not self._pasting
            self._matched = 0
