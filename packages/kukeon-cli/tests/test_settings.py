"""Which kukeond is meant: flag, environment, settings file, default."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from kukeon_api import errors
from kukeon_cli import local, settings

if TYPE_CHECKING:
    from conftest import Kuke

LEVELS = ("flag", "environment", "file")


def resolve(tmp_path: Path, flags: dict[str, Any], environ: dict[str, str], file: str = "") -> settings.Settings:
    environ = {"HOME": str(tmp_path), **environ}
    if file:
        (tmp_path / ".kuke").mkdir(exist_ok=True)
        (tmp_path / ".kuke" / "kuke.yaml").write_text(f"kind: ClientConfiguration\nspec:\n{file}")
    return settings.resolve(flags, environ)


@pytest.mark.parametrize("present", [c for n in range(4) for c in itertools.combinations(LEVELS, n)])
@pytest.mark.parametrize(
    ("name", "variable", "key", "values"),
    [
        ("host", "KUKEON_HOST", "host", ("unix:///flag", "unix:///environment", "unix:///file")),
        ("run_path", "KUKEON_RUN_PATH", "runPath", ("/flag", "/environment", "/file")),
        ("log_level", "KUKEON_LOG_LEVEL", "logLevel", ("debug", "warn", "error")),
    ],
)
def test_the_nearest_level_wins(
    tmp_path: Path, present: tuple[str, ...], name: str, variable: str, key: str, values: tuple[str, ...]
) -> None:
    of = dict(zip(LEVELS, values, strict=True))
    found = resolve(
        tmp_path,
        {name: of["flag"]} if "flag" in present else {},
        {variable: of["environment"]} if "environment" in present else {},
        f"  {key}: {of['file']}\n" if "file" in present else "",
    )
    expected = next((of[level] for level in LEVELS if level in present), None)
    defaults = {"host": "unix:///run/kukeon/kukeond.sock", "run_path": "/opt/kukeon", "log_level": "info"}
    assert getattr(found, name).value == (expected or defaults[name])


@pytest.mark.parametrize(
    ("flags", "environ", "file", "host"),
    [
        ({"run_path": "/srv/k"}, {}, "", "unix:///srv/k/kukeond.sock"),
        ({"run_path": "/opt/kukeon/"}, {}, "", "unix:///run/kukeon/kukeond.sock"),
        ({"run_path": "/srv/k", "host": "unix:///h"}, {}, "", "unix:///h"),
        ({"run_path": "/srv/k"}, {"KUKEON_HOST": "unix:///h"}, "", "unix:///srv/k/kukeond.sock"),
        ({}, {"KUKEON_HOST": "unix:///h", "KUKEON_RUN_PATH": "/srv/k"}, "", "unix:///h"),
        ({}, {"KUKEON_RUN_PATH": "/srv/k"}, "  host: unix:///h\n", "unix:///srv/k/kukeond.sock"),
        ({}, {}, "  runPath: /srv/k\n", "unix:///srv/k/kukeond.sock"),
        ({}, {"KUKEON_HOST": ""}, "  host: unix:///h\n", ""),
    ],
)
def test_a_run_path_says_where_its_kukeond_is(
    tmp_path: Path, flags: dict[str, Any], environ: dict[str, str], file: str, host: str
) -> None:
    assert resolve(tmp_path, flags, environ, file).host.value == host


def test_a_relative_run_path_is_below_the_current_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert resolve(tmp_path, {"run_path": "k"}, {}).host.value == f"unix://{tmp_path}/k/kukeond.sock"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("kind: Cell\n", "ClientConfiguration"),
        ("kind: ClientConfiguration\nspec:\n  hots: x\n", "spec.hots"),
        ("a: [\n", "kuke.yaml"),
    ],
)
def test_a_wrong_settings_file_is_named(tmp_path: Path, content: str, words: str) -> None:
    file = tmp_path / ".kuke" / "kuke.yaml"
    file.parent.mkdir()
    file.write_text(content)
    with pytest.raises(errors.ClientConfigurationInvalid) as caught:
        resolve(tmp_path, {}, {})
    assert words in "\n".join([str(caught.value), *map(str, caught.value.problems)])


def test_a_settings_file_that_was_named_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(errors.Invalid, match="no such file"):
        resolve(tmp_path, {"configuration": str(tmp_path / "none.yaml")}, {})


@pytest.mark.parametrize(
    ("flags", "environ"),
    [({}, {"KUKEON_LOG_LEVEL": "loud"}), ({"run_path": ""}, {}), ({}, {"KUKEON_RUN_PATH": ""})],
)
def test_values_that_are_none(tmp_path: Path, flags: dict[str, Any], environ: dict[str, str]) -> None:
    with pytest.raises(errors.Invalid):
        resolve(tmp_path, flags, environ)


@pytest.mark.parametrize(
    "line",
    [
        ("--host", "unix:///a", "get", "realms"),
        ("get", "--host", "unix:///a", "realms"),
        ("get", "realms", "--host", "unix:///a"),
        ("get", "realms", "--host=unix:///a"),
    ],
)
def test_global_options_stand_anywhere(kuke: Kuke, line: tuple[str, ...]) -> None:
    assert kuke(*line).code == 0
    assert kuke.dialled[-1] == "unix:///a"


def test_the_settings_file_is_not_written_by_reading_it(kuke: Kuke) -> None:
    kuke("get", "realms")
    assert not (Path(kuke.environ["HOME"]) / ".kuke").exists()


def test_verbose_speaks_on_stderr_alone(kuke: Kuke) -> None:
    quiet = kuke("get", "realms", "-o", "json")
    loud = kuke("get", "realms", "-o", "json", "-v")
    assert loud.out == quiet.out
    assert quiet.err == ""


# In this process or through kukeond


@pytest.mark.parametrize(
    ("flags", "environ", "inside"),
    [
        ({}, {}, False),
        ({"no_daemon": True}, {}, True),
        ({"run_path": "/srv/k"}, {}, True),
        ({"run_path": "/opt/kukeon"}, {}, True),
        ({}, {"KUKEON_RUN_PATH": "/srv/k"}, False),
        ({}, {"KUKEON_NO_DAEMON": "1"}, True),
        ({}, {"KUKEON_NO_DAEMON": "true", "KUKEON_HOST": "unix:///h"}, True),
        ({}, {"KUKEON_NO_DAEMON": ""}, False),
        ({"run_path": "/srv/k"}, {"KUKEON_NO_DAEMON": "0"}, False),
        ({"run_path": "/srv/k", "host": "unix:///h"}, {}, False),
        ({"host": "unix:///h"}, {"KUKEON_NO_DAEMON": "1"}, False),
        ({"no_daemon": True}, {"KUKEON_NO_DAEMON": "0"}, True),
    ],
)
def test_who_does_the_work(tmp_path: Path, flags: dict[str, Any], environ: dict[str, str], inside: bool) -> None:
    found = resolve(tmp_path, flags, environ)
    assert found.in_process is inside
    assert found.values["no_daemon"].value == str(inside).lower()
    assert bool(found.in_process_by) is inside


def test_to_ask_a_kukeond_and_none_is_a_contradiction(kuke: Kuke) -> None:
    result = kuke("get", "realms", "--host", "unix:///h", "--no-daemon")
    assert (result.code, result.out, kuke.dialled) == (2, "", [])
    assert "cannot use --host together with --no-daemon" in result.err
    assert "hint: leave one of them away" in result.err


@pytest.mark.parametrize("by", ["environment", "file"])
def test_without_kukeond_an_address_of_another_one_is_not_passed_over(kuke: Kuke, tmp_path: Path, by: str) -> None:
    address = f"unix://{tmp_path}/other/kukeond.sock"
    if by == "file":
        (tmp_path / "home" / ".kuke").mkdir()
        (tmp_path / "home" / ".kuke" / "kuke.yaml").write_text(f"spec: {{host: '{address}'}}\n")
    environ = {"KUKEON_HOST": address} if by == "environment" else {}
    for more in ((), ("-o", "json")):
        result = kuke("create", "realm", "shop", "--no-daemon", *more, environ=environ)
        assert (result.code, result.out, kuke.dialled) == (2, "", [])
        assert "cannot work without kukeond at '/opt/kukeon': " in result.err
        assert f"names another kukeond, at '{address}'" in result.err
        assert f"hint: pass --run-path {tmp_path}/other for that one" in result.err
    assert kuke("--run-path", f"{tmp_path}/other", "create", "realm", "shop", environ=environ).code == 0
    environ = {**environ, "KUKEON_RUN_PATH": f"{tmp_path}/other", "KUKEON_NO_DAEMON": "1"}
    assert kuke("create", "realm", "toys", environ=environ).code == 0
    assert kuke.dialled == [f"inside {tmp_path}/other"] * 2


def test_a_run_path_in_the_settings_file_does_not_promote(tmp_path: Path) -> None:
    assert not resolve(tmp_path, {}, {}, "  runPath: /srv/k\n").in_process


def test_commands_work_where_they_are_told_to(kuke: Kuke) -> None:
    assert kuke("get", "realms", "--no-daemon").code == 0
    assert kuke("--run-path", "/srv/k", "get", "realms").code == 0
    assert kuke("get", "realms", environ={"KUKEON_NO_DAEMON": "1"}).code == 0
    assert kuke("get", "realms", environ={"KUKEON_RUN_PATH": "/srv/k"}).code == 0
    assert kuke("get", "realms", "--host", "/h", "--run-path", "/srv/k").code == 0
    inside = ["inside /opt/kukeon", "inside /srv/k", "inside /opt/kukeon"]
    assert kuke.dialled == [*inside, "unix:///srv/k/kukeond.sock", "/h"]


@pytest.mark.parametrize(
    "line",
    [("status",), *(("daemon", verb) for verb in ("start", "stop", "kill", "restart", "recreate", "reset", "logs"))],
)
def test_what_is_about_kukeond_cannot_do_without_it(kuke: Kuke, line: tuple[str, ...]) -> None:
    result = kuke(*line, "--no-daemon")
    assert (result.code, result.out) == (2, "")
    assert result.err.startswith(f"Error: cannot use --no-daemon with 'kuke {' '.join(line)}': it is about kukeond\n")


def test_without_the_runner_it_says_what_to_install(kuke: Kuke, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kukeon_cli.local.available", lambda: False)
    monkeypatch.setattr(type(kuke), "_inside", lambda self, server: local.client(server))
    result = kuke("get", "realms", "--no-daemon")
    assert result.code == 7
    assert "hint: pip install 'kukeon-cli[host]'" in result.err


@pytest.mark.parametrize(
    ("text", "seconds"), [("30s", 30), ("90", 90), ("1m30s", 90), ("0", 0), ("", None), ("1.5s", 1.5)]
)
def test_how_long_a_call_may_take(tmp_path: Path, text: str, seconds: float | None) -> None:
    assert resolve(tmp_path, {"timeout": text}, {"KUKEON_TIMEOUT": "7s"}).timeout_s == seconds
    assert resolve(tmp_path, {}, {"KUKEON_TIMEOUT": text}).timeout_s == seconds


@pytest.mark.parametrize(
    ("flags", "environ", "words"),
    [
        ({"timeout": "soon"}, {}, "as timeout (flag)"),
        ({"timeout": "-5s"}, {}, "as timeout (flag)"),
        ({}, {"KUKEON_NO_DAEMON": "perhaps"}, "'perhaps' as KUKEON_NO_DAEMON"),
    ],
)
def test_switches_and_times_that_are_none(
    tmp_path: Path, flags: dict[str, Any], environ: dict[str, str], words: str
) -> None:
    with pytest.raises(errors.Invalid) as caught:
        resolve(tmp_path, flags, environ)
    assert words in str(caught.value)


def test_an_empty_name_is_no_settings_file(tmp_path: Path) -> None:
    found = resolve(tmp_path, {}, {"KUKE_CONFIGURATION": ""}, "  host: unix:///h\n")
    assert found.host.source == "default"
    assert found.configuration is None


@pytest.mark.parametrize("content", ["", "# only a comment\n", "kind: ''\n"])
def test_an_empty_settings_file_is_no_settings(tmp_path: Path, content: str) -> None:
    (tmp_path / ".kuke").mkdir()
    (tmp_path / ".kuke" / "kuke.yaml").write_text(content)
    assert resolve(tmp_path, {}, {}).host.source == "default"


def test_a_home_of_somebody_else_has_no_settings_for_us(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def closed(self: Path) -> bool:
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "exists", closed)
    assert resolve(tmp_path, {}, {}).run_path.value == "/opt/kukeon"
