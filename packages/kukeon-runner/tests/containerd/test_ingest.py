"""Blobs that come over a slow line: what came is kept, as long as it is of use."""

from __future__ import annotations

import asyncio
import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from kukeon_api import errors
from kukeon_runner.host.containerd import ingest, writing
from kukeon_runner.host.containerd.client import Containerd
from kukeon_runner.testing.archives import digest_of
from kukeon_runner.testing.containerd import private_containerd

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable

    from kukeon_runner.host.containerd.client import Namespaced

    Source = Callable[[int], AsyncGenerator[bytes, None]]

pytestmark = pytest.mark.host


@pytest.fixture
async def leased(namespace: Namespaced) -> AsyncIterator[Namespaced]:
    async with namespace.lease("test") as leased:
        yield leased


async def write(leased: Namespaced, digest: str, size: int, source: Source) -> None:
    # As a pull does it: the lease keeps the blob once it is there.
    await leased.leases.add(leased.lease_id, "content", digest)
    await ingest.write(leased.scope, digest, size, source)


def source_of(data: bytes, asked: list[int], *, breaks_after: int | None = None) -> Source:
    """Give `data` from the offset that is asked for; the line breaks after that many bytes of it."""

    async def source(offset: int) -> AsyncGenerator[bytes, None]:
        asked.append(offset)
        end = len(data) if breaks_after is None else breaks_after
        for at in range(offset, end, 100_000):
            yield data[at : min(end, at + 100_000)]
        if breaks_after is not None:
            raise errors.RegistryClosed("the line broke")

    return source


async def test_what_came_is_not_asked_for_again(leased: Namespaced) -> None:
    data, asked = os.urandom(300_000), list[int]()
    digest = digest_of(data)
    with pytest.raises(errors.RegistryClosed):
        await write(leased, digest, len(data), source_of(data, asked, breaks_after=200_000))
    assert await leased.content.ingests() == (ingest.ref_of(digest),)
    await write(leased, digest, len(data), source_of(data, asked))
    assert asked == [0, 200_000]
    assert await leased.content.read(digest) == data
    assert await leased.content.ingests() == ()


async def test_what_somebody_else_had_sent_of_it_spoils_nothing(leased: Namespaced) -> None:
    """Any registry may claim to have a blob, and break off after sending something else."""
    data, asked = os.urandom(300_000), list[int]()
    digest = digest_of(data)
    with pytest.raises(errors.RegistryClosed):
        await write(leased, digest, len(data), source_of(bytes(300_000), [], breaks_after=200_000))
    await write(leased, digest, len(data), source_of(data, asked))
    assert asked == [200_000, 0]
    assert await leased.content.read(digest) == data


@pytest.mark.parametrize("breaks_after", [None, 50_000, 200_000])
async def test_more_than_there_is_to_be_spoils_nothing_either(leased: Namespaced, breaks_after: int | None) -> None:
    data = os.urandom(100_000)
    digest, longer = digest_of(data), bytes(300_000)
    with pytest.raises((errors.RegistryClosed, errors.Conflict)):
        await write(leased, digest, len(longer), source_of(longer, [], breaks_after=breaks_after))
    await write(leased, digest, len(data), source_of(data, []))
    assert await leased.content.read(digest) == data


async def test_wrong_content_is_told_and_dropped(leased: Namespaced) -> None:
    data, asked = os.urandom(300_000), list[int]()
    with pytest.raises(errors.Conflict):
        await write(leased, digest_of(data), len(data), source_of(bytes(300_000), asked))
    assert asked == [0]
    assert await leased.content.ingests() == ()
    assert await leased.content.list() == ()


@pytest.mark.parametrize("way", ["pull", "load"])
async def test_who_is_slow_has_all_the_time_there_is(
    leased: Namespaced, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    """What is timed is how long containerd takes, and not who sends."""
    monkeypatch.setattr(writing, "ANSWER_S", 1.0)
    data = os.urandom(300_000)
    clock = asyncio.get_running_loop().time

    async def slowly(offset: int) -> AsyncGenerator[bytes, None]:
        for at in range(offset, len(data), 100_000):
            until = clock() + 0.5
            while clock() < until:  # noqa: ASYNC110 - a line, which is slow
                await asyncio.sleep(0.01)
            yield data[at : at + 100_000]

    if way == "pull":
        await write(leased, digest_of(data), len(data), slowly)
    else:
        await leased.content.write_stream(slowly(0), size=len(data), expected=digest_of(data))
    assert await leased.content.read(digest_of(data)) == data


async def test_on_a_full_disk_nothing_is_kept() -> None:
    """What is left of a blob that does not fit would keep everybody else from writing."""
    data = os.urandom(8_000_000)
    with private_containerd() as process:
        unfinished = process.root / "io.containerd.content.v1.content" / "ingest"
        mount = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(unfinished)]
        await asyncio.to_thread(subprocess.run, mount, check=True)
        async with await Containerd.connect(process.socket) as containerd:
            await containerd.create_namespace("full")
            async with containerd.with_namespace("full").lease("test") as leased:
                with pytest.raises(errors.HostError, match="no space left on device"):
                    await write(leased, digest_of(data), len(data), source_of(data, []))
                assert await leased.content.ingests() == ()
                assert not any(unfinished.iterdir())
