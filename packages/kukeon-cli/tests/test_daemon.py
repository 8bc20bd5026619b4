"""kukeond's process: started, found, stopped; with a real process that behaves like it."""

from __future__ import annotations

import fcntl
import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from kukeon_api import errors, model
from kukeon_cli import configuration, privilege, readiness, server, service
from kukeon_cli.commands import daemon, init
from kukeon_cli.output import Format, Output

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from memory_client import MemoryClient

    from conftest import Children, Kuke

FAKE = Path(__file__).with_name("fake_kukeond.py")
DEADLINE_S = 20


class Host:
    """A run path of the test's own, the kukeond for it, and clients that reach it while it runs."""

    def __init__(self, directory: Path, memory: MemoryClient) -> None:
        self.run_path = directory / "run"
        self.run_path.mkdir()
        self.program = directory / "kukeond"
        self.program.write_text(f"#!{sys.executable}\n{FAKE.read_text()}")
        self.program.chmod(0o755)
        self.memory = memory
        self.stream = io.StringIO()
        self.started: list[int] = []

    def initialised(self) -> Host:
        (self.run_path / ".kukeon-instance.json").write_text("{}")
        return self

    @property
    def server(self) -> server.Server:
        return server.resolve({"run_path": str(self.run_path)}, {}, {})

    def service(self) -> service.Supervised:
        return service.Supervised(self.server, self.program)

    def behave(self, how: str) -> None:
        (self.run_path / "behaviour").write_text(how)

    def dial(self, address: str) -> Any:
        path = Path(address.removeprefix("unix://"))
        if not path.exists():
            self.memory.trouble["ping"] = [errors.Unavailable("cannot reach kukeond")]
        else:
            self.memory.trouble.pop("ping", None)
        return self.memory

    def out(self, form: Format = Format.TABLE) -> Output:
        self.stream = io.StringIO()
        return Output(form, self.stream)

    def start(self) -> str:
        daemon.start(self.server, self.service(), self.dial, self.out())
        return self.stream.getvalue()

    def stop(self, timeout_s: float = DEADLINE_S) -> str:
        daemon.stop(self.server, self.service(), self.out(), timeout_s=timeout_s)
        return self.stream.getvalue()


@pytest.fixture
def host(tmp_path: Path, memory: MemoryClient, children: Children) -> Iterator[Host]:
    made = Host(tmp_path, memory)
    yield made
    # Also one that has not come as far as its pid file.
    children.end()


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


def test_it_has_a_session_of_its_own(host: Host) -> None:
    host.initialised().start()
    pid = host.service().pid()
    assert pid is not None
    assert os.getsid(pid) == pid


def test_restart(host: Host) -> None:
    host.initialised()
    daemon.restart(host.server, host.service(), host.dial, host.out(), timeout_s=DEADLINE_S)
    assert host.stream.getvalue().splitlines()[0] == "kukeond was already stopped"
    first = host.service().pid()
    daemon.restart(host.server, host.service(), host.dial, host.out(Format.JSON), timeout_s=DEADLINE_S)
    assert json.loads(host.stream.getvalue())["action"] == "restarted"
    assert host.service().pid() not in (None, first)


def test_one_that_does_not_stop_is_killed(host: Host) -> None:
    host.initialised().behave("stubborn")
    host.start()
    assert host.stop(timeout_s=0.2) == "kukeond force-killed after 0.2 s; cells keep running\n"
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
    assert service.holder(tmp_path / "pid") is None
    assert service.holder(tmp_path / "none") is None


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
    for verb in ("start", "stop", "restart", "logs"):
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
    for line in (("init",), ("uninstall", "-y"), ("daemon", "start"), ("daemon", "stop"), ("daemon", "restart")):
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


# Which server is meant


