"""Programs that say more than anybody reads, and disks that take no more of it: nobody is held up, and it is told."""

import contextlib
import itertools
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from kuketest import manifests, traces
from kuketest.instance import Instance
from kuketest.pseudo_terminal import Terminal, terminal
from kuketest.waiting import until

FLOOD_BYTES = 80_000_000
KEPT_BYTES = 5 * (10 << 20) + (64 << 10)
"""Five files, of which the one that is written may end its line."""
MORE_KB = 4096
"""What kuketty may take for a flood, beyond what it has: buffers, and the interpreter's own."""
DISK_BYTES = 2 << 20
MUCH_BYTES = 400_000
"""More than pipes and buffers take."""

SHELL = "trap 'exit 0' TERM; while read -r line; do eval \"$line\"; done"


@pytest.fixture(scope="module")
def home(new_instance: Callable[..., Instance], image_archive: Path) -> Instance:
    """An instance of these stories: what its kuketty takes is theirs."""
    instance = new_instance()
    instance.start()
    instance.kuke("image", "load", str(image_archive))
    return instance


def kuketty_kb(instance: Instance, what: str) -> int:
    pid = (traces.runtime_directory(instance) / "kuketty.pid").read_text()
    lines = Path(f"/proc/{int(pid)}/status").read_text().splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith(what)))


def directory(instance: Instance, cell: str, container: str = "main") -> Path:
    return instance.run_path / "data/default/default/default" / cell / container


@contextlib.contextmanager
def attached(instance: Instance, cell: str) -> Iterator[Terminal]:
    command = [str(instance.programs / "kuke"), "attach", cell]
    with terminal(command, instance.environment(), str(instance.home)) as screen:
        yield screen


def test_a_flood_with_nobody_attached_holds_up_nobody(home: Instance) -> None:
    flood = f"head -c {FLOOD_BYTES} /dev/zero | tr '\\0' x | fold -w 99; echo over >/over"
    script = f"until [ -e /go ]; do sleep 0.1; done; {flood}; {SHELL}"
    home.apply(manifests.cell("loud", manifests.container("main", script) | {"attachable": True}))
    pid, before = home.task_pid("main", "loud"), kuketty_kb(home, "VmRSS:")
    root = Path(f"/proc/{pid}/root")
    (root / "go").touch()
    until((root / "over").exists, "the program to be done with it", 60)
    assert kuketty_kb(home, "VmHWM:") < before + MORE_KB
    kept = [path.stat().st_size for path in (directory(home, "loud") / "tty").iterdir()]
    assert (10 << 20) < sum(kept) <= KEPT_BYTES
    with attached(home, "loud") as screen:
        screen.shows(b"xxx")
        screen.type(b"echo here-$((1+1))\r")
        screen.shows(b"here-2")
    home.kuke("kill", "cell", "loud")
    home.kuke("delete", "cell", "loud")


def test_a_full_disk_costs_output_and_nothing_else(home: Instance) -> None:
    screen, plain = manifests.container("screen", SHELL) | {"attachable": True}, manifests.container("plain", SHELL)
    plain["args"] = ["-c", "trap 'exit 0' TERM; sleep 3600 & wait $!"]
    home.apply(manifests.cell("full", screen, plain))
    home.kuke("stop", "cell", "full")
    with small_disk(directory(home, "full", "screen")) as shown, small_disk(directory(home, "full", "plain")) as said:
        home.kuke("start", "cell", "full")
        capture, ballast = shown / "tty" / "capture", [fill(shown), fill(said)]
        stdout = Path(f"/proc/{home.task_pid('plain', 'full')}/fd/1")
        with attached(home, "full") as at:
            at.type(f"head -c {MUCH_BYTES} /dev/zero | tr '\\0' x | fold -w 99; echo much-$((1+1))\r".encode())
            at.shows(b"much-2")
            stdout.write_text(("y" * 99 + "\n") * (MUCH_BYTES // 100))
            at.type(b"echo here-$((1+1))\r")
            at.shows(b"here-2")
            assert b"here-2" not in capture.read_bytes()
            assert "No space left on device" in (home.run_path / "kuketty.log").read_text()
            for each in ballast:
                each.unlink()

            def goes_on() -> bool:
                at.type(b"echo again-$((1+1))\r")
                at.shows(b"again-2")
                stdout.write_text("again\n")
                kept = home.kuke("log", "full", "-c", "plain").out
                return b"again-2" in capture.read_bytes() and kept.endswith("again\n")

            until(goes_on, "what is said to be kept again")
        # What is missing is told where it is missing.
        told = home.kuke("log", "full", "-c", "screen").out
        assert "bytes of output are missing here: No space left on device" in told
        told = home.kuke("log", "full", "-c", "plain")
        assert "lines dropped: no space left on device" in told.out + told.err
        home.kuke("kill", "cell", "full")
    home.kuke("delete", "cell", "full")


@contextlib.contextmanager
def small_disk(place: Path) -> Iterator[Path]:
    """A disk of its own, mounted over `place`."""
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES},mode=755", "none", str(place)], check=True)
    try:
        yield place
    finally:
        # kuketty and the logger may still have a file open there.
        subprocess.run(["umount", "--lazy", str(place)], check=True)


def fill(disk: Path) -> Path:
    """Leave not a byte free; the file that takes them."""
    ballast = disk / "ballast"
    with ballast.open("wb", buffering=0) as file, pytest.raises(OSError, match="No space left"):
        file.writelines(itertools.repeat(bytes(4096)))
    return ballast
