"""Pulling from a registry that behaves: names, manifests, blobs."""

import dataclasses
import hashlib
import os
import subprocess
import sys

import pytest

from kukeon_api import errors, image_ref
from kukeon_runner.host.registry import retries
from kukeon_runner.host.registry.client import Registry
from kukeon_runner.testing.registry import INDEX, Call, Reply, ServedRegistry

MANIFEST = b'{"schemaVersion": 2}'


def ref(served: ServedRegistry, name: str = "team/app:1") -> image_ref.ImageRef:
    return image_ref.parse(f"{served.address}/{name}")


async def read(registry: Registry, *args, **kwargs) -> bytes:
    return b"".join([piece async for piece in registry.blob(*args, **kwargs)])


async def test_a_tag_stands_for_type_digest_and_size(served: ServedRegistry, patience: retries.Patience):
    stored = served.add_manifest("team/app", "1", MANIFEST, INDEX)
    async with Registry(patience=patience) as registry:
        assert await registry.resolve(ref(served)) == stored
        assert await registry.manifest(ref(served), stored) == MANIFEST


async def test_of_tag_and_digest_the_digest_counts(served: ServedRegistry, patience: retries.Patience):
    stored = served.add_manifest("team/app", "old", MANIFEST)
    served.add_manifest("team/app", "1", b"{}")
    async with Registry(patience=patience) as registry:
        assert await registry.resolve(ref(served, f"team/app:1@{stored.digest}")) == stored


async def test_a_registry_that_tells_little_by_head_is_asked_by_get(served: ServedRegistry, patience: retries.Patience):
    stored = served.add_manifest("team/app", "1", MANIFEST)

    def terse(call: Call, _writer: object) -> Reply:
        if call.method == "HEAD":
            return Reply(405)
        return Reply(200, MANIFEST, {"Content-Type": f"{stored.media_type}; charset=utf-8"})

    served.behaviour = terse
    async with Registry(patience=patience) as registry:
        assert await registry.resolve(ref(served)) == stored


async def test_what_a_tag_stands_for_is_told_by_the_usual_algorithm(served: ServedRegistry, patience: retries.Patience):
    stored = served.add_manifest("team/app", "1", MANIFEST)
    other = f"sha512:{hashlib.sha512(MANIFEST).hexdigest()}"
    served.behaviour = lambda *_: Reply(
        200, MANIFEST, {"Content-Type": stored.media_type, "Docker-Content-Digest": other}
    )
    async with Registry(patience=patience) as registry:
        assert await registry.resolve(ref(served)) == stored


async def test_a_blob_comes_whole_in_small_pieces(served: ServedRegistry, patience: retries.Patience):
    content = os.urandom(5_000_000)
    stored = served.add_blob(content)
    async with Registry(patience=patience) as registry:
        pieces = [piece async for piece in registry.blob(ref(served), stored)]
        assert max(map(len, pieces)) <= 1024 * 1024
        assert b"".join(pieces) == content
        assert await read(registry, ref(served), stored, offset=4_999_990) == content[-10:]
        assert await read(registry, ref(served), stored, offset=5_000_000) == b""


async def test_an_empty_blob_is_not_even_asked_for(served: ServedRegistry, patience: retries.Patience):
    empty = served.add_blob(b"")
    async with Registry(patience=patience) as registry:
        assert await read(registry, ref(served), empty) == b""
    assert served.calls == []


async def test_a_registry_without_ranges_is_read_from_the_beginning(served: ServedRegistry, patience: retries.Patience):
    stored = served.add_blob(b"0123456789")
    served.behaviour = lambda call, _: Reply(200, b"0123456789")
    async with Registry(patience=patience) as registry:
        assert await read(registry, ref(served), stored, offset=7) == b"789"


async def test_other_digests_than_sha256_are_verified_too(served: ServedRegistry, patience: retries.Patience):
    digest = f"sha512:{hashlib.sha512(MANIFEST).hexdigest()}"
    stored = dataclasses.replace(served.add_manifest("team/app", digest, MANIFEST), digest=digest)
    async with Registry(patience=patience) as registry:
        assert await registry.manifest(ref(served), stored) == MANIFEST
        served.manifests["team/app", digest] = (stored.media_type, MANIFEST.replace(b"2", b"3"))
        with pytest.raises(errors.DigestMismatch, match="sends sha512:"):
            await registry.manifest(ref(served), stored)


async def test_who_stops_before_the_end_leaves_nothing_open(served: ServedRegistry, patience: retries.Patience):
    stored = served.add_blob(os.urandom(20_000_000))
    async with Registry(patience=patience) as registry:
        pieces = registry.blob(ref(served), stored)
        async for _ in pieces:
            break
        await pieces.aclose()
        assert await registry.resolve(ref(served, f"x@{served.add_manifest('x', '1', MANIFEST).digest}"))


def test_a_process_that_never_pulls_does_without_the_http_library():
    code = "import kukeon_runner.opening, kukeon_runner.host.registry.client, sys; print('aiohttp' in sys.modules)"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "False"
