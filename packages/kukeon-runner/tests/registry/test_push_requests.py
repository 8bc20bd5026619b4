"""Pushing: blobs from a stream, blobs of a neighbour, manifests."""

import asyncio
import dataclasses
import os
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from kukeon_api import errors, image_ref
from kukeon_runner.host.registry import push, retries
from kukeon_runner.host.registry.client import Registry
from kukeon_runner.host.registry.endpoints import Capability, Endpoint
from kukeon_runner.host.registry.values import Descriptor, digest_of
from kukeon_runner.testing.registry import PASS, Call, Reply, ServedRegistry, error, served_registry

LAYER = "application/vnd.oci.image.layer.v1.tar"


def ref(served: ServedRegistry, name: str = "team/app:1") -> image_ref.ImageRef:
    return image_ref.parse(f"{served.address}/{name}")


def described(content: bytes, media_type: str = LAYER) -> Descriptor:
    return Descriptor(media_type, digest_of(content), len(content))


def pieces_of(content: bytes, size: int = 100_000) -> Callable[[], AsyncIterator[bytes]]:
    async def pieces() -> AsyncIterator[bytes]:
        for at in range(0, len(content), size):
            yield content[at : at + size]

    return pieces


@pytest.mark.parametrize("content", [b"", b"layer", os.urandom(3_000_000)], ids=["none", "small", "large"])
async def test_a_blob_is_uploaded_as_it_is(served: ServedRegistry, patience: retries.Patience, content: bytes):
    blob = described(content)
    async with Registry(patience=patience) as registry:
        assert not await registry.has_blob(ref(served), blob)
        await registry.upload_blob(ref(served), blob, pieces_of(content))
        assert await registry.has_blob(ref(served), blob)
    assert served.blobs[blob.digest] == content
    put = next(call for call in served.calls if call.method == "PUT")
    assert put.headers["content-length"] == str(len(content))
    # The state that the registry put into the address comes back as it was.
    assert put.query == {"state": "a/b", "digest": blob.digest}


async def test_a_blob_of_another_size_is_not_the_same(served: ServedRegistry, patience: retries.Patience):
    blob = served.add_blob(b"layer")
    async with Registry(patience=patience) as registry:
        assert not await registry.has_blob(ref(served), dataclasses.replace(blob, size=4))


async def test_a_neighbours_blob_is_taken_over(served: ServedRegistry, patience: retries.Patience):
    blob = served.add_blob(b"layer")
    async with Registry(patience=patience) as registry:
        assert await registry.mount_blob(ref(served), blob, "team/base")
    assert served.calls[0].query == {"mount": blob.digest, "from": "team/base"}


async def test_a_registry_may_not_want_to_take_it_over(served: ServedRegistry, patience: retries.Patience):
    async with Registry(patience=patience) as registry:
        assert not await registry.mount_blob(ref(served), described(b"layer"), "team/base")
    # The upload that it began instead is called off.
    assert [call.method for call in served.calls] == ["POST", "DELETE"]


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405])
async def test_a_neighbour_that_may_not_be_read_has_the_blob_uploaded(
    served: ServedRegistry, patience: retries.Patience, status: int
):
    served.behaviour = lambda call, _: error(status, "DENIED", "not yours") if "mount" in call.query else PASS
    async with Registry(patience=patience) as registry:
        assert not await registry.mount_blob(ref(served), described(b"layer"), "other/base")
        await registry.upload_blob(ref(served), described(b"layer"), pieces_of(b"layer"))


async def test_what_is_there_before_is_asked_where_it_is_pushed_to(served: ServedRegistry, patience: retries.Patience):
    stored = served.add_manifest("team/app", "1", b"{}")
    async with served_registry() as mirror:
        mirror.add_manifest("team/app", "1", b"{ }")
        hosts = (
            Endpoint(f"http://{mirror.address}/v2", frozenset({Capability.PULL, Capability.RESOLVE})),
            Endpoint(f"http://{served.address}/v2"),
        )
        async with Registry(lambda _: hosts, patience=patience) as registry:
            assert await registry.resolve_pushed(ref(served)) == stored
        assert mirror.calls == []


