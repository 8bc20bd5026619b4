"""A registry that stalls, closes, lies, refuses or is none: each a distinct error, and what passes is tried again."""

import asyncio
import contextlib
import dataclasses
import random
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from email.utils import formatdate
from typing import Any

import pytest
from asking import MANIFEST, read, ref

from kukeon_api import errors, image_ref
from kukeon_api.docker_config import Login
from kukeon_runner.host.registry import answers, retries, values
from kukeon_runner.host.registry.client import Registry
from kukeon_runner.testing.registry import PASS, Call, Reply, ServedRegistry, error, served_registry

LARGE = values.MANIFEST_LIMIT_BYTES + 1


def html(status: int) -> Reply:
    return Reply(status, b"<html>Welcome!</html>", {"Content-Type": "text/html"})


@pytest.mark.parametrize(
    ("reply", "kind", "words"),
    [
        (error(404, "MANIFEST_UNKNOWN", "x"), errors.ImageNotFound, "has no tag '1' of 'team/app'"),
        (error(401, "UNAUTHORIZED", "who are you"), errors.RegistryUnauthorized, "wants to know who asks: who are you"),
        (error(403, "DENIED", "not you"), errors.RegistryDenied, "does not allow it: not you"),
        (error(429, "TOOMANYREQUESTS", "pull rate"), errors.RegistryRateLimited, "no more requests for now: pull"),
        (error(500, "UNKNOWN", "disk full"), errors.RegistryFailed, "failed with status 500: disk full"),
        (error(418, "TEAPOT", ""), errors.RegistryRefused, "refused with status 418: TEAPOT"),
        (html(200), errors.NotARegistry, "is no registry: it answers with a page"),
        (html(404), errors.NotARegistry, "is no registry: it has nothing at /v2/"),
        (Reply(200, b"{}", {"Content-Type": "application/x-odd"}), errors.ManifestNotSupported, "'application/x-odd'"),
        (Reply(200, bytes(LARGE), {"Content-Type": values.MANIFEST_TYPES[0]}), errors.ManifestNotSupported, "4 MiB"),
        (Reply(302, headers={"Location": "/v2/round"}), errors.NotARegistry, "from one place to the next"),
        (Reply(302, headers={"Location": "file:///etc/passwd"}), errors.NotARegistry, "no http or https address"),
        (Reply(302, headers={"Location": "http://a:b@127.0.0.1/"}), errors.NotARegistry, "contains a login"),
        (Reply(302, headers={"Location": "http://[::1/"}), errors.NotARegistry, "no use"),
    ],
)  # fmt: skip
async def test_what_a_registry_may_answer(
    served: ServedRegistry,
    patience: retries.Patience,
    reply: Reply,
    kind: type[errors.KukeonError],
    words: str,
):
    served.behaviour = lambda call, _: reply if call.path != "/v2/" or b"html" in reply.body else PASS
    async with Registry(patience=patience) as registry:
        with pytest.raises(kind) as caught:
            await registry.resolve(ref(served.address))
    assert type(caught.value) is kind
    assert words in caught.value.message
    assert caught.value.message.startswith(f"cannot pull '{served.address}/team/app:1': ")
    assert served.address in caught.value.message.removeprefix(f"cannot pull '{served.address}")


async def test_one_in_trouble_is_a_registry_all_the_same(served: ServedRegistry, patience: retries.Patience):
    roots = iter([Reply(503), Reply(429)])
    served.behaviour = lambda call, _: (
        error(404, "MANIFEST_UNKNOWN", "") if call.path != "/v2/" else next(roots, Reply(200, b"{}"))
    )
    async with Registry(patience=patience) as registry:
        with pytest.raises(errors.ImageNotFound, match="has no tag '1'"):
            await registry.resolve(ref(served.address))


async def test_a_manifest_is_what_its_digest_says(served: ServedRegistry, patience: retries.Patience):
    stored = served.add_manifest("team/app", "1", MANIFEST)
    served.manifests["team/app", stored.digest] = (stored.media_type, MANIFEST.replace(b"2", b"3"))
    async with Registry(patience=patience) as registry:
        with pytest.raises(errors.DigestMismatch, match=f"sends sha256:[0-9a-f]+ for {stored.digest}"):
            await registry.manifest(ref(served.address), stored)
        served.manifests["team/app", stored.digest] = (stored.media_type, MANIFEST + b" ")
        with pytest.raises(errors.LengthMismatch, match=r"sends 21 bytes as sha256:.*, which is to have 20"):
            await registry.manifest(ref(served.address), stored)