def test_a_run_path_has_its_own_settings_file_and_socket(tmp_path: Path) -> None:
    main = server.resolve({}, {"server_configuration": str(tmp_path / "none.yaml")}, {})
    assert (main.run_path, main.socket, main.default) == ("/opt/kukeon", "/run/kukeon/kukeond.sock", True)
    other = server.resolve({"run_path": str(tmp_path)}, {}, {})
    assert other.configuration == tmp_path / "kukeond.yaml"
    assert other.address == f"unix://{tmp_path}/kukeond.sock"
    assert other.supervisor_pid_file == tmp_path / "kukeond-supervise.pid"
    assert not other.default


@pytest.mark.parametrize(
    ("flags", "given", "environ", "file", "socket"),
    [
        ({}, {"socket": "/flag"}, {"KUKEOND_SOCKET": "/variable"}, "/file", "/flag"),
        ({}, {}, {"KUKEOND_SOCKET": "/variable"}, "/file", "/variable"),
        ({}, {}, {}, "/file", "/file"),
        ({"host": "unix:///host"}, {}, {}, None, "/host"),
        ({}, {}, {"KUKEON_HOST": "unix:///host"}, None, "{run_path}/kukeond.sock"),
    ],
)
def test_where_it_listens(
    tmp_path: Path, flags: dict[str, str], given: dict[str, str], environ: dict[str, str], file: str | None, socket: str
) -> None:
    if file:
        spec = model.ServerConfigurationSpec(socket=file)
        (tmp_path / "kukeond.yaml").write_text(configuration.server_text(spec))
    found = server.resolve({**flags, "run_path": str(tmp_path)}, given, environ)
    assert found.socket == socket.format(run_path=tmp_path)


def test_a_settings_file_of_another_run_path_is_refused(tmp_path: Path) -> None:
    (tmp_path / "kukeond.yaml").write_text(configuration.server_text(model.ServerConfigurationSpec(run_path="/srv/a")))
    with pytest.raises(errors.Conflict, match="it is for '/srv/a'"):
        server.resolve({"run_path": str(tmp_path)}, {}, {})


def test_an_instance_without_a_file_does_not_read_the_main_ones(host: Host) -> None:
    assert host.service().serve_arguments()[0] == "--configuration="


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
    report = initialise(host, {"cgroup_root": "/other", "containerd": "embedded"})
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
    }
    assert f"--configuration={host.run_path}/kukeond.yaml" in (host.run_path / "kukeond.log").read_text()
    pid = host.service().pid()
    again = initialise(host)
    assert again.lines()[0] == "Kukeon runtime already initialized"
    outcomes = [outcome for rows in again.rows.values() for _, outcome in rows]
    assert set(outcomes) == {"already existed", "already running"}
    assert host.service().pid() == pid
    assert again.value()["ready"] is True


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


HOST_COMMANDS = [("uninstall", "-y"), ("daemon", "stop"), ("daemon", "start"), ("daemon", "logs"), ("init",)]


@pytest.mark.parametrize("line", HOST_COMMANDS)
@pytest.mark.parametrize("by", ["flag", "environment", "file"])
def test_an_address_of_another_kukeond_is_never_passed_over(
    kuke: Kuke, host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: tuple[str, ...], by: str
) -> None:
    monkeypatch.setattr(privilege, "require_root", lambda command, session: None)
    monkeypatch.setattr("kukeon_cli.configuration.DEFAULT_SERVER_FILE", str(tmp_path / "none.yaml"))
    # Should it pass after all, this host's own kukeon is not to be touched.
    for place in ("local.uninstall", "local.bootstrap", "service.of", "accounts.ensure_group"):
        monkeypatch.delattr(f"kukeon_cli.{place}")
    address = f"unix://{host.run_path}/kukeond.sock"
    file = tmp_path / "home" / ".kuke" / "kuke.yaml"
    if by == "file":
        file.parent.mkdir()
        file.write_text(f"apiVersion: v1beta1\nkind: ClientConfiguration\nspec: {{host: '{address}'}}\n")
    environ = {"KUKEON_HOST": address} if by == "environment" else {}
    flags = ("--host", address) if by == "flag" else ()
    result = kuke(*line, *flags, environ=environ)
    named = {"flag": "--host", "environment": "KUKEON_HOST", "file": f"the host in {str(file)!r}"}[by]
    assert (result.code, result.out) == (2, "")
    assert f"at '/opt/kukeon': {named} names another kukeond, at {address!r}\n" in result.err
    assert f"hint: pass --run-path {host.run_path} for that one; or leave --host" in result.err


