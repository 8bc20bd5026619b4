"""What makes a space's egress policy right, and its one normal form."""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING

import msgspec

from kukeon_api import model, suggest
from kukeon_api.errors import Problem

if TYPE_CHECKING:
    from collections.abc import Iterator

ALLOW, DENY = "allow", "deny"
MAX_PORT = 65535
# RFC 1035 2.3.4: 63 bytes a label, 253 characters without the root's dot. Underscores occur in real names.
_HOST = re.compile(
    r"(?=.{1,253}$)[a-z0-9_](?:[-a-z0-9_]{0,61}[a-z0-9_])?(?:\.[a-z0-9_](?:[-a-z0-9_]{0,61}[a-z0-9_])?)*"
)


def problems(policy: model.EgressPolicy) -> Iterator[Problem]:
    """Yield everything wrong with `policy`, with paths relative to it."""
    default = policy.default.strip().lower()
    if default not in ("", ALLOW, DENY):
        yield Problem(
            path="default",
            message=f"{policy.default[:40]!r} is neither allow nor deny",
            suggestion=suggest.did_you_mean(default, (ALLOW, DENY)),
        )
    for index, rule in enumerate(policy.allow):
        yield from _rule(f"allow[{index}]", rule)


def normalise(policy: model.EgressPolicy) -> model.EgressPolicy:
    """Return `policy` in normal form; what is wrong in it stays as it is, for `problems` to tell."""
    return msgspec.structs.replace(
        policy, default=policy.default.strip().lower(), allow=tuple(_normal(rule) for rule in policy.allow)
    )


def denies(policy: model.EgressPolicy | None) -> bool:
    """Whether `policy` (normal) keeps anything from passing; with the default allow, exceptions change nothing."""
    return policy is not None and policy.default == DENY


def _normal(rule: model.EgressRule) -> model.EgressRule:
    try:
        cidr = str(ipaddress.IPv4Network(rule.cidr.strip(), strict=False)) if rule.cidr else ""
    except ValueError:
        cidr = rule.cidr
    return model.EgressRule(host=rule.host.strip().lower(), cidr=cidr, ports=tuple(sorted(set(rule.ports))))


def _rule(path: str, rule: model.EgressRule) -> Iterator[Problem]:
    if rule.host and rule.cidr:
        yield Problem(path=path, message="has both a host and a cidr", suggestion="make two rules of it")
    elif not rule.host and not rule.cidr:
        yield Problem(path=path, message="needs a host or a cidr")
    if rule.cidr:
        yield from _cidr(f"{path}.cidr", rule.cidr.strip())
    if rule.host:
        yield from _host(f"{path}.host", rule.host.strip().lower())
    for index, port in enumerate(rule.ports):
        if not 1 <= port <= MAX_PORT:
            yield Problem(path=f"{path}.ports[{index}]", message=f"{port} is not from 1 to {MAX_PORT}")


def _cidr(path: str, text: str) -> Iterator[Problem]:
    try:
        network = ipaddress.ip_network(text, strict=False)
    except ValueError:
        yield Problem(path=path, message=f"{text[:80]!r} is not a network", suggestion="write it like 10.0.0.0/8")
        return
    if network.version == 6:
        yield Problem(path=path, message=f"{text[:80]!r} is IPv6: spaces are IPv4 only for now")
    elif "/" not in text:
        yield Problem(path=path, message=f"{text!r} has no prefix length", suggestion=f"write {text}/32")
    elif not text.rpartition("/")[2].isdecimal():
        yield Problem(path=path, message=f"{text[:80]!r} has no prefix length", suggestion=f"write {network}")


def _host(path: str, text: str) -> Iterator[Problem]:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        if not _HOST.fullmatch(text) or text.rpartition(".")[2].isdecimal():
            yield Problem(path=path, message=f"{text[:80]!r} is not a host name")
    else:
        if address.version == 6:
            yield Problem(path=path, message=f"{text[:80]!r} is IPv6: spaces are IPv4 only for now")
        else:
            yield Problem(path=path, message=f"{text!r} is an address", suggestion=f"write cidr: {text}/32")
