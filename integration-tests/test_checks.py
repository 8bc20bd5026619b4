"""scripts/test itself: what it says and leaves when somebody ends it, with a tox that does nothing for long."""

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

TOX = """#!/bin/sh
# Called as `tox run -q -e NAME -- ...`.
[ "$4" != lint ] || exec grep SigIgn /proc/self/status
sleep {seconds} &
wait
"""


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
    shutil.copytree(SCRIPTS, tmp_path / "scripts")
    seconds = str(100_000 + secrets.randbelow(900_000))
    tox = tmp_path / ".tox" / f"tools-{sys.version_info.major}.{sys.version_info.minor}" / "bin" / "tox"
    tox.parent.mkdir(parents=True)
    tox.write_text(TOX.format(seconds=seconds))
    tox.chmod(0o755)
    command = [str(tmp_path / "scripts" / "test"), "-e", "lint,imports", *options]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env=os.environ | {"PYTHON": sys.executable}, start_new_session=True
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
