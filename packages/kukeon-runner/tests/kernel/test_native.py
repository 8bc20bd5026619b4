"""The native programs: the root process of a cell, and how both programs come to be."""

import os
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from kukeon_api import errors
from kukeon_runner import native, native_build

DEADLINE_S = 20.0


@pytest.fixture
def pause() -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen([native.path("kukepause")])
    yield process
    process.kill()
    process.wait()


def wait_for_sleep(pid: int) -> None:
    """Wait until the process has blocked its signals and sleeps: before that a signal meets the default."""
    deadline = time.monotonic() + DEADLINE_S
    while not blocked_hup(pid):
        assert time.monotonic() < deadline
        time.sleep(0.001)


def blocked_hup(pid: int) -> bool:
    line = next(line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("SigBlk"))
    return bool(int(line.split()[1], 16) & 1)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_pause_ends_well_when_told(pause: subprocess.Popen[bytes], number: signal.Signals) -> None:
    wait_for_sleep(pause.pid)
    pause.send_signal(number)
    assert pause.wait(DEADLINE_S) == 0


def test_pause_sleeps_through_other_signals(pause: subprocess.Popen[bytes]) -> None:
    wait_for_sleep(pause.pid)
    for number in (signal.SIGHUP, signal.SIGCHLD, signal.SIGCONT):
        pause.send_signal(number)
    with pytest.raises(subprocess.TimeoutExpired):
        pause.wait(0.1)
    assert int(Path(f"/proc/{pause.pid}/stat").read_text().rsplit(")", 1)[1].split()[11]) < 5, "it burns cpu"


@pytest.mark.kernel
def test_pause_reaps_orphans_as_init(tmp_path: Path) -> None:
    # A shell as pid 1 leaves a child behind and becomes kukepause: the child's parent is now kukepause.
    script = f"(exec sleep 0.05) & exec {native.path('kukepause')}"
    process = subprocess.Popen(["unshare", "--pid", "--fork", "--kill-child", "sh", "-c", script])
    try:
        deadline = time.monotonic() + DEADLINE_S
        while not (init := children(process.pid)) or command(init[0]) != "kukepause":
            assert time.monotonic() < deadline
            time.sleep(0.001)
        while children(init[0]):
            assert time.monotonic() < deadline, "a zombie is left"
            time.sleep(0.005)
        os.kill(init[0], signal.SIGTERM)
        assert process.wait(DEADLINE_S) == 0
    finally:
        process.kill()
        process.wait()


def children(pid: int) -> list[int]:
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def command(pid: int) -> str:
    return Path(f"/proc/{pid}/comm").read_text().strip()


def test_programs_need_no_library_and_are_small() -> None:
    if not native_build.standalone(native_build.machine()):
        pytest.skip(f"on {native_build.machine()} the programs carry a C library")
    assert native.path("kukepause").stat().st_size < 4096
    assert native.path("kukelog").stat().st_size < 16384
    for program in ("kukepause", "kukelog"):
        image = native.path(program).read_bytes()
        assert b"ld-linux" not in image
        assert b"ld-musl" not in image


class TestOnDemand:
    """A source tree without built programs."""

    @pytest.fixture
    def built(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        sources = Path(__file__).resolve().parents[2] / "src" / "kukeon_runner" / "native"
        shutil.copytree(sources, tmp_path / "native")
        monkeypatch.setattr(native_build, "SOURCES", tmp_path / "native")
        monkeypatch.setattr(native, "_BUILT", tmp_path / "built")
        return tmp_path / "built"

    def test_builds_when_asked_for_and_when_a_source_is_newer(self, built: Path) -> None:
        program = native.path("kukepause")
        assert program.is_relative_to(built)
        first = program.stat()
        assert native.path("kukepause").stat().st_ino == first.st_ino
        later = time.time_ns() + 10**9
        os.utime(native_build.SOURCES / "sys.h", ns=(later, later))
        os.utime(program, ns=(later - 1, later - 1))
        assert native.path("kukepause").stat().st_ino != first.st_ino
        assert [path.name for path in program.parent.iterdir()] == ["kukepause"]

    def test_several_at_once_get_a_whole_program_each(self, built: Path) -> None:
        outcomes: list[int] = []

        def use() -> None:
            process = subprocess.Popen([native.path("kukepause")])
            wait_for_sleep(process.pid)
            process.terminate()
            outcomes.append(process.wait(DEADLINE_S))

        threads = [threading.Thread(target=use) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert outcomes == [0] * 4

    def test_without_a_compiler_it_says_what_to_install(self, built: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("PATH", "/nonexistent")
        monkeypatch.delenv("CC", raising=False)
        with pytest.raises(errors.HostError, match="no C compiler") as caught:
            native.path("kukelog")
        assert "apt install gcc" in caught.value.hint

    def test_a_compiler_that_fails_is_quoted(self, built: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (native_build.SOURCES / "pause.c").write_text("#error no such luck\n")
        with pytest.raises(errors.HostError, match="no such luck"):
            native.path("kukepause")
        assert list((built / native_build.machine()).iterdir()) == []

    def test_without_sources_it_names_them(self, built: Path) -> None:
        (native_build.SOURCES / "logger.c").unlink()
        with pytest.raises(errors.HostError, match=r"logger\.c is not here"):
            native.path("kukelog")

    def test_the_build_with_a_c_library_works_too(self, built: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(native_build, "STANDALONE_MACHINES", ())
        process = subprocess.Popen([native.path("kukepause")])
        wait_for_sleep(process.pid)
        process.terminate()
        assert process.wait(DEADLINE_S) == 0
