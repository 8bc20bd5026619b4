"""What the kernel's doors keep."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from kukeon_api import errors
from kukeon_runner.testing.host_contract.home import CELL, Program

if TYPE_CHECKING:
    from kukeon_runner.testing.host_contract.home import Home


class KernelContract:
    """Cgroups, namespaces, mounts, files."""

    async def test_a_cgroup_is_made_once_with_its_parents(self, home: Home) -> None:
        kernel, path = home.host.kernel, home.site.cgroup
        assert await kernel.make_cgroup(path) is True
        assert await kernel.make_cgroup(path) is False
        assert await kernel.cgroup_exists(path)
        assert await kernel.cgroup_exists(home.layout.cgroup_root)
        assert {"memory", "pids"} <= set(await kernel.controllers(path))

    async def test_a_cgroup_goes_with_everything_below_and_twice(self, home: Home) -> None:
        kernel = home.host.kernel
        await kernel.make_cgroup(home.site.cgroup)
        for _ in range(2):
            await kernel.remove_cgroup(home.layout.cgroup_root)
            assert not await kernel.cgroup_exists(home.site.cgroup)
            assert not await kernel.cgroup_exists(home.layout.cgroup_root)
        assert await kernel.controllers(home.site.cgroup) == ()

    async def test_a_cgroup_is_no_neighbour_whose_name_goes_on(self, home: Home) -> None:
        kernel = home.host.kernel
        await kernel.make_cgroup(home.site.cgroup)
        await kernel.make_cgroup(f"{home.site.cgroup}2")
        await kernel.remove_cgroup(home.site.cgroup)
        assert await kernel.cgroup_exists(f"{home.site.cgroup}2")

    async def test_removing_a_cgroup_ends_what_runs_in_it(self, home: Home) -> None:
        await home.cell()
        id = await home.running("web", Program.STUBBORN)
        await home.host.kernel.remove_cgroup(home.site.cgroup)
        assert (await home.wait_ended(id)).code == 137

    async def test_namespaces_are_pinned_and_dropped_twice(self, home: Home) -> None:
        kernel, pins = home.host.kernel, home.site.pins
        assert not await kernel.pinned(pins)
        for _ in range(2):
            await kernel.pin_namespaces(pins, "c")
            assert await kernel.pinned(pins)
        for _ in range(2):
            await kernel.unpin_namespaces(pins)
            assert not await kernel.pinned(pins)
        await kernel.pin_namespaces(pins, "c")

    async def test_shared_memory_is_mounted_and_unmounted_twice(self, home: Home) -> None:
        kernel, path = home.host.kernel, home.site.shm
        assert not await kernel.mounted(path)
        for _ in range(2):
            await kernel.mount_shm(path)
            assert await kernel.mounted(path)
        for _ in range(2):
            await kernel.unmount_shm(path)
            assert not await kernel.mounted(path)

    async def test_what_is_left_of_many_cells_is_cleared_at_once(self, home: Home) -> None:
        kernel, site = home.host.kernel, home.site
        top, parts = site.pins.removesuffix("/" + "/".join(CELL.parts)), CELL.parts[:2]
        assert await kernel.clear(top, parts) is False
        await kernel.pin_namespaces(site.pins, "c")
        other = site.pins.replace("/s/", "/s2/")
        await kernel.pin_namespaces(other, "c")
        assert await kernel.clear(top, parts) is True
        assert not await kernel.pinned(site.pins)
        assert await kernel.pinned(other)
        await kernel.mount_shm(site.shm)
        for expected in (True, False):
            assert await kernel.clear(site.shm.removesuffix("/" + "/".join(CELL.parts)), CELL.parts) is expected
            assert not await kernel.mounted(site.shm)
        await kernel.unpin_namespaces(other)

    async def test_a_file_holds_what_was_written_last(self, home: Home) -> None:
        kernel = home.host.kernel
        home.directory()
        for text in ("long\ntext\n", "short\n", ""):
            await kernel.write_file(home.site.hosts, text)
            assert await kernel.read_file(home.site.hosts) == text
        assert await kernel.exists(home.site.hosts)

    async def test_files_that_cannot_be(self, home: Home) -> None:
        assert not await home.host.kernel.exists(home.site.hosts)
        with pytest.raises(FileNotFoundError):
            await home.host.kernel.read_file(home.site.hosts)
        with pytest.raises(errors.HostError, match="cannot write"):
            await home.host.kernel.write_file(home.site.hosts, "no directory to be in")

    async def test_how_full_the_disk_is(self, home: Home) -> None:
        home.directory()
        found = await home.host.kernel.disk_use("/")
        assert found is not None
        assert 0 < found.free_bytes < found.total_bytes
        assert found.free_files <= found.total_files
        assert await home.host.kernel.disk_use("/no/such/place") is None
        name, directory = await home.host.containers.snapshotter()
        assert name in directory
