"""Registries that speak TLS: whose certificate is believed."""

import ssl
from collections.abc import Callable
from pathlib import Path

import pytest
from asking import MANIFEST, ref
from guarded import LOGIN

from kukeon_api import errors
from kukeon_runner.host.registry import retries
from kukeon_runner.host.registry.client import Registry
from kukeon_runner.host.registry.endpoints import TLS, Endpoint
from kukeon_runner.testing.certificates import CertificateAuthority
from kukeon_runner.testing.registry import Reply, ServedRegistry, served_registry


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
            assert "/etc/containerd/certs.d" in caught.value.hint

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
