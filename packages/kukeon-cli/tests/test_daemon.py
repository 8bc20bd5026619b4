"""kukeond's process: started, found, stopped; with a real process that behaves like it."""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml

from kukeon_api import errors
from kukeon_cli import accounts, configuration, privilege, processes, readiness, server, service
from kukeon_cli.commands import daemon, init
from kukeon_cli.output import Format

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Host, Kuke


def test_start_and_stop_say_what_they_did_and_can_be_repeated(host: Host) -> None:
    host.initialised()
    assert host.stop() == "kukeond is already stopped\n"
    assert host.start() == f"kukeond started (pid 4711, unix://{host.run_path}/kukeond.sock)\n"
    pid = host.service().pid()
    assert pid is not None
    assert host.start() == f"kukeond is already running (pid 4711, unix://{host.run_path}/kukeond.sock)\n"
    assert host.service().pid() == pid
    assert host.stop() == "kukeond stopped; cells keep running\n"
    assert host.service().pid() is None
    assert host.stop() == "kukeond is already stopped\n"


def test_one_that_waits_for_its_next_start_is_started_now(
    host: Host, until: Callable[[Callable[[], bool]], None]
) -> None:
    host.initialised().behave("wait")
    service = host.service()
    service.start()
    until(lambda: service.pid() is not None)
    assert host.start().startswith("kukeond started (pid ")
    assert host.start().startswith("kukeond is already running (pid ")
    host.stop()


def test_it_has_a_session_of_its_own(host: Host) -> None:
    host.initialised().start()
    pid = host.service().pid()
    assert pid is not None
    assert os.getsid(pid) == pid


def test_restart(host: Host) -> None:
    host.initialised()
    daemon.restart(host.server, host.service(), host.dial, host.out(), timeout_s=20)
    assert host.stream.getvalue().splitlines()[0] == "kukeond was already stopped"
    first = host.service().pid()
    daemon.restart(host.server, host.service(), host.dial, host.out(Format.JSON), timeout_s=20)
    assert json.loads(host.stream.getvalue())["action"] == "restarted"
    assert host.service().pid() not in (None, first)


def test_one_that_does_not_stop_is_killed(host: Host) -> None:
    host.initialised().behave("stubborn")
    host.start()
    assert host.stop(timeout_s=0.2) == "kukeond force-killed after 0.2s grace period expired; cells keep running\n"
    assert host.service().pid() is None


def test_a_pid_file_left_behind_kills_nobody(host: Host) -> None:
    host.initialised()
    with subprocess.Popen(["/bin/cat"], stdin=subprocess.PIPE) as bystander:
        host.server.supervisor_pid_file.write_text(f"{bystander.pid}\n")
        assert host.stop() == "kukeond is already stopped\n"
        assert bystander.poll() is None
    assert host.start().startswith("kukeond started")


@pytest.mark.parametrize("text", ["", "4194304000\n", "no pid"])
def test_looking_for_it_never_holds_up_one_that_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    def refuse(*arguments: object) -> None:
        raise AssertionError("the lock was tried")

    (tmp_path / "pid").write_text(text)
    monkeypatch.setattr(fcntl, "flock", refuse)
    assert processes.holder(tmp_path / "pid") is None
    assert processes.holder(tmp_path / "none") is None


def test_one_that_gives_up_is_reported_with_its_words(host: Host) -> None:
    host.initialised().behave("fail")
    with pytest.raises(errors.HostError, match="cannot start kukeond: cannot start: the host refuses") as caught:
        host.start()
    assert caught.value.hint == f"see more with: kuke --run-path {host.run_path} daemon logs"


def test_one_that_never_answers_is_reported_with_its_log(host: Host) -> None:
    host.initialised().behave("hang")
    (host.run_path / "kukeond.log").write_text("INFO an older story\n")
    since = readiness.size_of(host.server.log)
    supervised = host.service()
    supervised.start()
    with pytest.raises(errors.HostError, match="did not answer") as caught:
        readiness.wait(host.dial, host.server, supervised, log_start=since, deadline_s=1.0)
    assert "INFO serving with" in caught.value.message
    assert "older story" not in caught.value.message


