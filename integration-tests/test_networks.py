"""An instance's packet rules: put back when somebody removes them, placed where others would drop, gone at the end."""

import subprocess
from collections.abc import Callable, Iterator

import pytest

from kuketest import traces
from kuketest.instance import Instance
from kuketest.waiting import until


def nft(*arguments: str) -> str:
    return subprocess.run(["nft", *arguments], capture_output=True, text=True, check=True).stdout


@pytest.fixture
def forward_chain() -> Iterator[None]:
    """The chain that iptables-nft and Docker drop forwarded packets in; here it lets everything pass."""
    if "table ip filter" in nft("list", "tables"):
        yield
        return
    nft("add", "table", "ip", "filter")
    nft("add", "chain", "ip", "filter", "FORWARD", "{ type filter hook forward priority 0; policy accept; }")
    yield
    nft("delete", "table", "ip", "filter")


@pytest.mark.usefixtures("forward_chain")
def test_rules_come_back_and_go(new_instance: Callable[..., Instance]) -> None:
    instance = new_instance("--containerd", "embedded", "--reconcile-interval", "1s")
    instance.start()
    table = f"kukeon_{traces.instance_id(instance)}"
    (bridge,) = traces.bridges(instance)
    until(lambda: bridge in traces.ruleset(), "the first rules")
    assert table in nft("list", "tables")
    assert bridge in nft("list", "table", "ip", "filter"), "an accept of ours does not overrule a drop of others"

    nft("delete", "table", "inet", table)
    until(lambda: table in nft("list", "tables"), "the table to come back")
    assert bridge in nft("list", "table", "inet", table)

    instance.leave_nothing()
    assert bridge not in traces.ruleset()
