"""One repository at one endpoint: requests that log in when asked to and follow where they are sent."""

from __future__ import annotations

import contextlib
import dataclasses
import urllib.parse
from typing import TYPE_CHECKING

from kukeon_api import errors
from kukeon_runner.host.registry import answers, origins
from kukeon_runner.host.registry.retries import Trouble
from kukeon_runner.host.registry.transport import Answer, Request

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping

    from kukeon_runner.host.registry.authority import Authority, Scopes
    from kukeon_runner.host.registry.endpoints import Endpoint
    from kukeon_runner.host.registry.transport import Transport

_LAST = (False, False, True)
"""Attempts to log in: with nothing, or an old token; with one that was got meanwhile; with a new one."""
_OURS = frozenset({"authorization", "host", "range", "accept-encoding", "content-length", "transfer-encoding"})
"""Headers that a configuration cannot add to: what they say is ours to know. A login counts while there is no other."""
_REDIRECTS = 5
_REDIRECT_STATUSES = frozenset({301, 302, 303, 307, 308})
_SKIM_LIMIT_BYTES = 64 * 1024


class Repository:
    """What is stored under `name` at `endpoint`. Close every answer."""

    def __init__(self, endpoint: Endpoint, name: str, transport: Transport, authority: Authority) -> None:
        self.endpoint = endpoint
        self.name = name
        self._transport = transport
        self._authority = authority

    def url(self, path: str, **query: str) -> str:
        """Return the address of `path` below the repository."""
        if self.endpoint.mirror_of:
            query["ns"] = self.endpoint.mirror_of
        asked = f"?{urllib.parse.urlencode(query)}" if query else ""
        return f"{self.endpoint.url}/{self.name}/{path}{asked}"

    def scopes(self, actions: str = "pull", *also: str) -> Scopes:
        """Return what a token has to allow for `actions` here, and reading of the repositories `also`."""
        return (f"repository:{self.name}:{actions}", *(f"repository:{name}:pull" for name in also))

    async def send(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | Callable[[], AsyncIterator[bytes]] | None = None,
        scopes: Scopes | None = None,
        answer_s: float | None = None,
    ) -> Answer:
        """Send a request to the endpoint, logging in where it wants that, and return an answer that is no redirect.

        A `body` that is made by a function is made anew where it has to be sent again. Raises Trouble; whether the
        answer's status is success is for the caller to see. `answer_s` is how long it may take where that is not the
        usual time of a stall.
        """
        scopes = scopes or self.scopes()
        authorization = self._authority.header(scopes)
        for last in _LAST:
            request = Request(method, url, dict(headers or {}), answer_s=answer_s)
            answer = await self._follow(request, body, authorization)
            if last or answer.status != 401 or answer.origin != self.endpoint.origin:
                return answer
            try:
                found = await self._authority.answer(answer, authorization, scopes)
            except BaseException:
                answer.close()
                raise
            if not found:
                return answer
            await _skim(answer)
            authorization = found
        raise AssertionError("the last attempt returns")

    def resolve(self, url: str, location: str) -> str:
        """Return the address that an answer from `url` names as `location`. Raises Trouble."""
        try:
            return urllib.parse.urljoin(url, origins.quoted(location))
        except ValueError as error:
            raise self._lost(error) from error

    async def check(self, answer: Answer, *statuses: int) -> Answer:
        """Return `answer` if its status is one of `statuses`, else close it and raise the Trouble that it means."""
        if answer.status in statuses:
            return answer
        with contextlib.closing(answer):
            raise await self.trouble(answer)

    async def trouble(self, answer: Answer) -> Trouble:
        """Return what an answer that is no success means."""
        if answer.origin == self.endpoint.origin:
            return await answers.trouble(answer, anonymous=self._authority.anonymous)
        # It is the storage behind the registry, whose words are about itself.
        passing = answer.status in (408, 429) or answer.status >= 500
        return Trouble(
            errors.RegistryFailed,
            f"registry {self.endpoint.origin.netloc!r} sent us to {answer.origin.netloc!r}, which answered with "
            f"status {answer.status}",
            passing=passing,
        )

    async def is_registry(self) -> bool:
        """Tell whether the endpoint speaks the protocol at all (distribution-spec, "Determining Support").

        Raises Trouble where it is in no state to tell.
        """
        with contextlib.closing(await self.send("GET", f"{self.endpoint.url}/")) as answer:
            if answer.status in (408, 429) or answer.status >= 500:
                raise await self.trouble(answer)
            # Who wants to know who asks before all else gives nothing away, but a challenge does.
            is_page = answer.headers.get("Content-Type", "").startswith("text/html")
            return (answer.status == 200 and not is_page) or (
                answer.status == 401 and bool(answer.all("WWW-Authenticate"))
            )

    async def _follow(
        self, request: Request, body: bytes | Callable[[], AsyncIterator[bytes]] | None, authorization: str
    ) -> Answer:
        home = self.endpoint.origin
        for _ in range(_REDIRECTS):
            where = self._allowed(request.url)
            own = {}
            if where == home:
                own = {name: value for name, value in self.endpoint.headers if name.lower() not in _OURS}
                own |= {"Authorization": authorization} if authorization else self._configured_authorization()
            content = body() if callable(body) else body
            sent = dataclasses.replace(request, headers={**own, **request.headers}, body=content)
            answer = await self._transport.send(sent, self.endpoint.for_origin(where))
            if answer.status not in _REDIRECT_STATUSES or "Location" not in answer.headers:
                return answer
            await _skim(answer)
            url = self.resolve(request.url, answer.headers["Location"])
            if answer.status == 303:
                request, body = Request("GET", url), None
            else:
                request = dataclasses.replace(request, url=url)
        raise Trouble(errors.NotARegistry, f"registry {home.netloc!r} sends us from one place to the next")

    def _configured_authorization(self) -> dict[str, str]:
        for name, value in self.endpoint.headers:
            if name.lower() == "authorization":
                return {"Authorization": value}
        return {}

    def _lost(self, error: ValueError) -> Trouble:
        host = self.endpoint.origin.netloc
        return Trouble(errors.NotARegistry, f"registry {host!r} sends us to an address that is no use: {error}")

    def _allowed(self, url: str) -> origins.Origin:
        """Return the origin of an address that the endpoint gave us. Raises Trouble where requests do not go."""
        home = self.endpoint.origin
        try:
            where = origins.origin(url)
        except ValueError as error:
            raise self._lost(error) from error
        if where.scheme == "http" and home.scheme == "https":
            raise Trouble(
                errors.RegistryUntrusted, f"registry {home.netloc!r} sends us to {where.netloc!r}, which has no TLS"
            )
        return where


async def _skim(answer: Answer) -> None:
    """Read a short rest, so that the connection can be used again."""
    with contextlib.closing(answer), contextlib.suppress(Trouble):
        if answer.request.method != "HEAD":
            await answer.read(_SKIM_LIMIT_BYTES)
