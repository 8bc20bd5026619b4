"""`kuke doctor cgroups`: which cgroup is looked at, and how what is found there is told."""

from __future__ import annotations

import enum
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from kukeon_api import model
from kukeon_cli import local

if TYPE_CHECKING:
    from pathlib import Path

    from memory_client import MemoryClient

    from conftest import Kuke


class Status(enum.StrEnum):
    ENABLED = "enabled"
    UNASKED = "needs-delegation"
    DENIED = "permission-denied"


@dataclass(frozen=True)
class Finding:
    controller: str
    status: Status
    detail: str = ""


@dataclass(frozen=True)
class Diagnosis:
    findings: tuple[Finding, ...]
    target: str = "/sys/fs/cgroup"
    mode: str = "v2"
    drained: bool = False
    notes: tuple[str, ...] = ("swap is on",)

    @property
    def troubles(self) -> tuple[Finding, ...]:
        return tuple(finding for finding in self.findings if finding.status is not Status.ENABLED)

    @property
    def well(self) -> bool:
        return not self.troubles or self.drained

    @property
    def fix(self) -> str:
        return 'echo "+io"' if self.troubles else ""


class Doctor:
    """Finds what it is told to find, and remembers what it was asked."""

    def __init__(self) -> None:
        self.found = Diagnosis((Finding("cpu", Status.ENABLED),))
        self.asked: list[tuple[str, str, bool, bool]] = []
        self.root = ""

    def at(self, root: Path) -> Doctor:
        self.root = str(root)
        return self

    def examine(self, group: str = "", *, probe: bool = True, everything: bool = False) -> Diagnosis:
        self.asked.append((self.root, group, probe, everything))
        return self.found


@pytest.fixture
def doctor(monkeypatch: pytest.MonkeyPatch) -> Doctor:
    made = Doctor()
    monkeypatch.setattr(local, "doctor", made.at)
    monkeypatch.setattr(local, "remedy", lambda status: f"what to do about {status}")
    return made


def test_nothing_is_said_when_all_is_well(kuke: Kuke, doctor: Doctor) -> None:
    result = kuke("doctor", "cgroups")
    assert (result.code, result.out, result.err) == (0, "", "")
    assert doctor.asked == [("/sys/fs/cgroup", "", True, False)]
    told = kuke("doctor", "cgroups", "--verbose-status")
    assert told.out.splitlines() == ["cgroups v2 at /sys/fs/cgroup, needed: cpu", "  cpu  enabled"]
    assert told.err == "note: swap is on\n"


@pytest.mark.parametrize(("status", "code"), [(Status.UNASKED, 1), (Status.DENIED, 6)])
def test_what_is_missing_is_told_with_what_to_do(kuke: Kuke, doctor: Doctor, status: Status, code: int) -> None:
    doctor.found = Diagnosis((Finding("cpu", Status.ENABLED), Finding("io", status, "EPERM: not permitted")))
    result = kuke("doctor", "cgroups", "--no-probe", "--root", "/x", "--nested-cgroup-runtime")
    assert result.code == code
    assert result.out.splitlines()[1:] == ["  cpu  enabled", f"  io   {status}  EPERM: not permitted"]
    assert result.err.splitlines() == [f"io: what to do about {status}", 'fix: echo "+io"', "note: swap is on"]
    assert doctor.asked == [("/x", "", False, True)]
    value = json.loads(kuke("doctor", "cgroups", "-o", "json").out)
    assert (value["ok"], value["controllers"][1]["status"], value["fix"]) == (False, str(status), 'echo "+io"')


def test_what_kukeond_mends_itself_is_no_failure(kuke: Kuke, doctor: Doctor) -> None:
    doctor.found = Diagnosis((Finding("io", Status.UNASKED),), drained=True)
    result = kuke("doctor", "cgroups")
    assert result.code == 0
    assert "note: kukeond moves these processes" in result.err


def test_the_cgroup_of_a_resource(kuke: Kuke, doctor: Doctor, memory: MemoryClient) -> None:
    web = model.Ref("default", "default", "default", "web")
    memory.put(web, cgroup_path="/kukeon/default/default/default/web")
    line = ("doctor", "cgroups", "--scope", "cell", "web", "--realm", "default", "--space", "default")
    refused = kuke(*line)
    assert refused.code == 2
    assert "hint: pass --stack\n" in refused.err
    assert kuke(*line, "--stack", "default").code == 0
    assert doctor.asked == [("/sys/fs/cgroup", "/kukeon/default/default/default/web", True, False)]
    assert kuke("doctor", "cgroups", "--scope", "realm", "none").code == 3
    memory.put(model.Ref("bare"), cgroup_path="")
    assert kuke("doctor", "cgroups", "--scope", "realm", "bare").code == 5
    assert kuke("doctor", "cgroups", "web").code == 2
    assert kuke("doctor", "cgroups", "--scope", "realm").code == 2


def test_without_the_runner(kuke: Kuke, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local, "available", lambda: False)
    assert "kukeon-cli[host]" in kuke("doctor", "cgroups").err
