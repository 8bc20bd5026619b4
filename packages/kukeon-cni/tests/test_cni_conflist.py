"""Network lists: built, read, written, negotiated, and what one plugin is told."""

import json
from ipaddress import IPv4Address, IPv4Network
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kukeon_cni import CniError, InvalidConfig, InvalidName, NetworkList, build_bridge, conflist

SUBNET = IPv4Network("10.213.7.0/24")


def text(**changes: Any) -> bytes:
    top: dict[str, Any] = {"cniVersion": "1.0.0", "name": "r_s", "plugins": [{"type": "bridge"}]}
    return json.dumps({key: value for key, value in (top | changes).items() if value is not None}).encode()


def test_bridge_list_on_paper() -> None:
    """What others read: a change here is a change for every host."""
    built = build_bridge("r_s", "k-0123456789", SUBNET, data_dir="/run/kukeon/cni/ipam", mtu=1400)
    assert json.loads(conflist.to_json(built)) == {
        "cniVersion": "1.0.0",
        "name": "r_s",
        "plugins": [
            {
                "type": "bridge",
                "bridge": "k-0123456789",
                "isGateway": True,
                "ipMasq": False,
                "hairpinMode": True,
                "mtu": 1400,
                "ipam": {
                    "type": "host-local",
                    "dataDir": "/run/kukeon/cni/ipam",
                    "ranges": [[{"subnet": "10.213.7.0/24", "gateway": "10.213.7.1"}]],
                    "routes": [{"dst": "0.0.0.0/0"}],
                },
            }
        ],
    }


def test_a_list_tells_its_parts() -> None:
    built = build_bridge("r_s", "k-0", SUBNET, data_dir="/run/x")
    assert built.bridge == "k-0"
    assert built.subnet == SUBNET
    assert built.types == ("bridge", "host-local")
    assert built.address_dirs == ("/run/x/r_s",)


def test_a_foreign_list_tells_its_parts() -> None:
    plugins = [
        {
            "type": "ptp",
            "ipam": {"type": "host-local", "ranges": [[{"subnet": "fd00::/64"}], [{"subnet": str(SUBNET)}]]},
        },
        {"type": "firewall"},
    ]
    read = conflist.parse(text(plugins=plugins))
    assert read.bridge is None
    assert read.subnet == SUBNET
    assert read.types == ("ptp", "firewall", "host-local")
    assert read.address_dirs == ("/var/lib/cni/networks/r_s",)


def test_a_bridge_without_a_name_has_the_plugins_default() -> None:
    assert conflist.parse(text()).bridge == "cni0"
    assert conflist.parse(text()).subnet is None


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"name": "../etc"}, InvalidName),
        ({"bridge": "k-0123456789abcdef"}, InvalidName),
        ({"bridge": "a/b"}, InvalidName),
        ({"data_dir": "relative"}, InvalidName),
        ({"data_dir": "/run/../etc"}, InvalidName),
        ({"gateway": IPv4Address("10.213.8.1")}, InvalidConfig),
        ({"gateway": IPv4Address("10.213.7.0")}, InvalidConfig),
        ({"gateway": IPv4Address("10.213.7.255")}, InvalidConfig),
        ({"subnet": IPv4Network("10.213.7.0/31")}, InvalidConfig),
        ({"mtu": 67}, InvalidConfig),
        ({"mtu": 70000}, InvalidConfig),
        ({"cni_version": "9.9.9"}, InvalidConfig),
    ],
)
def test_impossible_bridges_are_refused(changes: dict[str, Any], error: type[CniError]) -> None:
    with pytest.raises(error):
        build_bridge(**({"name": "r_s", "bridge": "k-0", "subnet": SUBNET} | changes))


identifiers = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,20}", fullmatch=True)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(
    identifiers,
    st.sampled_from(conflist.VERSIONS),
    st.lists(
        st.builds(
            lambda extra, type_: {**extra, "type": type_},
            st.dictionaries(st.text().filter(lambda key: key != "ipam"), values, max_size=3),
            identifiers,
        ),
        min_size=1,
        max_size=4,
    ),
    st.booleans(),
    st.lists(st.sampled_from(conflist.VERSIONS), max_size=3),
)
def test_what_was_written_reads_the_same(
    name: str, version: str, plugins: list[Any], disable_check: bool, versions: list[str]
) -> None:
    network = NetworkList(name, version, tuple(plugins), disable_check, tuple(versions))
    assert conflist.parse(conflist.to_json(network)) == network


