"""kukeond as a unit of systemd, and the accounts of the host: what is asked of the host's own programs."""

from __future__ import annotations

import grp
import json
import pwd
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from kukeon_api import errors
from kukeon_cli import accounts, server, service

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

FAKE = Path(__file__).with_name("fake_kukeond.py")

SYSTEMCTL = """\
import json, os, pathlib, subprocess, sys
state = pathlib.Path(__file__).with_name("state.json")
unit = json.loads(state.read_text()) if state.exists() else {"pid": 0, "active": "inactive", "calls": []}
unit["calls"].append(" ".join(sys.argv[1:]))
verb = sys.argv[1]
if verb == "show":
    print({"MainPID": unit["pid"], "ActiveState": unit["active"]}[sys.argv[2].removeprefix("--property=")])
elif verb == "start":
    # Like a unit's process it is no child of whoever asked for it.
    shell = ["/bin/sh", "-c", "tail -f /dev/null >/dev/null 2>&1 & echo $!"]
    out = subprocess.run(shell, capture_output=True, text=True)
    unit |= {"pid": int(out.stdout), "active": "active"}
elif verb in ("stop", "kill") and unit["pid"]:
    if not (verb == "stop" and unit.get("stubborn")):
        os.kill(unit["pid"], 9)
        unit |= {"pid": 0, "active": "inactive"}
elif verb == "enable" and not pathlib.Path(os.environ["UNIT_FILE"]).exists():
    sys.exit("Unit kukeond.service does not exist")
state.write_text(json.dumps(unit))
"""


class Systemctl:
    """A systemctl that remembers what it was told, and the process of its only unit."""

    def __init__(self, directory: Path) -> None:
        self._state = directory / "state.json"
        program = directory / "systemctl"
        program.write_text(f"#!{sys.executable}\n{SYSTEMCTL}")
        program.chmod(0o755)

    @property
    def calls(self) -> list[str]:
        calls: list[str] = json.loads(self._state.read_text())["calls"]
        return calls

    def set(self, **values: object) -> None:
        state = {"pid": 0, "active": "inactive", "calls": []}
        if self._state.exists():
            state = json.loads(self._state.read_text())
        self._state.write_text(json.dumps({**state, **values}))


@pytest.fixture
def systemctl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Systemctl]:
    made = Systemctl(tmp_path)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setenv("UNIT_FILE", str(tmp_path / service.UNIT))
    monkeypatch.setattr(service, "UNIT_FILE", tmp_path / service.UNIT)
    monkeypatch.setattr(service, "SYSTEMD_RUNTIME", tmp_path)
    yield made
    made.set(stubborn=False)
    service.run("systemctl", "kill", service.UNIT)


@pytest.fixture
def program(tmp_path: Path) -> Path:
    made = tmp_path / "kukeond"
    made.write_text(f"#!{sys.executable}\n{FAKE.read_text()}")
    made.chmod(0o755)
    return made


@pytest.fixture
def main(tmp_path: Path) -> server.Server:
    none = {"server_configuration": str(tmp_path / "none.yaml"), "socket": str(tmp_path / "kukeond.sock")}
    return server.resolve({}, none, {})


def test_start_and_stop(systemctl: Systemctl, main: server.Server) -> None:
    unit = service.Systemd(main)
    assert unit.pid() is None
    unit.start()
    assert unit.pid() is not None
    assert unit.complaint() is None
    assert unit.stop(20) is False
    assert unit.pid() is None
    systemctl.set(active="failed")
    assert unit.complaint() == "systemd gave up restarting it"


@pytest.mark.usefixtures("systemctl")
def test_one_that_was_started_otherwise_is_stopped_too(
    main: server.Server, program: Path, tmp_path: Path, until: Callable[[Callable[[], bool]], None]
) -> None:
    other = service.Supervised(main, program)
    arguments = [f"--run-path={tmp_path}", f"--socket={main.socket}", f"--log-file={tmp_path / 'log'}"]
    command = [str(program), "supervise", f"--pid-file={main.pid_file}", *arguments]
    with subprocess.Popen(command) as process:
        until(lambda: other.pid() is not None)
        assert service.Systemd(main).pid() == process.pid
        assert service.Systemd(main).stop(20) is False
        assert process.wait(20) == 0


