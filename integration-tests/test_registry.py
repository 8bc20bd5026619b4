"""Images from and to registries: Debian's own on loopback, with TLS and passwords and without."""

import base64
import contextlib
import hashlib
import json
import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from kukeon_runner.testing.certificates import CertificateAuthority
from kukeon_runner.testing.docker_registry import DockerRegistry, docker_registry
from kuketest import archives, manifests
from kuketest.instance import Instance
from kuketest.waiting import until
from kuketest.web import wait_page

USER, PASSWORD = "ann", "the-realm-knows-this"


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[DockerRegistry, Path]]:
    """A registry with TLS and passwords, and the directory that tells whom to trust."""
    authority = CertificateAuthority(tmp_path_factory.mktemp("authority"))
    pair = authority.vouch("registry", "DNS:localhost")
    with docker_registry(tmp_path_factory.mktemp("secured"), tls=pair, users={USER: PASSWORD}) as registry:
        trusted = tmp_path_factory.mktemp("certs.d")
        (trusted / registry.address).mkdir()
        shutil.copy(authority.certificate, trusted / registry.address / "ca.crt")
        yield registry, trusted


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DockerRegistry]:
    with docker_registry(tmp_path_factory.mktemp("plain")) as registry:
        yield registry


@pytest.fixture(scope="module")
def home(new_instance: Callable[..., Instance], secured: tuple[DockerRegistry, Path], image_archive: Path) -> Instance:
    instance = new_instance("--containerd", "embedded", "--registry-config-dir", str(secured[1]))
    instance.start()
    instance.kuke("image", "load", str(image_archive))
    return instance


def run(*command: str, **environment: str) -> str:
    return subprocess.run(
        command,
        check=True,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        env={**os.environ, **environment},
    ).stdout


def digest_of(kukeon: Instance, name: str, realm: str = "default") -> str:
    found: str = kukeon.kuke("get", "image", name, "--realm", realm, "-o", "json").json()["digest"]
    return found


def realm_manifest(name: str, address: str, user: str = USER, password: str = PASSWORD) -> str:
    login = {"serverAddress": address, "username": user, "password": password}
    document = {
        "apiVersion": "v1beta1",
        "kind": "Realm",
        "metadata": {"name": name},
        "spec": {"registryCredentials": [login]},
    }
    return json.dumps(document) + "\n"


def below(realm: str, kind: str, name: str, **spec: object) -> str:
    document = {
        "apiVersion": "v1beta1",
        "kind": kind,
        "metadata": {"name": name},
        "spec": {"realmId": realm, **spec},
    }
    return json.dumps(document) + "\n"


@pytest.mark.exercises("PullImage", "PushImage")
def test_apply_pulls_by_the_realms_credentials_and_digests_stay(
    home: Instance, secured: tuple[DockerRegistry, Path]
) -> None:
    registry, _ = secured
    name = f"{registry.address}/team/app:1"
    digest = digest_of(home, manifests.IMAGE)
    refused = home.kuke("image", "push", "busybox", name, code=6)
    assert "kuke create registry-credential" in refused.err
    config = home.home / "docker"
    config.mkdir()
    auth = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
    (config / "config.json").write_text(json.dumps({"auths": {registry.address: {"auth": auth}}}))
    os.environ["DOCKER_CONFIG"] = str(config)
    try:
        pushed = home.kuke("image", "push", "busybox", name, "-o", "json").json()
    finally:
        del os.environ["DOCKER_CONFIG"]
    assert (pushed["image"], pushed["digest"], pushed["changed"]) == (name, digest, True)

    server = json.loads(manifests.server("web", image=name))
    server["spec"] |= {"realmId": "shop", "spaceId": "net", "stackId": "app"}
    home.apply(
        manifests.many(
            realm_manifest("shop", registry.address),
            below("shop", "Space", "net"),
            below("shop", "Stack", "app", spaceId="net"),
            json.dumps(server) + "\n",
        )
    )
    cell = home.kuke("get", "cell", "web", "--realm", "shop", "--space", "net", "--stack", "app", "-o", "json").json()
    (container,) = [each for each in cell["status"]["containers"] if each["name"] == "web"]
    assert container["imageDigest"] == digest
    assert digest_of(home, name, "shop") == digest
    assert name in home.ctr("images", "ls", "-q", realm="shop").split()
    assert home.ctr("leases", "ls", "-q", realm="shop").split() == []
    log = home.log.read_text()
    assert PASSWORD not in log
    # Pushed, saved, loaded, pulled: the same.
    home.kuke("image", "save", name, "--realm", "shop", "--to", f"{home.home}/app.tar")
    home.kuke("image", "load", f"{home.home}/app.tar")
    assert digest_of(home, name) == digest
    again = home.kuke("image", "pull", name, "--realm", "shop", "-o", "json").json()
    assert (again["digest"], again["changed"]) == (digest, False)
    home.kuke("image", "delete", name)
    home.kuke("delete", "realm", "shop", "--cascade")


