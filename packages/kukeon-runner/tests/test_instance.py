"""A run path is made once, with one set of values."""

from __future__ import annotations

import json
import socket
import stat
import threading
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from kukeon_api import errors
from kukeon_api.model import Ref
from kukeon_runner import instance
from kukeon_runner.instance import Containerd, Instance
from kukeon_runner.layout import Layout
from kukeon_runner.options import Options

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture
def options(tmp_path: Path) -> Options:
    return Options(run_path=str(tmp_path / "k"))


def record(options: Options) -> Path:
    return Path(options.run_path, ".kukeon-instance.json")


def test_the_first_start_records_its_settings(options: Options) -> None:
    made = instance.ensure_instance(replace(options, cgroup_root="/k2/", namespace_suffix=" k2.io "))
    assert (made.cgroup_root, made.namespace_suffix, made.pod_subnet) == ("/k2", "k2.io", "10.88.0.0/16")
    assert json.loads(record(options).read_text()) == {
        "id": made.id,
        "containerdNamespaceSuffix": "k2.io",
        "cgroupRoot": "/k2",
        "podSubnet": "10.88.0.0/16",
        "containerd": None,
        "ociRuntime": "",
    }
    assert stat.S_IMODE(record(options).stat().st_mode) == 0o640
    assert stat.S_IMODE(Path(options.run_path).stat().st_mode) == 0o2750
    assert instance.find_instance(options.run_path) == made


def test_later_starts_with_the_same_settings_change_nothing(options: Options) -> None:
    made = instance.ensure_instance(options)
    before = record(options).stat()
    assert instance.ensure_instance(options) == made
    assert record(options).stat() == before


def test_a_later_start_with_other_settings_is_refused_with_both_values(options: Options) -> None:
    instance.ensure_instance(options)
    with pytest.raises(errors.InstanceMismatch) as caught:
        instance.ensure_instance(replace(options, cgroup_root="/x", pod_subnet="10.0.0.0/16"))
    message = str(caught.value)
    for value in ("'/kukeon'", "'/x'", "'10.88.0.0/16'", "'10.0.0.0/16'"):
        assert value in message
    assert "namespace suffix" not in message
    assert isinstance(caught.value, errors.Conflict)
    assert caught.value.hint


def test_settings_left_blank_are_those_recorded(options: Options) -> None:
    made = instance.ensure_instance(replace(options, cgroup_root="/k2", namespace_suffix="k2.io"))
    blank = replace(options, cgroup_root="", namespace_suffix="", pod_subnet="")
    assert instance.ensure_instance(blank) == made


def test_blank_settings_of_a_new_run_path_are_the_defaults(options: Options) -> None:
    made = instance.ensure_instance(replace(options, cgroup_root="", namespace_suffix="", pod_subnet=""))
    assert (made.cgroup_root, made.namespace_suffix, made.pod_subnet) == ("/kukeon", "kukeon.io", "10.88.0.0/16")


@pytest.mark.parametrize(
    "wrong",
    [
        {"run_path": "relative"},
        {"run_path": "/"},
        {"run_path": "/tmp/.."},
        {"cgroup_root": "/"},
        {"cgroup_root": "kukeon"},
        {"cgroup_root": "/a/../b"},
        {"cgroup_root": "/a b"},
        {"cgroup_root": "/kukeon_containerd/x"},
        {"namespace_suffix": ".x"},
        {"namespace_suffix": "x."},
        {"namespace_suffix": "a/b"},
        {"namespace_suffix": "a..b"},
        {"pod_subnet": "10.88.0.1/16"},
        {"pod_subnet": "fd00::/64"},
        {"pod_subnet": "10.88.0.0/25"},
        {"pod_subnet": "nonsense"},
    ],
)
def test_settings_that_can_not_work_are_invalid_and_write_nothing(options: Options, wrong: dict[str, str]) -> None:
    with pytest.raises(errors.Invalid):
        instance.ensure_instance(replace(options, **wrong))  # type: ignore[arg-type]
    assert not Path(options.run_path).exists()


