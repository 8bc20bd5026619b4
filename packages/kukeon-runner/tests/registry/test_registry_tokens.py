"""Tokens: had for a password, kept, renewed, and never from a place that nobody trusts."""

import asyncio
import urllib.parse

import pytest
from asking import MANIFEST, ref
from guarded import Tokens, only_for

from kukeon_api import errors
from kukeon_api.docker_config import Login
from kukeon_runner.host.registry import retries
from kukeon_runner.host.registry.client import Registry
from kukeon_runner.host.registry.values import Descriptor, digest_of
from kukeon_runner.testing.registry import Call, Reply, ServedRegistry, served_registry


async def test_a_token_is_had_for_the_password_and_kept(served: ServedRegistry, patience: retries.Patience):
    async with served_registry() as issuer:
        tokens = Tokens(served, issuer)
        stored = served.add_manifest("team/app", "1", MANIFEST)
        async with Registry(credentials=only_for(served.address), patience=patience) as registry:
            assert await registry.resolve(ref(served.address)) == stored
            await registry.manifest(ref(served.address), stored)
    (call,) = tokens.asked
    assert (call.method, call.path) == ("GET", "/token")
    assert call.query == {
        "kind": "registry",
        "service": "reg,istry",
        "scope": "repository:team/app:pull",
        "account": "ann",
    }
    # The password goes to the token server and nowhere else.
    assert [call.headers.get("authorization") for call in served.calls] == [None, "Bearer t1", "Bearer t1"]


async def test_many_at_once_share_one_token(served: ServedRegistry, patience: retries.Patience):
    tokens = Tokens(served, served)
    stored = [served.add_manifest("team/app", str(number), b"%d" % number) for number in range(8)]
    async with Registry(credentials=only_for(served.address), patience=patience) as registry:
        found = await asyncio.gather(*(registry.manifest(ref(served.address), each) for each in stored))
    assert found == [b"%d" % number for number in range(8)]
    assert len(tokens.asked) == 1


async def test_a_token_that_ran_out_is_renewed(served: ServedRegistry, patience: retries.Patience):
    tokens = Tokens(served, served)
    stored = served.add_manifest("team/app", "1", MANIFEST)
    async with Registry(credentials=only_for(served.address), patience=patience) as registry:
        await registry.resolve(ref(served.address))
        tokens.good.clear()
        await registry.manifest(ref(served.address), stored)
    assert len(tokens.asked) == 2


async def test_a_token_that_lasts_no_time_is_not_used_later(served: ServedRegistry, patience: retries.Patience):
    tokens = Tokens(served, served, expires_in=0.0)
    stored = served.add_manifest("team/app", "1", MANIFEST)
    async with Registry(credentials=only_for(served.address), patience=patience) as registry:
        await registry.resolve(ref(served.address))
        await registry.manifest(ref(served.address), stored)
    assert len(tokens.asked) == 1  # 0 is no lifetime: it counts as not said


async def test_an_identity_token_is_exchanged(served: ServedRegistry, patience: retries.Patience):
    tokens = Tokens(served, served)
    stored = served.add_manifest("team/app", "1", MANIFEST)
    credentials = only_for(served.address, Login(identity_token="long lived"))
    async with Registry(credentials=credentials, patience=patience) as registry:
        assert await registry.resolve(ref(served.address)) == stored
    (call,) = tokens.asked
    assert call.method == "POST"
    assert dict(urllib.parse.parse_qsl(call.body.decode())) == {
        "grant_type": "refresh_token",
        "refresh_token": "long lived",
        "service": "reg,istry",
        "scope": "repository:team/app:pull",
        "client_id": "kukeon",
    }


async def test_tokens_are_had_without_a_password_too(served: ServedRegistry, patience: retries.Patience):
    tokens = Tokens(served, served)
    tokens.accepted = set()
    stored = served.add_manifest("team/app", "1", MANIFEST)
    async with Registry(patience=patience) as registry:
        assert await registry.resolve(ref(served.address)) == stored
    assert "authorization" not in tokens.asked[0].headers


async def test_a_token_server_that_refuses(served: ServedRegistry, patience: retries.Patience):
    Tokens(served, served)
    credentials = only_for(served.address, Login("ann", "wrong"))
    async with Registry(credentials=credentials, patience=patience) as registry:
        with pytest.raises(errors.RegistryUnauthorized, match="does not accept the login of 'ann'"):
            await registry.resolve(ref(served.address))


@pytest.mark.parametrize("body", [b"", b"[]", b'{"token": ""}', b'{"token": "a\\nb"}', b'{"token": 5}', b"{" * 9999])
async def test_what_is_no_token(served: ServedRegistry, patience: retries.Patience, body: bytes):
    tokens = Tokens(served, served)
    served.behaviour = lambda call, writer: Reply(200, body) if call.path == "/token" else tokens.guard(call, writer)
    async with Registry(patience=patience) as registry:
        with pytest.raises(errors.NotARegistry, match="gave something else than a token"):
            await registry.resolve(ref(served.address))


@pytest.mark.parametrize("realm", ["", "ftp://host/token", "/token", "http://[", "http://me:pw@127.0.0.1/"])
async def test_a_place_where_no_token_can_be_had(served: ServedRegistry, patience: retries.Patience, realm: str):
    served.behaviour = lambda *_: Reply(401, headers={"WWW-Authenticate": f'Bearer realm="{realm}"'})
    async with Registry(patience=patience) as registry:
        with pytest.raises(errors.NotARegistry, match=r"sends us to .* for a token"):
            await registry.resolve(ref(served.address))


async def test_a_token_that_is_not_enough_is_asked_for_twice_at_most(
    served: ServedRegistry, patience: retries.Patience
):
    tokens = Tokens(served, served)
    issue = tokens.issue

    def bad(call: Call, writer: object) -> Reply:
        reply = issue(call, writer)
        tokens.good.clear()
        return reply

    tokens.issue = bad  # type: ignore[method-assign]
    async with Registry(credentials=only_for(served.address), patience=patience) as registry:
        with pytest.raises(errors.RegistryUnauthorized, match="does not accept the login"):
            await registry.manifest(ref(served.address), Descriptor("x", digest_of(MANIFEST), 1))
    assert len(tokens.asked) == 2