@pytest.mark.parametrize(("name", "under"), [("team/app:1", "1"), ("team/app", "latest")])
async def test_a_manifest_is_stored_under_the_tag(
    served: ServedRegistry, patience: retries.Patience, name: str, under: str
):
    manifest = described(b'{"schemaVersion":2}', "application/vnd.oci.image.index.v1+json")
    async with Registry(patience=patience) as registry:
        await registry.put_manifest(ref(served, name), manifest, b'{"schemaVersion":2}')
        assert await registry.resolve(ref(served, name)) == manifest
    assert served.calls[0].path.endswith(f"/manifests/{under}")


async def test_a_part_of_an_index_is_stored_under_its_digest(served: ServedRegistry, patience: retries.Patience):
    manifest = described(b"{}", "application/vnd.oci.image.manifest.v1+json")
    untagged = dataclasses.replace(ref(served), tag="", digest=manifest.digest)
    async with Registry(patience=patience) as registry:
        await registry.put_manifest(untagged, manifest, b"{}")
    assert ("team/app", "1") not in served.manifests
    assert ("team/app", manifest.digest) in served.manifests


async def test_an_upload_that_broke_is_begun_again(served: ServedRegistry, patience: retries.Patience):
    content = os.urandom(500_000)
    uploads: list[Call] = []

    def fail_once(call: Call, _writer: object) -> Reply:
        uploads.extend([call] if call.method == "PUT" else [])
        return Reply(503) if call.method == "PUT" and len(uploads) < 3 else PASS

    served.behaviour = fail_once
    async with Registry(patience=patience) as registry:
        await registry.upload_blob(ref(served), described(content), pieces_of(content))
    assert len(uploads) == 3
    assert served.blobs == {described(content).digest: content}


async def test_an_answer_that_was_lost_is_no_second_upload(served: ServedRegistry, patience: retries.Patience):
    def lose(call: Call, writer: asyncio.StreamWriter) -> Reply | None:
        if call.method != "PUT":
            return PASS
        served.answer(call)
        return None

    served.behaviour = lose
    async with Registry(patience=patience) as registry:
        await registry.upload_blob(ref(served), described(b"layer"), pieces_of(b"layer"))
    assert [call.method for call in served.calls].count("POST") == 1


@pytest.mark.parametrize(
    ("reply", "kind", "words"),
    [
        (error(401, "UNAUTHORIZED", ""), errors.RegistryUnauthorized, "wants to know who asks"),
        (error(403, "DENIED", "read only"), errors.RegistryDenied, "does not allow it: read only"),
        (error(413, "SIZE_INVALID", "too big"), errors.RegistryRefused, "refused with status 413: too big"),
        (error(429, "", ""), errors.RegistryRateLimited, "takes no more requests"),
        (Reply(202), errors.NotARegistry, "does not say where to upload to"),
        (Reply(202, headers={"Location": "file:///etc"}), errors.NotARegistry, "no http or https address"),
    ],
)
async def test_an_upload_that_is_refused(
    served: ServedRegistry,
    patience: retries.Patience,
    reply: Reply,
    kind: type[errors.KukeonError],
    words: str,
):
    served.behaviour = lambda *_: reply
    async with Registry(patience=patience) as registry:
        with pytest.raises(kind, match=f"cannot push '{served.address}/team/app:1': .*{words}") as caught:
            await registry.upload_blob(ref(served), described(b"layer"), pieces_of(b"layer"))
    assert type(caught.value) is kind


