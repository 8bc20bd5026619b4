"""The reference registry as it is: TLS by an authority of one's own, passwords, what is pushed comes back."""

import asyncio
import hashlib
import os
import shutil
import signal
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import msgspec
import pytest

from kukeon_api import errors, image_ref
from kukeon_api.docker_config import Login
from kukeon_runner.host.registry import retries
from kukeon_runner.host.registry.client import Registry, anonymous
from kukeon_runner.host.registry.hosts import Directory
from kukeon_runner.host.registry.values import MANIFEST_TYPES, Descriptor, digest_of
from kukeon_runner.testing.certificates import CertificateAuthority
from kukeon_runner.testing.docker_registry import DockerRegistry, docker_registry

pytestmark = pytest.mark.host

LAYER = "application/vnd.oci.image.layer.v1.tar"
CONFIG = "application/vnd.oci.image.config.v1+json"
LOGIN = Login("ann", "a secret: ü")


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> CertificateAuthority:
    return CertificateAuthority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory, authority: CertificateAuthority) -> Iterator[DockerRegistry]:
    """A registry with TLS and passwords."""
    for program in ("docker-registry", "htpasswd"):
        if shutil.which(program) is None:
            pytest.skip(f"these tests need {program}")
    pair = authority.vouch("registry", "DNS:localhost")
    with docker_registry(
        tmp_path_factory.mktemp("secured"), tls=pair, users={LOGIN.username: LOGIN.password}
    ) as registry:
        yield registry


@pytest.fixture
def plain(tmp_path: Path) -> Iterator[DockerRegistry]:
    """A registry without TLS and passwords."""
    if shutil.which("docker-registry") is None:
        pytest.skip("these tests need docker-registry")
    with docker_registry(tmp_path / "plain") as registry:
        yield registry


@pytest.fixture
def configured(tmp_path: Path, secured: DockerRegistry, authority: CertificateAuthority) -> Directory:
    """What tells that the secured registry has a certificate of the authority's."""
    directory = tmp_path / "certs.d" / secured.address
    directory.mkdir(parents=True)
    shutil.copy(authority.certificate, directory / "ca.crt")
    return Directory(tmp_path / "certs.d")


def credentials(host: str) -> Login | None:
    return LOGIN


async def push(registry: Registry, ref: image_ref.ImageRef, layers: list[bytes]) -> Descriptor:
    """Push an image of these layers and return its descriptor."""
    config = msgspec.json.encode(
        {
            "architecture": "amd64",
            "os": "linux",
            "rootfs": {"type": "layers", "diff_ids": [digest_of(layer) for layer in layers]},
        }
    )
    for content in (config, *layers):

        async def pieces(content: bytes = content) -> AsyncIterator[bytes]:
            for at in range(0, len(content), 256 * 1024):
                yield content[at : at + 256 * 1024]

        await registry.upload_blob(ref, described(content, LAYER), pieces)
    manifest = msgspec.json.encode(
        {
            "schemaVersion": 2,
            "mediaType": MANIFEST_TYPES[1],
            "config": on_paper(described(config, CONFIG)),
            "layers": [on_paper(described(layer, LAYER)) for layer in layers],
        }
    )
    found = described(manifest, MANIFEST_TYPES[1])
    await registry.put_manifest(ref, found, manifest)
    return found


def described(content: bytes, media_type: str) -> Descriptor:
    return Descriptor(media_type, digest_of(content), len(content))


def on_paper(descriptor: Descriptor) -> dict[str, object]:
    return {"mediaType": descriptor.media_type, "digest": descriptor.digest, "size": descriptor.size}


