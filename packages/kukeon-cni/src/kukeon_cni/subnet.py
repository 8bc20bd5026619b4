"""Pick the next free subnet of a pool. Pure: the caller says what is taken."""

from collections.abc import Iterable
from ipaddress import IPv4Network

from kukeon_cni.errors import InvalidConfig, SubnetExhausted

__all__ = ["LONGEST_PREFIX", "free_subnet"]

# A bridge network needs the gateway and one other host beside network and broadcast address.
LONGEST_PREFIX = 30


def free_subnet(pool: IPv4Network, prefix: int, taken: Iterable[IPv4Network]) -> IPv4Network:
    """Return the lowest subnet of `pool` with `prefix` bits that overlaps nothing in `taken`.

    Networks outside the pool are ignored. Raises `InvalidConfig` when the prefix does not fit the pool and
    `SubnetExhausted` when nothing is free. The cost grows with `taken`, not with the pool.
    """
    if not pool.prefixlen <= prefix <= LONGEST_PREFIX:
        raise InvalidConfig(
            None, f"cannot cut '{pool}' into /{prefix}: the prefix must be {pool.prefixlen} to {LONGEST_PREFIX}"
        )
    size = 1 << (32 - prefix)
    start, end = _span(pool)
    inside = sorted(_span(net) for net in taken if net.overlaps(pool))
    for taken_start, taken_end in inside:
        if start + size <= taken_start:
            break
        if taken_end > start:  # the next aligned start behind what is taken
            start = -(-taken_end // size) * size
    if start + size > end:
        raise SubnetExhausted(
            None,
            f"cannot find a free /{prefix} in '{pool}': {len(inside)} taken networks cover it",
            hint="delete unused networks or configure another pool; routes of the host count as taken",
        )
    return IPv4Network((start, prefix))


def _span(net: IPv4Network) -> tuple[int, int]:
    first = int(net.network_address)
    return first, first + net.num_addresses
