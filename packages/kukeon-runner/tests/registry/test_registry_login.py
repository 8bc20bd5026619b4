"""Logging in: who is asked for which password, and who gets to see it."""

import asyncio
import base64
import json
import shutil
import ssl
import urllib.parse
from collections.abc import Callable
from pathlib import Path

import pytest

from kukeon_api import errors, image_ref
from kukeon_api.docker_config import Login
from kukeon_runner.host.registry import retries
from kukeon_runner.host.registry.client import Registry
from kukeon_runner.host.registry.endpoints import TLS, Endpoint
from kukeon_runner.host.registry.values import Descriptor, digest_of
from kukeon_runner.testing.certificates import CertificateAuthority
from kukeon_runner.testing.registry import PASS, Call, Reply, ServedRegistry, error, served_registry

LOGIN = Login("ann", "secret")
BASIC = f"Basic {base64.b64encode(b'ann:secret').decode()}"
MANIFEST = b'{"schemaVersion": 2}'


def ref(address: str) -> image_ref.ImageRef:
    return image_ref.parse(f"{address}/team/app:1")


def only_for(host: str, login: Login = LOGIN) -> Callable[[str], Login | None]:
    return {host: login}.get


def demand_basic(call: Call, _writer: object) -> Reply:
    if call.headers.get("authorization") == BASIC:
        return PASS
    refusal = error(401, "UNAUTHORIZED", "authentication required")
    return Reply(401, refusal.body, {"WWW-Authenticate": 'Basic realm="Registry"'})


class Tokens:
    """A registry's and its token server's behaviour: tokens are numbered, and good until `spoil`."""

    def __init__(self, served: ServedRegistry, issuer: ServedRegistry, expires_in: float = 300) -> None:
        self.asked: list[Call] = []
        self.good: set[str] = set()
        self.expires_in = expires_in
        self.accepted = {BASIC}
        self._realm = f"http://{issuer.address}/token?kind=registry"
        served.behaviour = self.guard
        issuer.behaviour = self.issue if issuer is not served else self.both

    def guard(self, call: Call, _writer: object) -> Reply:
        if call.headers.get("authorization", "").removeprefix("Bearer ") in self.good:
            return PASS
        challenge = f'Bearer realm="{self._realm}",service="reg,istry",scope="repository:team/app:pull",error="x"'
        return Reply(401, headers={"WWW-Authenticate": challenge})

    def issue(self, call: Call, _writer: object) -> Reply:
        self.asked.append(call)
        if self.accepted and call.method == "GET" and call.headers.get("authorization", "") not in self.accepted:
            return Reply(401, b'{"details": "incorrect username or password"}')
        token = f"t{len(self.asked)}"
        self.good.add(token)
        return Reply(200, json.dumps({"token": token, "expires_in": self.expires_in}).encode())

    def both(self, call: Call, writer: object) -> Reply:
        return self.issue(call, writer) if call.path == "/token" else self.guard(call, writer)


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
        (None, "wants to know who asks: authentication required", "registryCredentials"),
        (Login("ann", "wrong"), "does not accept the login: authentication required", "registryCredentials"),
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


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> CertificateAuthority:
    if shutil.which("openssl") is None:
        pytest.skip("these tests need openssl")
    return CertificateAuthority(tmp_path_factory.mktemp("authority"))


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


async def test_a_registry_may_name_a_repository_in_its_own_way(served: ServedRegistry, patience: retries.Patience):
    tokens = Tokens(served, served)
    served.add_manifest("other/app", "1", MANIFEST)
    async with Registry(credentials=only_for(served.address), patience=patience) as registry:
        await registry.resolve(image_ref.parse(f"{served.address}/other/app:1"))
    assert "scope=repository%3Aother%2Fapp%3Apull&scope=repository%3Ateam%2Fapp%3Apull" in tokens.asked[0].target


