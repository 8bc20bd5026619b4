"""Ways to a registry: its mirrors, and the proxies of the environment."""

import pytest
from asking import MANIFEST, ref
from guarded import demand_basic

from kukeon_api import errors
from kukeon_api.docker_config import Login
from kukeon_runner.host.registry import retries
from kukeon_runner.host.registry.client import Registry
from kukeon_runner.host.registry.endpoints import Endpoint
from kukeon_runner.testing.registry import Reply, ServedRegistry, served_registry


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
