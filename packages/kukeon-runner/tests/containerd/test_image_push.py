"""Sending images out of a real containerd: to a registry that we serve, and as an archive."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from loaded_images import NAME, good, load

from kukeon_api import errors, image_ref
from kukeon_runner.host.containerd.archive import export
from kukeon_runner.host.containerd.leases import EXPIRE_LABEL
from kukeon_runner.host.registry.client import Registry
from kukeon_runner.host.transfer import push
from kukeon_runner.host.transfer.progress import Progress
from kukeon_runner.testing.registry import PASS, Call, Reply, ServedRegistry, error, served_registry

if TYPE_CHECKING:
    from kukeon_runner.host.containerd.client import Namespaced

pytestmark = pytest.mark.host


async def pushed(namespace: Namespaced, served: ServedRegistry) -> tuple[str, int, bool]:
    async with Registry() as registry:
        ref = image_ref.parse(f"{served.address}/team/app:1")
        return await push.push(namespace, registry, NAME, ref, "", Progress())


async def expiry(namespace: Namespaced) -> datetime:
    (lease,) = await namespace.leases.list()
    return datetime.fromisoformat(lease.labels[EXPIRE_LABEL])


@pytest.mark.parametrize("refusal", [(401, "UNAUTHORIZED"), (403, "DENIED"), (404, "NAME_UNKNOWN")])
async def test_a_registry_need_not_show_what_is_not_there(namespace: Namespaced, refusal: tuple[int, str]) -> None:
    """Many tell nobody whether a repository exists, not even who may make it by pushing."""
    await load(namespace, good().tar())
    async with served_registry() as served:

        def behaviour(call: Call, _writer: object) -> Reply:
            asks = "/manifests/" in call.path and call.method != "PUT"
            return error(*refusal, "no such thing, or not for you") if asks and not served.manifests else PASS

        served.behaviour = behaviour
        digest, _, changed = await pushed(namespace, served)
        assert changed
        assert ("team/app", "1") in served.manifests
        assert (await pushed(namespace, served))[::2] == (digest, False)


async def test_who_may_not_push_is_told_so(namespace: Namespaced) -> None:
    await load(namespace, good().tar())
    async with served_registry() as served:
        served.behaviour = lambda *_: error(403, "DENIED", "read only")
        with pytest.raises(errors.RegistryDenied, match=r"cannot push .*: read only"):
            await pushed(namespace, served)


async def test_what_is_sent_stays_as_long_as_a_slow_reader_takes(namespace: Namespaced) -> None:
    await load(namespace, good().tar())
    soonest = datetime.now(UTC) + timedelta(hours=20)
    archive = export(namespace, [NAME], "", "oci")
    await anext(archive)
    assert await expiry(namespace) > soonest
    await archive.aclose()
    asked: list[datetime] = []
    async with served_registry() as served:

        async def behaviour(_call: Call, _writer: object) -> Reply:
            asked.append(await expiry(namespace))
            return PASS

        served.behaviour = behaviour
        await pushed(namespace, served)
    assert min(asked) > soonest
