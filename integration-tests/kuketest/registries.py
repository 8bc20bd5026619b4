"""Registries of the stories: one in memory that waits or misbehaves when told to, and what secures the real one."""

import asyncio
import base64
import contextlib
import json
import shutil
import subprocess
import threading
from collections.abc import Coroutine, Iterator
from pathlib import Path
from typing import Any

from kukeon_runner.host.registry.values import Descriptor, digest_of
from kukeon_runner.testing import registry
from kukeon_runner.testing.certificates import CertificateAuthority
from kukeon_runner.testing.docker_registry import DockerRegistry, docker_registry
from kukeon_runner.testing.registry import PASS, Call, Reply, ServedRegistry
from kuketest import archives
from kuketest.instance import Instance

USER, PASSWORD = "ann", "kt-secret: ü/+="


@contextlib.contextmanager
def served() -> Iterator[ServedRegistry]:
    """A registry in memory, on a thread of its own."""
    started = threading.Event()
    made: list[tuple[ServedRegistry, asyncio.AbstractEventLoop, asyncio.Event]] = []

    async def serve() -> None:
        async with registry.served_registry() as serving:
            ended = asyncio.Event()
            made.append((serving, asyncio.get_running_loop(), ended))
            started.set()
            await ended.wait()

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    assert started.wait(30), "the registry does not start"
    serving, loop, ended = made[0]
    try:
        yield serving
    finally:
        loop.call_soon_threadsafe(ended.set)
        thread.join()


def image(serving: ServedRegistry, archive: Path, repository: str, tag: str = "1", *layers: bytes) -> str:
    """Have the image of an OCI archive, with more layers, in the registry; return the reference that names it."""
    layout = archives.Layout(archive)
    manifest = layout.manifest()
    config = json.loads(layout.blob(manifest["config"]["digest"]))
    config.pop("history", None)
    found = [layout.blob(each["digest"]) for each in manifest["layers"]]
    parts = [serving.add_blob(data, each["mediaType"]) for data, each in zip(found, manifest["layers"], strict=True)]
    for layer in layers:
        config["rootfs"]["diff_ids"].append(digest_of(layer))
        parts.append(serving.add_blob(layer))
    named = serving.add_blob(json.dumps(config).encode(), manifest["config"]["mediaType"])
    content = {"schemaVersion": 2, "mediaType": registry.MANIFEST, "config": on_paper(named)}
    content["layers"] = [on_paper(part) for part in parts]
    serving.add_manifest(repository, tag, json.dumps(content).encode())
    return f"{serving.address}/{repository}:{tag}"


def on_paper(descriptor: Descriptor) -> dict[str, object]:
    return {"mediaType": descriptor.media_type, "digest": descriptor.digest, "size": descriptor.size}


class Half:
    """Behaviour of a registry that sends half of each large blob, and the rest when it is let go on."""

    def __init__(self, serving: ServedRegistry, least: int = 100_000) -> None:
        self._serving = serving
        self._least = least
        self._on = threading.Event()
        self.waiting = 0
        """How many downloads have got their half."""
        serving.behaviour = self

    def go_on(self) -> None:
        self._on.set()

    def __call__(self, call: Call, writer: asyncio.StreamWriter) -> Coroutine[Any, Any, Reply | None] | Reply:
        digest = call.path.rpartition("/")[2]
        large = len(self._serving.blobs.get(digest, b"")) >= self._least
        if call.method != "GET" or "/blobs/" not in call.path or not large or self._on.is_set():
            return PASS
        return self._halved(call, writer)

    async def _halved(self, call: Call, writer: asyncio.StreamWriter) -> None:
        reply = self._serving.answer(call)
        head = "".join(f"{name}: {value}\r\n" for name, value in reply.headers.items())
        writer.write(f"HTTP/1.1 {reply.status} OK\r\n{head}Content-Length: {len(reply.body)}\r\n\r\n".encode())
        middle = len(reply.body) // 2
        writer.write(reply.body[:middle])
        await writer.drain()
        self.waiting += 1
        await asyncio.to_thread(self._on.wait)
        writer.write(reply.body[middle:])
        await writer.drain()


@contextlib.contextmanager
def secured(instance: Instance, users: dict[str, str]) -> Iterator[DockerRegistry]:
    """The reference registry with TLS and passwords; `instance` is told of its authority by a `hosts.toml`."""
    directory = instance.home / "registry"
    directory.mkdir()
    authority = CertificateAuthority(directory)
    pair = authority.vouch("registry", "DNS:localhost")
    with docker_registry(directory / "served", tls=pair, users=users) as running:
        place = configuration(instance) / running.address
        place.mkdir(parents=True)
        shutil.copy(authority.certificate, place / "authority.pem")
        (place / "hosts.toml").write_text(f'server = "https://{running.address}"\nca = "authority.pem"\n')
        # Where skopeo looks.
        (directory / "certificates").mkdir()
        shutil.copy(authority.certificate, directory / "certificates" / "ca.crt")
        login = {"auths": {running.address: {"auth": basic(users)}}}
        (directory / "auth.json").write_text(json.dumps(login))
        yield running


def configuration(instance: Instance) -> Path:
    """Where `instance` looks for what there is to know about registries."""
    return instance.home / "certs.d"


def basic(users: dict[str, str]) -> str:
    """The one of `users` as HTTP has it."""
    ((name, password),) = users.items()
    return base64.b64encode(f"{name}:{password}".encode()).decode()


def digest_in(instance: Instance, reference: str) -> str:
    """What a tag of the secured registry stands for, as skopeo sees it."""
    return _skopeo(instance, "inspect", "--format", "{{.Digest}}", f"docker://{reference}").strip()


def copy_in(instance: Instance, archive: Path, reference: str) -> None:
    """Have skopeo copy the image of an OCI archive into the secured registry."""
    _skopeo(instance, "copy", "-q", f"oci-archive:{archive}", f"docker://{reference}", side="dest-")


def _skopeo(instance: Instance, verb: str, *arguments: str, side: str = "") -> str:
    directory = instance.home / "registry"
    command = ["skopeo", verb, "--authfile", str(directory / "auth.json")]
    command += [f"--{side}cert-dir", str(directory / "certificates"), *arguments]
    ended = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=60)
    assert ended.returncode == 0, f"{' '.join(command)}: {ended.stderr}"
    return ended.stdout
