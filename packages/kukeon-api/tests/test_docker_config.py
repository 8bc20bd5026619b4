"""Logins from docker's config.json and its helpers: exact hosts, and no secret in any message."""

import base64
import json
import stat
import time
from pathlib import Path
from typing import Any

import pytest

from kukeon_api import credential_helper, docker_config, errors
from kukeon_api.docker_config import Login

AUTH = base64.b64encode(b"ann:se:cret").decode()


def write(tmp_path: Path, content: Any) -> docker_config.DockerConfig:
    path = tmp_path / "config.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return docker_config.load(path)


@pytest.fixture
def helper(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A helper named `box` whose body a test writes; what it is asked for goes to `asked`."""
    directory = tmp_path / "bin"
    directory.mkdir()
    monkeypatch.setenv("PATH", f"{directory}:/usr/bin:/bin")
    return directory / "docker-credential-box"


def program(path: Path, body: str) -> None:
    path.write_text(f'#!/bin/sh\necho "$1 $(cat)" >>"{path.parent.parent}/asked"\n{body}\n')
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


@pytest.mark.parametrize(
    ("key", "host"),
    [
        ("https://index.docker.io/v1/", "docker.io"),
        ("index.docker.io", "docker.io"),
        ("registry-1.docker.io", "docker.io"),
        ("quay.io", "quay.io"),
        ("https://Quay.IO/", "quay.io"),
        ("http://localhost:5000/v2/", "localhost:5000"),
        ("quay.io/team", ""),
        ("[::1]:5000", "[::1]:5000"),
    ],
)
def test_keys_name_hosts(key: str, host: str):
    assert docker_config.host_of(key) == host


def test_a_login_is_for_its_host_alone(tmp_path: Path):
    config = write(
        tmp_path,
        {
            "auths": {
                "https://index.docker.io/v1/": {"auth": AUTH},
                "quay.io": {"username": "bob", "password": "pw"},
                "ghcr.io/team": {"auth": AUTH},
                "gcr.io": {"auth": AUTH, "identitytoken": "idt"},
                "empty.example": {},
            },
            "HttpHeaders": {"User-Agent": "x"},
        },
    )
    assert config.login("docker.io") == Login("ann", "se:cret")
    assert config.login("registry-1.docker.io") == Login("ann", "se:cret")
    assert config.login("quay.io") == Login("bob", "pw")
    assert config.login("gcr.io") == Login("ann", identity_token="idt")
    for other in ("quay.io:443", "quay.io.example", "ghcr.io", "empty.example", "index.docker.io.example", ""):
        assert config.login(other) is None


def test_no_file_is_no_login(tmp_path: Path):
    assert docker_config.load(tmp_path / "no" / "config.json").login("quay.io") is None
    assert write(tmp_path, "\n").login("quay.io") is None
    assert write(tmp_path, {"auths": None}).login("quay.io") is None


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("{", "not a docker configuration in JSON"),
        ('{"auths": {"quay.io": "se:cret"}}', "not a docker configuration in JSON"),
        ('{"auths": {"quay.io": {"auth": "se:cret"}}}', "login for 'quay.io' is not in base64"),
        ('{"auths": {"quay.io": {"auth": "c2VjcmV0"}}}', "login for 'quay.io' has no password"),
        ('{"credsStore": "../../bin/sh"}', "'../../bin/sh' is no name of a helper"),
        ("[" * 100_000, "not a docker configuration in JSON"),
    ],
)
def test_a_damaged_file_is_told_without_what_stands_there(tmp_path: Path, content: str, words: str):
    with pytest.raises(errors.DockerConfigInvalid) as caught:
        write(tmp_path, content).login("quay.io")
    assert words in str(caught.value)
    assert str(tmp_path / "config.json") in str(caught.value)
    assert "cret" not in str(caught.value)


def test_a_file_that_cannot_be_read(tmp_path: Path):
    with pytest.raises(errors.DockerConfigInvalid, match="Is a directory"):
        docker_config.load(tmp_path)


def test_where_it_is():
    assert docker_config.default_path({"HOME": "/home/ann"}) == Path("/home/ann/.docker/config.json")
    assert docker_config.default_path({"DOCKER_CONFIG": "/x", "HOME": "/y"}) == Path("/x/config.json")
    assert docker_config.default_path({}).name == "config.json"


def test_a_helper_is_asked_for_the_host(tmp_path: Path, helper: Path):
    program(helper, 'echo \'{"ServerURL": "x", "Username": "ann", "Secret": "pw"}\'')
    config = write(tmp_path, {"credHelpers": {"quay.io": "box"}, "auths": {"ghcr.io": {"auth": AUTH}}})
    assert config.login("quay.io") == Login("ann", "pw")
    assert config.login("ghcr.io") == Login("ann", "se:cret")
    assert (tmp_path / "asked").read_text() == "get quay.io\n"


def test_a_store_knows_the_hub_by_dockers_name_for_it(tmp_path: Path, helper: Path):
    program(helper, 'echo \'{"Username": "<token>", "Secret": "idt"}\'')
    config = write(tmp_path, {"credsStore": "box"})
    assert config.login("docker.io") == Login(identity_token="idt")
    assert (tmp_path / "asked").read_text() == "get https://index.docker.io/v1/\n"


def test_what_a_store_does_not_know_may_stand_in_the_file(tmp_path: Path, helper: Path):
    program(helper, "echo credentials not found in native keychain; exit 1")
    config = write(tmp_path, {"credsStore": "box", "auths": {"quay.io": {"auth": AUTH}}})
    assert config.login("quay.io") == Login("ann", "se:cret")
    assert config.login("ghcr.io") is None


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("echo secret; exit 3", "docker-credential-box failed with exit code 3"),
        ("echo secret", "docker-credential-box gave something else than a login"),
        ('echo \'{"Username": 5, "Secret": "secret"}\'', "docker-credential-box gave something else than a login"),
        ("while :; do echo secretsecretsecretsecret; done", "docker-credential-box prints without end"),
        ("kill -9 $$", "docker-credential-box failed with exit code -9"),
    ],
)
def test_a_helper_that_fails_shows_no_secret(tmp_path: Path, helper: Path, body: str, words: str):
    program(helper, body)
    with pytest.raises(errors.CredentialHelperFailed) as caught:
        write(tmp_path, {"credsStore": "box"}).login("quay.io")
    assert words in str(caught.value)
    assert "secret" not in f"{caught.value} {caught.value.hint}"


def test_no_such_helper(tmp_path: Path, helper: Path):
    with pytest.raises(errors.CredentialHelperFailed, match="no program 'docker-credential-box'"):
        write(tmp_path, {"credsStore": "box"}).login("quay.io")
    helper.write_text("no program")
    helper.chmod(0o755)
    with pytest.raises(errors.CredentialHelperFailed, match=r"cannot run '.*docker-credential-box'"):
        write(tmp_path, {"credsStore": "box"}).login("quay.io")


def test_a_helper_that_hangs_is_ended_with_all_it_started(tmp_path: Path, helper: Path):
    program(helper, "sleep 300 & sleep 300")
    began = time.monotonic()
    with pytest.raises(errors.CredentialHelperFailed, match=r"took longer than 0\.2 s"):
        credential_helper.get("box", "quay.io", timeout_s=0.2, limit_bytes=1000)
    assert time.monotonic() - began < 30


def test_a_login_does_not_show_its_secrets():
    assert repr(Login("ann", "pw", "idt")) == "Login(username='ann')"