def test_pull_what_skopeo_pushed(home: Instance, plain: DockerRegistry, image_archive: Path) -> None:
    name = f"{plain.address}/other/tool:2"
    run("skopeo", "copy", "-q", "--dest-tls-verify=false", f"oci-archive:{image_archive}", f"docker://{name}")
    digest = run("skopeo", "inspect", "--tls-verify=false", "--format", "{{.Digest}}", f"docker://{name}").strip()
    pulled = home.kuke("image", "pull", name, "-o", "json").json()
    assert (pulled["digest"], pulled["changed"]) == (digest, True)
    by_digest = f"{plain.address}/other/tool@{digest}"
    assert home.kuke("image", "pull", by_digest, "-o", "json").json()["digest"] == digest
    ran = home.kuke("run", "--rm", "--image", by_digest, "--", "/bin/sh", "-c", "echo from the registry")
    assert ran.out == "from the registry\n"
    home.kuke("image", "push", name, f"{plain.address}/mounted/tool:3")
    copied = f"docker://{plain.address}/mounted/tool:3"
    assert run("skopeo", "inspect", "--tls-verify=false", "--format", "{{.Digest}}", copied).strip() == digest
    for each in (name, by_digest):
        home.kuke("image", "delete", each)


def test_two_platforms_there_and_back(home: Instance, plain: DockerRegistry, image_archive: Path) -> None:
    name = f"{plain.address}/two/image:1"
    layout = archives.Layout(image_archive)
    digest, _ = layout.with_two_platforms(name, "linux/s390x")
    layout.write(home.home / "two.tar")
    home.kuke("image", "load", f"{home.home}/two.tar")
    refused = home.kuke("image", "push", name, code=5)
    assert "--platform" in refused.err
    home.kuke("image", "load", f"{home.home}/two.tar", "--platform", "all")
    assert home.kuke("image", "push", name, "-o", "json").json()["digest"] == digest
    home.kuke("image", "delete", name)
    assert home.kuke("image", "pull", name, "-o", "json").json()["digest"] == digest
    there = {each["platform"]: each["present"] for each in inspected(home, name)["platforms"]}
    assert there["linux/s390x"] is False
    home.kuke("image", "pull", name, "--platform", "all")
    assert all(each["present"] for each in inspected(home, name)["platforms"])
    assert home.kuke("image", "pull", name, "--platform", "linux/riscv64", code=2).err.startswith("Error: cannot pull")
    home.kuke("image", "delete", name)


def inspected(kukeon: Instance, name: str) -> dict[str, list[dict[str, object]]]:
    found: dict[str, list[dict[str, object]]] = kukeon.kuke("image", "inspect", name, "-o", "json").json()
    return found


def test_what_is_wrong_is_told_and_leaves_nothing(
    home: Instance, plain: DockerRegistry, secured: tuple[DockerRegistry, Path], image_archive: Path
) -> None:
    before = home.ctr("content", "ls", "-q").split(), home.ctr("images", "ls", "-q").split()
    private = f"{secured[0].address}/team/app:1"
    for name, code, words in (
        (f"{plain.address}/none/such:1", 3, "no tag '1'"),
        (private, 6, "wants to know who asks"),
        ("localhost:1/nobody/there:1", 8, "localhost:1"),
    ):
        refused = home.kuke("image", "pull", name, code=code)
        assert words in refused.err, refused
        assert refused.err.startswith("Error: cannot pull"), refused
    # A layer whose content the registry has lost, or has changed.
    layout = archives.Layout(image_archive)
    layout.with_layer(archives.layer_of(3_000_000), "made:1")
    layout.write(home.home / "made.tar")
    name = f"{plain.address}/broken/image:1"
    run("skopeo", "copy", "-q", "--dest-tls-verify=false", f"oci-archive:{home.home}/made.tar", f"docker://{name}")
    (layer,) = layout.manifest()["layers"]
    hexadecimal = layer["digest"].partition(":")[2]
    stored = plain.directory / "data/docker/registry/v2/blobs/sha256" / hexadecimal[:2] / hexadecimal / "data"
    good = stored.read_bytes()
    stored.write_bytes(good[:-1] + bytes([good[-1] ^ 1]))
    refused = home.kuke("image", "pull", name, code=1)
    assert "sends other content" in refused.err
    stored.write_bytes(good)
    assert home.ctr("images", "ls", "-q").split() == before[1]
    until(lambda: home.ctr("content", "ls", "-q").split() == before[0], "what came of a refused image is gone")
    assert home.ctr("leases", "ls", "-q").split() == []
    assert home.ctr("content", "active").splitlines()[1:] == []
    assert hashlib.sha256(stored.read_bytes()).hexdigest() == hexadecimal
    assert home.kuke("image", "pull", name, "-o", "json").json()["changed"]
    home.kuke("image", "delete", name)


