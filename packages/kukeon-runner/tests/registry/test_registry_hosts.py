"""containerd's registry configuration: which endpoints a registry has, and what is wrong with a file."""

import logging
from pathlib import Path

import pytest

from kukeon_api import errors, image_ref
from kukeon_runner.host.registry import retries
from kukeon_runner.host.registry.client import Registry
from kukeon_runner.host.registry.endpoints import TLS, Capability, Endpoint
from kukeon_runner.host.registry.hosts import Directory
from kukeon_runner.testing.registry import Reply, ServedRegistry, served_registry

ALL = frozenset(Capability)


def write(tmp_path: Path, registry: str, content: str) -> Path:
    directory = tmp_path / registry
    directory.mkdir()
    (directory / "hosts.toml").write_text(content)
    return directory


@pytest.mark.parametrize(
    ("registry", "url"),
    [
        ("docker.io", "https://registry-1.docker.io/v2"),
        ("quay.io", "https://quay.io/v2"),
        ("registry:5000", "https://registry:5000/v2"),
        ("localhost", "http://localhost/v2"),
        ("localhost:5000", "http://localhost:5000/v2"),
        ("127.8.9.1:5000", "http://127.8.9.1:5000/v2"),
        ("[::1]:5000", "http://[::1]:5000/v2"),
        ("[2001:db8::1]:5000", "https://[2001:db8::1]:5000/v2"),
        ("localhost.example", "https://localhost.example/v2"),
        ("127.0.0.1.example", "https://127.0.0.1.example/v2"),
    ],
)
def test_without_configuration_it_is_tls_but_on_this_machine(tmp_path: Path, registry: str, url: str):
    assert Directory(tmp_path / "none").endpoints(registry) == (Endpoint(url),)


def test_mirrors_come_in_the_files_order_and_the_server_last(tmp_path: Path):
    directory = write(
        tmp_path,
        "quay.io",
        """
        server = "https://quay.example/api"
        ca = "own.crt"

        [host."https://z.example"]
          capabilities = ["pull"]
          ca = ["/etc/a.crt", "b.crt"]
          client = [["c.cert", "c.key"], ["d.pem", ""]]
          dial_timeout = "1500ms"
          proxy = "http://proxy.example:8080"
          [host."https://z.example".header]
            x-one = "1"
            x-two = ["2", "3"]

        [host."a.example:5000/team/"]
          skip_verify = true

        [host."http://plain.example/v2"]
          client = "e.pem"

        [host."https://other.example/deep/../path"]
          override_path = true
        """,
    )
    assert Directory(tmp_path).endpoints("quay.io") == (
        Endpoint(
            "https://z.example/v2",
            frozenset({Capability.PULL}),
            TLS(
                ("/etc/a.crt", f"{directory}/b.crt"),
                ((f"{directory}/c.cert", f"{directory}/c.key"), (f"{directory}/d.pem", "")),
            ),
            (("x-one", "1"), ("x-two", "2, 3")),
            1.5,
            "http://proxy.example:8080",
            "quay.io",
        ),
        Endpoint("https://a.example:5000/team/v2", ALL, TLS(skip_verify=True), mirror_of="quay.io"),
        Endpoint(
            "http://plain.example/v2",
            tls=TLS(client=((f"{directory}/e.pem", ""),)),
            mirror_of="quay.io",
            plain_http=True,
        ),
        Endpoint("https://other.example/path", mirror_of="quay.io"),
        Endpoint("https://quay.example/api/v2", tls=TLS((f"{directory}/own.crt",)), mirror_of="quay.io"),
    )


def test_a_registry_without_a_directory_has_the_default(tmp_path: Path):
    write(tmp_path, "_default", '[host."https://mirror.example"]\n')
    write(tmp_path, "quay.io", 'server = "http://quay.io"\n')
    directory = Directory(tmp_path)
    assert [each.url for each in directory.endpoints("docker.io")] == [
        "https://mirror.example/v2",
        "https://registry-1.docker.io/v2",
    ]
    assert directory.endpoints("quay.io") == (Endpoint("http://quay.io/v2", plain_http=True),)


def test_the_hub_is_where_its_api_is(tmp_path: Path):
    write(tmp_path, "docker.io", 'server = "https://docker.io"')
    assert Directory(tmp_path).endpoints("docker.io") == (Endpoint("https://registry-1.docker.io/v2"),)


def test_ports_stand_in_names_either_way(tmp_path: Path):
    write(tmp_path, "a:5000", 'server = "https://colon"')
    assert Directory(tmp_path).endpoints("a:5000")[0].url == "https://colon/v2"
    write(tmp_path, "a_5000_", 'server = "https://underscore"')
    assert Directory(tmp_path).endpoints("a:5000")[0].url == "https://underscore/v2"


def test_certificates_alone_are_enough(tmp_path: Path):
    directory = tmp_path / "localhost:5000"
    directory.mkdir()
    for name in ("b.crt", "a.crt", "me.cert", "me.key", "README"):
        (directory / name).touch()
    assert Directory(tmp_path).endpoints("localhost:5000") == (
        Endpoint(
            "https://localhost:5000/v2",
            tls=TLS((f"{directory}/a.crt", f"{directory}/b.crt"), ((f"{directory}/me.cert", f"{directory}/me.key"),)),
        ),
    )
    (directory / "me.key").unlink()
    with pytest.raises(errors.RegistryConfigInvalid, match=r"'me\.cert' has no 'me\.key'"):
        Directory(tmp_path).endpoints("localhost:5000")


