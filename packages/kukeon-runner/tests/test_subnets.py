"""Subnets of spaces: lowest free, never twice, whatever state the other spaces are in."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from ipaddress import IPv4Network
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kukeon_api import errors
from kukeon_api.model import Ref
from kukeon_cni import conflist
from kukeon_runner import flock
from kukeon_runner.instance import Instance
from kukeon_runner.layout import Layout
from kukeon_runner.subnets import Subnets

if TYPE_CHECKING:
    from collections.abc import Callable

WEB, DB, OTHER = Ref("r", "web"), Ref("r", "db"), Ref("other", "web")


def net(text: str) -> IPv4Network:
    return IPv4Network(text)


def layout_of(path: Path, pool: str = "10.88.0.0/16") -> Layout:
    path.mkdir(exist_ok=True)
    return Layout(Instance("0123abcd", str(path), "kukeon.io", "/kukeon", pool))


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return layout_of(tmp_path / "k")


@pytest.fixture(params=[True, False], ids=["exclusive", "shared"])
def subnets(layout: Layout, request: pytest.FixtureRequest) -> Subnets:
    return Subnets(layout, exclusive=request.param)


def write_conflist(layout: Layout, space: Ref, subnet: str) -> None:
    network = conflist.build_bridge(layout.network(space), layout.bridge(space), net(subnet))
    path = Path(layout.conflist(space))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(conflist.to_json(network))


def test_each_space_gets_the_lowest_free_one_and_keeps_it(subnets: Subnets, layout: Layout) -> None:
    assert subnets.allocate(WEB, ()) == net("10.88.0.0/24")
    assert subnets.allocate(DB, ()) == net("10.88.1.0/24")
    assert subnets.allocate(OTHER, ()) == net("10.88.2.0/24")
    assert subnets.allocate(WEB, [net("10.88.0.0/24")]) == net("10.88.0.0/24")
    assert subnets.allocated() == [
        (OTHER, net("10.88.2.0/24")),
        (DB, net("10.88.1.0/24")),
        (WEB, net("10.88.0.0/24")),
    ]
    assert json.loads(Path(layout.subnet_file(WEB)).read_text()) == {"version": "v1", "subnetCIDR": "10.88.0.0/24"}
    assert Subnets(layout).find(DB) == net("10.88.1.0/24")


def test_what_is_released_is_given_again(subnets: Subnets) -> None:
    for space in (WEB, DB):
        subnets.allocate(space, ())
    assert subnets.release(WEB) is True
    assert subnets.release(WEB) is False
    assert subnets.release(Ref("never", "made")) is False
    assert subnets.find(WEB) is None
    assert subnets.allocate(OTHER, ()) == net("10.88.0.0/24")


def test_the_hosts_networks_are_left_alone(subnets: Subnets) -> None:
    routes = [net("10.88.0.0/20"), net("10.88.16.5/32"), net("192.168.0.0/16")]
    assert subnets.allocate(WEB, routes) == net("10.88.17.0/24")


def test_a_route_to_everywhere_is_no_neighbour(subnets: Subnets) -> None:
    routes = [net("0.0.0.0/0"), net("0.0.0.0/1"), net("128.0.0.0/1")]
    assert subnets.allocate(WEB, routes) == net("10.88.0.0/24")


def test_an_exhausted_pool_says_what_to_do(tmp_path: Path) -> None:
    subnets = Subnets(layout_of(tmp_path / "k", "10.1.0.0/23"), exclusive=True)
    for name in ("a", "b"):
        subnets.allocate(Ref("r", name), ())
    with pytest.raises(errors.SubnetExhausted, match=r"10\.1\.0\.0/23") as caught:
        subnets.allocate(Ref("r", "c"), ())
    assert isinstance(caught.value, errors.Conflict)
    assert "delete a space" in caught.value.hint
    with pytest.raises(errors.SubnetExhausted):
        Subnets(layout_of(tmp_path / "l"), exclusive=True).allocate(WEB, [net("10.0.0.0/8")])


CORRUPT = {
    "empty": "",
    "torn": '{"version": "v1", "subn',
    "no subnet": '{"version": "v1"}',
    "host bits": '{"version": "v1", "subnetCIDR": "10.88.0.1/24"}',
    "not a subnet": '{"version": "v1", "subnetCIDR": "web"}',
    "ipv6": '{"version": "v1", "subnetCIDR": "fd00::/64"}',
    "newer": '{"version": "v2", "subnetCIDR": "10.88.0.0/24"}',
}


@pytest.mark.parametrize("text", CORRUPT.values(), ids=CORRUPT)
def test_a_corrupt_record_stops_its_own_space_alone(
    subnets: Subnets, layout: Layout, text: str, caplog: pytest.LogCaptureFixture
) -> None:
    subnets.allocate(WEB, ())
    write_conflist(layout, WEB, "10.88.0.0/24")
    Path(layout.subnet_file(WEB)).write_text(text)
    accesses: tuple[Callable[[], object], ...] = (lambda: subnets.find(WEB), lambda: subnets.allocate(WEB, ()))
    for access in accesses:
        with pytest.raises(errors.SubnetStateCorrupt, match=r"web/network\.json") as caught:
            access()
        assert caught.value.hint.endswith("network.json && kuke create space web --realm r")
    assert [each.message for each in subnets.damage()] == [caught.value.message]
    assert Path(layout.subnet_file(WEB)).read_text() == text
    # Others are served, and the configuration still says what is in use.
    assert subnets.allocate(DB, ()) == net("10.88.1.0/24")
    assert layout.subnet_file(WEB) in caplog.text
    assert subnets.allocated() == [(DB, net("10.88.1.0/24")), (WEB, net("10.88.0.0/24"))]
    assert subnets.release(WEB) is True


def test_with_both_files_corrupt_the_others_still_work(subnets: Subnets, layout: Layout) -> None:
    subnets.allocate(WEB, ())
    Path(layout.subnet_file(WEB)).write_text("{")
    Path(layout.conflist(WEB)).write_text("{")
    assert subnets.allocate(DB, [net("10.88.0.0/24")]) == net("10.88.1.0/24")


def test_a_lost_record_comes_back_from_the_network_configuration(subnets: Subnets, layout: Layout) -> None:
    write_conflist(layout, WEB, "10.88.7.0/24")
    assert subnets.find(WEB) is None
    # Its own bridge is up, so the host has a route to it.
    assert subnets.allocate(WEB, [net("10.88.7.0/24")]) == net("10.88.7.0/24")
    assert subnets.find(WEB) == net("10.88.7.0/24")


def test_a_network_configuration_that_names_anothers_subnet_is_not_believed(subnets: Subnets, layout: Layout) -> None:
    subnets.allocate(DB, ())
    write_conflist(layout, WEB, "10.88.0.0/24")
    assert subnets.allocate(WEB, ()) == net("10.88.1.0/24")


def test_a_space_without_a_document_still_has_its_subnet(subnets: Subnets, layout: Layout) -> None:
    write_conflist(layout, WEB, "10.88.0.0/24")
    assert subnets.allocate(DB, ()) == net("10.88.1.0/24")


def test_links_are_not_followed(subnets: Subnets, layout: Layout, tmp_path: Path) -> None:
    subnets.allocate(WEB, ())
    record = Path(layout.subnet_file(WEB))
    record.rename(tmp_path / "outside")
    record.symlink_to(tmp_path / "outside")
    with pytest.raises(errors.HostError, match="symbolic links"):
        subnets.find(WEB)
    (tmp_path / "elsewhere").mkdir()
    Path(layout.data, "evil").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(errors.HostError):
        subnets.allocate(Ref("evil", "s"), ())
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_threads_never_get_the_same(subnets: Subnets) -> None:
    threads = [threading.Thread(target=subnets.allocate, args=(Ref("r", f"s{n}"), ())) for n in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    given = [network for _, network in subnets.allocated()]
    assert len(given) == len(set(given)) == 12


ALLOCATE = """
import sys
from kukeon_api.model import Ref
from kukeon_runner.instance import Instance
from kukeon_runner.layout import Layout
from kukeon_runner.subnets import Subnets
subnets = Subnets(Layout(Instance("0123abcd", sys.argv[1], "kukeon.io", "/kukeon", "10.88.0.0/16")))
for number in range(5):
    subnets.allocate(Ref("r", f"{sys.argv[2]}-{number}"), ())