def test_when_images_are_pulled(home: Instance, plain: DockerRegistry, image_archive: Path) -> None:
    name = f"{plain.address}/moving/tag:1"

    def publish(archive: Path) -> str:
        run("skopeo", "copy", "-q", "--dest-tls-verify=false", f"oci-archive:{archive}", f"docker://{name}")
        found = run("skopeo", "inspect", "--tls-verify=false", "--format", "{{.Digest}}", f"docker://{name}")
        return found.strip()

    def cell(policy: str) -> str:
        server = json.loads(manifests.server("web", image=name))
        server["spec"]["containers"][0]["imagePullPolicy"] = policy
        return json.dumps(server) + "\n"

    def resolved() -> str:
        (found,) = [each for each in home.cell("web")["status"]["containers"] if each["name"] == "web"]
        digest: str = found["imageDigest"]
        return digest

    first = publish(image_archive)
    refused = home.apply(cell("Never"), code=3)
    assert "cannot find image" in refused.out + refused.err
    home.apply(cell("IfNotPresent"))
    assert resolved() == first
    layout = archives.Layout(image_archive)
    manifest = layout.manifest()
    manifest["annotations"] = {"changed": "yes"}
    layout.with_manifest(manifest, "made:1")
    layout.write(home.home / "changed.tar")
    second = publish(home.home / "changed.tar")
    assert second != first
    home.kuke("delete", "cell", "web")
    home.apply(cell("IfNotPresent"))
    assert resolved() == first, "what is there is good enough"
    home.kuke("delete", "cell", "web")
    home.apply(cell("Always"))
    assert resolved() == second
    assert wait_page(home.address("web")) == "page of web\n"
    home.kuke("restart", "cell", "web")
    assert resolved() == second
    home.kuke("delete", "cell", "web")
    home.kuke("image", "delete", name)
    until(lambda: not home.ctr("leases", "ls", "-q").split(), "leases are released")


def published(kukeon: Instance, plain: DockerRegistry, image_archive: Path, name: str, size: int) -> str:
    """Have an image with one layer of `size` bytes at the registry; return the layer's digest."""
    layout = archives.Layout(image_archive)
    layout.with_layer(archives.layer_of(size), "made:1")
    layout.write(kukeon.home / "big.tar")
    run("skopeo", "copy", "-q", "--dest-tls-verify=false", f"oci-archive:{kukeon.home}/big.tar", f"docker://{name}")
    digest: str = layout.manifest()["layers"][0]["digest"]
    return digest


def unfinished(kukeon: Instance) -> list[str]:
    return kukeon.ctr("content", "active").splitlines()[1:]


@contextlib.contextmanager
def held_up(kukeon: Instance, plain: DockerRegistry, name: str, count: int) -> Iterator[list[subprocess.Popen[str]]]:
    """Have `count` pulls under way whose registry falls silent in the middle of a layer."""
    with contextlib.ExitStack() as running:
        pulls = [running.enter_context(kukeon.spawn_kuke("image", "pull", name)) for _ in range(count)]
        until(lambda: bool(unfinished(kukeon)), "a layer is on its way")
        os.kill(plain.pid, signal.SIGSTOP)
        try:
            yield pulls
        finally:
            os.kill(plain.pid, signal.SIGCONT)
        for pull in pulls:
            pull.communicate(timeout=120)


def test_a_pull_that_is_killed_leaves_nothing(home: Instance, plain: DockerRegistry, image_archive: Path) -> None:
    name = f"{plain.address}/killed/image:1"
    published(home, plain, image_archive, name, 150_000_000)
    before = set(home.ctr("content", "ls", "-q").split())
    with held_up(home, plain, name, 1) as (pull,):
        assert home.daemon is not None
        home.sigkill()
        home.start()
    assert pull.returncode != 0
    assert name not in home.kuke("get", "images").out
    home.kuke("image", "prune")
    assert unfinished(home) == []
    assert home.ctr("leases", "ls", "-q").split() == []
    assert set(home.ctr("content", "ls", "-q").split()) == before
    pulled = home.kuke("image", "pull", name, "-o", "json").json()
    assert pulled["size"] > 150_000_000
    home.kuke("image", "delete", name)
    assert set(home.ctr("content", "ls", "-q").split()) == before, "what only it needed is gone on return"


def test_two_pulls_share_the_work(home: Instance, plain: DockerRegistry, image_archive: Path) -> None:
    name = f"{plain.address}/shared/image:1"
    layer = published(home, plain, image_archive, name, 150_000_000)
    log = plain.directory / "log"
    start = log.stat().st_size
    with held_up(home, plain, name, 2) as pulls:
        pass
    assert [pull.returncode for pull in pulls] == [0, 0]
    said = log.read_bytes()[start:].decode()
    asked = [line for line in said.splitlines() if f'"GET /v2/shared/image/blobs/{layer}' in line]
    assert len(asked) == 1, asked
    home.kuke("image", "delete", name)
