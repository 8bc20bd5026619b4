"""Registries as their owners have them: an authority and passwords of their own, mirrors; skopeo sees the same."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from kukeon_runner.testing.docker_registry import DockerRegistry
from kuketest import archives, manifests, registries, witness
from kuketest.instance import Instance
from kuketest.registries import PASSWORD, USER
from kuketest.web import wait_page


@pytest.fixture(scope="module")
def fenced(new_instance: Callable[..., Instance]) -> Iterator[Instance]:
    """An instance with a registry configuration of its own, whose kukeond tells all that it ever logs."""
    instance = new_instance("--containerd", "embedded", "--log-level", "debug")
    instance.options += ("--registry-config-dir", str(registries.configuration(instance)))
    instance.start()
    yield instance
    instance.leave_nothing()


@pytest.fixture(scope="module")
def registry(fenced: Instance, image_archive: Path) -> Iterator[DockerRegistry]:
    with registries.secured(fenced, {USER: PASSWORD}) as running:
        registries.copy_in(fenced, image_archive, f"{running.address}/team/app:1")
        yield running


def realm(name: str, server: str, password: str = PASSWORD) -> str:
    credentials = {"serverAddress": server, "username": USER, "password": password}
    spec = {"registryCredentials": [credentials]}
    return json.dumps({"apiVersion": "v1beta1", "kind": "Realm", "metadata": {"name": name}, "spec": spec}) + "\n"


def digest(kukeon: Instance, image: str) -> str:
    return str(kukeon.kuke("get", "image", image, "-o", "json").json()["digest"])


def test_apply_pulls_with_the_passwords_of_the_realm(fenced: Instance, registry: DockerRegistry) -> None:
    image = f"{registry.address}/team/app:1"
    nobody = fenced.apply(manifests.server("pulled", image), code=None)
    assert nobody.code == 6, nobody
    assert f"registry '{registry.address}' wants to know who asks" in nobody.err
    assert "kuke create registry-credential" in nobody.err

    fenced.apply(realm("default", registry.address, "not this"))
    wrong = fenced.apply(manifests.server("pulled", image), code=None)
    assert wrong.code == 6, wrong
    assert "does not accept" in wrong.err

    with witness.command_lines() as commands:
        fenced.apply(manifests.many(realm("default", registry.address), manifests.server("pulled", image)))
        assert wait_page(fenced.address("pulled")) == "page of pulled\n"
    there = registries.digest_in(fenced, image)
    assert digest(fenced, image) == there
    (status,) = fenced.cell("pulled")["status"]["containers"]
    assert status["imageDigest"] == there

    # The password is known to nobody but kukeond and the registry.
    shown = [fenced.kuke("get", "realm", "default", "-o", form).out for form in ("json", "yaml", "wide")]
    shown += [fenced.kuke("describe", "realm", "default").out, fenced.kuke("describe", "cell", "pulled").out]
    shown += [fenced.kuke("events", "-o", "json").out, fenced.log.read_text(), fenced.containerd_log_tail()]
    shown += [nobody.err, wrong.err, *commands]
    assert "pulled" in "".join(shown)
    signs = (PASSWORD[:9], registries.basic({USER: PASSWORD})[:16])
    assert not [each for each in shown if any(sign in each for sign in signs)]
    fenced.kuke("delete", "cell", "pulled")
    fenced.kuke("image", "delete", image)


def test_an_image_keeps_its_digest(fenced: Instance, registry: DockerRegistry, image_archive: Path) -> None:
    kuke, home = fenced.kuke, fenced.home
    kuke("image", "load", str(image_archive))
    first = digest(fenced, "busybox")
    pushed = f"{registry.address}/other/app:2"
    fenced.apply(realm("default", registry.address))
    assert kuke("image", "push", "busybox", pushed, "-o", "json").json()["digest"] == first
    assert registries.digest_in(fenced, pushed) == first

    kuke("image", "delete", "busybox")
    assert fenced.ctr("content", "ls", "-q") == ""
    assert kuke("image", "pull", pushed, "-o", "json").json()["digest"] == first
    kuke("image", "save", pushed, "--to", f"{home}/saved.tar")
    kuke("image", "save", pushed, "--format", "docker", "--to", f"{home}/docker.tar")
    kuke("image", "delete", pushed)
    for archive in ("saved.tar", "docker.tar"):
        kuke("image", "load", f"{home}/{archive}")
        assert digest(fenced, pushed) == first
        by_digest = f"{registry.address}/other/app@{first}"
        assert kuke("image", "push", pushed, f"{registry.address}/other/app:{archive}", "-o", "json").json()["digest"]
        assert registries.digest_in(fenced, f"{registry.address}/other/app:{archive}") == first
        kuke("image", "delete", pushed)
        assert kuke("image", "pull", by_digest, "-o", "json").json()["digest"] == first
        kuke("image", "delete", by_digest)


def test_a_mirror_stands_in_for_docker_hub(fenced: Instance, image_archive: Path) -> None:
    place = registries.configuration(fenced) / "docker.io"
    place.mkdir(parents=True)
    with registries.served() as mirror, registries.served() as hub:
        place.joinpath("hosts.toml").write_text(
            f'server = "http://{hub.address}"\n[host."http://{mirror.address}"]\ncapabilities = ["pull", "resolve"]\n'
        )
        fenced.apply(realm("default", "docker.io"))
        registries.image(mirror, image_archive, "library/busybox", "here")
        fenced.apply(manifests.server("mirrored", "busybox:here"))
        assert wait_page(fenced.address("mirrored")) == "page of mirrored\n"
        assert not hub.calls, "the mirror has all of it"
        assert not [call for call in mirror.calls if "authorization" in call.headers], "the password is for Docker Hub"
        fenced.kuke("delete", "cell", "mirrored")

        registries.image(hub, image_archive, "library/busybox", "only-there", archives.layer_of(1000))
        pulled = fenced.kuke("image", "pull", "busybox:only-there", "-o", "json").json()
        assert pulled["image"] == "docker.io/library/busybox:only-there"
        for name in ("busybox:here", "busybox:only-there"):
            fenced.kuke("image", "delete", name)
    away = fenced.kuke("image", "pull", "busybox:here", code=8)
    assert f"before, registry '{mirror.address}' cannot be reached" in away.err
    place.joinpath("hosts.toml").write_text("server = 7\n")
    refused = fenced.kuke("image", "pull", "busybox:here", code=2)
    assert str(place / "hosts.toml") in refused.err