class TestTLS:
    """A registry with a certificate of its own authority."""

    def endpoint(self, served: ServedRegistry, tls: TLS) -> Endpoint:
        return Endpoint(f"https://{served.address}/v2", tls=tls)

    async def test_it_is_trusted_by_configuration_alone(
        self, authority: CertificateAuthority, patience: retries.Patience
    ):
        pair = authority.vouch("server", "IP:127.0.0.1")
        async with served_registry(pair.server_context()) as served:
            stored = served.add_manifest("team/app", "1", MANIFEST)
            for tls in (TLS(ca=(str(authority.certificate),)), TLS(skip_verify=True)):
                async with Registry(lambda _, tls=tls: (self.endpoint(served, tls),), patience=patience) as registry:
                    assert await registry.resolve(ref(served.address)) == stored
            async with Registry(lambda _: (self.endpoint(served, TLS()),), patience=patience) as registry:
                with pytest.raises(errors.RegistryUntrusted, match=r"is not trusted: .*certificate") as caught:
                    await registry.resolve(ref(served.address))
            assert "registry configuration" in caught.value.hint

    async def test_a_certificate_for_another_name_is_none(
        self, authority: CertificateAuthority, patience: retries.Patience
    ):
        pair = authority.vouch("other", "DNS:other.example")
        async with served_registry(pair.server_context()) as served:
            tls = TLS(ca=(str(authority.certificate),))
            async with Registry(lambda _: (self.endpoint(served, tls),), patience=patience) as registry:
                with pytest.raises(errors.RegistryUntrusted, match=r"IP address mismatch.*127\.0\.0\.1"):
                    await registry.resolve(ref(served.address))

    async def test_a_client_can_be_known_by_its_certificate(
        self, authority: CertificateAuthority, patience: retries.Patience
    ):
        context = authority.vouch("server2", "IP:127.0.0.1").server_context()
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(authority.certificate)
        client = authority.vouch("client")
        async with served_registry(context) as served:
            stored = served.add_manifest("team/app", "1", MANIFEST)
            known = TLS((str(authority.certificate),), ((str(client.certificate), str(client.key)),))
            async with Registry(lambda _: (self.endpoint(served, known),), patience=patience) as registry:
                assert await registry.resolve(ref(served.address)) == stored
            unknown = TLS((str(authority.certificate),))
            async with Registry(lambda _: (self.endpoint(served, unknown),), patience=patience) as registry:
                with pytest.raises((errors.RegistryUntrusted, errors.RegistryClosed)):
                    await registry.resolve(ref(served.address))

    @pytest.mark.parametrize(
        "make",
        [
            lambda path: TLS(ca=(str(path / "missing.crt"),)),
            lambda path: TLS(ca=(str(path / "junk.crt"),)),
            lambda path: TLS(client=((str(path / "junk.crt"), ""),)),
        ],
    )
    async def test_certificates_that_are_no_use(
        self, make: Callable[[Path], TLS], tmp_path: Path, served: ServedRegistry, patience: retries.Patience
    ):
        (tmp_path / "junk.crt").write_text("junk")
        tls = make(tmp_path)
        async with Registry(lambda _: (self.endpoint(served, tls),), patience=patience) as registry:
            with pytest.raises(errors.RegistryConfigInvalid, match=r"are no use: .*(missing|junk)\.crt"):
                await registry.resolve(ref(served.address))

    async def test_a_key_with_a_password_is_no_use(
        self, authority: CertificateAuthority, served: ServedRegistry, patience: retries.Patience
    ):
        pair = authority.lock(authority.vouch("locked"), "secret")
        tls = TLS(client=((str(pair.certificate), str(pair.key)),))
        async with Registry(lambda _: (self.endpoint(served, tls),), patience=patience) as registry:
            with pytest.raises(errors.RegistryConfigInvalid, match="its key needs a password"):
                await registry.resolve(ref(served.address))

    async def test_from_tls_nothing_leads_to_plain_http(
        self, authority: CertificateAuthority, patience: retries.Patience, served: ServedRegistry
    ):
        pair = authority.vouch("server3", "IP:127.0.0.1")
        tls = TLS(ca=(str(authority.certificate),))
        async with served_registry(pair.server_context()) as secure:
            for reply in (
                Reply(307, headers={"Location": f"http://{served.address}/x"}),
                Reply(401, headers={"WWW-Authenticate": f'Bearer realm="http://{served.address}/token"'}),
            ):
                secure.behaviour = lambda *_, reply=reply: reply
                async with Registry(lambda _: (self.endpoint(secure, tls),), lambda _: LOGIN, patience) as registry:
                    with pytest.raises(errors.RegistryUntrusted, match="TLS"):
                        await registry.resolve(ref(secure.address))
        assert served.calls == []

    async def test_plain_http_where_tls_was_expected(self, served: ServedRegistry, patience: retries.Patience):
        async with Registry(lambda _: (self.endpoint(served, TLS()),), patience=patience) as registry:
            with pytest.raises(errors.NotARegistry, match="does not speak TLS") as caught:
                await registry.resolve(ref(served.address))
        assert f'server = "http://{served.address}"' in caught.value.hint


