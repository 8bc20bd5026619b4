"""The protocol over a list of plugins, with recording plugins: order, parameters, undo, cache, trouble."""

# ruff: noqa: ASYNC110, ASYNC240  (tests look at small files, and wait for other processes, in coroutines)

import asyncio
import os
import stat
from collections.abc import Callable
from ipaddress import IPv4Interface
from pathlib import Path

import pytest
from plugin_lists import FAILURE, TYPES

from kukeon_cni import (
    AlreadyAttached,
    CheckUnsupported,
    CniError,
    InvalidName,
    NamespaceError,
    Network,
    NetworkList,
    OwnNamespace,
    PluginNotFound,
    PluginTimeout,
)
from kukeon_cni.testing import PluginDir


async def test_add_chains_results_through_the_list(net: Network, ns: Path, plugin_dir: PluginDir) -> None:
    result = await net.add("c1", ns, args=[("K", "v"), ("L", "w")])
    assert plugin_dir.sequence() == ["ADD first", "ADD second", "ADD third"]
    assert [interface.name for interface in result.interfaces] == ["first", "second", "third"]
    assert result.ipv4 == IPv4Interface("10.213.0.2/24")
    first, second, third = plugin_dir.runs()
    for run in (first, second, third):
        assert {key: value for key, value in run.env.items() if key.startswith("CNI_")} == {
            "CNI_COMMAND": "ADD",
            "CNI_CONTAINERID": "c1",
            "CNI_NETNS": str(ns),
            "CNI_IFNAME": "eth0",
            "CNI_ARGS": "K=v;L=w",
            "CNI_PATH": str(plugin_dir.path),
        }
        assert (run.config["cniVersion"], run.config["name"], run.config["type"]) == ("1.0.0", "r_s", run.type)
    assert "prevResult" not in first.config
    previous = [run.config["prevResult"]["interfaces"] for run in (second, third)]  # type: ignore[index, call-overload]
    assert [[interface["name"] for interface in interfaces] for interfaces in previous] == [
        ["first"],
        ["first", "second"],
    ]


async def test_the_result_is_cached_privately(net: Network, ns: Path, tmp_path: Path) -> None:
    assert net.attachments() == []
    assert net.cached("c1") is None
    result = await net.add("c1", ns)
    assert net.cached("c1") == result
    assert net.cached("c1", "eth1") is None
    assert net.attachments() == ["c1"]
    (file,) = (tmp_path / "cache" / "r_s").iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700


async def test_delete_goes_backwards_with_what_add_had(
    make: Callable[..., Network], ns: Path, plugin_dir: PluginDir, tmp_path: Path
) -> None:
    net = make(capabilities={"portMappings": True})
    result = await net.add("c1", ns, args=[("K", "v")], capability_args={"portMappings": [1]})
    plugin_dir.forget()
    # The configuration changed meanwhile: DEL must not care.
    changed = Network(NetworkList("r_s", "1.0.0", ({"type": "third"},)), [plugin_dir.path], tmp_path / "cache")
    await changed.delete("c1", ns)
    assert plugin_dir.sequence() == ["DEL third", "DEL second", "DEL first"]
    for run in plugin_dir.runs():
        assert run.config["prevResult"] == result.raw
        assert run.env["CNI_ARGS"] == "K=v"
        assert run.env["CNI_NETNS"] == str(ns)
    assert plugin_dir.runs()[-1].config["runtimeConfig"] == {"portMappings": [1]}
    assert changed.cached("c1") is None
    assert changed.attachments() == []


async def test_delete_is_idempotent(net: Network, ns: Path, plugin_dir: PluginDir) -> None:
    await net.delete("c1", ns)
    await net.add("c1", ns)
    await net.delete("c1", ns)
    plugin_dir.forget()
    await net.delete("c1", ns)
    assert plugin_dir.sequence() == ["DEL third", "DEL second", "DEL first"]
    assert all("prevResult" not in run.config for run in plugin_dir.runs())


@pytest.mark.parametrize("path", [None, "", "/nonexistent/net"])
async def test_a_namespace_that_is_gone_is_passed_as_empty(
    path: str | None, net: Network, ns: Path, plugin_dir: PluginDir
) -> None:
    await net.add("c1", ns)
    plugin_dir.forget()
    await net.delete("c1", path)
    assert [run.env["CNI_NETNS"] for run in plugin_dir.runs()] == ["", "", ""]


@pytest.mark.parametrize("broken", TYPES)
async def test_a_failing_add_is_undone_over_the_whole_list(
    broken: str, net: Network, ns: Path, plugin_dir: PluginDir
) -> None:
    plugin_dir.behave(broken, "ADD", stdout=FAILURE, exit=1)
    with pytest.raises(CniError, match=f"cannot ADD with plugin '{broken}': no luck") as caught:
        await net.add("c1", ns)
    assert caught.value.code == 7
    done = TYPES[: TYPES.index(broken) + 1]
    assert plugin_dir.sequence() == [*(f"ADD {t}" for t in done), "DEL third", "DEL second", "DEL first"]
    assert net.attachments() == []
    plugin_dir.behave(broken, "ADD")
    await net.add("c1", ns)