def test_two_first_starts_agree(options: Options) -> None:
    results: list[Instance | errors.KukeonError] = []
    together = threading.Barrier(8)

    def start(root: str) -> None:
        together.wait()
        try:
            results.append(instance.ensure_instance(replace(options, cgroup_root=root)))
        except errors.KukeonError as exc:
            results.append(exc)

    threads = [threading.Thread(target=start, args=(f"/k{number % 2}",)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    made = {result for result in results if isinstance(result, Instance)}
    assert made == {instance.find_instance(options.run_path)}
    assert sum(isinstance(result, errors.InstanceMismatch) for result in results) == 4
    assert [path.name for path in Path(options.run_path).iterdir()] == [".kukeon-instance.json"]


def test_a_run_path_that_was_copied_is_refused(options: Options, tmp_path: Path) -> None:
    instance.ensure_instance(options)
    copy = tmp_path / "copy"
    Path(options.run_path).rename(copy)
    moved = replace(options, run_path=str(copy))
    for door in (instance.ensure_instance, instance.get_instance):
        with pytest.raises(errors.InstanceMismatch, match="was made as instance") as caught:
            door(moved)
        assert "move it back" in caught.value.hint


def test_a_link_to_the_run_path_is_the_same_instance(options: Options, tmp_path: Path) -> None:
    made = instance.ensure_instance(options)
    (tmp_path / "link").symlink_to(options.run_path)
    assert instance.ensure_instance(replace(options, run_path=str(tmp_path / "link"))).id == made.id


def test_ids_tell_run_paths_apart_and_the_default_has_none() -> None:
    assert instance.instance_id("/opt/kukeon") == ""
    assert instance.instance_id("/opt/kukeon/") == ""
    other = instance.instance_id("/opt/kukeon2")
    assert len(other) == 8
    assert int(other, 16) >= 0
    assert other != instance.instance_id("/opt/kukeon3")


@pytest.mark.parametrize("content", [b"", b"{", b'{"id": ""}', b"[]", b'{"id": 5}', b"\xff"])
def test_a_corrupt_record_is_named_and_left_alone(options: Options, content: bytes) -> None:
    instance.ensure_instance(options)
    record(options).write_bytes(content)
    with pytest.raises(errors.HostError, match="kukeon-instance"):
        instance.ensure_instance(options)
    assert record(options).read_bytes() == content


def test_a_record_of_a_newer_version_is_not_guessed_at(options: Options) -> None:
    instance.ensure_instance(options)
    known = json.loads(record(options).read_text())
    record(options).write_text(json.dumps(known | {"nodeName": "x"}))
    with pytest.raises(errors.CorruptMetadata, match="nodeName"):
        instance.get_instance(options)


def test_a_link_in_place_of_the_record_is_not_followed(options: Options, tmp_path: Path) -> None:
    instance.ensure_instance(options)
    record(options).rename(tmp_path / "elsewhere")
    record(options).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(errors.HostError, match="symbolic links"):
        instance.ensure_instance(options)


def test_reading_never_sets_up(options: Options) -> None:
    with pytest.raises(errors.NotFound) as caught:
        instance.get_instance(options)
    assert "kuke init" in caught.value.hint
    assert not Path(options.run_path).exists()
    made = instance.ensure_instance(options)
    assert instance.get_instance(replace(options, cgroup_root="/other")) == made


def bound(path: Path) -> str:
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(path))
    return str(path)


def absent(path: Path) -> str:
    return str(path)


def plain_file(path: Path) -> str:
    path.touch()
    return str(path)


@pytest.fixture
def system(tmp_path: Path) -> str:
    """A socket that is there; whether a containerd answers on it is the test's decision."""
    return bound(tmp_path / "c.sock")


async def yes(_: str) -> bool:
    return True


async def no(_: str) -> bool:
    return False


async def decide(options: Options, answers: instance.Answers) -> Instance:
    found = instance.ensure_instance(options)
    return await instance.decide_containerd(found, options, answers, "/run/kukeon/x/containerd/containerd.sock")


async def test_auto_takes_the_hosts_containerd_when_it_answers_and_stays_with_it(options: Options, system: str) -> None:
    auto = replace(options, containerd_socket=system)
    decided = await decide(auto, yes)
    assert decided.containerd == Containerd("system", system)
    assert await decide(auto, no) == decided
    assert instance.get_instance(auto) == decided


@pytest.mark.parametrize(("make", "answers"), [(bound, no), (absent, yes), (plain_file, yes)])
async def test_auto_takes_one_of_its_own_otherwise_and_never_switches(
    options: Options, tmp_path: Path, make: Callable[[Path], str], answers: instance.Answers
) -> None:
    auto = replace(options, containerd_socket=make(tmp_path / "c.sock"))
    decided = await decide(auto, answers)
    assert decided.containerd == Containerd("embedded", "/run/kukeon/x/containerd/containerd.sock")
    # The host's comes up later, on another path or the same: it makes no difference.
    assert await decide(replace(auto, containerd_socket=bound(tmp_path / "later.sock")), yes) == decided


async def test_an_explicit_wish_against_the_record_is_refused(options: Options, system: str) -> None:
    await decide(replace(options, containerd="embedded"), yes)
    with pytest.raises(errors.InstanceMismatch) as caught:
        await decide(replace(options, containerd="system", containerd_socket=system), yes)
    assert "embedded" in str(caught.value)
    assert system in str(caught.value)
    assert "--containerd embedded" in caught.value.hint
    assert (await decide(replace(options, containerd="embedded"), no)).containerd is not None


async def test_another_socket_of_the_hosts_is_another_containerd(options: Options, system: str) -> None:
    wish = replace(options, containerd="system", containerd_socket=system)
    await decide(wish, yes)
    with pytest.raises(errors.InstanceMismatch, match=r"/elsewhere\.sock"):
        await decide(replace(wish, containerd_socket="/elsewhere.sock"), yes)
    assert (await decide(replace(wish, containerd_socket=""), no)).containerd == Containerd("system", system)


async def test_the_hosts_containerd_is_recorded_only_if_it_is_there(options: Options, system: str) -> None:
    wish = replace(options, containerd="system", containerd_socket=system)
    with pytest.raises(errors.Unavailable) as caught:
        await decide(wish, no)
    assert "--containerd embedded" in caught.value.hint
    assert instance.get_instance(options).containerd is None
    assert (await decide(wish, yes)).containerd == Containerd("system", system)


def test_two_spaces_on_one_bridge_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    layout = Layout(Instance("", "/opt/kukeon", "kukeon.io", "/kukeon", "10.88.0.0/16"))
    spaces = [Ref("r", f"s{number}") for number in range(50)]
    for space in spaces:
        instance.check_bridges(layout, spaces, space)
    # No two names with one hash are known, so the hash is made a poor one.
    monkeypatch.setattr(Layout, "bridge", lambda _self, ref: f"k-{ref.realm}")
    with pytest.raises(errors.Conflict, match="'r/s1'"):
        instance.check_bridges(layout, spaces[:2], spaces[0])


def test_what_makes_containers_is_recorded(options: Options) -> None:
    made = instance.ensure_instance(options)
    assert made.oci_runtime == ""
    decided = instance.record_oci_runtime(made, "crun", 0)
    assert decided == replace(made, oci_runtime="crun")
    assert instance.find_instance(options.run_path) == decided
