"""Answers of plugins: understood when they are right, refused with one kind of error when they are anything else."""

from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Interface
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kukeon_cni import CniError, VethExists, result
from kukeon_cni.result import Dns, Interface, Ip, Result, Route

ANSWER: dict[str, Any] = {
    "cniVersion": "1.0.0",
    "interfaces": [{"name": "k-0", "mac": "02:00:00:00:00:01"}, {"name": "eth0", "sandbox": "/run/ns/net"}],
    "ips": [
        {"address": "fd00::2/64"},
        {"interface": 1, "address": "10.213.0.2/24", "gateway": "10.213.0.1", "version": "4"},
    ],
    "routes": [{"dst": "0.0.0.0/0"}, {"dst": "10.1.2.3/8", "gw": "10.213.0.9"}],
    "dns": {"nameservers": ["10.213.0.1"], "domain": "x", "search": ["x"]},
    "unknown": [1],
}


def test_result_is_understood() -> None:
    parsed = result.parse(ANSWER, "1.0.0")
    assert parsed == Result(
        "1.0.0",
        (Interface("k-0", "02:00:00:00:00:01"), Interface("eth0", sandbox="/run/ns/net")),
        (
            Ip(IPv6Interface("fd00::2/64")),
            Ip(IPv4Interface("10.213.0.2/24"), IPv4Address("10.213.0.1"), 1),
        ),
        (Route(IPv4Network("0.0.0.0/0")), Route(IPv4Network("10.0.0.0/8"), IPv4Address("10.213.0.9"))),
        Dns(("10.213.0.1",), "x", ("x",)),
    )
    assert parsed.ipv4 == IPv4Interface("10.213.0.2/24")
    assert parsed.gateway == IPv4Address("10.213.0.1")
    assert parsed.raw == ANSWER


def test_null_lists_and_no_addresses_are_fine() -> None:
    parsed = result.parse({"interfaces": None, "ips": None, "dns": None}, "0.4.0")
    assert parsed == Result("0.4.0")
    assert parsed.ipv4 is parsed.gateway is None
    assert parsed.raw["cniVersion"] == "0.4.0"


@pytest.mark.parametrize(
    "change",
    [
        {"cniVersion": "0.4.0"},
        {"cniVersion": 1},
        {"interfaces": {}},
        {"interfaces": ["eth0"]},
        {"interfaces": [{"name": 7}]},
        {"interfaces": [{"name": "x" * 5000}]},
        {"interfaces": [{}] * 300},
        {"ips": [{}]},
        {"ips": [{"address": "10.0.0.1/33"}]},
        {"ips": [{"address": "\x1b[2J"}]},
        {"ips": [{"address": "10.0.0.1/8", "gateway": "x"}]},
        {"ips": [{"address": "10.0.0.1/8", "interface": 2}]},
        {"ips": [{"address": "10.0.0.1/8", "interface": -1}]},
        {"ips": [{"address": "10.0.0.1/8", "interface": True}]},
        {"routes": [{"dst": None}]},
        {"dns": []},
        {"dns": {"nameservers": "x"}},
        {"dns": {"search": [1]}},
    ],
)
def test_wrong_results_are_refused(change: dict[str, Any]) -> None:
    with pytest.raises(CniError, match="cannot understand") as caught:
        result.parse(ANSWER | change, "1.0.0")
    assert caught.value.code == 6
    assert str(caught.value).isprintable()


json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.sampled_from(["10.0.0.1/8", "1.0.0"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["interfaces", "ips", "routes", "dns", "name", "address", "dst", "interface", "search"]),
            inner,
        )
    ),
    max_leaves=20,
)


@given(st.dictionaries(st.sampled_from(["cniVersion", "interfaces", "ips", "routes", "dns"]), json))
def test_any_json_gives_a_result_or_our_error(data: dict[str, Any]) -> None:
    try:
        parsed = result.parse(data, "1.0.0")
    except CniError:
        return
    assert result.parse(parsed.raw, "1.0.0") == parsed


def test_errors_of_plugins_keep_code_and_words() -> None:
    error = result.parse_error({"code": 11, "msg": "busy", "details": "lock"}, "bridge", "ADD")
    assert (type(error), error.code, str(error), error.details) == (
        CniError,
        11,
        "cannot ADD with plugin 'bridge': busy",
        "lock",
    )


@pytest.mark.parametrize("code", [None, "11", True, -1, 1 << 40, [], 1.5])
def test_strange_codes_are_internal(code: Any) -> None:
    assert result.parse_error({"code": code, "msg": "x"}, "bridge", "ADD").code == 999


def test_hostile_words_are_made_harmless() -> None:
    error = result.parse_error({"code": 100, "msg": "a\x1b[2J\nb" + "x" * 9000, "details": ["x"]}, "bridge", "ADD")
    assert error.message.isprintable()
    assert len(error.message) < 1200
    assert error.details == ""


def test_only_an_existing_veth_counts_as_one() -> None:
    words = "failed to setup veth: container veth name provided (eth0) already exists"
    assert isinstance(result.parse_error({"code": 999, "msg": words}, "bridge", "ADD"), VethExists)
    other = "duplicate allocation: 10.0.0.1 already exists"
    assert not isinstance(result.parse_error({"code": 999, "msg": other}, "bridge", "ADD"), VethExists)


@pytest.mark.parametrize(
    "data", [{}, {"supportedVersions": []}, {"supportedVersions": [1]}, {"supportedVersions": "x"}]
)
def test_versions_must_be_listed(data: dict[str, Any]) -> None:
    with pytest.raises(CniError):
        result.parse_versions(data)