async def test_a_digest_reference_is_not_answered_with_another(served: ServedRegistry, patience: retries.Patience):
    stored = served.add_manifest("team/app", "1", MANIFEST)
    other = served.add_manifest("team/app", "2", b"{}")
    served.manifests["team/app", stored.digest] = served.manifests["team/app", other.digest]
    async with Registry(patience=patience) as registry:
        with pytest.raises(errors.DigestMismatch):
            await registry.resolve(image_ref.parse(f"{served.address}/team/app@{stored.digest}"))


async def test_what_passes_is_waited_for_longer_each_time(
    served: ServedRegistry, patience: retries.Patience, waits: Any
):
    stored = served.add_manifest("team/app", "1", MANIFEST)
    served.behaviour = lambda *_: Reply(503) if len(served.calls) < 5 else PASS
    # The first attempt asks twice: by HEAD, and for the reason by GET.
    async with Registry(patience=patience) as registry:
        assert await registry.resolve(ref(served.address)) == stored
    first, second = waits.taken
    assert 0.25 <= first <= 0.5 <= second <= 1.0


async def test_a_registry_is_asked_again_when_it_said(served: ServedRegistry, patience: retries.Patience, waits: Any):
    stored = served.add_blob(b"content")
    served.behaviour = lambda *_: Reply(429, headers={"Retry-After": "17"}) if len(served.calls) < 2 else PASS
    async with Registry(patience=patience) as registry:
        assert await read(registry, served, stored) == b"content"
    assert waits.taken == [17.0]


async def test_a_long_wait_is_for_the_user_to_decide(served: ServedRegistry, patience: retries.Patience, waits: Any):
    stored = served.add_blob(b"content")
    served.behaviour = lambda *_: Reply(429, headers={"Retry-After": "3600"})
    async with Registry(patience=patience) as registry:
        with pytest.raises(errors.RegistryRateLimited) as caught:
            await read(registry, served, stored)
    assert "try again in 3600 s" in caught.value.hint
    assert waits.taken == []


def test_retry_after_is_a_number_or_a_time():
    assert answers.retry_after_s("120") == 120
    assert 50 < (answers.retry_after_s(formatdate(time.time() + 60, usegmt=True)) or 0) <= 60
    assert answers.retry_after_s(formatdate(0, usegmt=True)) == 0
    assert [answers.retry_after_s(text) for text in ("", "soon", "-5", "1e9", "٣")] == [None] * 5


async def test_nobody_there(patience: retries.Patience, waits: Any):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        async with Registry(patience=patience) as registry:
            with pytest.raises(errors.RegistryUnreachable, match=f"{address}' cannot be reached: connect.*refused"):
                await registry.resolve(ref(address))
    assert waits.taken == []


async def test_no_such_name(patience: retries.Patience):
    async with Registry(patience=patience) as registry:
        with pytest.raises(errors.RegistryUnreachable, match="its name has no address"):
            await registry.resolve(ref("registry.invalid"))


async def test_names_that_nobody_answers_for_keep_nobody_else_from_working(
    patience: retries.Patience, monkeypatch: pytest.MonkeyPatch
):
    """A look-up holds its thread for as long as it takes, and all doors of the daemon share a number of them."""
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(2))
    asked, release = list[object](), threading.Event()

    def hang(host: object, *_: object, **_more: object) -> Any:
        asked.append(host)
        release.wait(60)
        raise socket.gaierror(socket.EAI_AGAIN, "no answer")

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    async with Registry(patience=dataclasses.replace(patience, attempts=1)) as registry:
        pulls = [asyncio.create_task(registry.resolve(ref(f"r{number}.example"))) for number in range(4)]
        try:
            async with asyncio.timeout(20):
                while len(asked) < 2:  # noqa: ASYNC110 - what threads do
                    await asyncio.sleep(0.01)
                assert await asyncio.to_thread(int, "5") == 5
        finally:
            release.set()
            failed = await asyncio.gather(*pulls, return_exceptions=True)
    assert {type(each) for each in failed} == {errors.RegistryUnreachable}


async def test_one_that_was_there_a_moment_ago_is_waited_for(patience: retries.Patience, waits: Any):
    async with Registry(patience=patience) as registry:
        async with served_registry() as served:
            stored = served.add_manifest("team/app", "1", MANIFEST)
            await registry.resolve(ref(served.address))
        with pytest.raises(errors.RegistryUnreachable):
            await registry.manifest(ref(served.address), stored)
    assert len(waits.taken) == 2


async def test_what_a_registry_says_is_shown_without_control_characters(
    served: ServedRegistry, patience: retries.Patience
):
    served.behaviour = lambda *_: error(403, "DENIED", "\x1b[2J\u202egone\n" + "long " * 100)
    async with Registry(patience=patience) as registry:
        with pytest.raises(errors.RegistryDenied) as caught:
            await registry.resolve(ref(served.address))
    assert caught.value.message.isprintable()
    assert len(caught.value.message) < 400


