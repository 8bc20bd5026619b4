"""Ask the host what it has of a cell. Changes nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kukeon_runner import observed, wanted
from kukeon_runner.together import together

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from kukeon_runner.host.protocol import Host


async def cell(
    host: Host,
    site: wanted.Site,
    ids: Iterable[str],
    *,
    strays: bool,
    survey: Mapping[str, observed.Container] | None = None,
    attached: Mapping[str, observed.Attachment] | None = None,
) -> observed.Cell:
    """What there is of the cell at `site`: the containers `ids` and, with `strays`, any other that carries its labels.

    Looking for strays goes over all records of the namespace; a cell that was never made has none. A `survey` of the
    namespace spares asking for each container, and has no strays; beside it, what is `attached` to the cell's network
    spares asking there.
    """
    if survey is not None:
        there = {id: survey[id] for id in sorted(ids) if id in survey}
        return await _cell(host, site, there, (attached or {}).get(site.root_id))
    known = set(ids)
    if strays:
        known |= set(await host.containers.ids(site.namespace, site.labels))
    found = await together(*(host.containers.find(site.namespace, id) for id in sorted(known)))
    there = {id: each for id, each in zip(sorted(known), found, strict=True) if each is not None}
    return await _cell(host, site, there, None)


async def _cell(
    host: Host, site: wanted.Site, containers: Mapping[str, observed.Container], attached: observed.Attachment | None
) -> observed.Cell:
    address, residue = attached or await host.network.attachment(site.conflist, site.root_id)
    pins = await host.kernel.pinned(site.pins)
    return observed.Cell(
        cgroup=await host.kernel.cgroup_exists(site.cgroup),
        pinned=bool(pins),
        networkless=bool(pins) and "net" not in pins,
        shm=await host.kernel.mounted(site.shm),
        secrets=await host.kernel.mounted(site.secrets),
        address=address,
        network_residue=residue,
        containers=containers,
    )