async def test_undo_goes_on_past_its_own_failures(net: Network, ns: Path, plugin_dir: PluginDir) -> None:
    plugin_dir.behave("third", "ADD", stdout=FAILURE, exit=1)
    plugin_dir.behave("second", "DEL", stdout=FAILURE, exit=1, stderr="why")
    with pytest.raises(CniError, match="third") as caught:
        await net.add("c1", ns)
    assert plugin_dir.sequence()[-3:] == ["DEL third", "DEL second", "DEL first"]
    assert caught.value.__notes__ == ["while undoing: cannot DEL with plugin 'second': no luck (why)"]


@pytest.mark.parametrize(
    "stdout",
    ["", "garbage", "[]", '{"cniVersion": "0.4.0"}', '{"ips": [{"address": "/etc/passwd"}]}', "[" * 60_000],
)
async def test_a_wrong_answer_to_add_is_undone(stdout: str, net: Network, ns: Path, plugin_dir: PluginDir) -> None:
    plugin_dir.behave("second", "ADD", stdout=stdout)
    with pytest.raises(CniError) as caught:
        await net.add("c1", ns)
    assert caught.value.code == 6
    assert plugin_dir.sequence()[2:] == ["DEL third", "DEL second", "DEL first"]
    assert net.attachments() == []


async def test_a_missing_plugin_is_found_before_anything_runs(net: Network, ns: Path, plugin_dir: PluginDir) -> None:
    plugin_dir.remove("third")
    with pytest.raises(PluginNotFound, match="'third'"):
        await net.add("c1", ns)
    assert plugin_dir.sequence() == []


async def test_a_missing_address_plugin_is_found_before_anything_runs(
    net: Network, ns: Path, plugin_dir: PluginDir
) -> None:
    plugin_dir.remove("host-local")
    with pytest.raises(PluginNotFound, match="'host-local'"):
        await net.add("c1", ns)
    assert plugin_dir.sequence() == []


async def test_a_hanging_plugin_is_killed_and_undone(
    make: Callable[..., Network], ns: Path, plugin_dir: PluginDir
) -> None:
    net = make(timeout_s=4)
    plugin_dir.behave("second", "ADD", hang=True)
    with pytest.raises(PluginTimeout):
        await net.add("c1", ns)
    assert plugin_dir.sequence() == ["ADD first", "ADD second", "DEL third", "DEL second", "DEL first"]


async def test_cancelling_an_add_undoes_it_first(net: Network, ns: Path, plugin_dir: PluginDir) -> None:
    plugin_dir.behave("second", "ADD", hang=True)
    task = asyncio.create_task(net.add("c1", ns))
    async with asyncio.timeout(20):
        while len(plugin_dir.runs()) < 2:
            await asyncio.sleep(0.005)
        task.cancel()
        while len(plugin_dir.runs()) < 3 and not task.done():
            await asyncio.sleep(0.001)
    task.cancel()  # once more, in the middle of the undo
    with pytest.raises(asyncio.CancelledError):
        await task
    assert plugin_dir.sequence() == ["ADD first", "ADD second", "DEL third", "DEL second", "DEL first"]
    assert not any(Path(f"/proc/{run.pid}").exists() for run in plugin_dir.runs())
    assert net.attachments() == []


async def test_an_add_that_cannot_be_cached_is_undone(
    net: Network, ns: Path, plugin_dir: PluginDir, tmp_path: Path
) -> None:
    (tmp_path / "cache").mkdir()
    # A directory in the place of the file stands for every failure to write, also for root.
    (tmp_path / "cache" / "r_s" / ".c1@eth0").mkdir(parents=True)
    with pytest.raises(CniError, match="cannot write"):
        await net.add("c1", ns)
    assert plugin_dir.sequence()[3:] == ["DEL third", "DEL second", "DEL first"]


async def test_add_twice_is_refused_without_a_run(net: Network, ns: Path, plugin_dir: PluginDir) -> None:
    await net.add("c1", ns)
    plugin_dir.forget()
    with pytest.raises(AlreadyAttached):
        await net.add("c1", ns)
    assert plugin_dir.sequence() == []
    await net.add("c1", ns, "eth1")
    assert net.attachments() == ["c1"]


async def test_one_container_is_worked_on_once_at_a_time(net: Network, ns: Path, plugin_dir: PluginDir) -> None:
    outcomes = await asyncio.gather(*(net.add("c1", ns) for _ in range(3)), return_exceptions=True)
    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["AlreadyAttached", "AlreadyAttached", "Result"]
    assert plugin_dir.sequence() == ["ADD first", "ADD second", "ADD third"]


