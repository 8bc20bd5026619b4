"""What images keep."""

from __future__ import annotations

from typing import TYPE_CHECKING

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
        assert await images.info(home.namespace, home.archived) == listed
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