"""


def test_processes_never_get_the_same(layout: Layout) -> None:
    children = [subprocess.Popen([sys.executable, "-c", ALLOCATE, layout.run_path, f"p{n}"]) for n in range(3)]
    assert [child.wait(timeout=60) for child in children] == [0, 0, 0]
    given = [network for _, network in Subnets(layout).allocated()]
    assert len(given) == len(set(given)) == 15


def test_a_daemon_keeps_others_out(layout: Layout) -> None:
    with flock.hold_run_path(layout.run_path), pytest.raises(errors.RunPathLocked):
        Subnets(layout).allocate(WEB, ())


spaces = st.builds(Ref, st.sampled_from(["a", "b"]), st.sampled_from(["x", "y", "z"]))
steps = st.lists(st.tuples(st.sampled_from(["allocate", "release"]), spaces), max_size=20)
routes = st.lists(st.integers(0, 255).map(lambda n: net(f"10.88.{n}.0/24")), max_size=6)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps, routes)
def test_subnets_never_overlap(
    tmp_path_factory: pytest.TempPathFactory, actions: list[tuple[str, Ref]], hosts: list[IPv4Network]
) -> None:
    subnets = Subnets(layout_of(tmp_path_factory.mktemp("k")), exclusive=True)
    for action, space in actions:
        if action == "allocate":
            subnets.allocate(space, hosts)
        else:
            subnets.release(space)
        taken = [network for _, network in subnets.allocated()]
        for index, network in enumerate(taken):
            assert not any(network.overlaps(other) for other in (*taken[:index], *hosts))
