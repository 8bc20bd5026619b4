"""A registry in memory on a loopback port, that misbehaves on request: what tests of pulling and pushing talk to.

It speaks HTTP by itself, because what a well-made server refuses to do is what the tests are about.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import re
import urllib.parse
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from kukeon_runner.host.registry.values import Descriptor

if TYPE_CHECKING:
    import ssl

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"


@dataclass
class Call:
    """One request as it came."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    """Names in lower case."""
    body: bytes = b""
    target: str = ""
    """Path and query, as they were written."""


@dataclass
class Reply:
    """An ordinary answer. `length` is what it says of its length: the truth unless stated, None for nothing."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    length: int | None = -1


Behaviour: TypeAlias = Callable[[Call, asyncio.StreamWriter], Awaitable[Reply | None] | Reply | None]
"""Answers a call: with a reply, or by what it writes itself before the connection is closed; `PASS` leaves it."""

PASS = Reply(status=0)


class ServedRegistry:
    """What is stored, and what is asked. `behaviour` may answer before the registry does."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.blobs: dict[str, bytes] = {}
        self.manifests: dict[tuple[str, str], tuple[str, bytes]] = {}
        """(repository, tag or digest) -> (media type, content)."""
        self.behaviour: Behaviour = lambda _call, _writer: PASS
        self.address = ""
        """127.0.0.1:PORT, as a reference names it."""
        self._uploads: dict[str, bytearray] = {}

    def add_blob(self, content: bytes, media_type: str = "application/vnd.oci.image.layer.v1.tar") -> Descriptor:
        """Store a blob and return its descriptor."""
        digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
        self.blobs[digest] = content
        return Descriptor(media_type, digest, len(content))

    def add_manifest(self, repository: str, tag: str, content: bytes, media_type: str = MANIFEST) -> Descriptor:
        """Store a manifest under a tag and its digest, and return its descriptor."""
        digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
        for name in (tag, digest):
            self.manifests[repository, name] = (media_type, content)
        return Descriptor(media_type, digest, len(content))

    def answer(self, call: Call) -> Reply:
        """Answer as a well-behaved registry does."""
        path = call.path.removeprefix("/v2/")
        if not path:
            return Reply(body=b"{}")
        if found := re.fullmatch(r"(.+)/manifests/([^/]+)", path):
            return self._manifest(call, found[1], found[2])
        if found := re.fullmatch(r"(.+)/blobs/uploads/([^/]*)", path):
            return self._upload(call, found[1], found[2])
        if found := re.fullmatch(r"(.+)/blobs/([^/]+)", path):
            return self._blob(call, found[2])
        return error(404, "NOT_FOUND", "no such place")

    def _manifest(self, call: Call, repository: str, name: str) -> Reply:
        if call.method == "PUT":
            found = self.add_manifest(repository, name, call.body, call.headers.get("content-type", MANIFEST))
            return Reply(201, headers={"Docker-Content-Digest": found.digest})
        if (repository, name) not in self.manifests:
            return error(404, "MANIFEST_UNKNOWN", "manifest unknown")
        media_type, content = self.manifests[repository, name]
        digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
        return Reply(200, content, {"Content-Type": media_type, "Docker-Content-Digest": digest})

    def _blob(self, call: Call, digest: str) -> Reply:
        if digest not in self.blobs:
            return error(404, "BLOB_UNKNOWN", "blob unknown")
        content = self.blobs[digest]
        if found := re.fullmatch(r"bytes=(\d+)-", call.headers.get("range", "")):
            begin = int(found[1])
            if begin >= len(content):
                return Reply(416)
            span = f"bytes {begin}-{len(content) - 1}/{len(content)}"
            return Reply(206, content[begin:], {"Content-Range": span})
        return Reply(200, content)

    def _upload(self, call: Call, repository: str, id: str) -> Reply:
        place = f"/v2/{repository}/blobs/uploads"
        if call.method == "POST":
            if call.query.get("mount") in self.blobs and "from" in call.query:
                return Reply(201, headers={"Location": f"/v2/{repository}/blobs/{call.query['mount']}"})
            id = str(len(self._uploads))
            self._uploads[id] = bytearray()
            return Reply(202, headers={"Location": f"{place}/{id}?state=a%2Fb", "Range": "0-0"})
        if id not in self._uploads:
            return error(404, "BLOB_UPLOAD_UNKNOWN", "no such upload")
        self._uploads[id] += call.body
        if call.method == "PUT":
            content = bytes(self._uploads.pop(id))
            if f"sha256:{hashlib.sha256(content).hexdigest()}" != call.query.get("digest"):
                return error(400, "DIGEST_INVALID", "provided digest did not match uploaded content")
            found = self.add_blob(content)
            return Reply(201, headers={"Docker-Content-Digest": found.digest})
        return Reply(202, headers={"Location": f"{place}/{id}"})

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection."""
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            while await self._exchange(reader, writer):
                pass
        writer.close()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Answer one request; False when the connection ends with it."""
        first = await reader.readexactly(1)
        if first == b"\x16":  # who begins to speak TLS
            writer.write(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
            return False
        method, target, _ = (first + await reader.readuntil(b"\r\n")).decode().split(" ", 2)
        headers = {}
        while line := (await reader.readuntil(b"\r\n")).decode().strip():
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        url = urllib.parse.urlsplit(target)
        call = Call(method, url.path, dict(urllib.parse.parse_qsl(url.query)), headers, target=target)
        self.calls.append(call)
        call.body = await reader.readexactly(int(headers.get("content-length", "0")))
        reply = self.behaviour(call, writer)
        if isinstance(reply, Awaitable):
            reply = await reply
        if reply is None:
            return False
        if reply is PASS:
            reply = self.answer(call)
        length = len(reply.body) if reply.length == -1 else reply.length
        fields = {**reply.headers, **({} if length is None else {"Content-Length": str(length)})}
        head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        writer.write(f"HTTP/1.1 {reply.status} Words\r\n{head}\r\n".encode())
        if method != "HEAD":
            writer.write(reply.body)
        await writer.drain()
        return length == len(reply.body)


def error(status: int, code: str, message: str) -> Reply:
    """Return a refusal in the protocol's words."""
    body = json.dumps({"errors": [{"code": code, "message": message}]}).encode()
    return Reply(status, body, {"Content-Type": "application/json"})


@contextlib.asynccontextmanager
async def served_registry(tls: ssl.SSLContext | None = None, host: str = "127.0.0.1") -> AsyncIterator[ServedRegistry]:
    """Serve a registry on a free port of this machine, with its own connections closed at the end."""
    registry = ServedRegistry()
    connections: set[asyncio.Task[None]] = set()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        connections.add(task)
        try:
            await registry.serve(reader, writer)
        except asyncio.CancelledError:
            writer.transport.abort()
        finally:
            connections.discard(task)

    server = await asyncio.start_server(connected, host, 0, ssl=tls)
    registry.address = f"{host}:{server.sockets[0].getsockname()[1]}"
    try:
        yield registry
    finally:
        server.close()
        for task in [*connections]:
            task.cancel()
        await asyncio.gather(*connections, return_exceptions=True)
        await server.wait_closed()
