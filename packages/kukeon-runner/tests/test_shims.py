"""What is removed on containerd's word alone is exactly what it may be."""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from kukeon_runner import native
from kukeon_runner.host import shims

if TYPE_CHECKING:
    from collections.abc import Callable


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
    half_removed = directory.with_name(f".{directory.name}")
    half_removed.mkdir()
    shims.clear("/nowhere.sock", "n", "id", f"failed to start shim: mkdir {directory}: file exists")
    assert directory.exists() is not removed
    assert half_removed.exists() is not removed


def test_what_a_runtime_says_of_the_files_of_a_container_clears_nothing(tmp_path: Path) -> None:
    directory = tmp_path / "rootfs" / "io.containerd.runtime.v2.task" / "n" / "id"
    directory.mkdir(parents=True)
    words = f"failed to create shim task: OCI runtime create failed: runc create failed: mkdir {directory}: file exists"
    shims.clear("/nowhere.sock", "n", "id", words)
    assert directory.exists()


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


@pytest.mark.parametrize(("does", "stays"), [("sleep 1000", True), ("exit 0", False)])
def test_a_shim_below_which_a_program_runs_is_not_empty(tmp_path: Path, does: str, stays: bool) -> None:
    bundle = tmp_path / "io.containerd.runtime.v2.task" / "n" / "s_t_c_main"
    bundle.mkdir(parents=True)
    (bundle / "address").write_text("unix:///one")
    # A shell whose command line, after its first two words, is that of a shim.
    words = ["containerd-shim-runc-v2", "-c", f"{does} & echo $! >pid; mv pid init.pid; read wait"]
    options = ["-namespace", "n", "-id", "s_t_c", "-address", str(tmp_path / "c.sock")]
    with subprocess.Popen(words + options, executable="/bin/sh", cwd=bundle, stdin=subprocess.PIPE) as shim:
        try:
            wait_until(lambda: (bundle / "init.pid").exists())
            program = int((bundle / "init.pid").read_text())
            if not stays:
                wait_until(lambda: not Path(f"/proc/{program}/exe").exists())
            assert shims.end_empty(str(tmp_path / "other.sock"), "n", ()) == frozenset()
            assert shim.poll() is None
            slow = shims.end_empty(str(tmp_path / "c.sock"), "n", ())
            assert slow == (frozenset({"s_t_c_main"}) if stays else frozenset())
            assert bundle.exists() is stays
            if stays:
                assert shim.poll() is None
                os.kill(program, signal.SIGKILL)
            else:
                assert shim.wait(20) == -signal.SIGKILL
        finally:
            shim.kill()


CALLING_ITSELF = """
import os, sys
os.chroot(sys.argv[1])
os.chdir("/")
os.execv("/pause", sys.argv[2:])
"""


@pytest.mark.kernel
def test_a_process_in_a_container_is_no_shim_whatever_it_calls_itself(tmp_path: Path) -> None:
    """Its directory would be taken for that of containers, and removed; and it would be ended in a shim's place."""
    shutil.copy(native.path("kukepause"), tmp_path / "pause")
    words = ["containerd-shim-runc-v2", "-namespace", "n", "-id", "s_t_c", "-address", "/c.sock"]
    with subprocess.Popen([sys.executable, "-c", CALLING_ITSELF, str(tmp_path), *words]) as process:
        try:
            wait_until(lambda: Path(f"/proc/{process.pid}/cmdline").read_bytes().startswith(b"containerd-shim"))
            assert not shims.end("/c.sock", "n", "s_t_c")
            assert shims.end_empty("/c.sock", "n", ()) == frozenset()
            assert shims.sweep("/c.sock", lambda _: True) == 0
            assert process.poll() is None
        finally:
            process.kill()


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)
