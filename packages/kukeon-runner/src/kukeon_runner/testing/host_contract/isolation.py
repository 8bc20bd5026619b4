"""What the doors keep that secrets, devices and shares of the host go through."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from kukeon_api import errors, model
from kukeon_runner.testing.host_contract.home import Program

if TYPE_CHECKING:
    from kukeon_runner.testing.host_contract.home import Home

ABSENT = model.ContainerSecret(name="s", from_file="/no/such/file", mount_path="/s")
UNSET = model.ContainerSecret(name="S", from_env="KUKEON_CONTRACT_UNSET")


class IsolationContract:
    """Secrets, devices, namespaces without a network."""

    async def test_namespaces_can_be_pinned_without_a_network(self, home: Home) -> None:
        kernel, pins = home.host.kernel, home.site.pins
        assert await kernel.pinned(pins) == frozenset()
        await kernel.pin_namespaces(pins, "c", network=False)
        assert await kernel.pinned(pins) == {"ipc", "uts"}
        await kernel.pin_namespaces(pins, "c")
        assert await kernel.pinned(pins) == {"ipc", "net", "uts"}
        await kernel.pin_namespaces(pins, "c", network=False)
        assert await kernel.pinned(pins) == {"ipc", "uts"}
        await kernel.unpin_namespaces(pins)
        assert await kernel.pinned(pins) == frozenset()

    async def test_secrets_are_staged_and_removed_twice(self, home: Home) -> None:
        kernel, site = home.host.kernel, home.site
        home.directory()
        await kernel.write_file(site.hosts, "value")
        secret = model.ContainerSecret(name="s", from_file=site.hosts, mount_path="/s")
        directory = site.staged("web")
        with pytest.raises(errors.HostError):
            await kernel.stage_secrets(directory, (secret,), (0, 0))
        for _ in range(2):
            await kernel.mount_secrets(site.secrets)
            assert await kernel.mounted(site.secrets)
            await kernel.check_secret(secret)
            await kernel.stage_secrets(directory, (secret,), (0, 0))
        for _ in range(2):
            await kernel.remove_secrets(directory)
        await kernel.stage_secrets(directory, (secret,), (0, 0))
        for _ in range(2):
            await kernel.unmount_secrets(site.secrets)
            assert not await kernel.mounted(site.secrets)

    async def test_a_secret_without_a_value_is_told_by_its_name(self, home: Home) -> None:
        kernel = home.host.kernel
        await kernel.mount_secrets(home.site.secrets)
        for secret in (ABSENT, UNSET):
            with pytest.raises(errors.SecretNotFound, match=f"cannot provide secret '{secret.name}'"):
                await kernel.check_secret(secret)
            with pytest.raises(errors.SecretNotFound):
                await kernel.stage_secrets(home.site.staged("web"), (secret,), (0, 0))
            with pytest.raises(errors.SecretNotFound):
                await kernel.secret_text(secret)
        await kernel.unmount_secrets(home.site.secrets)

    async def test_the_text_of_a_secret(self, home: Home) -> None:
        home.directory()
        await home.host.kernel.write_file(home.site.hosts, "two\nlines\n")
        secret = model.ContainerSecret(name="S", from_file=home.site.hosts)
        assert await home.host.kernel.secret_text(secret) == "two\nlines\n"

    async def test_variables_are_for_containers_that_are_recorded(self, home: Home) -> None:
        containers, namespace = home.host.containers, home.namespace
        with pytest.raises(errors.ContainerNotFound):
            await containers.owner(namespace, "nobody")
        with pytest.raises(errors.ContainerNotFound):
            await containers.fill_environment(namespace, "nobody", {"A": "1"})
        await home.cell()
        id = await home.container("web", Program.RUNS)
        assert await containers.owner(namespace, id) == (0, 0)
        for value in ("1", "2"):
            await containers.fill_environment(namespace, id, {"A": value})

    async def test_a_device_that_is_not_there(self, home: Home) -> None:
        with pytest.raises(errors.DeviceNotFound, match="/dev/no-such-device"):
            await home.host.kernel.device("/dev/no-such-device")

    async def test_a_file_of_the_host_is_read_up_to_a_limit(self, home: Home) -> None:
        kernel, path = home.host.kernel, home.site.hosts
        home.directory()
        with pytest.raises(errors.Invalid, match="no such file"):
            await kernel.read_bounded(path, 10)
        await kernel.write_file(path, "0123456789")
        assert await kernel.read_bounded(path, 10) == b"0123456789"
        with pytest.raises(errors.Invalid, match="more than"):
            await kernel.read_bounded(path, 9)
