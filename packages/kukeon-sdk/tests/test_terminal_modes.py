from __future__ import annotations

import pytest

from kukeon_sdk.terminal_modes import TerminalModes


@pytest.mark.parametrize(
    ("shown", "undone"),
    [
        (b"plain text\r\n", b""),
        (b"\x1b[?1049h\x1b[?2004h", b"\x1b[m\x1b[?2004l\x1b[?1049l"),
        (b"\x1b[?1049h\x1b[?1049l", b""),
        (b"\x1b[?25l", b"\x1b[m\x1b[?25h"),
        (b"\x1b[?25l\x1b[?25h\x1b[?7h", b""),
        (b"\x1b[?1000;1006h", b"\x1b[m\x1b[?1000l\x1b[?1006l"),
        (b"\x1b[?1000h\x1bc", b""),
        (b"\x1b[?" + b"1" * 100 + b"h", b""),
    ],
)
def test_what_was_changed_is_undone(shown: bytes, undone: bytes) -> None:
    for cut in range(len(shown)):
        modes = TerminalModes()
        modes.feed(shown[:cut])
        modes.feed(shown[cut:])
        assert modes.undo() == undone