async def test_mirrors_are_tried_first_and_asked_by_their_own_name(served: ServedRegistry, patience: retries.Patience):
    async with served_registry() as mirror:
        stored = served.add_manifest("team/app", "1", MANIFEST)
        mirror.behaviour = demand_basic
        hosts = (
            Endpoint(f"http://{mirror.address}/v2", mirror_of="registry.example"),
            Endpoint(f"http://{served.address}/v2"),
        )
        asked: list[str] = []

        def credentials(host: str) -> Login | None:
            asked.append(host)
            return None

        async with Registry(lambda _: hosts, credentials, patience) as registry:
            assert await registry.resolve(ref("registry.example")) == stored
        assert asked == [mirror.address]
        assert mirror.calls[0].query == {"ns": "registry.example"}
        assert served.calls[0].query == {}


async def test_when_all_fail_each_is_told(served: ServedRegistry, patience: retries.Patience):
    async with served_registry() as mirror:
        mirror.behaviour = lambda *_: Reply(500)
        hosts = (
            Endpoint(f"http://{mirror.address}/v2", mirror_of="registry.example"),
            Endpoint(f"http://{served.address}/v2"),
        )
        async with Registry(lambda _: hosts, patience=patience) as registry:
            with pytest.raises(errors.ImageNotFound) as caught:
                await registry.resolve(ref("registry.example"))
    assert f"before, registry '{mirror.address}' failed with status 500" in caught.value.hint


async def test_a_blob_goes_on_at_the_next_mirror(served: ServedRegistry, patience: retries.Patience):
    content = bytes(range(256)) * 8192
    async with served_registry() as mirror:
        stored = served.add_blob(content)
        half = Reply(200, content[: len(content) // 2], length=len(content))
        mirror.behaviour = lambda *_: half if len(mirror.calls) < 2 else Reply(500)
        hosts = (
            Endpoint(f"http://{mirror.address}/v2", mirror_of="registry.example"),
            Endpoint(f"http://{served.address}/v2"),
        )
        async with Registry(lambda _: hosts, patience=patience) as registry:
            found = b"".join([piece async for piece in registry.blob(ref("registry.example"), stored)])
    assert found == content
    assert served.calls[0].headers["range"] == f"bytes={len(content) // 2}-"


async def test_a_proxy_is_used_for_others_and_not_for_this_machine(
    served: ServedRegistry, patience: retries.Patience, monkeypatch: pytest.MonkeyPatch
):
    stored = served.add_manifest("team/app", "1", MANIFEST)
    async with served_registry() as proxy:
        monkeypatch.setenv("http_proxy", f"http://{proxy.address}")
        monkeypatch.delenv("no_proxy", raising=False)
        monkeypatch.delenv("NO_PROXY", raising=False)
        async with Registry(patience=patience) as registry:
            assert await registry.resolve(ref(served.address)) == stored
        assert proxy.calls == []
        proxy.add_manifest("team/app", "1", MANIFEST)
        hosts = (Endpoint("http://registry.example/v2"),)
        async with Registry(lambda _: hosts, patience=patience) as registry:
            assert await registry.resolve(ref("registry.example")) == stored
        assert proxy.calls[0].headers["host"] == "registry.example"


@pytest.mark.parametrize("value", ["127.0.0.1:1", "socks5://me:secret@proxy:1"])
async def test_proxies_of_the_environment(patience: retries.Patience, monkeypatch: pytest.MonkeyPatch, value: str):
    monkeypatch.setenv("http_proxy", value)
    async with Registry(lambda _: (Endpoint("http://registry.example/v2"),), patience=patience) as registry:
        with pytest.raises(errors.RegistryUnreachable, match=r"refused|none of HTTP") as caught:
            await registry.resolve(ref("registry.example"))
    assert "secret" not in f"{caught.value} {caught.value.hint}"