def test_one_that_does_not_stop_is_killed(systemctl: Systemctl, main: server.Server) -> None:
    unit = service.Systemd(main)
    unit.start()
    systemctl.set(stubborn=True)
    assert unit.stop(0.1) is True
    assert unit.pid() is None


def test_kill_ends_kukeond_alone_and_for_good(systemctl: Systemctl, main: server.Server) -> None:
    unit = service.Systemd(main)
    unit.start()
    systemctl.set(stubborn=True)
    unit.kill()
    assert unit.pid() is None
    told, forced = [call for call in systemctl.calls if call.split()[0] in ("stop", "kill")]
    assert told.startswith("stop"), "or systemd would start it again"
    assert "--kill-who=main" in forced.split(), "its containerd goes on"


def test_the_unit_is_installed_once_and_updated_when_it_changes(
    systemctl: Systemctl, main: server.Server, program: Path
) -> None:
    assert service.install_unit(main, program) == "created"
    assert service.install_unit(main, program) == "already existed"
    assert "daemon-reload" in systemctl.calls
    text = service.UNIT_FILE.read_text()
    assert f"--run-path=/opt/kukeon --socket={main.socket}" in text
    service.UNIT_FILE.write_text("something else")
    assert service.install_unit(main, program) == "updated"
    assert service.UNIT_FILE.read_text() == text
    assert service.remove_unit() == "removed"
    assert service.remove_unit() == "absent"


@pytest.mark.usefixtures("systemctl")
def test_who_keeps_it_running(main: server.Server, tmp_path: Path) -> None:
    other = server.resolve({"run_path": str(tmp_path)}, {}, {})
    assert isinstance(service.of(main), service.Supervised)
    service.UNIT_FILE.write_text("")
    assert isinstance(service.of(main), service.Systemd)
    assert isinstance(service.of(other), service.Supervised)


def test_what_a_program_of_the_host_says_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(errors.HostError, match="cannot run 'groupadd': there is no such program"):
        service.run("groupadd", "x")
    (tmp_path / "groupadd").write_text("#!/bin/sh\necho 'no room' >&2\nexit 10\n")
    (tmp_path / "groupadd").chmod(0o755)
    with pytest.raises(errors.HostError, match="'groupadd x' failed with exit code 10: no room"):
        service.run("groupadd", "x")


class Accounts:
    """The account databases of a host that begins with none of ours."""

    def __init__(self) -> None:
        self.groups: dict[str, int] = {}
        self.users: dict[str, int] = {}
        self.commands: list[tuple[str, ...]] = []

    def getgrnam(self, name: str) -> grp.struct_group:
        return grp.struct_group((name, "x", self.groups[name], []))

    def getpwnam(self, name: str) -> pwd.struct_passwd:
        return pwd.struct_passwd((name, "x", self.users[name], 1, "", "/", "/bin/false"))

    def run(self, *command: str, check: bool = True) -> str:
        self.commands.append(command)
        match command[0]:
            case "groupadd":
                self.groups[command[-1]] = 990
            case "useradd":
                self.users[command[-1]] = 991
            case "userdel":
                del self.users[command[-1]]
            case "groupdel":
                del self.groups[command[-1]]
        return ""


def test_accounts_are_made_once(monkeypatch: pytest.MonkeyPatch) -> None:
    host = Accounts()
    monkeypatch.setattr(grp, "getgrnam", host.getgrnam)
    monkeypatch.setattr(pwd, "getpwnam", host.getpwnam)
    monkeypatch.setattr(service, "run", host.run)
    assert accounts.group_gid() is None
    assert accounts.ensure_group() == accounts.Account("group", "kukeon", 990, created=True)
    assert accounts.ensure_group().created is False
    assert accounts.ensure_user() == accounts.Account("user", "kukeon", 991, created=True)
    assert accounts.ensure_user().created is False
    assert len(host.commands) == 2
    assert {"--system", "--no-create-home"} <= set(host.commands[1])
    assert (accounts.remove_user(), accounts.remove_group()) == ("removed", "removed")
    assert (accounts.remove_user(), accounts.remove_group()) == ("absent", "absent")
