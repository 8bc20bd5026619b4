"""Subnets: the lowest free one, never an overlap, at any size of pool."""

from ipaddress import IPv4Address, IPv4Network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kukeon_cni import InvalidConfig, SubnetExhausted, free_subnet

POOL = IPv4Network("10.213.0.0/16")


def nets(least: int = 8) -> st.SearchStrategy[IPv4Network]:
    return st.builds(
        lambda low, bits: IPv4Network((int(IPv4Address("10.213.0.0")) + low, bits), strict=False),
        st.integers(0, (1 << 17) - 1),
        st.integers(least, 32),
    )


def test_first_subnet_of_an_empty_pool() -> None:
    assert free_subnet(POOL, 24, []) == IPv4Network("10.213.0.0/24")


def test_lowest_gap_is_used() -> None:
    taken = [IPv4Network("10.213.0.0/24"), IPv4Network("10.213.2.0/24")]
    assert free_subnet(POOL, 24, taken) == IPv4Network("10.213.1.0/24")


def test_a_taken_host_address_blocks_its_subnet() -> None:
    assert free_subnet(POOL, 24, [IPv4Network("10.213.0.7/32")]) == IPv4Network("10.213.1.0/24")


def test_networks_elsewhere_do_not_count() -> None:
    assert free_subnet(POOL, 24, [IPv4Network("192.0.2.0/24")]) == IPv4Network("10.213.0.0/24")


def test_whole_pool_as_one_subnet() -> None:
    assert free_subnet(POOL, 16, []) == POOL


@pytest.mark.parametrize("taken", ["10.0.0.0/8", "10.213.0.0/16", "10.213.0.0/17"])
def test_exhausted_pool_is_an_error_with_a_hint(taken: str) -> None:
    with pytest.raises(SubnetExhausted, match=r"free /16 in '10\.213\.0\.0/16'") as caught:
        free_subnet(POOL, 16, [IPv4Network(taken)])
    assert "pool" in caught.value.hint


@pytest.mark.parametrize("prefix", [-1, 15, 31, 32, 99])
def test_prefix_must_fit(prefix: int) -> None:
    with pytest.raises(InvalidConfig):
        free_subnet(POOL, prefix, [])


@given(st.lists(nets(), max_size=30), st.integers(16, 30))
def test_never_an_overlap_and_always_the_lowest(taken: list[IPv4Network], prefix: int) -> None:
    try:
        found = free_subnet(POOL, prefix, taken)
    except SubnetExhausted:
        lower = list(POOL.subnets(new_prefix=prefix)) if prefix <= 22 else []
    else:
        assert found.subnet_of(POOL)
        assert found.prefixlen == prefix
        assert not any(found.overlaps(net) for net in taken)
        index = (int(found.network_address) - int(POOL.network_address)) >> (32 - prefix)
        lower = list(POOL.subnets(new_prefix=prefix))[:index] if index < 64 else []
    assert all(any(candidate.overlaps(net) for net in taken) for candidate in lower)


@given(st.integers(17, 21))
def test_allocating_until_exhausted_gives_every_subnet_once(prefix: int) -> None:
    taken: list[IPv4Network] = []
    for _ in range(1 << (prefix - 16)):
        taken.append(free_subnet(POOL, prefix, taken))
    assert taken == list(POOL.subnets(new_prefix=prefix))
    with pytest.raises(SubnetExhausted):
        free_subnet(POOL, prefix, taken)
