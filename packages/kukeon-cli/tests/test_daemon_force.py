"""kukeond when it does not listen to reason: killed, paused, reset, made anew."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from kukeon_api import errors, model
from kukeon_cli import configuration, privilege, processes
from kukeon_cli.commands import daemon, daemon_reset
from kukeon_cli.output import Format

if TYPE_CHECKING:
    from collections.abc import Callable

    from memory_client import MemoryClient

    from conftest import Host, Kuke


def reset(host: Host, *, purge_system: bool = False, form: Format = Format.TABLE) -> str:
    service = host.service()
    daemon_reset.reset(host.server, service, host.out(form), timeout_s=20, purge_system=purge_system)
    return host.stream.getvalue()


def test_kill_needs_no_consent(host: Host) -> None:
    host.initialised().behave("stubborn")
    host.start()
    daemon.kill(host.server, host.service(), host.out())
    assert host.stream.getvalue() == "kukeond force-killed; cells keep running\n"
    assert host.service().pid() is None
    daemon.kill(host.server, host.service(), host.out(Format.JSON))
    assert json.loads(host.stream.getvalue())["action"] == "already stopped"


@pytest.mark.parametrize("verb", ["stop", "kill", "reset", "restart", "recreate"])
def test_one_that_is_paused_is_brought_to_its_end(host: Host, verb: str) -> None:
    host.initialised().start()
    pid = host.service().pid()
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    match verb:
        case "stop":
            assert "force-killed after 0.1s grace period expired" in host.stop(timeout_s=0.1)
        case "kill":
            daemon.kill(host.server, host.service(), host.out())
        case "reset":
            daemon_reset.reset(host.server, host.service(), host.out(), timeout_s=0.1, purge_system=False)
        case "restart":
            daemon.restart(host.server, host.service(), host.dial, host.out(), timeout_s=0.1)
        case _:
            daemon_reset.recreate(host.server, host.service(), host.dial, host.out(), timeout_s=0.1)
    assert host.service().pid() != pid


def test_starting_one_that_is_paused_says_so(host: Host, until: Callable[[Callable[[], bool]], None]) -> None:
    host.initialised().start()
    pid = host.service().pid()
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    until(lambda: processes.paused(pid))
    Path(host.server.socket).unlink()
    with pytest.raises(errors.Conflict, match=f"it runs \\(pid {pid}\\), but a signal has paused it") as caught:
        host.start()
    assert f"sudo kill -CONT {pid}" in caught.value.hint


def test_status_names_one_that_is_paused_whatever_led_to_it(
    kuke: Kuke, host: Host, memory: MemoryClient, until: Callable[[Callable[[], bool]], None]
) -> None:
    host.initialised().start()
    pid = host.service().pid()
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    until(lambda: processes.paused(pid))
    for flags in (("--run-path", str(host.run_path)), ("--host", host.server.address)):
        memory.trouble["ping"] = [errors.TimedOut("cannot wait for Ping", hint="see `kuke daemon logs`")]
        result = kuke(*flags, "status")
        assert result.code == 8
        assert f"pid {pid} is paused by a signal" in result.out
        assert f"↳ have it start anew: sudo kuke --run-path {host.run_path} daemon restart" in result.out
        assert f"↳ see `kuke --run-path {host.run_path} daemon logs`" in result.out


def test_reset_of_nothing_is_no_error(host: Host) -> None:
    assert reset(host) == f"kukeond already torn down (run path {host.run_path})\n"
    assert json.loads(reset(host, form=Format.JSON))["removed"] == []


def test_reset_stops_it_and_removes_what_it_left(host: Host) -> None:
    host.initialised().start()
    assert reset(host) == "kukeond stopped; cells keep running\n"
    host.start()
    daemon.kill(host.server, host.service(), host.out())
    left = sorted(str(path) for path in host.run_path.glob("kukeond*") if path.suffix in (".sock", ".pid"))
    assert left
    said = reset(host).splitlines()
    assert sorted(said) == [f"removed {path}" for path in left]
    assert reset(host).startswith("kukeond already torn down")
    assert (host.run_path / ".kukeon-instance.json").exists()
    assert host.start().startswith("kukeond started")


def test_purging_the_system_keeps_realms_and_what_people_wrote(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    host.initialised()
    monkeypatch.setattr("kukeon_cli.local.available", lambda: False)
    sentinel = host.run_path / "data" / "default" / "sentinel"
    sentinel.parent.mkdir(parents=True)
    sentinel.write_text("mine")
    spec = model.ServerConfigurationSpec(run_path=str(host.run_path), cgroup_root="/x")
    path = host.run_path / "kukeond.yaml"
    path.write_text(configuration.server_text(spec))
    assert reset(host, purge_system=True) == f"moved {path} to {path}.old\n"
    assert not path.exists()
    assert Path(f"{path}.old").read_text() == configuration.server_text(spec)
    assert reset(host, purge_system=True).startswith("kukeond already torn down")
    assert sentinel.read_text() == "mine"


def test_recreate_starts_one_without_anything_of_the_one_before(host: Host) -> None:
    host.initialised().start()
    first = host.service().pid()
    daemon_reset.recreate(host.server, host.service(), host.dial, host.out(), timeout_s=20)
    assert host.stream.getvalue().splitlines() == [
        f"kukeond recreated (pid 4711, unix://{host.run_path}/kukeond.sock)",
        f"kukeond is ready (unix://{host.run_path}/kukeond.sock)",
    ]
    assert host.service().pid() not in (None, first)


def test_there_is_no_image_to_run_it_from(kuke: Kuke, host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(privilege, "require_root", lambda command, session: None)
    for line in (("daemon", "recreate"), ("init",)):
        result = kuke(*line, "--run-path", str(host.run_path), "--kukeond-image", "example.org/kukeond:1")
        assert result.code == 7
        assert "it is an ordinary process of this host" in result.err


def test_the_last_lines_of_the_log(kuke: Kuke, host: Host) -> None:
    host.initialised()
    (host.run_path / "kukeond.log.1").write_text("one\ntwo\n")
    (host.run_path / "kukeond.log").write_text("three\n")
    at = ("--run-path", str(host.run_path))
    assert kuke("daemon", "logs", "--tail", "2", *at).out == "two\nthree\n"
    assert kuke("daemon", "logs", "--tail", "0", *at).out == ""
    assert kuke("daemon", "logs", *at, environ={"KUKE_DAEMON_LOGS_TAIL": "1"}).out == "three\n"


def test_the_grace_period_comes_from_the_environment_too(
    kuke: Kuke, host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(privilege, "require_root", lambda command, session: None)
    host.initialised().behave("stubborn")
    host.start()
    result = kuke("daemon", "stop", "--run-path", str(host.run_path), environ={"KUKE_DAEMON_STOP_TIMEOUT": "50ms"})
    assert (result.code, result.err) == (0, "")
    assert "force-killed after 0.05s" in result.out
