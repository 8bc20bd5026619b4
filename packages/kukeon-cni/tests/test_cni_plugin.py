"""One plugin: found safely, run per the protocol, its failures in words."""

# ruff: noqa: ASYNC240  (tests look at small files, and wait for other processes, in coroutines)

import json
from pathlib import Path

import pytest

from kukeon_cni import CniError, InvalidName, PluginNotFound, PluginTimeout, plugin
from kukeon_cni.testing import PluginDir


@pytest.fixture
def bridge(plugin_dir: PluginDir) -> Path:
    plugin_dir.install("bridge")
    return plugin_dir.path / "bridge"


def test_the_first_directory_wins(tmp_path: Path) -> None:
    dirs = [tmp_path / "none", tmp_path / "a", tmp_path / "b"]
    for directory in dirs[1:]:
        directory.mkdir()
        (directory / "bridge").write_text("#!/bin/sh\n")
        (directory / "bridge").chmod(0o755)
    assert plugin.find_plugin("bridge", dirs) == tmp_path / "a" / "bridge"


def test_what_cannot_run_is_no_plugin(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("x")
    (tmp_path / "dir").mkdir()
    for type_ in ("data", "dir", "absent"):
        with pytest.raises(PluginNotFound, match=f"looked in {tmp_path}") as caught:
            plugin.find_plugin(type_, [tmp_path])
        assert "install" in caught.value.hint


@pytest.mark.parametrize("type_", ["../bridge", "/bin/sh", "", "a/b", ".hidden"])
def test_a_type_is_no_path(type_: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidName):
        plugin.find_plugin(type_, [tmp_path])


@pytest.mark.parametrize("directory", ["relative", "/a:/b", ""])
def test_directories_must_fit_into_cni_path(directory: str) -> None:
    with pytest.raises(InvalidName):
        plugin.plugin_path(["/opt/cni/bin", directory])


async def test_parameters_go_in_and_json_comes_out(
    bridge: Path, plugin_dir: PluginDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET", "s3cret")
    plugin_dir.behave("bridge", "ADD", stdout='{"cniVersion": "1.0.0"}', stderr="warning")
    answer = await plugin.run_plugin(bridge, "ADD", {"name": "ü"}, {"CNI_CONTAINERID": "c"})
    assert answer == {"cniVersion": "1.0.0"}
    (run,) = plugin_dir.runs()
    assert run.config == {"name": "ü"}
    assert {key: value for key, value in run.env.items() if key.startswith("CNI_")} == {
        "CNI_COMMAND": "ADD",
        "CNI_CONTAINERID": "c",
    }
    assert "SECRET" not in run.env
    assert run.env["PATH"]


async def test_nothing_printed_is_none(bridge: Path, plugin_dir: PluginDir) -> None:
    plugin_dir.behave("bridge", "DEL", stdout=" \n")
    assert await plugin.run_plugin(bridge, "DEL", {}, {}) is None


async def test_an_error_object_becomes_the_error(bridge: Path, plugin_dir: PluginDir) -> None:
    error = {"cniVersion": "1.0.0", "code": 7, "msg": "bad range", "details": "10.0.0.0"}
    plugin_dir.behave("bridge", "ADD", stdout=json.dumps(error), stderr="trace\x1b[0m line\n", exit=1)
    with pytest.raises(CniError, match="cannot ADD with plugin 'bridge': bad range") as caught:
        await plugin.run_plugin(bridge, "ADD", {}, {})
    assert caught.value.code == 7
    assert caught.value.details == "10.0.0.0; trace [0m line"


@pytest.mark.parametrize("stdout", ["panic: \x07 nil", "", "[1]", '"x"', "{" * 50_000])
async def test_a_crash_without_an_error_object_keeps_the_words(
    stdout: str, bridge: Path, plugin_dir: PluginDir
) -> None:
    plugin_dir.behave("bridge", "ADD", stdout=stdout, stderr="goroutine 1", exit=2)
    with pytest.raises(CniError, match="exit code 2") as caught:
        await plugin.run_plugin(bridge, "ADD", {}, {})
    assert caught.value.code == 999
    assert caught.value.details.endswith("goroutine 1")
    assert caught.value.details.isprintable()
    assert len(caught.value.details) < 2000


@pytest.mark.parametrize("stdout", ["garbage", "[1]", "null", "{", "[" * 50_000, '{"a":' + "9" * 6000 + "}"])
async def test_garbage_on_success_is_an_error(stdout: str, bridge: Path, plugin_dir: PluginDir) -> None:
    plugin_dir.behave("bridge", "ADD", stdout=stdout, stderr="note")
    with pytest.raises(CniError, match="the answer of plugin 'bridge' to ADD") as caught:
        await plugin.run_plugin(bridge, "ADD", {}, {})
    assert caught.value.code == 6
    assert "note" in caught.value.details


async def test_huge_output_is_cut_off(bridge: Path, plugin_dir: PluginDir) -> None:
    plugin_dir.behave("bridge", "ADD", stdout="x" * 1024, times=100 * 1024)
    with pytest.raises(CniError, match="more than 1048576 bytes"):
        await plugin.run_plugin(bridge, "ADD", {}, {})


async def test_a_hanging_plugin_is_killed(bridge: Path, plugin_dir: PluginDir) -> None:
    plugin_dir.behave("bridge", "ADD", hang=True)
    with pytest.raises(PluginTimeout, match=r"killed after 0\.5 s") as caught:
        await plugin.run_plugin(bridge, "ADD", {}, {}, timeout_s=0.5)
    assert caught.value.code == 11
    (run,) = plugin_dir.runs()
    assert not Path(f"/proc/{run.pid}").exists()


async def test_a_plugin_that_cannot_start_is_named(tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    broken.write_bytes(b"\x7fELF garbage")
    broken.chmod(0o755)
    with pytest.raises(CniError, match="cannot start plugin") as caught:
        await plugin.run_plugin(broken, "ADD", {}, {})
    assert isinstance(caught.value.__cause__, OSError)


async def test_versions_are_asked_once_per_file(bridge: Path, plugin_dir: PluginDir) -> None:
    for _ in range(2):
        assert await plugin.supported_versions(bridge) == ("0.3.1", "0.4.0", "1.0.0")
    assert len(plugin_dir.runs("VERSION")) == 1
    bridge.unlink()
    plugin_dir.install("bridge")
    plugin_dir.behave("bridge", "VERSION", stdout='{"cniVersion": "1.1.0", "supportedVersions": ["1.1.0"]}')
    bridge.write_text(bridge.read_text() + "# another release\n")
    assert await plugin.supported_versions(bridge) == ("1.1.0",)


async def test_versions_of_an_absent_file(tmp_path: Path) -> None:
    with pytest.raises(PluginNotFound):
        await plugin.supported_versions(tmp_path / "absent")
