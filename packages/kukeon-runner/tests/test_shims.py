"""What is removed on containerd's word alone is exactly what it may be."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from kukeon_runner.host import shims

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("place", "removed"),
    [
        ("state/io.containerd.runtime.v2.task/n/id", True),
        ("state/io.containerd.runtime.v2.task/n/other", False),
        ("state/io.containerd.runtime.v2.task/m/id", False),
        ("state/elsewhere/n/id", False),
    ],
)
def test_only_the_directory_of_that_container_is_cleared(tmp_path: Path, place: str, removed: bool) -> None:
    directory = tmp_path / place
    directory.mkdir(parents=True)
    shims.clear("/nowhere.sock", "n", "id", f"failed to start shim: mkdir {directory}: file exists")
    assert directory.exists() is not removed


def test_words_without_a_directory_clear_nothing(tmp_path: Path) -> None:
    shims.clear("/nowhere.sock", "n", "id", "something else")
    assert not shims.end("/nowhere.sock", "n", "id")
