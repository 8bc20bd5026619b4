"""Logins for registries, as docker's config.json and its credential helpers keep them (door).

The format is docker's (docs.docker.com, "docker login"), and so is the way to ask helpers (docker-credential-helpers,
README.md). A login is for exactly the host that it is kept under; Docker Hub has several names.
"""

from __future__ import annotations

import base64
import binascii
import dataclasses
import re
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from kukeon_api import errors

if TYPE_CHECKING:
    from collections.abc import Mapping

HUB = "docker.io"
_HUB_NAMES = frozenset({HUB, "index.docker.io", "registry-1.docker.io", "registry.hub.docker.com"})
_HUB_KEY = "https://index.docker.io/v1/"
"""The name that docker keeps the login of its Hub under."""

HELPER_TIMEOUT_S = 30.0
"""Some helpers ask a service on the net."""
_HELPER_LIMIT_BYTES = 64 * 1024
_FILE_LIMIT_BYTES = 4 * 1024 * 1024
_HELPER_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_TOKEN_USER = "<token>"  # noqa: S105
"""What a helper gives as the user's name when the secret is an identity token."""


@dataclasses.dataclass(frozen=True)
class Login:
    """What proves to a registry who asks: a password, or an identity token, which stands for one (OAuth 2)."""

    username: str = ""
    password: str = dataclasses.field(default="", repr=False)
    identity_token: str = dataclasses.field(default="", repr=False)


class _Auth(msgspec.Struct, frozen=True):
    auth: str = ""
    username: str = ""
    password: str = ""
    identitytoken: str = ""


class _File(msgspec.Struct, frozen=True, rename="camel"):
    auths: dict[str, _Auth] | None = None
    creds_store: str | None = None
    cred_helpers: dict[str, str] | None = None


class _Answer(msgspec.Struct, frozen=True):
    Username: str = ""
    Secret: str = ""


def host_of(server: str) -> str:
    """Return the registry that a key of docker's config names: `https://index.docker.io/v1/` is docker.io.

    "" for a key that is for a part of a registry only.
    """
    host, _, path = server.strip().rpartition("://")[2].partition("/")
    if path.strip("/") not in ("", "v1", "v2"):
        return ""
    return HUB if host.lower() in _HUB_NAMES else host.lower()


def default_path(environment: Mapping[str, str]) -> Path:
    """Return where docker keeps the config of whoever this process is."""
    if directory := environment.get("DOCKER_CONFIG"):
        return Path(directory) / "config.json"
    home = Path(environment["HOME"]) if environment.get("HOME") else Path("~").expanduser()
    return home / ".docker" / "config.json"


def load(path: Path) -> DockerConfig:
    """Return the config in the file `path`; one without logins when there is no such file.

    Raises DockerConfigInvalid, whose words never quote the file.
    """
    try:
        with path.open("rb") as file:
            content = file.read(_FILE_LIMIT_BYTES + 1)
    except (FileNotFoundError, NotADirectoryError):
        return DockerConfig(path, _File())
    except OSError as error:
        raise errors.DockerConfigInvalid(f"cannot read {str(path)!r}: {error.strerror}") from error
    if len(content) > _FILE_LIMIT_BYTES:
        raise errors.DockerConfigInvalid(f"cannot read {str(path)!r}: larger than {_FILE_LIMIT_BYTES} bytes")
    if not content.strip():
        return DockerConfig(path, _File())
    try:
        return DockerConfig(path, msgspec.json.decode(content, type=_File))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise errors.DockerConfigInvalid(
            f"cannot read {str(path)!r}: it is not a docker configuration in JSON",
            hint="log in again with a tool that writes this file, or set DOCKER_CONFIG to another directory",
        ) from None


class DockerConfig:
    """One config.json. Passwords that helpers keep are asked for when they are needed."""

    def __init__(self, path: Path, file: _File) -> None:
        self._path = path
        self._file = file

    def login(self, host: str) -> Login | None:
        """Return the login for the registry `host`, with its port if it has one; None if there is none.

        May run a credential helper, for up to `HELPER_TIMEOUT_S`. Raises DockerConfigInvalid, CredentialHelperFailed.
        """
        host = host_of(host)
        if not host:
            return None
        helper = next((name for key, name in (self._file.cred_helpers or {}).items() if host_of(key) == host), "")
        helper = helper or self._file.creds_store or ""
        if helper and (found := _ask(helper, host, self._path)) is not None:
            return found
        return self._stored(host)

    def _stored(self, host: str) -> Login | None:
        for key, entry in (self._file.auths or {}).items():
            if host_of(key) == host and (found := self._entry(key, entry)) is not None:
                return found
        return None

    def _entry(self, key: str, entry: _Auth) -> Login | None:
        username, password = entry.username, entry.password
        if entry.auth:
            try:
                # docker pads the text with NUL where the password was shorter than its buffer.
                text = base64.b64decode(entry.auth, validate=True).decode().rstrip("\0")
            except (binascii.Error, UnicodeDecodeError):
                raise errors.DockerConfigInvalid(
                    f"cannot read {str(self._path)!r}: the login for {key[:200]!r} is not in base64"
                ) from None
            username, colon, password = text.partition(":")
            if not colon:
                raise errors.DockerConfigInvalid(
                    f"cannot read {str(self._path)!r}: the login for {key[:200]!r} has no password"
                )
        if entry.identitytoken:
            return Login(username, identity_token=entry.identitytoken)
        return Login(username, password) if username and password else None


def _ask(helper: str, host: str, path: Path) -> Login | None:
    """Return what the program docker-credential-HELPER knows of `host`, None when it knows nothing."""
    from kukeon_api import credential_helper  # starts programs, which few processes ever do

    if not _HELPER_NAME.fullmatch(helper):
        raise errors.DockerConfigInvalid(f"cannot read {str(path)!r}: {helper[:80]!r} is no name of a helper")
    key = _HUB_KEY if host == HUB else host
    output = credential_helper.get(helper, key, timeout_s=HELPER_TIMEOUT_S, limit_bytes=_HELPER_LIMIT_BYTES)
    if output is None:
        return None
    try:
        found = msgspec.json.decode(output, type=_Answer)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        # Its words might quote the secret.
        raise errors.CredentialHelperFailed(
            f"cannot log in to {host!r}: docker-credential-{helper} gave something else than a login"
        ) from None
    if not found.Secret:
        return None
    if found.Username == _TOKEN_USER:
        return Login(identity_token=found.Secret)
    return Login(found.Username, found.Secret)
