"""`kuke uninstall`: who is asked what, and what is told about a host that is cleared, or half of it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from kukeon_api import errors
from kukeon_cli import accounts, local, privilege

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Host, Kuke
    from kukeon_cli.server import Server


class Removal:
    """Removes nothing, and tells of as much as it is told to."""

    def __init__(self) -> None:
        self.rows = [local.Row('realm "default"', "purged"), local.Row("'/run/x'", "removed")]
        self.error: errors.KukeonError | None = None
        self.calls = 0

    def __call__(self, server: Server, told: Callable[[local.Row], object]) -> None:
        self.calls += 1
        for row in self.rows:
            told(row)
        if self.error:
            raise self.error


@pytest.fixture
def removal(monkeypatch: pytest.MonkeyPatch) -> Removal:
    made = Removal()
    monkeypatch.setattr(privilege, "require_root", lambda command, session: None)
    monkeypatch.setattr(local, "uninstall", made)
    return made


@pytest.mark.parametrize(
    ("answers", "goes_on"),
    [
        ("yes\n", True),
        ("y\n", True),
        ("YES\n", True),
        (" Yes \n", True),
        ("no\n", False),
        ("N\n", False),
        ("\n", False),
        ("", False),
        ("perhaps\nyes\n", True),
        ("perhaps\n1\nno\n", False),
        ("perhaps\n", False),
    ],
)
def test_only_a_clear_yes_goes_on(kuke: Kuke, host: Host, removal: Removal, answers: str, goes_on: bool) -> None:
    result = kuke("uninstall", "--run-path", str(host.run_path), stdin=answers.encode())
    assert removal.calls == goes_on
    assert result.code == (0 if goes_on else 5)
    if not goes_on:
        assert "aborted" in result.err
        assert result.out == ""


def test_yes_can_be_said_before(kuke: Kuke, host: Host, removal: Removal) -> None:
    at = ("--run-path", str(host.run_path))
    assert kuke("uninstall", "--yes", *at).code == 0
    assert kuke("uninstall", *at, environ={"KUKE_UNINSTALL_YES": "1"}).code == 0
    assert removal.calls == 2


def test_every_thing_has_a_row(kuke: Kuke, host: Host, removal: Removal) -> None:
    host.initialised().start()
    pid = host.service().pid()
    result = kuke("uninstall", "-y", "--run-path", str(host.run_path))
    assert result.out.splitlines() == [
        f"kuke uninstall: the kukeon at {host.run_path}",
        f"  - kukeond: stopped (pid {pid})",
        '  - realm "default": purged',
        "  - '/run/x': removed",
    ]
    again = json.loads(kuke("uninstall", "-y", "--run-path", str(host.run_path), "-o", "json").out)
    assert again[0] == {"name": "kukeond", "outcome": "absent"}


def test_accounts_that_are_shared_are_told_to_stay(
    kuke: Kuke, host: Host, removal: Removal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(accounts, "group_gid", lambda name="kukeon": 4711)
    (host.run_path / "kukeond.yaml").write_text("spec: {socketGID: 4711}\n")
    line = ("uninstall", "-y", "--run-path", str(host.run_path))
    assert '  - group and user "kukeon": kept: all kukeons of this host share them\n' in kuke(*line).out
    (host.run_path / "kukeond.yaml").write_text("spec: {socketGID: 12}\n")
    assert "group" not in kuke(*line).out


def test_what_was_done_before_something_stayed_is_told(kuke: Kuke, host: Host, removal: Removal) -> None:
    removal.rows = [local.Row('realm "lab"', "FAILED: it stays")]
    removal.error = errors.DeleteRealm("cannot uninstall: containerd still has 'lab.kukeon.io'", hint="see why")
    result = kuke("uninstall", "-y", "--run-path", str(host.run_path))
    assert result.code == 1
    assert '  - realm "lab": FAILED: it stays' in result.out
    assert "Error: cannot uninstall" in result.err
    assert "hint: see why" in result.err
