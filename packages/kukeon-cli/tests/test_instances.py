"""Which kukeond of this host is meant: by run path, by address, by settings file."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING, Any

import pytest

from kukeon_api import errors, model
from kukeon_cli import configuration, privilege, server

if TYPE_CHECKING:
    from pathlib import Path

    from memory_client import MemoryClient

    from conftest import Host, Kuke


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


def test_a_settings_file_that_may_not_be_read_says_who_may(
    kuke: Kuke, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "kukeond.yaml"
    path.write_text("spec: {}\n")
    path.chmod(0o600)
    opened = type(path).open

    def refusing(self: Path, *arguments: Any, **given: Any) -> Any:
        # The superuser, who may run these tests, is refused nothing.
        if self == path:
            raise PermissionError(errno.EACCES, "Permission denied", str(self))
        return opened(self, *arguments, **given)

    monkeypatch.setattr(type(path), "open", refusing)
    result = kuke("--run-path", str(tmp_path), "get", "cells")
    assert (result.code, result.out) == (6, "")
    assert result.err.startswith(f"Error: cannot read '{path}': Permission denied\nhint: ")
    assert "sudo" in result.err
    path.chmod(0o640)
    os.chown(path, -1, os.getgid())
    assert "sudo" in kuke("--run-path", str(tmp_path), "get", "cells").err


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

    def remove(found: server.Server, told: object) -> None:
        taken.append(found.run_path)

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
