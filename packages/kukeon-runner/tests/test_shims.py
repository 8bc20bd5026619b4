"""What is removed on containerd's word alone is exactly what it may be."""

from __future__ import annotations

import hashlib
import os
import socket
import tempfile
from pathlib import Path

import pytest

from kukeon_runner.host import shims


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


@pytest.mark.parametrize(
    ("listens", "old", "removed"), [(False, True, True), (False, False, False), (True, True, False)]
)
def test_only_a_socket_that_nobody_listens_at_any_more_is_forgotten(
    monkeypatch: pytest.MonkeyPatch, listens: bool, old: bool, removed: bool
) -> None:
    # Not below the test's own directory: paths of sockets are short.
    with tempfile.TemporaryDirectory(prefix="kt-", dir="/tmp") as directory:
        monkeypatch.setattr(shims, "_SOCKETS", Path(directory))
        path = Path(directory, hashlib.sha256(b"/c.sock/n/s_t_c").hexdigest())
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
            listener.bind(str(path))
            if listens:
                listener.listen()
            if old:
                os.utime(path, (0, 0))
            assert shims.forget_socket("/c.sock", "n", "s_t_c") is removed
            assert path.exists() is not removed
        assert shims.forget_socket("/c.sock", "n", "s_t_other") is False


def test_what_is_no_socket_stays(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(shims, "_SOCKETS", tmp_path)
    path = tmp_path / hashlib.sha256(b"/c.sock/n/s_t_c").hexdigest()
    path.write_text("of somebody else")
    os.utime(path, (0, 0))
    assert shims.forget_socket("/c.sock", "n", "s_t_c") is False
    assert path.exists()
