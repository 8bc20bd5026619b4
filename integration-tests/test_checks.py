"""scripts/test itself, with a tox that checks nothing: what runs beside what, and what is left when it is ended."""

import os
import secrets
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from kuketest.waiting import until

SCRIPTS = Path(__file__).resolve().parent.parent / "scripts"

ENVIRONMENT = {"PYTHON": sys.executable}

CALLED = """#!/bin/sh
# As `tox run -q -e NAME -- ...`.
"""

WAITS = """
[ "$4" != lint ] || exec grep SigIgn /proc/self/status
sleep {seconds} &
wait
"""

NOTES = """
echo "$4 began" >>{notes}
case $4 in vm) sign='kernel ended' ;; kernel) sign='vm began' ;; *) sign='host began' ;; esac
for turn in $(seq 200); do grep -q "$sign" {notes} && break; sleep 0.1; done
echo "$4 ended" >>{notes}
"""
"""The virtual machine and the kernel's tests wait for each other, for a while."""


def checks(place: Path, tox: str) -> Path:
    """A copy of the script that calls what `tox` says instead of the program."""
    shutil.copytree(SCRIPTS, place / "scripts")
    program = place / ".tox" / f"tools-{sys.version_info.major}.{sys.version_info.minor}" / "bin" / "tox"
    program.parent.mkdir(parents=True)
    program.write_text(CALLED + tox)
    program.chmod(0o755)
    return place / "scripts" / "test"


def sleepers(seconds: str) -> list[str]:
    """The processes that sleep for so long."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().split(b"\0")
        except (FileNotFoundError, ProcessLookupError):
            continue
        if words[:2] == [b"sleep", seconds.encode()]:
            found.append(path.parent.name)
    return found


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("options", [(), ("-v",)])
def test_what_was_found_before_the_end_is_told_and_nothing_goes_on(
    tmp_path: Path, number: signal.Signals, options: tuple[str, ...]
) -> None:
    seconds = str(100_000 + secrets.randbelow(900_000))
    command = [str(checks(tmp_path, WAITS.format(seconds=seconds))), "-e", "lint,imports", *options]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env=os.environ | ENVIRONMENT, start_new_session=True
    ) as running:
        until(lambda: sleepers(seconds), "the second check to be under way")
        running.send_signal(number)
        out, _ = running.communicate(timeout=60)
    until(lambda: not sleepers(seconds), "what it started to end")
    assert running.returncode == 1
    assert "failed: ended before the rest" in out
    assert out.splitlines()[-1] == "1 passed, 1 failed"
    # What checks are told with Ctrl-C, and what they tell their programs with it, must be heard.
    ignored = int((tmp_path / ".tox" / "log" / "lint.log").read_text().split()[-1], 16)
    assert not ignored & (1 << (signal.SIGINT - 1))


def test_the_virtual_machine_runs_beside_what_needs_no_containerd(tmp_path: Path) -> None:
    notes = tmp_path / "notes"
    command = [str(checks(tmp_path, NOTES.format(notes=notes))), "-e", "kernel,host,vm"]
    processors = tmp_path / "programs" / "nproc"
    processors.parent.mkdir()
    processors.write_text("#!/bin/sh\necho 2\n")
    processors.chmod(0o755)
    environment = os.environ | ENVIRONMENT | {"PATH": f"{processors.parent}:{os.environ['PATH']}"}
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, env=environment, check=False)
    assert done.returncode == 0, done
    happened = notes.read_text().splitlines()
    assert set(happened[:2]) == {"vm began", "kernel began"}
    assert happened[2:] == ["kernel ended", "vm ended", "host began", "host ended"]
    assert done.stdout.splitlines()[-1] == "3 passed, 0 failed"
