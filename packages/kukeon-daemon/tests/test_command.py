"""Settings and the command line: who wins, what is wrong, what it is called."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from kukeon_api import errors
from kukeon_daemon import __main__, __version__, command, config, unit
from kukeon_runner import instance

SETTINGS = [
    ("run_path", "/r"),
    ("containerd", "embedded"),
    ("containerd_socket", "/c.sock"),
    ("socket", "/s.sock"),
    ("socket_gid", "7"),
    ("log_level", "debug"),
    ("reconcile_interval_s", "90s"),
    ("containerd_namespace_suffix", "x.io"),
    ("cgroup_root", "/x"),
    ("pod_subnet_cidr", "10.9.0.0/16"),
    ("log_max_size", "64Ki"),
    ("log_max_files", "3"),
    ("default_memory_limit_bytes", "1073741824"),
    ("registry_config_dir", "/certs.d"),
    ("disk_pressure_warn_percent", "50"),
    ("disk_pressure_block_percent", "60"),
]
BY_NAME = {setting.name: setting for setting in config.SETTINGS}


def test_every_setting_is_tested() -> None:
    assert {name for name, _ in SETTINGS} == set(BY_NAME)


@pytest.mark.parametrize(("name", "text"), SETTINGS)
def test_flag_beats_environment_beats_file_beats_default(name: str, text: str) -> None:
    setting = BY_NAME[name]
    value = setting.read(text)
    field = setting.field or name

    def resolved(flags: dict[str, str], environment: dict[str, str], file: dict[str, str]) -> object:
        found = getattr(config.resolve(flags, environment, file, "f.yaml"), name)
        return str(found) if isinstance(found, Path) else found

    plain = resolved({}, {}, {})
    assert plain != value
    assert resolved({}, {}, {field: text}) == value
    other = setting.default or "/run/kukeon/kukeond.sock"
    assert resolved({}, {setting.variable: text}, {field: other}) == value
    assert resolved({name: text}, {setting.variable: other}, {field: other}) == value
    unwanted = resolved({name: other}, {setting.variable: text}, {field: text})
    assert unwanted == (setting.read(other) if setting.recorded else plain)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("log_max_size", "1Ki"),
        ("log_max_size", "much"),
        ("log_max_files", "0"),
        ("log_max_files", "x"),
        ("default_memory_limit_bytes", "1Gi"),
        ("default_memory_limit_bytes", str(2**63)),
        ("registry_config_dir", "certs.d"),
        ("disk_pressure_warn_percent", "101"),
        ("disk_pressure_block_percent", "-1"),
    ],
)
def test_logs_have_bounds(name: str, text: str) -> None:
    with pytest.raises(errors.Invalid) as caught:
        config.resolve({name: text}, {}, {}, "")
    assert "must be" in str(caught.value.problems[0])


def test_what_a_run_path_was_made_with_can_be_left_out(tmp_path: Path) -> None:
    def started(**flags: str) -> instance.Instance:
        settings = config.resolve({"run_path": str(tmp_path / "r"), **flags}, {}, {}, "")
        return instance.ensure_instance(settings.for_runner())

    made = started(containerd_namespace_suffix="x", cgroup_root="/C", pod_subnet_cidr="10.9.0.0/16")
    assert started() == made
    assert (made.namespace_suffix, made.cgroup_root, made.pod_subnet) == ("x", "/C", "10.9.0.0/16")
    with pytest.raises(errors.InstanceMismatch, match="cgroup root is '/C', asked for '/kukeon'"):
        started(cgroup_root="/kukeon")


def test_a_new_run_path_gets_the_defaults(tmp_path: Path) -> None:
    wishes = config.resolve({"run_path": str(tmp_path / "r")}, {}, {}, "").for_runner()
    assert (wishes.containerd, wishes.containerd_socket) == ("auto", "")
    made = instance.ensure_instance(wishes)
    assert (made.namespace_suffix, made.cgroup_root, made.pod_subnet) == ("kukeon.io", "/kukeon", "10.88.0.0/16")


@pytest.mark.parametrize("name", ["run_path", "containerd_socket", "socket", "cgroup_root"])
@pytest.mark.parametrize("text", ["/../x", "/a/..", "/a/../b"])
def test_no_path_leads_upwards(name: str, text: str) -> None:
    with pytest.raises(errors.Invalid) as caught:
        config.resolve({name: text}, {}, {}, "")
    [problem] = caught.value.problems
    assert str(problem) == f"{BY_NAME[name].flag}: must be an absolute path without '..', not {text!r}"


def test_the_socket_follows_the_run_path() -> None:
    assert str(config.resolve({}, {}, {}, "").socket) == "/run/kukeon/kukeond.sock"
    assert str(config.resolve({"run_path": "/other/"}, {}, {}, "").socket) == "/other/kukeond.sock"
    assert str(config.resolve({"run_path": "/other"}, {"KUKEOND_SOCKET": "/s"}, {}, "").socket) == "/s"


def test_everything_wrong_is_said_at_once_with_where_it_stands() -> None:
    with pytest.raises(errors.Invalid) as caught:
        config.resolve(
            {"socket_gid": "-1", "containerd": "docker"},
            {"KUKEON_RUN_PATH": "", "KUKEOND_RECONCILE_INTERVAL": "soon"},
            {"log_level": "loud"},
            "f.yaml",
        )
    texts = [str(problem) for problem in caught.value.problems]
    assert len(texts) == 5
    assert texts[0] == "KUKEON_RUN_PATH: must be an absolute path, not ''"
    assert any(text.startswith("f.yaml: log_level: must be one of debug") for text in texts)


@pytest.mark.parametrize(
    ("text", "seconds"), [("30s", 30), ("1m30s", 90), ("0", 0), ("-1s", -1), ("500ms", 0.5), ("1.5h", 5400)]
)
def test_intervals(text: str, seconds: float) -> None:
    assert config.resolve({"reconcile_interval_s": text}, {}, {}, "").reconcile_interval_s == seconds


def test_a_file(tmp_path: Path) -> None:
    file = tmp_path / "k.yaml"
    file.write_text("apiVersion: v1beta1\nkind: ServerConfiguration\nspec:\n  socketGID: 12\n  runPath: /elsewhere\n")
    settings = config.load({"configuration": str(file)}, {})
    assert (settings.socket_gid, settings.run_path) == (12, "/elsewhere")
    assert config.load({}, {"KUKEOND_CONFIGURATION": str(file)}).socket_gid == 12
    file.write_text("")
    assert config.load({"configuration": str(file)}, {}).socket_gid == 0


def test_a_file_with_mistakes(tmp_path: Path) -> None:
    file = tmp_path / "k.yaml"
    file.write_text("kind: ServerConfiguration\nspec:\n  sockt: /x\n  socketGID: many\n")
    with pytest.raises(errors.ServerConfigurationInvalid) as caught:
        config.load({"configuration": str(file)}, {})
    assert [problem.line for problem in caught.value.problems] == [3, 4]


@pytest.mark.parametrize("content", [None, b"\xff\xfe\x00", b"x" * (2 << 20)])
def test_a_file_that_cannot_be_read(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "k.yaml"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(errors.Invalid):
        config.load({"configuration": str(file)}, {})


def test_no_file_is_no_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(config, "DEFAULT_CONFIGURATION", str(tmp_path / "absent"))
    assert config.load({}, {}) == config.resolve({}, {}, {}, "")
    assert config.load({}, {"KUKEOND_CONFIGURATION": ""}) == config.resolve({}, {}, {}, "")


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "kukeon_daemon", *arguments],
        capture_output=True,
        text=True,
        env={**os.environ, "KUKEOND_CONFIGURATION": "", **environment},
        timeout=60,
    )


@pytest.mark.parametrize("arguments", [(), ("--help",), ("serve", "--help"), ("unit", "-h"), ("supervise", "--help")])
def test_help(arguments: tuple[str, ...]) -> None:
    done = run(*arguments)
    assert done.returncode == 0
    assert done.stdout.startswith("usage: kukeond")


def test_version() -> None:
    done = run("version")
    assert (done.returncode, done.stdout) == (0, f"kukeond {__version__}\n")


@pytest.mark.parametrize(
    "arguments", [("bogus",), ("serve", "--bogus"), ("serve", "--log-level", "loud"), ("--socket",)]
)
def test_wrong_usage_is_exit_2(arguments: tuple[str, ...]) -> None:
    done = run(*arguments)
    assert done.returncode == 2
    assert done.stderr


def test_flags_stand_before_or_after_the_command() -> None:
    for arguments in (("--socket-gid", "x", "serve"), ("serve", "--socket-gid", "x")):
        assert "--socket-gid: must be a numeric group id, not 'x'" in run(*arguments).stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become somebody else")
def test_without_root() -> None:
    script = (
        "import os, sys, kukeon_daemon.command as c, kukeon_api.status, kukeon_runner.options;"
        "c.main(['version']); os.setgid(65534); os.setuid(65534); sys.exit(c.main(['serve', '--run-path', '/nowhere']))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        env={**os.environ, "KUKEOND_CONFIGURATION": ""},
        timeout=60,
    )
    assert done.returncode == 6, done.stderr
    assert done.stderr.startswith("Error: cannot serve: kukeond must run as root\nhint: ")


@pytest.mark.parametrize(
    ("arguments", "complaint", "where"),
    [
        (["bogus"], "unknown command 'bogus'", "kukeond"),
        (["serv"], "unknown command 'serv' (did you mean \"serve\"?)", "kukeond"),
        (["supervize"], "unknown command 'supervize' (did you mean \"supervise\"?)", "kukeond"),
        (["--run-path", "/r"], "a command is missing", "kukeond"),
        (["--run-path", "/r", "supervise"], "'supervise' must come before its options", "kukeond"),
        (["--run-path", "/r", "bogus"], "unknown command 'bogus'", "kukeond"),
        (["--bogus"], "unknown option '--bogus'", "kukeond"),
        (["serve", "--bogus"], "unknown option '--bogus'", "kukeond serve"),
        (["serve", "--run", "/r"], "unknown option '--run'", "kukeond serve"),
        (["unit", "--bogus=x", "more"], "unknown option '--bogus=x'", "kukeond unit"),
        (["version", "more"], "unexpected argument 'more'", "kukeond version"),
        (["serve", "--run-path"], "argument --run-path: expected one argument", "kukeond serve"),
    ],
)
def test_wrong_usage_is_told_in_two_lines(
    arguments: list[str], complaint: str, where: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command.main(arguments) == 2
    assert capsys.readouterr() == ("", f"Error: {complaint}\nhint: see '{where} --help'\n")


def test_help_after_options_lists_every_command() -> None:
    shown = run("--run-path", "/r", "--help").stdout
    assert all(f"\n    {name} " in shown for name in ("serve", "supervise", "unit", "version"))


class TestUnit:
    """The unit file."""

    def lines(self, *arguments: str) -> dict[str, str]:
        done = run("unit", *arguments)
        assert done.returncode == 0, done.stderr
        pairs = [line.partition("=") for line in done.stdout.splitlines() if "=" in line and not line.startswith("#")]
        return {key: value for key, _, value in pairs}

    def test_it_starts_this_installation(self) -> None:
        command = self.lines()["ExecStart"].split()
        assert command[-1] == "serve"
        assert subprocess.run([*command[:-1], "version"], capture_output=True, check=True).stdout.startswith(b"kukeond")

    def test_it_keeps_cells_and_pins(self) -> None:
        lines = self.lines()
        assert lines["Type"] == "notify"
        assert lines["KillMode"] == "process"
        assert lines["Delegate"] == "yes"
        assert lines["Restart"] == "on-failure"
        mounts = ("PrivateTmp", "ProtectSystem", "ProtectHome", "PrivateDevices", "ReadWritePaths", "RuntimeDirectory")
        assert not [key for key in lines if key in mounts]

    def test_flags_become_its_command_line(self) -> None:
        command = self.lines("--run-path", "/a b/50%$", "--socket-gid", "3")["ExecStart"]
        assert command.endswith(' serve --run-path "/a b/50%%$$" --socket-gid 3')

    def test_wrong_settings_make_no_unit(self) -> None:
        assert run("unit", "--socket-gid", "x").returncode == 2

    def test_the_file_is_a_unit_by_itself(self) -> None:
        template = Path(unit.__file__).with_name("data") / unit.NAME
        assert "ExecStart=/usr/local/bin/kukeond serve\n" in template.read_text()

    @pytest.mark.parametrize(
        ("word", "quoted"), [("/plain-1.2", "/plain-1.2"), ("", '""'), ('a"b\\', '"a\\"b\\\\"'), ("a;b", '"a;b"')]
    )
    def test_quoting(self, word: str, quoted: str) -> None:
        assert unit.quoted(word) == quoted


def test_supervise_loads_nothing_heavy() -> None:
    script = "import sys; from kukeon_daemon import __main__, supervise; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.split()
    assert not {"grpc", "asyncio", "kukeon_runner", "kukeon_api", "msgspec", "argparse", "logging"} & set(loaded)


def test_main_without_arguments_prints_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert __main__.main([]) == 0
    assert capsys.readouterr().out.startswith("usage: kukeond")
