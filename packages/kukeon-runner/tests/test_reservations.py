"""Ports that several kukeons of one host are about to publish, each in a process of its own."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Any

import pytest

from kukeon_api import ports
from kukeon_runner.host import reservations
from kukeon_runner.host.network import LinuxNetwork

if TYPE_CHECKING:
    from pathlib import Path

HOLD = """
import sys
from kukeon_api import ports
from kukeon_runner.host import reservations
wanted = [ports.parse(text) for text in sys.argv[2:]]
sys.stdin.readline()
got = reservations.reserve(sys.argv[1], wanted)
print(got.clash.place if got.clash else "", flush=True)
sys.stdin.readline()
"""


class Other:
    """Another process that reserves `texts` when it is told to, and holds them until it ends."""

    def __init__(self, path: Path, *texts: str) -> None:
        command = [sys.executable, "-c", HOLD, str(path), *texts]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def go(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def clash(self) -> str:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line.endswith("\n"), "it failed"
        return line.strip()

    def end(self) -> None:
        self.process.kill()
        self.process.communicate()


def test_of_two_processes_at_the_same_instant_one_gets_it(tmp_path: Path) -> None:
    path = tmp_path / "run" / ".claims.lock"
    both = [Other(path, "0.0.0.0:8080:80", "9000:1"), Other(path, "8080:81")]
    try:
        for each in both:
            each.go()
        answers = [each.clash() for each in both]
        assert sorted(map(bool, answers)) == [False, True], answers
        loser, winner = sorted(both, key=lambda each: not answers[both.index(each)])
        winner.end()
        # What a dead process held is free, and the refused one holds nothing.
        after = reservations.reserve(str(path), [ports.parse("0.0.0.0:8080:80"), ports.parse("9000:1")])
        assert after.clash is None
        assert loser.process.poll() is None
        after.release()
    finally:
        for each in both:
            each.end()


@pytest.mark.parametrize(
    ("held", "wanted", "clashes"),
    [
        ("8080:80", "8080:1", True),
        ("8080:80", "127.0.0.2:8080:80", False),
        ("8080:80", "0.0.0.0:8080:80", True),
        ("0.0.0.0:8080:80", "255.255.255.254:8080:80", True),
        ("8080:80", "8080:80/udp", False),
        ("0.0.0.0:8080:80", "0.0.0.0:8081:80", False),
        ("0.0.0.0:65535:80", "0.0.0.0:1:80/udp", False),
        ("0.0.0.0:65535:80/udp", "1.2.3.4:65535:80/udp", True),
    ],
)
def test_two_clash_exactly_when_no_host_can_have_both(tmp_path: Path, held: str, wanted: str, clashes: bool) -> None:
    path, ours, theirs = str(tmp_path / "lock"), ports.parse(held), ports.parse(wanted)
    assert ours.clashes(theirs) is clashes
    first = reservations.reserve(path, [ours])
    second = reservations.reserve(path, [theirs])
    assert second.clash == (theirs if clashes else None)
    for _ in range(2):
        first.release()
        second.release()
    assert reservations.reserve(path, [theirs]).clash is None


async def test_who_is_cut_off_while_reserving_holds_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, wanted = str(tmp_path / ".claims.lock"), [ports.parse("8080:80")]
    network = LinuxNetwork(str(tmp_path), str(tmp_path), "kukeon-test", path)
    reserve = reservations.reserve
    begun, go_on, ended = threading.Event(), threading.Event(), threading.Event()

    def slowly(*asked: Any) -> reservations.Reservation:
        begun.set()
        assert go_on.wait(20)
        try:
            return reserve(*asked)
        finally:
            ended.set()

    monkeypatch.setattr(reservations, "reserve", slowly)
    reserving = asyncio.create_task(network.reserve(wanted))
    assert await asyncio.to_thread(begun.wait, 20)
    reserving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reserving
    go_on.set()
    assert await asyncio.to_thread(ended.wait, 20)
    async with asyncio.timeout(20):
        # What the thread got after all is let go of by nobody but the door itself.
        while (got := reserve(path, wanted)).clash is not None:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.01)
    got.release()
