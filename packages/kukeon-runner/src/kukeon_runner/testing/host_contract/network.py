"""What the network's doors keep."""

from __future__ import annotations

from ipaddress import IPv4Address
from typing import TYPE_CHECKING

import pytest

from kukeon_api import errors
from kukeon_runner.firewall import Wall

if TYPE_CHECKING:
    from kukeon_runner.testing.host_contract.home import Home


class NetworkContract:
    """Bridges, attachments, packet rules."""

    async def test_a_bridge_is_made_and_removed_twice(self, home: Home) -> None:
        network, bridge = home.host.network, home.bridge
        assert not await network.bridge_exists(bridge.bridge)
        for _ in range(2):
            await home.network()
            assert await network.bridge_exists(bridge.bridge)
            assert any(bridge.subnet.overlaps(routed) for routed in await network.routed() if routed.prefixlen > 8)
        for _ in range(2):
            await network.remove(home.network_name, home.site.conflist, bridge.bridge)
            assert not await network.bridge_exists(bridge.bridge)
            with pytest.raises(FileNotFoundError):
                await home.host.kernel.read_file(home.site.conflist)

    async def test_an_attached_cell_has_an_address_until_it_is_detached(self, home: Home) -> None:
        network, site = home.host.network, home.site
        await home.network()
        await home.cell()
        assert await network.attachment(site.conflist, site.root_id) == (None, False)
        address = await network.attach(site.conflist, site.root_id, f"{site.pins}/net")
        assert IPv4Address(address.ip) in home.bridge.subnet
        assert address.gateway == str(home.bridge.subnet[1])
        assert await network.attachment(site.conflist, site.root_id) == (address, True)
        for _ in range(2):
            await network.detach(site.conflist, site.root_id, f"{site.pins}/net")
            assert await network.attachment(site.conflist, site.root_id) == (None, False)
        await network.attach(site.conflist, site.root_id, f"{site.pins}/net")

    async def test_what_is_told_of_many_at_once_is_what_is_told_of_each(self, home: Home) -> None:
        network, site = home.host.network, home.site
        ids = (site.root_id, "nobody", "stranded")
        assert await network.attachments(site.conflist, ids) == dict.fromkeys(ids, (None, False))
        await home.network()
        await home.cell()
        other = f"{site.pins}2"
        await home.host.kernel.pin_namespaces(other, "other")
        try:
            await network.attach(site.conflist, site.root_id, f"{site.pins}/net")
            await network.attach(site.conflist, "stranded", f"{other}/net")
            found = await network.attachments(site.conflist, ids)
            assert found == {id: await network.attachment(site.conflist, id) for id in ids}
            assert [held for _, held in found.values()] == [True, False, True]
            await home.lose_bridge()
            found = await network.attachments(site.conflist, ids)
            assert list(found.values()) == [(None, True), (None, False), (None, True)]
        finally:
            await network.detach(site.conflist, "stranded", f"{other}/net")
            await home.host.kernel.unpin_namespaces(other)

    async def test_attaching_twice_is_refused_and_harms_nothing(self, home: Home) -> None:
        network, site = home.host.network, home.site
        await home.network()
        await home.cell()
        address = await network.attach(site.conflist, site.root_id, f"{site.pins}/net")
        with pytest.raises(errors.CNIPluginFailed):
            await network.attach(site.conflist, site.root_id, f"{site.pins}/net")
        assert await network.attachment(site.conflist, site.root_id) == (address, True)

    async def test_addresses_in_use_are_not_given_again(self, home: Home) -> None:
        network, site = home.host.network, home.site
        await home.network()
        await home.cell()
        other = f"{site.pins}2"
        await home.host.kernel.pin_namespaces(other, "other")
        try:
            first = await network.attach(site.conflist, "first", f"{site.pins}/net")
            second = await network.attach(site.conflist, "second", f"{other}/net")
            await network.detach(site.conflist, "first", f"{site.pins}/net")
            third = await network.attach(site.conflist, "third", f"{site.pins}/net")
            assert len({first.ip, second.ip}) == len({second.ip, third.ip}) == 2
        finally:
            await network.detach(site.conflist, "second", f"{other}/net")
            await home.host.kernel.unpin_namespaces(other)

    async def test_a_cell_whose_namespaces_are_gone_can_be_detached(self, home: Home) -> None:
        network, site = home.host.network, home.site
        await home.network()
        await home.cell()
        await network.attach(site.conflist, site.root_id, f"{site.pins}/net")
        await home.host.kernel.unpin_namespaces(site.pins)
        assert (await network.attachment(site.conflist, site.root_id))[1]
        await network.detach(site.conflist, site.root_id, "")
        assert await network.attachment(site.conflist, site.root_id) == (None, False)

    async def test_an_attachment_to_a_bridge_that_is_gone_holds_an_address_and_is_none(self, home: Home) -> None:
        network, site = home.host.network, home.site
        await home.network()
        await home.cell()
        await network.attach(site.conflist, site.root_id, f"{site.pins}/net")
        await home.lose_bridge()
        assert await network.attachment(site.conflist, site.root_id) == (None, True)
        await network.make_bridge(home.bridge, home.network_name)
        assert await network.attachment(site.conflist, site.root_id) == (None, True)
        await network.detach(site.conflist, site.root_id, f"{site.pins}/net")
        await network.attach(site.conflist, site.root_id, f"{site.pins}/net")
        assert (await network.attachment(site.conflist, site.root_id))[0] is not None

    async def test_what_cannot_be_attached(self, home: Home) -> None:
        network, site = home.host.network, home.site
        assert await network.attachment(site.conflist, site.root_id) == (None, False)
        with pytest.raises(errors.HostError):
            await network.attach(site.conflist, site.root_id, f"{site.pins}/net")
        await home.network()
        with pytest.raises(errors.CNIPluginFailed):
            await network.attach(site.conflist, site.root_id, f"{site.pins}/net")
        assert await network.attachment(site.conflist, site.root_id) == (None, False)

    async def test_a_network_is_found_and_removed_by_its_name_alone(self, home: Home) -> None:
        network, site, name = home.host.network, home.site, home.network_name
        assert name not in await network.networks()
        assert await network.holders(name) == []
        assert await network.remove(name, site.conflist, home.bridge.bridge) is False
        await home.network()
        assert name in await network.networks()
        await home.cell()
        await network.attach(site.conflist, site.root_id, f"{site.pins}/net")
        assert await network.holders(name) == [site.root_id]
        await home.host.kernel.write_file(site.conflist, "torn {")
        assert await network.remove(name, site.conflist, home.bridge.bridge) is True
        assert name not in await network.networks()
        assert await network.holders(name) == []
        assert not await network.bridge_exists(home.bridge.bridge)

    async def test_packet_rules_are_made_and_removed_twice(self, home: Home) -> None:
        for nets in ((home.bridge,), (home.bridge,), (), ()):
            await home.host.network.apply_firewall(Wall(nets))
