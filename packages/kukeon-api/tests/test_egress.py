"""Egress policies: what may be written, and what becomes of it."""

import pytest

from kukeon_api import egress, model, normalise, rules
from kukeon_api.model import EgressPolicy, EgressRule


def space(policy: EgressPolicy | None) -> model.SpaceDoc:
    spec = model.SpaceSpec(realm_id="r", network=model.SpaceNetwork(egress=policy))
    return model.SpaceDoc(metadata=model.Metadata(name="s"), spec=spec)


def told(policy: EgressPolicy) -> list[tuple[str, str]]:
    found = rules.problems(space(policy))
    assert all(problem.path.startswith("spec.network.egress") for problem in found)
    return [(problem.path.removeprefix("spec.network.egress."), problem.message) for problem in found]


def test_normal_form() -> None:
    policy = EgressPolicy(
        default=" Deny",
        allow=(EgressRule(host=" Registry.Example.ORG", ports=(443, 80, 443)), EgressRule(cidr="10.1.2.3/8")),
    )
    assert told(policy) == []
    normal = normalise.normalise(space(policy))
    assert normal.spec.network is not None
    assert normal.spec.network.egress == EgressPolicy(
        default="deny",
        allow=(EgressRule(host="registry.example.org", ports=(80, 443)), EgressRule(cidr="10.0.0.0/8")),
    )
    assert normalise.normalise(normal) == normal


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        (None, False),
        (EgressPolicy(), False),
        (EgressPolicy(default="allow", allow=(EgressRule(cidr="10.0.0.0/8"),)), False),
        (EgressPolicy(default="deny"), True),
    ],
)
def test_only_a_default_of_deny_keeps_anything_back(policy: EgressPolicy | None, expected: bool) -> None:
    assert egress.denies(policy) is expected
    assert rules.problems(space(policy)) == ()


@pytest.mark.parametrize(
    ("rule", "path", "message"),
    [
        (EgressRule(), "allow[0]", "needs a host or a cidr"),
        (EgressRule(host="a.b", cidr="10.0.0.0/8"), "allow[0]", "has both a host and a cidr"),
        (EgressRule(cidr="10.0.0.0"), "allow[0].cidr", "'10.0.0.0' has no prefix length"),
        (EgressRule(cidr="10.0.0.0/33"), "allow[0].cidr", "'10.0.0.0/33' is not a network"),
        (EgressRule(cidr="10.0.0.0/255.0.0.0"), "allow[0].cidr", "'10.0.0.0/255.0.0.0' has no prefix length"),
        (EgressRule(cidr="fd00::/8"), "allow[0].cidr", "'fd00::/8' is IPv6: spaces are IPv4 only for now"),
        (EgressRule(cidr="everything"), "allow[0].cidr", "'everything' is not a network"),
        (EgressRule(host="192.0.2.1"), "allow[0].host", "'192.0.2.1' is an address"),
        (EgressRule(host="2001:db8::1"), "allow[0].host", "'2001:db8::1' is IPv6: spaces are IPv4 only for now"),
        (EgressRule(host="a..b"), "allow[0].host", "'a..b' is not a host name"),
        (EgressRule(host="a.b."), "allow[0].host", "'a.b.' is not a host name"),
        (EgressRule(host=".a"), "allow[0].host", "'.a' is not a host name"),
        (EgressRule(host="a b"), "allow[0].host", "'a b' is not a host name"),
        (EgressRule(host="a/b"), "allow[0].host", "'a/b' is not a host name"),
        (EgressRule(host="*.example.org"), "allow[0].host", "'*.example.org' is not a host name"),
        (EgressRule(host="1.2.3"), "allow[0].host", "'1.2.3' is not a host name"),
        (EgressRule(host=f"{'a' * 64}.b"), "allow[0].host", f"'{'a' * 64}.b' is not a host name"),
        (EgressRule(cidr="10.0.0.0/8", ports=(0,)), "allow[0].ports[0]", "0 is not from 1 to 65535"),
        (EgressRule(cidr="10.0.0.0/8", ports=(1, 65536)), "allow[0].ports[1]", "65536 is not from 1 to 65535"),
    ],
)
def test_what_is_wrong_is_told(rule: EgressRule, path: str, message: str) -> None:
    assert told(EgressPolicy(default="deny", allow=(rule,))) == [(path, message)]
    normalise.normalise(space(EgressPolicy(allow=(rule,))))


def test_another_default_is_told_with_what_was_meant() -> None:
    (problem,) = rules.problems(space(EgressPolicy(default="denny")))
    assert (problem.path, problem.suggestion) == ("spec.network.egress.default", 'did you mean "deny"?')