def test_an_authority_for_this_machine_means_tls(tmp_path: Path):
    directory = write(tmp_path, "localhost:5000", 'ca = "ca.crt"')
    assert Directory(tmp_path).endpoints("localhost:5000") == (
        Endpoint("https://localhost:5000/v2", tls=TLS((f"{directory}/ca.crt",))),
    )


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("server =", "it is no TOML"),
        ("server = 5", "server: must be an address"),
        ('server = "ftp://x"', "server: 'ftp://x' is no address of a registry"),
        ('server = "https://me:pw@x"', "server: "),
        ('server = "https://x/?a=b"', "nothing may come after its path"),
        ("host = 5", "host: must be tables"),
        ('[host]\n"https://x" = 5', "host.'https://x': must be a table"),
        ('capabilities = ["fly"]', "capabilities: known are pull, resolve, push"),
        ('capabilities = "pull"', "capabilities: must be a list of strings"),
        ("ca = 5", "ca: must be a list of strings"),
        ("client = 5", "client: must be a file, files, or pairs"),
        ('client = [["a", "b", "c"]]', "client: must be a file, files, or pairs"),
        ('[host."https://x"]\nskip_verify = "yes"', "host.'https://x'.skip_verify: must be true or false"),
        ('header = "a"', "header: must be a table"),
        ('[header]\na = "b\\r\\nc"', "must be one line of text"),
        ('[header]\n"a b" = "c"', "must be one line of text"),
        ('dial_timeout = "soon"', "dial_timeout: "),
        ('proxy = "socks5://x"', "proxy: 'socks5://x' is no address that begins with"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(tmp_path: Path, content: str, words: str):
    file = write(tmp_path, "quay.io", content) / "hosts.toml"
    with pytest.raises(errors.RegistryConfigInvalid) as caught:
        Directory(tmp_path).endpoints("quay.io")
    assert words in caught.value.message
    assert str(file) in caught.value.message


@pytest.mark.parametrize(
    "content",
    [
        'proxy = "socks5://me:secret@x:1"',
        'proxy = "me:secret@x:1"',
        'proxy = "http://me:secret@[x:1"',
        'proxy = "http://me:secret@"',
        'proxy = "http://me:secret@x:port"',
        'server = "https://me:secret@x"',
        'server = "me:secret@x"',
        '[host."https://me:secret@x"]\n',
        '[host."https://me:secret@x"]\nskip_verify = "yes"',
    ],
)
def test_logins_in_a_wrong_file_are_not_shown(tmp_path: Path, content: str):
    write(tmp_path, "quay.io", content)
    with pytest.raises(errors.RegistryConfigInvalid, match=r"hosts\.toml") as caught:
        Directory(tmp_path).endpoints("quay.io")
    assert "secret" not in f"{caught.value} {caught.value.hint}"


def test_what_is_not_known_is_told_and_does_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    write(tmp_path, "quay.io", '[host."https://x"]\nrewrite = {a = "b"}')
    with caplog.at_level(logging.WARNING):
        assert Directory(tmp_path).endpoints("quay.io")[0].url == "https://x/v2"
    assert "rewrite" in caplog.text


@pytest.mark.parametrize("name", ["..", ".", "a/b", "../quay.io", "", ":5000"])
def test_names_do_not_become_paths(tmp_path: Path, name: str):
    write(tmp_path, "_default", "")
    with pytest.raises(ValueError, match="it "):
        Directory(tmp_path / "x").endpoints(name)


def test_keys_and_logins_stay_out_of_sight():
    assert "key" not in repr(Endpoint("https://x/v2", headers=(("x-api", "key"),), proxy="http://me:key@x"))


async def test_a_mirror_that_may_not_resolve_is_asked_for_content_only(
    tmp_path: Path, served: ServedRegistry, patience: retries.Patience
):
    async with served_registry() as mirror:
        write(
            tmp_path,
            "registry.example",
            f'server = "http://{served.address}"\n[host."http://{mirror.address}"]\ncapabilities = ["pull"]',
        )
        manifest = served.add_manifest("team/app", "1", b"{}")
        mirror.add_manifest("team/app", "1", b"{ }")
        blob = mirror.add_blob(b"layer")
        ref = image_ref.parse("registry.example/team/app:1")
        async with Registry(Directory(tmp_path).endpoints, patience=patience) as registry:
            assert await registry.resolve(ref) == manifest
            assert [piece async for piece in registry.blob(ref, blob)] == [b"layer"]
            assert await registry.manifest(ref, manifest) == b"{}"
        assert [call.path.rsplit("/", 2)[-2] for call in mirror.calls][:2] == ["blobs", "manifests"]


async def test_a_broken_file_is_told_by_the_pull(tmp_path: Path, served: ServedRegistry):
    write(tmp_path, served.address, "server")
    served.behaviour = lambda *_: Reply(500)
    async with Registry(Directory(tmp_path).endpoints) as registry:
        with pytest.raises(errors.RegistryConfigInvalid, match=r"hosts\.toml': it is no TOML"):
            await registry.resolve(image_ref.parse(f"{served.address}/team/app:1"))
    assert served.calls == []


async def test_nobody_may_do_it(tmp_path: Path, served: ServedRegistry):
    write(tmp_path, served.address, 'capabilities = ["push"]')
    async with Registry(Directory(tmp_path).endpoints) as registry:
        with pytest.raises(errors.RegistryConfigInvalid, match="may resolve"):
            await registry.resolve(image_ref.parse(f"{served.address}/team/app:1"))
