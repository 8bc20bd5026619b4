"""Logging in: who is asked for which password, and who gets to see it."""

import pytest
from asking import MANIFEST, ref
from guarded import BASIC, LOGIN, Tokens, demand_basic, only_for

from kukeon_api import errors, image_ref
from kukeon_api.docker_config import Login
from kukeon_runner.host.registry import retries
from kukeon_runner.host.registry.client import Registry
from kukeon_runner.host.registry.endpoints import Endpoint
from kukeon_runner.testing.registry import PASS, Call, Reply, ServedRegistry, served_registry


async def test_a_password_is_given_to_who_asks_for_it(served: ServedRegistry, patience: retries.Patience):
    stored = served.add_manifest("team/app", "1", MANIFEST)
    served.behaviour = demand_basic
    async with Registry(credentials=only_for(served.address), patience=patience) as registry:
        assert await registry.resolve(ref(served.address)) == stored
        assert await registry.manifest(ref(served.address), stored) == MANIFEST
    assert [call.headers.get("authorization") for call in served.calls] == [None, BASIC, BASIC]


@pytest.mark.parametrize(
    ("login", "words", "hint"),
    [
        (None, "wants to know who asks: authentication required", "create registry-credential"),
        (Login("ann", "wrong"), "does not accept the login: authentication required", "create registry-credential"),
    ],
)
async def test_a_wrong_password_is_told_without_showing_it(
    served: ServedRegistry, patience: retries.Patience, login: Login | None, words: str, hint: str
):
    served.behaviour = demand_basic
    async with Registry(credentials=lambda _: login, patience=patience) as registry:
        with pytest.raises(errors.RegistryUnauthorized, match=words) as caught:
            await registry.resolve(ref(served.address))
    assert hint in caught.value.hint
    assert "wrong" not in f"{caught.value!r} {caught.value.__cause__!r} {login!r}"


async def test_a_password_is_for_one_host_alone(served: ServedRegistry, patience: retries.Patience):
    served.behaviour = demand_basic
    asked: list[str] = []

    def credentials(host: str) -> Login | None:
        asked.append(host)
        return LOGIN if host == "127.0.0.1" else None

    async with Registry(credentials=credentials, patience=patience) as registry:
        with pytest.raises(errors.RegistryUnauthorized):
            await registry.resolve(ref(served.address))
    assert asked == [served.address]


async def test_a_redirect_to_another_host_takes_no_login_along(served: ServedRegistry, patience: retries.Patience):
    async with served_registry() as storage:
        stored = storage.add_blob(b"layer")
        place = f"http://{storage.address}/v2/x/blobs/{stored.digest}?signature=a%2Fb%3D"

        def redirect(call: Call, writer: object) -> Reply:
            refused = demand_basic(call, writer)
            return Reply(307, headers={"Location": place}) if refused is PASS else refused

        served.behaviour = redirect
        endpoint = Endpoint(f"http://{served.address}/v2", headers=(("X-Own", "1"),))
        async with Registry(lambda _: (endpoint,), only_for(served.address), patience) as registry:
            pieces = [piece async for piece in registry.blob(ref(served.address), stored)]
    assert pieces == [b"layer"]
    assert "x-own" in served.calls[0].headers
    assert served.calls[-1].headers["authorization"] == BASIC
    assert not {"authorization", "x-own"} & storage.calls[0].headers.keys()
    assert storage.calls[0].query == {"signature": "a/b="}


async def test_headers_of_the_configuration_go_along_and_change_nothing_of_ours(
    served: ServedRegistry, patience: retries.Patience
):
    stored = served.add_blob(b"layer")
    headers = (("X-Own", "1"), ("range", "bytes=3-"), ("authorization", "Basic of the file"), ("host", "other"))
    endpoint = Endpoint(f"http://{served.address}/v2", headers=headers)
    async with Registry(lambda _: (endpoint,), patience=patience) as registry:
        assert [piece async for piece in registry.blob(ref(served.address), stored)] == [b"layer"]
        assert served.calls[0].headers["authorization"] == "Basic of the file"
        assert (served.calls[0].headers["x-own"], served.calls[0].headers["host"]) == ("1", served.address)
        served.behaviour = demand_basic
        served.add_manifest("team/app", "1", MANIFEST)
    async with Registry(lambda _: (endpoint,), only_for(served.address), patience) as registry:
        await registry.resolve(ref(served.address))
    assert served.calls[-1].headers["authorization"] == BASIC


async def test_storage_that_refuses_is_not_told_a_password(served: ServedRegistry, patience: retries.Patience):
    async with served_registry() as storage:
        storage.behaviour = demand_basic
        stored = served.add_blob(b"layer")
        served.behaviour = lambda *_: Reply(307, headers={"Location": f"http://{storage.address}/x"})
        async with Registry(credentials=lambda _: LOGIN, patience=patience) as registry:
            with pytest.raises(errors.RegistryFailed, match=f"sent us to '{storage.address}', which answered with"):
                await anext(aiter(registry.blob(ref(served.address), stored)))
        assert "authorization" not in storage.calls[0].headers


async def test_no_password_goes_where_others_can_read_it(served: ServedRegistry, patience: retries.Patience):
    served.behaviour = demand_basic
    # The address is this machine all the same, but nothing in it says so.
    address = served.address.replace("127.0.0.1", "0.0.0.0")
    endpoint = Endpoint(f"http://{address}/v2")
    async with Registry(lambda _: (endpoint,), lambda _: LOGIN, patience) as registry:
        with pytest.raises(errors.RegistryUnauthorized, match="has no TLS"):
            await registry.resolve(ref(address))
    assert all("authorization" not in call.headers for call in served.calls)
    endpoint = Endpoint(f"http://{address}/v2", plain_http=True)
    served.add_manifest("team/app", "1", MANIFEST)
    async with Registry(lambda _: (endpoint,), lambda _: LOGIN, patience) as registry:
        await registry.resolve(ref(address))


async def test_a_registry_on_this_machine_does_not_have_passwords_sent_elsewhere(
    served: ServedRegistry, patience: retries.Patience
):
    async with served_registry() as issuer:
        elsewhere = issuer.address.replace("127.0.0.1", "0.0.0.0")
        refusal = Reply(401, headers={"WWW-Authenticate": f'Bearer realm="http://{elsewhere}/token"'})
        served.behaviour = lambda *_: refusal
        async with Registry(credentials=lambda _: LOGIN, patience=patience) as registry:
            with pytest.raises(errors.RegistryUntrusted, match="anybody could read the login"):
                await registry.resolve(ref(served.address))
        assert issuer.calls == []


async def test_a_registry_may_name_a_repository_in_its_own_way(served: ServedRegistry, patience: retries.Patience):
    tokens = Tokens(served, served)
    served.add_manifest("other/app", "1", MANIFEST)
    async with Registry(credentials=only_for(served.address), patience=patience) as registry:
        await registry.resolve(image_ref.parse(f"{served.address}/other/app:1"))
    assert "scope=repository%3Aother%2Fapp%3Apull&scope=repository%3Ateam%2Fapp%3Apull" in tokens.asked[0].target