async def test_many_errors_and_odd_documents_are_survived(served: ServedRegistry, patience: retries.Patience):
    for body in (b'{"errors": null}', b'{"errors": [null]}', b"[" * 100_000, b"\xff", b'{"errors":[]}', b""):
        served.behaviour = lambda *_, body=body: Reply(418, body)
        async with Registry(patience=patience) as registry:
            with pytest.raises(errors.RegistryRefused, match=r"refused with status 418$"):
                await registry.resolve(ref(served.address))


async def test_content_is_taken_byte_for_byte(served: ServedRegistry, patience: retries.Patience):
    import gzip

    content = gzip.compress(b"layer" * 1000)
    stored = served.add_blob(content)
    served.behaviour = lambda *_: Reply(200, content, {"Content-Encoding": "gzip"})
    async with Registry(patience=patience) as registry:
        assert await read(registry, served, stored) == content


@pytest.mark.parametrize("digest", ["sha256:../../../x", f"md5:{'0' * 32}", f"sha256:{'A' * 64}", "", "latest"])
async def test_what_is_no_digest_is_asked_for_nowhere(served: ServedRegistry, patience: retries.Patience, digest: str):
    described = values.Descriptor(values.MANIFEST_TYPES[0], digest, 10)
    async with Registry(patience=patience) as registry:
        with pytest.raises(errors.InvalidImage, match="is no digest of a kind that is known"):
            await registry.manifest(ref(served.address), described)
        with pytest.raises(errors.InvalidImage):
            await anext(aiter(registry.blob(ref(served.address), described)))
        with pytest.raises(errors.InvalidImage):
            await registry.resolve(image_ref.parse(f"{served.address}/team/app@md5:{'0' * 32}"))
    assert served.calls == []


async def test_an_address_with_anything_in_it(served: ServedRegistry, patience: retries.Patience):
    stored = served.add_blob(b"layer")
    odd = f"/v2/x/blobs/{stored.digest}?a=%2F+b&b=\u00fc d\x01"
    served.behaviour = lambda call, _: PASS if call.query else Reply(307, headers={"Location": odd})
    async with Registry(patience=patience) as registry:
        assert await read(registry, served, stored) == b"layer"
    assert served.calls[1].target.endswith("?a=%2F+b&b=%C3%BC%20d%01")


ANSWERS = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/vnd.oci.image.index.v1+json\r\nContent-Length: 2\r\n\r\n{}",
    b'HTTP/1.1 401 No\r\nWWW-Authenticate: Bearer realm="http://127.0.0.1:1/t",scope="a"\r\nContent-Length: 0\r\n\r\n',
    b"HTTP/1.1 206 Part\r\nContent-Range: bytes 3-9/10\r\nTransfer-Encoding: chunked\r\n\r\n7\r\n3456789\r\n0\r\n\r\n",
    b"HTTP/1.1 307 Go\r\nLocation: http://127.0.0.1:1/x?a=b\r\nContent-Length: 0\r\n\r\n",
    b'HTTP/1.1 429 Slow\r\nRetry-After: 1\r\nContent-Length: 27\r\n\r\n{"errors":[{"code":"SLOW"}]}',
)


@pytest.mark.parametrize("seed", [37, 200, 365, *range(9)])
async def test_whatever_comes_it_is_an_error_of_ours_or_what_was_asked_for(
    served: ServedRegistry, impatience: retries.Patience, seed: int
):
    chance = random.Random(seed)
    content = b"0123456789"
    stored = served.add_blob(content)

    def spoilt() -> bytes:
        answer = bytearray(chance.choice(ANSWERS))
        for _ in range(chance.randint(0, 4)):
            at = chance.randrange(len(answer))
            match chance.randrange(4):
                case 0:
                    answer[at] = chance.randrange(256)
                case 1:
                    del answer[at : at + chance.randint(1, 20)]
                case 2:
                    answer[at:at] = answer[: chance.randint(1, 40)]
                case _:
                    answer[at:at] = bytes(chance.choices(b'\r\n: ;,="\\\0\xff09', k=5))
            answer = answer or bytearray(b"\n")
        return bytes(answer)

    async def answer(_call: Call, writer: asyncio.StreamWriter) -> None:
        writer.write(spoilt())
        await writer.drain()

    served.behaviour = answer
    async with Registry(credentials=lambda _: Login("ann", "secret"), patience=impatience) as registry:
        for _ in range(25):
            with contextlib.suppress(errors.KukeonError):
                assert (await registry.resolve(ref(served.address))).size >= 0
            with contextlib.suppress(errors.KukeonError):
                found = [piece async for piece in registry.blob(ref(served.address), stored, offset=3)]
                assert len(b"".join(found)) == len(content) - 3
