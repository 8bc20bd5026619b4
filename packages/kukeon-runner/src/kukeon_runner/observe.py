"""Ask the host what it has of a cell. Changes nothing."""

from __future__ import annotations

from collections.abc import Iterable

from kukeon_runner import observed, wanted
from kukeon_runner.host.protocol import Host
from kukeon_runner.together import together


async def cell(host: Host, site: wanted.Site, ids: Iterable[str], *, strays: bool) -> observed.Cell:
    """What there is of the cell at `site`: the containers `ids` and, with `strays`, any other that carries its labels.

    Looking for strays goes over all records of the namespace; a cell that was never made has none.
    """
    known = set(ids)
    if strays:
        known |= set(await host.containers.ids(site.namespace, site.labels))
    (cgroup, pinned, shm), (address, residue), containers = await together(
        _places(host, site),
        host.network.attachment(site.conflist, site.root_id),
        _containers(host, site.namespace, sorted(known)),
    )
    return observed.Cell(cgroup, pinned, shm, address, residue, containers)


async def _places(host: Host, site: wanted.Site) -> tuple[bool, bool, bool]:
    cgroup, pinned, shm = await together(
        host.kernel.cgroup_exists(site.cgroup), host.kernel.pinned(site.pins), host.kernel.mounted(site.shm)
    )
    return cgroup, pinned, shm


async def _containers(host: Host, namespace: str, ids: list[str]) -> dict[str, observed.Container]:
    found = await together(*(host.containers.find(namespace, id) for id in ids))
    return {id: each for id, each in zip(ids, found, strict=True) if each is not None}