async def test_what_was_pushed_comes_back(secured: DockerRegistry, configured: Directory):
    layers = [os.urandom(5_000_000), b"", b"small"]
    ref = image_ref.parse(f"{secured.address}/team/app:1")
    async with Registry(configured.endpoints, credentials) as registry:
        pushed = await push(registry, ref, layers)
    async with Registry(configured.endpoints, credentials) as registry:
        assert await registry.resolve(ref) == pushed
        by_digest = image_ref.parse(f"{secured.address}/team/app@{pushed.digest}")
        assert await registry.resolve(by_digest) == pushed
        manifest = msgspec.json.decode(await registry.manifest(ref, pushed))
        for layer, content in zip(manifest["layers"], layers, strict=True):
            descriptor = Descriptor(layer["mediaType"], layer["digest"], layer["size"])
            assert b"".join([piece async for piece in registry.blob(ref, descriptor)]) == content
            rest = [piece async for piece in registry.blob(ref, descriptor, offset=len(content) // 2)]
            assert b"".join(rest) == content[len(content) // 2 :]


async def test_a_neighbours_blob_need_not_be_uploaded(secured: DockerRegistry, configured: Directory):
    async with Registry(configured.endpoints, credentials) as registry:
        await push(registry, image_ref.parse(f"{secured.address}/team/base:1"), [b"base layer"])
        other = image_ref.parse(f"{secured.address}/team/other:1")
        blob = described(b"base layer", LAYER)
        assert not await registry.has_blob(other, blob)
        assert await registry.mount_blob(other, blob, "team/base")
        assert await registry.has_blob(other, blob)
        assert not await registry.mount_blob(other, described(b"of nobody", LAYER), "team/base")


async def test_who_does_not_know_the_password(secured: DockerRegistry, configured: Directory):
    ref = image_ref.parse(f"{secured.address}/team/app:1")
    for known, words in ((anonymous, "wants to know who asks"), (lambda _: Login("ann", "x"), "does not accept")):
        async with Registry(configured.endpoints, known) as registry:
            with pytest.raises(errors.RegistryUnauthorized, match=words):
                await registry.resolve(ref)
    async with Registry(credentials=credentials) as registry:
        # Without configuration this machine is talked to in plain HTTP, which this registry does not take.
        with pytest.raises(errors.RegistryUntrusted, match="speaks TLS, and was asked without") as caught:
            await registry.resolve(ref)
        assert f'server = "https://{secured.address}"' in caught.value.hint


async def test_what_is_not_there(secured: DockerRegistry, configured: Directory):
    async with Registry(configured.endpoints, credentials) as registry:
        for name in ("team/nothing:1", f"team/nothing@sha256:{'0' * 64}"):
            with pytest.raises(errors.ImageNotFound, match="of 'team/nothing', or does not show it to you"):
                await registry.resolve(image_ref.parse(f"{secured.address}/{name}"))
        nothing = Descriptor(LAYER, f"sha256:{'0' * 64}", 10)
        with pytest.raises(errors.BlobNotFound):
            await anext(aiter(registry.blob(image_ref.parse(f"{secured.address}/team/app:1"), nothing)))


async def test_without_tls_and_passwords_nothing_need_be_configured(plain: DockerRegistry):
    async with Registry() as registry:
        ref = image_ref.parse(f"{plain.address}/app")
        pushed = await push(registry, ref, [b"layer"])
        assert await registry.resolve(ref) == pushed


async def test_what_we_push_others_read_and_the_other_way_round(plain: DockerRegistry, tmp_path: Path):
    if shutil.which("skopeo") is None:
        pytest.skip("this test needs skopeo")
    ours = image_ref.parse(f"{plain.address}/ours:1")
    theirs = image_ref.parse(f"{plain.address}/theirs:1")
    async with Registry() as registry:
        pushed = await push(registry, ours, [os.urandom(3_000_000), b"second"])
        # It compares every digest on its way, down and up.
        for source, target in (
            (f"docker://{ours}", f"oci:{tmp_path}/layout:1"),
            (f"oci:{tmp_path}/layout:1", f"docker://{theirs}"),
        ):
            tls = ("--src-tls-verify=false", "--dest-tls-verify=false")
            process = await asyncio.create_subprocess_exec("skopeo", "copy", "--quiet", *tls, source, target)
            assert await process.wait() == 0
        assert await registry.resolve(theirs) == pushed
        assert await registry.manifest(theirs, pushed) == await registry.manifest(ours, pushed)


async def test_a_manifest_without_its_parts_is_not_taken(plain: DockerRegistry):
    manifest = msgspec.json.encode(
        {
            "schemaVersion": 2,
            "mediaType": MANIFEST_TYPES[1],
            "config": on_paper(described(b"missing", CONFIG)),
            "layers": [],
        }
    )
    async with Registry() as registry:
        with pytest.raises(errors.KukeonError, match=r"cannot push .*blob unknown") as caught:
            await registry.put_manifest(
                image_ref.parse(f"{plain.address}/app"), described(manifest, MANIFEST_TYPES[1]), manifest
            )
    assert caught.value.hint


async def test_a_layer_that_was_damaged_on_the_registrys_disk(plain: DockerRegistry):
    layer = os.urandom(1_000_000)
    ref = image_ref.parse(f"{plain.address}/app")
    async with Registry() as registry:
        await push(registry, ref, [layer])
    digest = hashlib.sha256(layer).hexdigest()
    stored = plain.directory / "data/docker/registry/v2/blobs/sha256" / digest[:2] / digest / "data"
    os.truncate(stored, 999_999)
    async with Registry() as registry:
        with pytest.raises(errors.LengthMismatch, match="999999"):
            await anext(aiter(registry.blob(ref, described(layer, LAYER))))


async def test_a_registry_that_hangs_and_goes_on(plain: DockerRegistry):
    ref = image_ref.parse(f"{plain.address}/app")
    layer = os.urandom(32_000_000)
    woken: list[float] = []
    async with Registry() as registry:
        await push(registry, ref, [layer])

    async def wake(seconds: float) -> None:
        woken.append(seconds)
        os.kill(plain.pid, signal.SIGCONT)

    blob = described(layer, LAYER)
    async with Registry(patience=retries.Patience(stall_s=1.5, sleep=wake)) as registry:
        found = bytearray()
        async for piece in registry.blob(ref, blob):
            if not found:
                os.kill(plain.pid, signal.SIGSTOP)
            found += piece
    assert found == layer
    assert len(woken) == 1
