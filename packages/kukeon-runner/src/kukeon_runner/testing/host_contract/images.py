"""What images keep."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import pytest

from kukeon_api import errors
from kukeon_runner import steps
from kukeon_runner.testing.host_contract.home import Program

if TYPE_CHECKING:
    from kukeon_runner.testing.host_contract.home import Home


class ImagesContract:
    """The images of a namespace."""

    async def test_a_loaded_image_is_listed_and_found(self, home: Home) -> None:
        images = home.host.images
        await home.host.containers.create_namespace(home.namespace, {})
        assert list(await images.list(home.namespace)) == []
        assert list(await images.load(home.namespace, home.archive())) == [home.archived]
        (listed,) = await images.list(home.namespace)
        assert listed.name == home.archived
        info = await images.info(home.namespace, home.archived)
        assert msgspec.structs.replace(info, layers=(), config=None) == listed
        found = await images.find(home.namespace, home.archived)
        assert (found.name, found.digest) == (home.archived, listed.digest)
        assert list(await images.load(home.namespace, home.archive())) == [home.archived]
        assert list(await images.list(home.namespace)) == [listed]

    async def test_an_image_that_is_missing(self, home: Home) -> None:
        images = home.host.images
        await home.host.containers.create_namespace(home.namespace, {})
        for ask in (images.find, images.info, images.delete):
            with pytest.raises(errors.ImageNotFound, match="nobody"):
                await ask(home.namespace, "docker.io/library/nobody:1")
        await images.load(home.namespace, home.archive())
        await images.delete(home.namespace, home.archived)
        with pytest.raises(errors.ImageNotFound) as caught:
            await images.find(home.namespace, home.archived)
        assert "kuke image load" in caught.value.hint

    async def test_a_container_outlives_its_images_name(self, home: Home) -> None:
        await home.cell()
        id = await home.container("web", Program.ENDS)
        await home.host.images.delete(home.namespace, home.archived)
        await home.host.containers.create_task(steps.CreateTask(home.namespace, id, ""))
        await home.host.containers.start_task(home.namespace, id)
        assert (await home.wait_ended(id)).code == 3

    async def test_a_tag_is_one_more_name(self, home: Home) -> None:
        images = home.host.images
        await home.host.containers.create_namespace(home.namespace, {})
        with pytest.raises(errors.ImageNotFound):
            await images.tag(home.namespace, home.archived, "example.invalid/other:2")
        await images.load(home.namespace, home.archive())
        digest = await images.tag(home.namespace, home.archived, "example.invalid/other:2")
        found = [await images.info(home.namespace, name) for name in (home.archived, "example.invalid/other:2")]
        assert {each.digest for each in found} == {digest}
        await images.delete(home.namespace, home.archived)
        assert [each.name for each in await images.list(home.namespace)] == ["example.invalid/other:2"]
        assert (await images.find(home.namespace, "example.invalid/other:2")).digest == digest

    async def test_prune_takes_what_may_go_and_no_container_has(self, home: Home) -> None:
        await home.cell()
        await home.container("web", Program.ENDS)
        images = home.host.images
        await images.tag(home.namespace, home.archived, "example.invalid/other:2")
        await images.tag(home.namespace, home.archived, "example.invalid/third:3")

        def removable(name: str) -> bool:
            return "third" not in name

        would, _ = await images.prune(home.namespace, removable, dry_run=True)
        assert [each.name for each in would] == ["example.invalid/other:2"]
        assert len(await images.list(home.namespace)) == 3
        done, reclaimed = await images.prune(home.namespace, removable, dry_run=False)
        assert (list(done), reclaimed) == (list(would), 0)
        left = sorted(each.name for each in await images.list(home.namespace))
        assert left == sorted((home.archived, "example.invalid/third:3"))
