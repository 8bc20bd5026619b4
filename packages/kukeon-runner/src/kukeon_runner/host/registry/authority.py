"""Logging in at one endpoint: passwords, and the tokens that are had for them.

The registry says where tokens are had, so it decides who sees the password; we see to it that nobody else reads it,
that it follows no redirect, and that it is the one for exactly this host.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import time
import urllib.parse
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

import msgspec

from kukeon_api import docker_config, errors
from kukeon_runner.host.registry import answers, challenges, origins
from kukeon_runner.host.registry.retries import Trouble
from kukeon_runner.host.registry.transport import Request

if TYPE_CHECKING:
    from kukeon_runner.host.registry.endpoints import Endpoint
    from kukeon_runner.host.registry.transport import Answer, Transport

Credentials: TypeAlias = Callable[[str], docker_config.Login | None]
"""Gives the login for a registry by its host, like quay.io or localhost:5000. Called on a thread: it may block."""

Scopes: TypeAlias = tuple[str, ...]
"""What a token is for, like `repository:library/busybox:pull`."""

CLIENT_ID = "kukeon"
_TOKEN_LIMIT_BYTES = 256 * 1024
_LIFETIME_S = 60
"""What a token lasts that says nothing else (docs/spec/auth/token.md)."""
_SPARE_S = 10


class _Token(msgspec.Struct, frozen=True):
    token: str | None = None
    access_token: str | None = None
    expires_in: float | None = None


class Authority:
    """Knows how to prove at one endpoint who asks."""

    def __init__(self, endpoint: Endpoint, transport: Transport, credentials: Credentials) -> None:
        self._endpoint = endpoint
        self._transport = transport
        self._credentials = credentials
        self._login: docker_config.Login | None = None
        self._asked = False
        self._basic = False
        self._tokens: dict[Scopes, tuple[str, float]] = {}
        self._turn = asyncio.Lock()

    @property
    def anonymous(self) -> bool:
        """Tell whether there is no login for this endpoint, as far as one was needed."""
        return self._login is None

    def header(self, scopes: Scopes) -> str:
        """Return the Authorization that is known to serve for `scopes`; "" when none is."""
        if self._basic and self._login is not None:
            return _basic(self._login)
        token, until = self._tokens.get(scopes, ("", 0.0))
        return f"Bearer {token}" if time.monotonic() < until else ""

    async def answer(self, refusal: Answer, refused: str, scopes: Scopes) -> str:
        """Return an Authorization for an endpoint that answered 401 to `refused`; "" if there is none to try.

        Raises Trouble.
        """
        found = {each.scheme: each for each in reversed(challenges.parse(refusal.all("WWW-Authenticate")))}
        async with self._turn:
            # Somebody else may have got one while we waited.
            if (known := self.header(scopes)) and known != refused:
                return known
            self._tokens.pop(scopes, None)
            if not self._asked:
                self._login = await self._ask()
                self._asked = True
            if bearer := found.get("bearer"):
                token, lifetime_s = await self._fetch(bearer, scopes)
                self._basic = False
                self._tokens[scopes] = (token, time.monotonic() + lifetime_s - min(_SPARE_S, lifetime_s / 2))
                return f"Bearer {token}"
            if "basic" in found and self._login is not None and not self._basic and self._login.password:
                self._basic = True
                return _basic(self._login)
            return ""

    async def _ask(self) -> docker_config.Login | None:
        origin = self._endpoint.origin
        login = await asyncio.to_thread(self._credentials, docker_config.host_of(origin.netloc))
        if login is not None and not origin.is_private and not self._endpoint.plain_http:
            raise Trouble(
                errors.RegistryUnauthorized,
                f"registry {origin.netloc!r} wants a login, which anybody could read on the way: it has no TLS",
                hint="set up TLS there",
            )
        return login

    async def _fetch(self, challenge: challenges.Challenge, scopes: Scopes) -> tuple[str, float]:
        realm = origins.quoted(challenge.parameters.get("realm", ""))
        host = self._endpoint.origin.netloc
        try:
            where = origins.origin(realm)
        except ValueError as error:
            raise Trouble(
                errors.NotARegistry, f"registry {host!r} sends us to {realm[:200]!r} for a token: {error}"
            ) from error
        if where.scheme == "http" and self._endpoint.origin.scheme == "https":
            raise Trouble(
                errors.RegistryUntrusted, f"registry {host!r} sends us to {realm[:200]!r} for a token, without TLS"
            )
        if self._login is not None and not where.is_private and not self._endpoint.plain_http:
            raise Trouble(
                errors.RegistryUntrusted,
                f"registry {host!r} sends us to {where.netloc!r} for a token, where anybody could read the login on "
                "the way: it has no TLS",
            )
        with contextlib.closing(
            await self._transport.send(self._token_request(realm, challenge, scopes), self._endpoint.for_origin(where))
        ) as answer:
            if answer.status in (400, 401, 403) and self._login is not None:
                told = await answers.trouble(answer, anonymous=False)
                kind = errors.RegistryDenied if answer.status == 403 else errors.RegistryUnauthorized
                words = f"registry {host!r} does not accept the login of {self._login.username or 'the token'!r}"
                raise Trouble(kind, words, hint=answers.CREDENTIALS_HINT) from told
            if answer.status != 200:
                raise await answers.trouble(answer, anonymous=self.anonymous)
            try:
                found = msgspec.json.decode(await answer.read(_TOKEN_LIMIT_BYTES), type=_Token)
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                # Its words might quote the token.
                raise Trouble(errors.NotARegistry, f"{where.netloc!r} gave something else than a token") from None
        token = found.token or found.access_token or ""
        if not token or any(not "!" <= character <= "~" for character in token):
            raise Trouble(errors.NotARegistry, f"{where.netloc!r} gave something else than a token")
        return token, max(0.0, found.expires_in or _LIFETIME_S)

    def _token_request(self, realm: str, challenge: challenges.Challenge, scopes: Scopes) -> Request:
        service = challenge.parameters.get("service", "")
        # A registry may call the repository something else than its address does.
        scopes = tuple(dict.fromkeys((*scopes, *challenge.parameters.get("scope", "").split())))
        login = self._login
        if login is not None and login.identity_token:
            form = {
                "grant_type": "refresh_token",
                "refresh_token": login.identity_token,
                "service": service,
                "scope": " ".join(scopes),
                "client_id": CLIENT_ID,
            }
            headers = {"Content-Type": "application/x-www-form-urlencoded"}
            return Request("POST", realm, headers, urllib.parse.urlencode(form).encode())
        query = [("service", service)] if service else []
        query += [("scope", scope) for scope in scopes]
        headers = {}
        if login is not None:
            query.append(("account", login.username))
            headers["Authorization"] = _basic(login)
        split = urllib.parse.urlsplit(realm)
        merged = "&".join(part for part in (split.query, urllib.parse.urlencode(query)) if part)
        return Request("GET", urllib.parse.urlunsplit(split._replace(query=merged, fragment="")), headers)


def _basic(login: docker_config.Login) -> str:
    return f"Basic {base64.b64encode(f'{login.username}:{login.password}'.encode()).decode()}"