@given(st.integers(8, 30), st.integers(0, 255), st.none() | st.integers(68, 65535))
def test_every_built_bridge_reads_the_same(prefix: int, third: int, mtu: int | None) -> None:
    subnet = IPv4Network(f"10.213.{third}.0/{prefix}", strict=False)
    built = build_bridge("r_s", "k-0", subnet, mtu=mtu)
    assert conflist.parse(conflist.to_json(built)) == built
    assert built.subnet == subnet


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff\xfe",
        b"[]",
        b"{",
        b"[" * 100_000,
        b'{"a": ' + b"9" * 5000 + b"}",
        text(name=None),
        text(name=7),
        text(name="../../etc"),
        text(name="a/b"),
        text(name="a" * 201),
        text(cniVersion=None),
        text(cniVersion="0.1.0"),
        text(cniVersion=["1.0.0"]),
        text(plugins=None),
        text(plugins=[]),
        text(plugins={}),
        text(plugins=[7]),
        text(plugins=[{}]),
        text(plugins=[{"type": "../sh"}]),
        text(plugins=[{"type": "bridge"}] * 33),
        text(plugins=[{"type": "bridge", "ipam": 7}]),
        text(plugins=[{"type": "bridge", "ipam": {"type": "/bin/sh"}}]),
        text(plugins=[{"type": "bridge", "ipam": {"type": 7}}]),
        text(plugins=[{"type": "bridge", "ipam": {"type": "host-local", "dataDir": "../x"}}]),
        text(plugins=[{"type": "bridge", "ipam": {"type": "host-local", "dataDir": 7}}]),
        text(disableCheck="yes"),
        text(cniVersions="1.0.0"),
        text() + b" " * (1 << 20),
    ],
)
def test_other_texts_are_refused(data: bytes) -> None:
    with pytest.raises(CniError, match=r"network list|cannot use") as caught:
        conflist.parse(data)
    assert str(caught.value).isprintable()


@given(st.binary(max_size=200))
def test_nothing_but_our_error_comes_out_of_parse(data: bytes) -> None:
    with pytest.raises(CniError):
        conflist.parse(data)


def network(version: str, versions: tuple[str, ...] = ()) -> NetworkList:
    return NetworkList("r_s", version, ({"type": "bridge"},), cni_versions=versions)


@pytest.mark.parametrize(
    ("allowed", "supported", "chosen"),
    [
        (network("1.0.0"), {"a": ["0.3.1", "0.4.0", "1.0.0", "1.1.0"]}, "1.0.0"),
        (network("1.0.0"), {"a": ["0.4.0", "1.0.0"], "b": ["0.3.1", "0.4.0"]}, "0.4.0"),
        (network("0.4.0"), {"a": ["0.4.0", "1.0.0"]}, "0.4.0"),
        (network("1.0.0", ("1.0.0", "1.1.0")), {"a": ["1.0.0", "1.1.0"]}, "1.1.0"),
        (network("1.0.0", ("1.1.0",)), {"a": ["0.4.0", "1.0.0"]}, "1.0.0"),
    ],
)
def test_newest_common_version_is_chosen(allowed: NetworkList, supported: dict[str, list[str]], chosen: str) -> None:
    assert conflist.negotiate(allowed, supported) == chosen


@pytest.mark.parametrize(
    ("allowed", "supported"),
    [
        (network("1.0.0"), {"a": ["1.0.0"], "b": ["0.4.0"]}),
        (network("0.4.0"), {"a": ["1.0.0"]}),
        (network("1.0.0"), {"a": ["0.2.0", "2.0.0", "nonsense"]}),
        (network("1.0.0", ("1.1.0",)), {"a": ["0.4.0"]}),
    ],
)
def test_no_common_version_is_the_specifications_error(allowed: NetworkList, supported: dict[str, list[str]]) -> None:
    with pytest.raises(CniError, match="share no CNI version") as caught:
        conflist.negotiate(allowed, supported)
    assert caught.value.code == 1
    assert "a: " in caught.value.details


def test_a_plugin_is_told_its_own_configuration_and_ours() -> None:
    plugin: dict[str, Any] = {
        "type": "portmap",
        "snat": True,
        "name": "forged",
        "prevResult": {"forged": 1},
        "runtimeConfig": {"forged": 1},
        "capabilities": {"portMappings": True, "ips": False, "mac": True},
    }
    network = NetworkList("r_s", "1.0.0", (plugin,))
    given_args = {"portMappings": [{"hostPort": 1}], "ips": ["x"], "other": 1}
    config = conflist.execution_config(network, plugin, "0.4.0", {"ips": []}, given_args)
    assert config == {
        "type": "portmap",
        "snat": True,
        "name": "r_s",
        "cniVersion": "0.4.0",
        "runtimeConfig": {"portMappings": [{"hostPort": 1}]},
        "prevResult": {"ips": []},
    }
    bare = conflist.execution_config(network, plugin, "0.4.0", None, {})
    assert "prevResult" not in bare
    assert "runtimeConfig" not in bare
