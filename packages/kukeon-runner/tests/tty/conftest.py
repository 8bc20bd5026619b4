from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from kuketty_process import Kuketty, Shim, kuketty

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture
def tty(tmp_path: Path) -> Iterator[Kuketty]:
    with kuketty(tmp_path) as made:
        yield made


@pytest.fixture
def shim() -> Iterator[Callable[..., Shim]]:
    """Makes shims and ends their programs."""
    made: list[Shim] = []

    def make(opened: dict[str, str], *command: str) -> Shim:
        made.append(Shim(opened, *command))
        return made[-1]

    yield make
    for each in made:
        each.end()