def test_without_init_every_verb_points_to_it(kuke: Kuke, host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(privilege, "require_root", lambda command, server: None)
    for verb in ("start", "stop", "kill", "restart", "recreate", "logs"):
        result = kuke("daemon", verb, "--run-path", str(host.run_path))
        assert result.code == 5
        assert f"hint: set it up: sudo kuke --run-path {host.run_path} init" in result.err


def test_logs_work_when_it_is_down(kuke: Kuke, host: Host) -> None:
    host.initialised()
    assert kuke("daemon", "logs", "--run-path", str(host.run_path)).code == 5
    (host.run_path / "kukeond.log.1").write_text("first\n")
    (host.run_path / "kukeond.log").write_text("second\n")
    result = kuke("daemon", "logs", "--run-path", str(host.run_path))
    assert (result.code, result.out) == (0, "first\nsecond\n")


def test_changes_need_root(kuke: Kuke, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    verbs = ("start", "stop", "kill", "restart", "recreate", "reset")
    for line in (("init",), ("uninstall", "-y"), *(("daemon", verb) for verb in verbs)):
        result = kuke(*line)
        assert result.code == 6
        assert "it must run as root" in result.err
        assert f"hint: sudo kuke {line[0]}" in result.err


def test_which_kukeond(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    named = service.find_program({service.PROGRAM_VARIABLE: "/x/kukeond"})
    assert named == Path("/x/kukeond")
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    monkeypatch.setattr(sys, "argv", [str(tmp_path / "kuke")])
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    with pytest.raises(errors.Unavailable, match="cannot start kukeond"):
        service.find_program({})
    (tmp_path / "bin").mkdir()
    for place in (tmp_path / "bin" / "kukeond", tmp_path / "kukeond"):
        place.write_text("")
        place.chmod(0o755)
        assert service.find_program({}) == place


# init, as far as it goes without root


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave what needs root to kukeond."""
    monkeypatch.setattr("kukeon_cli.local.available", lambda: False)


def initialise(host: Host, given: dict[str, str | None] | None = None, *, wait: bool = True) -> init.Report:
    resolved = server.resolve({"run_path": str(host.run_path)}, given or {}, {"KUKEOND_PROGRAM": str(host.program)})
    return init.init(resolved, host.dial, account=False, wait=wait, progress=lambda text: None)


@pytest.mark.usefixtures("elsewhere")
def test_init_writes_settings_starts_and_reports(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUKEOND_PROGRAM", str(host.program))
    report = initialise(host, {"cgroup_root": "/other", "containerd": "embedded", "log_max_files": "7"})
    lines = report.lines()
    assert lines[:4] == [
        "Initialized Kukeon runtime",
        "Realm: default (namespace: default.kukeon.io)",
        f"Run path: {host.run_path}",
        "Actions:",
    ]
    assert lines[-1] == f"kukeond is ready (unix://{host.run_path}/kukeond.sock)"
    written = yaml.safe_load((host.run_path / "kukeond.yaml").read_text())
    assert written["kind"] == "ServerConfiguration"
    assert written["spec"] == {
        "socket": f"{host.run_path}/kukeond.sock",
        "runPath": str(host.run_path),
        "containerd": "embedded",
        "cgroupRoot": "/other",
        "reconcileInterval": "30s",
        "logMaxSize": "10Mi",
        "logMaxFiles": 7,
    }
    assert f"--configuration={host.run_path}/kukeond.yaml" in (host.run_path / "kukeond.log").read_text()
    pid = host.service().pid()
    again = initialise(host)
    assert again.lines()[0] == "Kukeon runtime already initialized"
    titles = [line for line in again.lines() if line.endswith(":") and not line.startswith("    ")]
    assert titles in (
        ["Actions:", "  Host:", "  Default hierarchy:", "  Daemon:"],
        ["Actions:", "  Host:", "  Daemon:"],
    )
    outcomes = [outcome for rows in again.rows.values() for _, outcome in rows]
    assert set(outcomes) == {"already existed", "already running"}
    assert host.service().pid() == pid
    assert again.value()["ready"] is True


@pytest.mark.usefixtures("elsewhere")
def test_init_says_that_the_accounts_outlive_one_more_kukeon(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUKEOND_PROGRAM", str(host.program))
    own = accounts.Account("group", "kukeon", os.getgid(), created=True)
    monkeypatch.setattr(accounts, "ensure_group", lambda: own)
    monkeypatch.setattr(accounts, "ensure_user", lambda: accounts.Account("user", "kukeon", 4711, created=False))
    monkeypatch.setattr(accounts, "group_gid", lambda name="kukeon": os.getgid())
    report = init.init(host.server, host.dial, account=True, wait=False, progress=lambda text: None)
    assert report.hints == ["all kukeons of this host share group kukeon; uninstalling this one leaves it"]


@pytest.mark.usefixtures("elsewhere")
def test_init_refuses_to_contradict_the_settings_file(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUKEOND_PROGRAM", str(host.program))
    initialise(host, {"cgroup_root": "/one"}, wait=False)
    with pytest.raises(errors.Conflict, match="cgroup_root is '/one' in it, '/two' was asked for"):
        initialise(host, {"cgroup_root": "/two"})


@pytest.mark.usefixtures("elsewhere")
@pytest.mark.parametrize("given", [{"cgroup_root": "not absolute"}, {"pod_subnet_cidr": "10.0.0.0/99"}])
def test_settings_that_are_none_are_not_written(host: Host, given: dict[str, str | None]) -> None:
    with pytest.raises(errors.Invalid):
        initialise(host, given)
    assert not (host.run_path / "kukeond.yaml").exists()
    assert host.service().pid() is None


@pytest.mark.usefixtures("elsewhere")
def test_init_waits_for_a_kukeond_that_is_starting(
    host: Host, monkeypatch: pytest.MonkeyPatch, until: Callable[[Callable[[], bool]], None]
) -> None:
    monkeypatch.setenv("KUKEOND_PROGRAM", str(host.program))
    host.behave("hang")
    started = host.service()
    started.start()
    until(lambda: started.pid() is not None)
    waited: list[str] = []

    def answer(*arguments: object, **options: object) -> None:
        waited.append("")
        Path(host.server.socket).write_text("")

    monkeypatch.setattr(readiness, "wait", answer)
    assert initialise(host).rows["Daemon"] == [("kukeond", "already running")]
    assert waited == [""]


@pytest.mark.usefixtures("elsewhere")
def test_init_without_waiting(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUKEOND_PROGRAM", str(host.program))
    host.behave("hang")
    report = initialise(host, wait=False)
    assert not report.ready
    assert "kukeond is ready" not in "\n".join(report.lines())


def test_a_settings_file_is_written_once(tmp_path: Path) -> None:
    path = tmp_path / "etc" / "kukeond.yaml"
    assert configuration.write_server(path, "a") is True
    assert configuration.write_server(path, "b") is False
    assert path.read_text() == "a"
    assert [entry.name for entry in path.parent.iterdir()] == ["kukeond.yaml"]
    assert path.stat().st_mode & 0o777 == 0o644


def test_uninstall_names_what_it_asks_about(kuke: Kuke, host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(privilege, "require_root", lambda command, session: None)
    result = kuke("uninstall", "--run-path", str(host.run_path), stdin=b"no\n")
    assert f"of the kukeon at {host.run_path}," in result.err.splitlines()[0]
    assert f"Remove the kukeon at {host.run_path}? (yes/no)" in result.err


def test_the_hint_to_use_sudo_names_the_instance(kuke: Kuke, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    result = kuke("daemon", "stop", environ={"KUKEON_RUN_PATH": "/srv/k"})
    assert result.err.endswith("hint: sudo kuke --run-path /srv/k daemon stop\n")


@pytest.mark.parametrize(("answer", "words"), [(b"no\n", "aborted"), (b"\n", "aborted"), (b"", "nobody answered")])
def test_uninstall_asks_first(
    kuke: Kuke, host: Host, monkeypatch: pytest.MonkeyPatch, answer: bytes, words: str
) -> None:
    monkeypatch.setattr(privilege, "require_root", lambda command, server: None)
    (host.run_path / "precious").write_text("")
    result = kuke("uninstall", "--run-path", str(host.run_path), stdin=answer)
    assert result.code == 5
    assert words in result.err
    assert (host.run_path / "precious").exists()
