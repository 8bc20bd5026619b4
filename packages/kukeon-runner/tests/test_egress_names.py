"""What policies mean in addresses, while names move."""

from ipaddress import IPv4Network

import pytest

from kukeon_api import model
from kukeon_api.model import EgressPolicy, EgressRule
from kukeon_runner import egress
from kukeon_runner.egress import Names, Resolution
from kukeon_runner.firewall import Destination, Policy

WEB = EgressRule(host="web.example", ports=(443,))
DENY = EgressPolicy(default="deny", allow=(EgressRule(cidr="10.0.0.0/8"), WEB))


def networks(*addresses: str) -> tuple[IPv4Network, ...]:
    return tuple(IPv4Network(each) for each in addresses)


@pytest.mark.parametrize("policy", [None, EgressPolicy(), EgressPolicy(default="allow", allow=(WEB,))])
def test_what_allows_everything_is_no_policy(policy: model.EgressPolicy | None) -> None:
    assert egress.policy("k-one", policy, Names()) is None
    assert egress.hosts(policy) == ()


def test_a_name_is_its_addresses() -> None:
    names = Names()
    assert egress.hosts(DENY) == ("web.example",)
    assert names.learn("web.example", Resolution(("192.0.2.2", "192.0.2.3"), 60), 100.0)
    assert egress.policy("k-one", DENY, names) == Policy(
        "k-one", (Destination(networks("10.0.0.0/8")), Destination(networks("192.0.2.2/31"), (443,)))
    )


def test_a_name_that_is_not_known_lets_nothing_through() -> None:
    found = egress.policy("k-one", DENY, Names())
    assert found is not None
    assert found.allow[1] == Destination((), (443,))


def test_addresses_that_a_name_had_are_for_what_is_connected() -> None:
    names = Names()
    names.learn("web.example", Resolution(("192.0.2.2",), 60), 0.0)
    assert not names.learn("web.example", Resolution(("192.0.2.2",), 60), 60.0)
    assert names.learn("web.example", Resolution(("192.0.2.9",), 60), 120.0)
    found = egress.policy("k-one", DENY, names)
    assert found is not None
    assert found.allow[1] == Destination(networks("192.0.2.9/32"), (443,), networks("192.0.2.2/32"))
    for number in range(200):
        names.learn("web.example", Resolution((f"198.51.100.{number}",), 60), 0.0)
    assert len(names.known["web.example"].past) == egress.MOST_PAST


def test_names_are_due_as_their_records_say_within_reason() -> None:
    names = Names()
    hosts = ["a", "b", "c"]
    assert names.due(hosts, 1000.0) == hosts
    for host, ttl_s in (("a", 0), ("b", 60), ("c", 10**6)):
        names.learn(host, Resolution(("192.0.2.1",), ttl_s), 1000.0)
    assert [names.known[host].due for host in hosts] == [1005.0, 1060.0, 4600.0]
    assert names.due(hosts, 1060.0) == ["a", "b"]
    names.postpone("a", 1060.0)
    assert names.due(hosts, 1060.0) == ["b"]
    assert (names.next_due(hosts), names.next_due([])) == (1060.0, None)


def test_a_name_that_cannot_be_looked_up_is_what_it_was() -> None:
    names = Names()
    names.learn("a", Resolution(("192.0.2.1",), 60), 0.0)
    names.postpone("a", 60.0)
    assert names.known["a"].addresses == ("192.0.2.1",)


def test_names_that_nobody_mentions_are_forgotten_when_they_are_old() -> None:
    names = Names()
    names.learn("a", Resolution(("192.0.2.1",), 60), 0.0)
    names.learn("b", Resolution(("192.0.2.1",), 60), 0.0)
    names.keep_only(["a"], 30.0)
    assert set(names.known) == {"a", "b"}, "it may be of a policy that is not stored yet"
    names.keep_only(["a"], 61.0)
    assert set(names.known) == {"a"}


def test_a_later_process_knows_what_names_were_and_looks_them_up_at_once() -> None:
    names, later = Names(), Names()
    names.learn("a", Resolution(("192.0.2.1",), 60), 0.0)
    names.learn("a", Resolution(("192.0.2.2",), 60), 0.0)
    later.recall(names.to_json())
    assert later.known["a"].addresses == ("192.0.2.2",)
    assert later.known["a"].past == ("192.0.2.1",)
    assert later.due(["a"], 1.0) == ["a"]


@pytest.mark.parametrize(
    "text", ["", "[]", '{"a": 1}', '{"a": {"addresses": ["x; drop"]}}', '{"a": {"addresses": [1]}}']
)
def test_what_is_no_record_of_names_is_refused(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - of msgspec or ipaddress
        Names().recall(text)
