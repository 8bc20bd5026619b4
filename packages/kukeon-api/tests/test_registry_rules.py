"""Registry credentials: what is accepted, and that no message tells a password."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kukeon_api import errors, manifest, model, normalise, registry_rules
from kukeon_api.model import RegistryCredentials


def told(*credentials: RegistryCredentials) -> list[tuple[str, str, str]]:
    return [(each.path, each.message, each.suggestion) for each in registry_rules.problems(credentials)]


@pytest.mark.parametrize("server", ["", "docker.io", "localhost:5000", "REG.example.org", "10.0.0.1:80", "[::1]:5000"])
@pytest.mark.parametrize("password", ["", "secret: with everything / in = it"])
def test_what_is_accepted(server: str, password: str) -> None:
    assert told(RegistryCredentials(username="me", password=password, server_address=server)) == []


@pytest.mark.parametrize(
    ("server", "suggestion"),
    [
        ("https://index.docker.io/v1/", "write index.docker.io"),
        ("quay.io/team", "write quay.io"),
        ("a b", "write it like registry.example.org:5000"),
        ("..", "write it like registry.example.org:5000"),
        ("a..b", "write it like registry.example.org:5000"),
        ("host:port", "write it like registry.example.org:5000"),
        ("-a", "write it like registry.example.org:5000"),
    ],
)
def test_what_is_no_registry(server: str, suggestion: str) -> None:
    found = told(RegistryCredentials(username="me", server_address=server))
    assert found == [
        ("registryCredentials[0].serverAddress", f"{server!r} is not a registry's host", suggestion),
    ]


def test_one_entry_for_each_registry() -> None:
    first, second = RegistryCredentials(username="a", server_address="r.io"), RegistryCredentials(username="b")
    assert told(first, second) == []
    [(path, message, _)] = told(first, second, RegistryCredentials(username="c", server_address="R.io"))
    assert path == "registryCredentials[2].serverAddress"
    assert message == "'r.io' already has credentials: registryCredentials[0]"
    [(path, message, _)] = told(second, RegistryCredentials(username="c"))
    assert message == "'docker.io' already has credentials: registryCredentials[0]"
    hub = RegistryCredentials(username="c", server_address="index.docker.io")
    assert [path for path, _, _ in told(second, hub)] == ["registryCredentials[1].serverAddress"]


@pytest.mark.parametrize(
    ("username", "password", "path", "message"),
    [
        ("", "x", "username", "is required"),
        ("a:b", "x", "username", "must not contain ':'"),
        ("a\n", "x", "username", "control characters"),
        ("a", "secret\n", "password", "control characters, like the end of a line"),
        ("a", "x" * 4097, "password", "is longer than 4096 bytes"),
    ],
)
def test_who_logs_in(username: str, password: str, path: str, message: str) -> None:
    [(where, what, _)] = told(RegistryCredentials(username=username, password=password))
    assert where == f"registryCredentials[0].{path}"
    assert message in what


@given(st.text(min_size=8), st.text(), st.text())
def test_no_problem_tells_the_password(password: str, username: str, server: str) -> None:
    found = told(
        RegistryCredentials(username=username, password=password, server_address=server),
        RegistryCredentials(username=username, password=password, server_address=server),
    )
    # The password only matters for what is said about itself, so every other message is the same without it.
    without = told(
        RegistryCredentials(username=username, server_address=server),
        RegistryCredentials(username=username, server_address=server),
    )
    about = [each for each in found if each[0].endswith(".password")]
    assert [each for each in found if each not in about] == without
    assert all(password not in text for each in about for text in each[1:])


def test_manifests_take_them_and_registries_are_spelled_alike() -> None:
    [document] = manifest.parse(
        "kind: Realm\nmetadata: {name: r}\n"
        "spec: {registryCredentials: [{username: me, password: 0123, serverAddress: Quay.IO}]}"
    )
    doc = normalise.normalise(document.doc)
    assert isinstance(doc, model.RealmDoc)
    assert doc.spec.registry_credentials == (
        RegistryCredentials(username="me", password="0123", server_address="quay.io"),
    )
    with pytest.raises(errors.InvalidManifest) as caught:
        manifest.parse("kind: Realm\nmetadata: {name: r}\nspec: {registryCredentials: [{password: hunter2}]}")
    [problem] = caught.value.problems
    assert str(problem) == '<stdin>:3: Realm "r": spec.registryCredentials[0].username: is required'