async def test_different_containers_at_once(net: Network, ns: Path) -> None:
    async with asyncio.TaskGroup() as group:
        for n in range(5):
            group.create_task(net.add(f"c{n}", ns))
    assert net.attachments() == [f"c{n}" for n in range(5)]


async def test_the_version_is_what_all_plugins_support(net: Network, ns: Path, plugin_dir: PluginDir) -> None:
    plugin_dir.behave("second", "VERSION", stdout='{"supportedVersions": ["0.3.1", "0.4.0"]}')
    assert await net.version() == "0.4.0"
    assert (await net.add("c1", ns)).cni_version == "0.4.0"
    assert {run.config["cniVersion"] for run in plugin_dir.runs()} == {"0.4.0"}


async def test_no_common_version_is_an_error(net: Network, ns: Path, plugin_dir: PluginDir) -> None:
    plugin_dir.behave("host-local", "VERSION", stdout='{"supportedVersions": ["0.2.0"]}')
    with pytest.raises(CniError, match="share no CNI version") as caught:
        await net.add("c1", ns)
    assert caught.value.code == 1
    assert plugin_dir.sequence() == []


async def test_the_result_is_not_given_to_del_before_0_4_0(
    make: Callable[..., Network], ns: Path, plugin_dir: PluginDir
) -> None:
    net = make("0.3.1")
    await net.add("c1", ns)
    plugin_dir.forget()
    await net.delete("c1", ns)
    assert all("prevResult" not in run.config for run in plugin_dir.runs())


async def test_check_gives_every_plugin_the_result(net: Network, ns: Path, plugin_dir: PluginDir) -> None:
    result = await net.add("c1", ns, args=[("K", "v")])
    plugin_dir.forget()
    await net.check("c1", ns)
    assert plugin_dir.sequence() == ["CHECK first", "CHECK second", "CHECK third"]
    assert all(run.config["prevResult"] == result.raw for run in plugin_dir.runs())
    assert {run.env["CNI_ARGS"] for run in plugin_dir.runs()} == {"K=v"}
    plugin_dir.behave("second", "CHECK", stdout=FAILURE, exit=1)
    with pytest.raises(CniError, match="cannot CHECK with plugin 'second'"):
        await net.check("c1", ns)
    assert net.attachments() == ["c1"]


async def test_check_is_refused_where_the_specification_forbids_it(
    make: Callable[..., Network], ns: Path, plugin_dir: PluginDir
) -> None:
    with pytest.raises(CheckUnsupported, match="not added"):
        await make().check("c1", ns)
    old = make("0.3.1")
    await old.add("c1", ns)
    with pytest.raises(CheckUnsupported, match=r"CNI 0\.3\.1 has no CHECK"):
        await old.check("c1", ns)
    await old.delete("c1", ns)
    disabled = make(disable_check=True)
    await disabled.add("c1", ns)
    with pytest.raises(CheckUnsupported, match="disables"):
        await disabled.check("c1", ns)
    assert plugin_dir.runs("CHECK") == []


async def test_our_own_namespace_is_never_handed_out(
    make: Callable[..., Network], plugin_dir: PluginDir, tmp_path: Path
) -> None:
    net = make()
    link = tmp_path / "link"
    link.symlink_to("/proc/self/ns/net")
    for path in ("/proc/self/ns/net", f"/proc/{os.getpid()}/ns/net", str(link)):
        for operation in (net.add, net.delete, net.check, net.purge):
            with pytest.raises(OwnNamespace):
                await operation("c1", path)
    assert plugin_dir.runs() == []


@pytest.mark.parametrize("path", ["/proc/self/ns/ipc", "/etc/passwd", "/nonexistent"])
async def test_what_is_no_network_namespace_is_refused(path: str, net: Network, plugin_dir: PluginDir) -> None:
    with pytest.raises(NamespaceError, match="not a network namespace"):
        await net.add("c1", path)
    assert plugin_dir.runs() == []


async def test_names_are_checked_before_anything_else(net: Network, ns: Path, plugin_dir: PluginDir) -> None:
    for container_id, ifname, args in [
        ("../c", "eth0", []),
        ("c", "a/b", []),
        ("", "eth0", []),
        ("c", "eth0", [("a", "b;c=d")]),
        ("a@b", "eth0", []),
    ]:
        for operation in (net.add, net.delete):
            with pytest.raises(InvalidName):
                await operation(container_id, ns, ifname, args)
    for call in (net.cached, net.release_addresses):
        with pytest.raises(InvalidName):
            call("../c")
    with pytest.raises(InvalidName):
        await net.purge("../c")
    assert plugin_dir.runs() == []