@pytest.mark.parametrize(
    ("flags", "environ", "passes"),
    [
        (("--run-path", "{R}"), {"KUKEON_HOST": "unix:///x/kukeond.sock"}, True),
        (("--run-path", "{R}"), {"KUKEON_HOST": ""}, True),
        (("--run-path", "{R}", "--host", "unix://{R}/kukeond.sock"), {}, True),
        (("--run-path", "{R}", "--host", "unix://{R}/../run/kukeond.sock"), {}, True),
        (("--run-path", "{R}", "--host", "unix:///x/kukeond.sock"), {}, False),
        (("--host", "unix:///x/kukeond.sock"), {"KUKEON_RUN_PATH": "{R}"}, False),
        ((), {"KUKEON_RUN_PATH": "{R}"}, True),
        ((), {"KUKEON_RUN_PATH": "{R}", "KUKEON_HOST": "ssh://other"}, False),
        ((), {"KUKEON_RUN_PATH": "{R}", "KUKEON_HOST": "{R}/kukeond.sock"}, True),
    ],
)
def test_what_is_uninstalled_is_what_the_run_path_says(
    kuke: Kuke,
    host: Host,
    monkeypatch: pytest.MonkeyPatch,
    flags: tuple[str, ...],
    environ: dict[str, str],
    passes: bool,
) -> None:
    monkeypatch.setattr(privilege, "require_root", lambda command, session: None)
    taken: list[str] = []

    def remove(found: server.Server) -> list[Any]:
        taken.append(found.run_path)
        return []

    monkeypatch.setattr("kukeon_cli.local.uninstall", remove)
    run_path = str(host.run_path)
    filled = {name: value.format(R=run_path) for name, value in environ.items()}
    result = kuke("uninstall", "-y", *(flag.format(R=run_path) for flag in flags), environ=filled)
    assert taken == ([run_path] if passes else [])
    if passes:
        assert result.out.splitlines()[0] == f"kuke uninstall: the kukeon at {run_path}"
    else:
        assert result.code == 2


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("unix:///run/kukeon/kukeond.sock", "sudo kuke daemon start"),
        ("unix:///srv/k/kukeond.sock", "sudo kuke --run-path /srv/k daemon start"),
        ("/srv/k/kukeond.sock", "sudo kuke --run-path /srv/k init"),
        ("unix:///tmp/kukeond.sock", "this kuke cannot manage the kukeond behind that address"),
        ("unix:///srv/other.sock", "this kuke cannot manage the kukeond behind that address"),
        ("unix:///main.sock", "sudo kuke daemon start"),
    ],
)
def test_what_to_do_about_a_kukeond_that_is_away_depends_on_its_address(
    kuke: Kuke, memory: MemoryClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, address: str, words: str
) -> None:
    spec = model.ServerConfigurationSpec(socket="/main.sock", run_path="/opt/kukeon")
    (tmp_path / "main.yaml").write_text(configuration.server_text(spec))
    monkeypatch.setattr("kukeon_cli.configuration.DEFAULT_SERVER_FILE", str(tmp_path / "main.yaml"))
    hint = "start it with `sudo kuke daemon start`, or set this host up with `sudo kuke init`"
    for line, method in ((("get", "realms"), "list_realms"), (("status",), "ping")):
        memory.trouble[method] = [errors.Unavailable("cannot reach kukeond", hint=hint)]
        result = kuke(*line, environ={"KUKEON_HOST": address})
        assert result.code == 8
        assert words in result.out + result.err


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
