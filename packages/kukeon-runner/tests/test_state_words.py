"""How ends and errors are put into words beside a state."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kukeon_api import endings, errors
from kukeon_runner import derive


@pytest.mark.parametrize(
    ("code", "name"), [(0, ""), (1, ""), (128, ""), (129, "SIGHUP"), (137, "SIGKILL"), (143, "SIGTERM"), (255, "")]
)
def test_signals_by_exit_code(code: int, name: str) -> None:
    assert endings.signal_name(code) == name


class TestOneLine:
    def test_short_words_stay(self) -> None:
        assert derive.one_line(errors.HostError("cannot do it")) == "cannot do it"

    def test_lines_are_joined(self) -> None:
        assert derive.one_line(errors.HostError("a\n  b\tc\n")) == "a b c"

    @given(st.text(max_size=400))
    def test_never_more_than_256_bytes_nor_half_a_character(self, text: str) -> None:
        line = derive.one_line(ValueError(text))
        assert len(line.encode()) <= 256
        whole = " ".join(text.split())
        assert line == whole or whole.startswith(line.removesuffix("..."))

    def test_a_character_is_not_cut(self) -> None:
        line = derive.one_line(ValueError("ü" * 200))
        assert line == "ü" * 126 + "..."