async def test_a_registry_that_takes_nothing(served: ServedRegistry, impatience: retries.Patience):
    async def stop_reading(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await reader.readuntil(b"\r\n\r\n")
        if request.startswith(b"POST"):
            writer.write(b"HTTP/1.1 202 A\r\nLocation: /v2/x/blobs/uploads/1\r\nContent-Length: 0\r\n\r\n")
            await reader.readuntil(b"\r\n\r\n")
        await asyncio.sleep(30)

    served.serve = stop_reading  # type: ignore[method-assign]
    content = bytes(50_000_000)
    async with Registry(patience=dataclasses.replace(impatience, attempts=1)) as registry:
        with pytest.raises(errors.RegistryStalled, match=r"took nothing for 0\.2 s"):
            await registry.upload_blob(ref(served), described(content), pieces_of(content))


async def test_a_registry_whose_answer_does_not_end(
    served: ServedRegistry, patience: retries.Patience, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(push, "_COMMIT_S", 1.0)

    async def drip(call: Call, writer: asyncio.StreamWriter) -> Any:
        if call.method != "PUT":
            return PASS
        writer.write(b"HTTP/1.1 201 Created\r\nX-Long: ")
        while True:
            writer.write(b"0")
            await writer.drain()
            await asyncio.sleep(0.05)

    served.behaviour = drip
    async with Registry(patience=dataclasses.replace(patience, attempts=1)) as registry:
        with pytest.raises(errors.RegistryStalled):
            await registry.upload_blob(ref(served), described(b"layer"), pieces_of(b"layer"))


@pytest.mark.parametrize("content", [b"short", b"much too long"])
async def test_content_that_is_not_as_described(served: ServedRegistry, patience: retries.Patience, content: bytes):
    async with Registry(patience=patience) as registry:
        with pytest.raises(errors.HostError, match=r"is to have 7 bytes and has (5|more)"):
            await registry.upload_blob(ref(served), described(b"7 bytes"), pieces_of(content, size=4))
    assert served.blobs == {}


async def test_what_the_reader_raises_comes_back(served: ServedRegistry, patience: retries.Patience):
    async def pieces() -> AsyncIterator[bytes]:
        yield b"lay"
        raise errors.ConnectContainerd("containerd is away")

    async with Registry(patience=patience) as registry:
        with pytest.raises(errors.ConnectContainerd, match="containerd is away"):
            await registry.upload_blob(ref(served), described(b"layer"), pieces)


async def test_a_registry_that_stored_something_else(served: ServedRegistry, patience: retries.Patience):
    other = digest_of(b"other")
    served.behaviour = lambda call, _: (
        Reply(201, headers={"Docker-Content-Digest": other}) if call.method == "PUT" else PASS
    )
    async with Registry(patience=patience) as registry:
        with pytest.raises(errors.DigestMismatch, match=f"has stored '{other}'"):
            await registry.upload_blob(ref(served), described(b"layer"), pieces_of(b"layer"))
        with pytest.raises(errors.DigestMismatch, match=f"has stored '{other}'"):
            await registry.put_manifest(ref(served), described(b"{}"), b"{}")


async def test_a_manifest_that_is_refused_has_the_registrys_words(served: ServedRegistry, patience: retries.Patience):
    served.behaviour = lambda *_: error(400, "MANIFEST_BLOB_UNKNOWN", "blob unknown to registry")
    async with Registry(patience=patience) as registry:
        with pytest.raises(errors.RegistryRefused, match="blob unknown to registry"):
            await registry.put_manifest(ref(served), described(b"{}"), b"{}")


async def test_all_parts_go_to_one_place(served: ServedRegistry, patience: retries.Patience):
    async with served_registry() as mirror:
        hosts = (
            Endpoint(f"http://{mirror.address}/v2", frozenset({Capability.PULL})),
            Endpoint(f"http://{served.address}/v2"),
            Endpoint(f"http://{mirror.address}/v2"),
        )
        served.behaviour = lambda *_: Reply(500)
        async with Registry(lambda _: hosts, patience=patience) as registry:
            with pytest.raises(errors.RegistryFailed):
                await registry.upload_blob(ref(served), described(b"layer"), pieces_of(b"layer"))
        assert mirror.calls == []
