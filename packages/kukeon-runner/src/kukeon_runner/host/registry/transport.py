"""Requests over HTTP (door: the only module that knows aiohttp, which is loaded at the first pull and not before).

Every failure of the network, of TLS and of HTTP itself leaves here as a `Trouble`.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import errno
import os
import ssl
import urllib.request
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

import aiohttp
import yarl

from kukeon_api import errors
from kukeon_runner.host.registry import hosts, names, origins, values
from kukeon_runner.host.registry.retries import Trouble

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from kukeon_runner.host.registry.endpoints import TLS, Endpoint
    from kukeon_runner.host.registry.retries import Patience

_BUFFER_BYTES = 512 * 1024
"""aiohttp stops reading from the connection when twice as much is waiting for us."""
_HEADER_LIMIT_BYTES = 64 * 1024
"""Addresses of storage behind a registry are signed, and long."""
_LEAST_BYTES = 16 * 1024
"""Less than this in the time of a stall is next to nothing."""


@dataclasses.dataclass(frozen=True)
class Request:
    """One HTTP request; `body` is read once."""

    method: str
    url: str
    headers: Mapping[str, str] = dataclasses.field(default_factory=dict)
    body: bytes | AsyncIterator[bytes] | None = None
    answer_s: float | None = None
    """How long the answer may take once all is sent; None for the time of a stall."""


class Answer:
    """What came back; its content is still on the way. Close it."""

    def __init__(self, response: aiohttp.ClientResponse, request: Request, patience: Patience) -> None:
        self._response = response
        self._patience = patience
        self.request = request
        self.status = response.status
        self.headers: Mapping[str, str] = response.headers
        """Their names are compared without regard to case."""

    @property
    def origin(self) -> origins.Origin:
        """Who answered."""
        return origins.origin(self.request.url)

    @property
    def length(self) -> int | None:
        """How many bytes of content the answer says it has."""
        return self._response.content_length

    def all(self, header: str) -> list[str]:
        """Return every value of a header that may stand there several times."""
        return self._response.headers.getall(header, [])

    async def read(self, limit: int) -> bytes:
        """Return the content, of which there may be `limit` bytes; what is beyond is not read."""
        found = bytearray()
        async for piece in self.pieces():
            found += piece
            if len(found) > limit:
                break
        return bytes(found[:limit])

    async def pieces(self) -> AsyncIterator[bytes]:
        """Yield the content as it comes. Raises Trouble: RegistryClosed when it ends early, RegistryStalled."""
        clock = asyncio.get_running_loop().time
        content = self._response.content
        waited, came = 0.0, 0
        while True:
            began = clock()
            # What arrives need not become content: it can be the frame around some for ever.
            with _troubles(self.origin, self._patience):
                async with asyncio.timeout(self._patience.stall_s):
                    piece = await content.readany()
            if not piece:
                return
            # Only our waiting counts: a slow reader is no fault of the registry.
            waited += clock() - began
            came += len(piece)
            if came >= _LEAST_BYTES:
                waited, came = 0.0, 0
            elif waited > self._patience.stall_s:
                raise _stalled(self.origin, self._patience)
            if len(piece) <= values.PIECE_LIMIT_BYTES:
                yield piece
            else:
                for at in range(0, len(piece), values.PIECE_LIMIT_BYTES):
                    yield piece[at : at + values.PIECE_LIMIT_BYTES]

    def close(self) -> None:
        """Let go of the connection; it is used again if everything on it was read."""
        if self._response.content.at_eof():
            self._response.release()
        else:
            self._response.close()


class Transport:
    """Sends requests, and keeps connections for the next ones until it is closed."""

    def __init__(self, patience: Patience) -> None:
        self._patience = patience
        self._contexts: dict[TLS, ssl.SSLContext] = {}
        self._proxies = urllib.request.getproxies_environment()
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, resolver=names.Resolver()),
            cookie_jar=aiohttp.DummyCookieJar(),
            # Content is what the digest says, byte for byte.
            auto_decompress=False,
            # netrc and proxies from the environment; the former must not log us in anywhere.
            trust_env=False,
            requote_redirect_url=False,
            read_bufsize=_BUFFER_BYTES,
            max_line_size=_HEADER_LIMIT_BYTES,
            max_field_size=_HEADER_LIMIT_BYTES,
            headers={"User-Agent": "kukeon", "Accept-Encoding": "identity"},
            trace_configs=[_telling_when_sent()],
        )

    async def close(self) -> None:
        """Close all connections."""
        await self._session.close()

    async def send(self, request: Request, endpoint: Endpoint) -> Answer:
        """Send one request the way `endpoint` is configured, and return what came back. Follows nothing.

        Raises Trouble.
        """
        where = origins.origin(request.url)
        context = await self._context(endpoint.tls, where) if where.scheme == "https" else True
        answer_s = request.answer_s or self._patience.stall_s
        timeout = aiohttp.ClientTimeout(
            total=None,
            # Includes TLS, which a server may let hang as well.
            connect=endpoint.connect_s or self._patience.connect_s,
            sock_read=answer_s,
        )
        body: bytes | _Once | None
        if isinstance(request.body, AsyncIterator):
            # Of what is sent bit by bit its sender knows when that was all.
            body, begin_s = _Once(request.body, where), None
        else:
            body, begin_s = request.body, answer_s
        with _troubles(where, self._patience):
            response = await self._begin(
                begin_s,
                request.method,
                yarl.URL(request.url, encoded=True),
                headers=request.headers,
                data=body,
                ssl=context,
                proxy=endpoint.proxy or self._proxy(where),
                timeout=timeout,
                allow_redirects=False,
            )
        return Answer(response, request, self._patience)

    async def _begin(self, answer_s: float | None, method: str, url: yarl.URL, **how: Any) -> aiohttp.ClientResponse:
        """Return what is answered; once the request is sent, an answer may take `answer_s` to begin.

        For aiohttp each byte is a sign of life, of headers that never end as well.
        """
        async with asyncio.timeout(None) as limit:

            def sent() -> None:
                if answer_s is not None and not limit.expired():
                    limit.reschedule(asyncio.get_running_loop().time() + answer_s)

            return await self._session.request(method, url, trace_request_ctx=sent, **how)

    async def _context(self, tls: TLS, where: origins.Origin) -> ssl.SSLContext:
        if tls not in self._contexts:
            try:
                self._contexts[tls] = await asyncio.to_thread(_make_context, tls)
            except (OSError, ValueError) as error:
                words = str(error) if isinstance(error, _Unreadable) else type(error).__name__
                raise Trouble(
                    errors.RegistryConfigInvalid,
                    f"the certificates configured for {where.netloc!r} are no use: {words}",
                ) from error
        return self._contexts[tls]

    def _proxy(self, where: origins.Origin) -> str | None:
        if origins.is_loopback(where.host) or not self._proxies:
            return None
        if urllib.request.proxy_bypass(where.netloc):
            return None
        proxy = self._proxies.get(where.scheme, "")
        if proxy and "://" not in proxy:
            proxy = f"http://{proxy}"
        if proxy and not proxy.startswith(("http://", "https://")):
            # It may contain a password, so it is not shown.
            raise Trouble(
                errors.RegistryUnreachable,
                f"registry {where.netloc!r} cannot be reached: the environment names a proxy that is none of HTTP",
                hint=f"set {where.scheme}_proxy to one that begins with http://, or no_proxy to this host",
            )
        return proxy or None


def _telling_when_sent() -> aiohttp.TraceConfig:
    """Have what comes along with a request be called when its headers are on their way; again when it is repeated."""

    async def tell(_session: object, context: Any, _what: object) -> None:
        context.trace_request_ctx()

    trace = aiohttp.TraceConfig()
    trace.on_request_headers_sent.append(tell)
    return trace


class _Once:
    """A body that is sent once: aiohttp repeats some requests by itself, and nothing would be left of this one."""

    def __init__(self, body: AsyncIterator[bytes], where: origins.Origin) -> None:
        self._body: AsyncIterator[bytes] | None = body
        self._where = where

    def __aiter__(self) -> AsyncIterator[bytes]:
        body, self._body = self._body, None
        if body is None:
            raise _closed(self._where)
        return body


class _Unreadable(OSError):
    """A certificate or key that cannot be used; its words name the file."""


def _make_context(tls: TLS) -> ssl.SSLContext:
    context = ssl.create_default_context()
    for path in tls.ca:
        with _reading(path):
            context.load_verify_locations(cafile=path)
    for certificate, key in tls.client:
        with _reading(certificate):
            context.load_cert_chain(certificate, key or None, password=_no_password)
    if tls.skip_verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _no_password() -> str:
    # Without this OpenSSL asks at the terminal.
    raise ValueError("its key needs a password")


@contextlib.contextmanager
def _reading(path: str) -> Iterator[None]:
    try:
        yield
    except ssl.SSLError as error:
        raise _Unreadable(f"{path!r} holds none, or the key does not belong to it") from error
    except ValueError as error:
        raise _Unreadable(f"{path!r}: {error}") from error
    except OSError as error:
        raise _Unreadable(f"cannot read {path!r}: {error.strerror}") from error


def _closed(where: origins.Origin) -> Trouble:
    return Trouble(errors.RegistryClosed, f"registry {where.netloc!r} closed the connection half-way", passing=True)


def _stalled(where: origins.Origin, patience: Patience) -> Trouble:
    words = f"registry {where.netloc!r} sent nothing, or next to nothing, for {patience.stall_s:g} s"
    return Trouble(errors.RegistryStalled, words, passing=True)


@contextlib.contextmanager
def _troubles(where: origins.Origin, patience: Patience) -> Iterator[None]:
    """Translate what aiohttp raises while it talks to `where`."""
    name = f"registry {where.netloc!r}"
    try:
        yield
    except aiohttp.ClientConnectorCertificateError as error:
        reason = getattr(error.certificate_error, "verify_message", "") or str(error.certificate_error)
        raise Trouble(
            errors.RegistryUntrusted,
            f"{name} is not trusted: {_plain(reason)}",
            hint=f"if it is yours, put the certificate of its authority into the directory {where.netloc!r} of "
            f"{hosts.HINT}",
        ) from error
    except aiohttp.ClientSSLError as error:
        raise _tls_trouble(name, where, error) from error
    except aiohttp.ClientConnectorDNSError as error:
        raise Trouble(errors.RegistryUnreachable, f"{name} cannot be reached: its name has no address") from error
    except aiohttp.ClientHttpProxyError as error:
        raise Trouble(
            errors.RegistryUnreachable, f"{name} cannot be reached: the proxy answered {error.status}"
        ) from error
    except aiohttp.ConnectionTimeoutError as error:
        raise Trouble(errors.RegistryUnreachable, f"{name} cannot be reached: no connection in time") from error
    except aiohttp.ClientConnectorError as error:
        raise Trouble(errors.RegistryUnreachable, f"{name} cannot be reached: {_reason(error.os_error)}") from error
    except (aiohttp.ServerTimeoutError, TimeoutError) as error:
        raise _stalled(where, patience) from error
    except (aiohttp.ClientConnectionError, aiohttp.ClientPayloadError, ConnectionError) as error:
        raise _closed(where) from error
    except (aiohttp.ClientResponseError, aiohttp.InvalidURL) as error:
        raise Trouble(errors.NotARegistry, f"{name} is no registry: it does not answer in HTTP") from error


def _tls_trouble(name: str, where: origins.Origin, error: aiohttp.ClientSSLError) -> Trouble:
    reason = getattr(error.os_error, "reason", "") or _reason(error.os_error)
    if reason in ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "RECORD_LAYER_FAILURE"):
        return Trouble(
            errors.NotARegistry,
            f"{name} does not speak TLS",
            hint=f"if that is wanted, write server = \"http://{where.netloc}\" into '{where.netloc}/hosts.toml' of "
            f"{hosts.HINT}",
        )
    return Trouble(errors.RegistryUntrusted, f"{name} cannot be talked to by TLS: {_plain(reason)}")


def _reason(error: OSError) -> str:
    # asyncio puts words of its own into strerror; an address that is no number has no errno of the system.
    known = error.errno in errno.errorcode
    return _plain((os.strerror(error.errno or 0) if known else error.strerror or type(error).__name__).lower())


def _plain(text: str) -> str:
    return "".join(character if character.isprintable() else "?" for character in text)[:200]
