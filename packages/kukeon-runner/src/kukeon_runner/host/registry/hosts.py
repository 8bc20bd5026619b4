"""Which endpoints serve a registry, by containerd's registry configuration (its docs/hosts.md).

A directory for each registry holds `hosts.toml`, or certificates alone as docker has them; `_default` serves those
without one. It is read for each operation, so a change needs no restart. Where containerd passes over a file that it
cannot read, we say so.
"""

from __future__ import annotations

import dataclasses
import logging
import posixpath
import re
import urllib.parse
from typing import TYPE_CHECKING, Any

from kukeon_api import duration, errors
from kukeon_runner.host.registry import origins
from kukeon_runner.host.registry.endpoints import TLS, Capability, Endpoint, unconfigured

if TYPE_CHECKING:
    from pathlib import Path

log = logging.getLogger(__name__)

FILE = "hosts.toml"
DEFAULT = "_default"
HINT = "the registry configuration (kukeond's registryConfigDir, /etc/containerd/certs.d if it is not set)"
"""How hints speak of where all of this is read."""
_FILE_LIMIT_BYTES = 1024 * 1024
_FIELDS = frozenset({"capabilities", "ca", "client", "skip_verify", "header", "override_path", "dial_timeout", "proxy"})
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,200}")


class Directory:
    """The configuration in one directory, such as /etc/containerd/certs.d; one that is not there configures nothing."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def endpoints(self, registry: str) -> tuple[Endpoint, ...]:
        """Return the endpoints of `registry`, the first to try first; the registry itself is the last.

        Reads files. Raises RegistryConfigInvalid, ValueError for what is no host.
        """
        if "/" in registry or registry.startswith("."):
            raise ValueError("it is no host")
        directory = self._of(registry)
        if directory is None:
            return unconfigured(registry)
        file = directory / FILE
        try:
            with file.open("rb") as opened:
                content = opened.read(_FILE_LIMIT_BYTES + 1)
        except FileNotFoundError:
            content = b""
        except OSError as error:
            raise _invalid(file, error.strerror or "") from error
        if len(content) > _FILE_LIMIT_BYTES:
            raise _invalid(file, f"larger than {_FILE_LIMIT_BYTES} bytes")
        if not content.strip():
            return (_itself(registry, Endpoint("", tls=_certificates(directory))),)
        return _Parsing(registry, file).endpoints(content)

    def _of(self, registry: str) -> Path | None:
        """Return the directory for `registry`, None when there is none."""
        host, colon, port = registry.rpartition(":")
        # Not every file system takes colons.
        names = (*((f"{host}_{port}_",) if colon and port.isdigit() else ()), registry, DEFAULT)
        for name in names:
            directory: Path = self._path / name
            try:
                found = directory.is_dir()
            except OSError as error:
                raise _invalid(directory, error.strerror or "") from error
            if found:
                return directory
        return None


class _Parsing:
    """Reads one hosts.toml; everything that is wrong names the file and the field."""

    def __init__(self, registry: str, file: Path) -> None:
        self._registry = registry
        self._file = file

    def endpoints(self, content: bytes) -> tuple[Endpoint, ...]:
        import tomllib  # most hosts have no such file

        try:
            document = tomllib.loads(content.decode())
        except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
            raise _invalid(self._file, f"it is no TOML: {error}") from error
        hosts = document.pop("host", {})
        server = document.pop("server", "")
        if not isinstance(hosts, dict):
            raise self._wrong("host", 'must be tables like [host."https://mirror.example"]')
        if not isinstance(server, str):
            raise self._wrong("server", "must be an address")
        found = [self._host(url, fields, f"host.{_shown(url)!r}") for url, fields in hosts.items()]
        last = self._host(server, document, "server")
        found.append(last if server else _itself(self._registry, last))
        return tuple(found)

    def _host(self, address: str, fields: Any, where: str) -> Endpoint:
        """Return the endpoint that a table describes; its url is empty when `address` is."""
        if not isinstance(fields, dict):
            raise self._wrong(where, "must be a table")
        prefix = "" if where == "server" else f"{where}."
        for name in sorted(fields.keys() - _FIELDS):
            log.warning("Field %r in %s is not known and does nothing", f"{prefix}{name}"[:200], self._file)
        override = self._get(fields, prefix, "override_path", bool, default=False)
        url = self._url(address, where, override=override) if address else ""
        proxy = self._get(fields, prefix, "proxy", str, default="")
        if proxy and not _is_proxy(proxy):
            raise self._wrong(f"{prefix}proxy", f"{_shown(proxy)!r} is no address that begins with http:// or https://")
        timeout = self._get(fields, prefix, "dial_timeout", str, default="")
        try:
            connect_s = duration.parse(timeout) if timeout else 0.0
        except errors.Invalid as error:
            raise self._wrong(f"{prefix}dial_timeout", error.message) from error
        tls = TLS(
            ca=tuple(self._files(fields, prefix, "ca")),
            client=tuple(self._pairs(fields, prefix)),
            skip_verify=self._get(fields, prefix, "skip_verify", bool, default=False),
        )
        return Endpoint(
            url,
            capabilities=self._capabilities(fields, prefix),
            tls=tls,
            headers=tuple(self._headers(fields, prefix)),
            connect_s=connect_s if connect_s > 0 else None,
            proxy=proxy,
            mirror_of=_mirrored(self._registry, url) if url else "",
            plain_http=url.startswith("http://"),
        )

    def _url(self, address: str, where: str, *, override: bool) -> str:
        full = address if "://" in address else f"https://{address}"
        try:
            origin = origins.origin(full)
            parts = urllib.parse.urlsplit(full)
            if parts.query or parts.fragment:
                raise ValueError("nothing may come after its path")
        except ValueError as error:
            raise self._wrong(where, f"{_shown(address)!r} is no address of a registry: {error}") from error
        if origin.host == origins.HUB:
            origin = dataclasses.replace(origin, host=origins.HUB_API)
        path = posixpath.normpath(parts.path).rstrip("/") if parts.path.strip("/") else ""
        if not override and not path.endswith("/v2"):
            path += "/v2"
        return f"{origin}{path}"

    def _capabilities(self, fields: dict[str, Any], prefix: str) -> frozenset[Capability]:
        words = self._strings(fields.get("capabilities", []), f"{prefix}capabilities")
        try:
            return frozenset(Capability(word.lower()) for word in words) or frozenset(Capability)
        except ValueError:
            known = ", ".join(Capability)
            raise self._wrong(f"{prefix}capabilities", f"known are {known}") from None

    def _files(self, fields: dict[str, Any], prefix: str, name: str) -> list[str]:
        value = fields.get(name, [])
        texts = [value] if isinstance(value, str) else self._strings(value, f"{prefix}{name}")
        return [self._path(text) for text in texts]

    def _pairs(self, fields: dict[str, Any], prefix: str) -> list[tuple[str, str]]:
        value = fields.get("client", [])
        if isinstance(value, str):
            value = [value]
        if not isinstance(value, list):
            raise self._wrong(f"{prefix}client", "must be a file, files, or pairs of files")
        pairs = []
        for each in value:
            texts = [each, ""] if isinstance(each, str) else self._strings(each, f"{prefix}client")
            if len(texts) != 2:
                raise self._wrong(f"{prefix}client", "must be a file, files, or pairs of files")
            pairs.append((self._path(texts[0]), self._path(texts[1]) if texts[1] else ""))
        return pairs

    def _headers(self, fields: dict[str, Any], prefix: str) -> list[tuple[str, str]]:
        table = self._get(fields, prefix, "header", dict, default={})
        found = []
        for name, value in table.items():
            texts = [value] if isinstance(value, str) else self._strings(value, f"{prefix}header.{name}")
            if not _HEADER_NAME.fullmatch(name) or not all(text.isprintable() for text in texts):
                raise self._wrong(f"{prefix}header", f"{name[:200]!r} and its values must be one line of text")
            # Several values of one header are the same as one list (RFC 9110, 5.3).
            found.append((name, ", ".join(texts)))
        return found

    def _strings(self, value: Any, where: str) -> list[str]:
        if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
            raise self._wrong(where, "must be a list of strings")
        return value

    def _get(self, fields: dict[str, Any], prefix: str, name: str, type_: type, *, default: Any) -> Any:
        value = fields.get(name, default)
        if type(value) is not type_:
            kinds = {bool: "true or false", str: "a string", dict: "a table"}
            raise self._wrong(f"{prefix}{name}", f"must be {kinds[type_]}")
        return value

    def _path(self, text: str) -> str:
        return str(self._file.parent / text)

    def _wrong(self, where: str, what: str) -> errors.RegistryConfigInvalid:
        return _invalid(self._file, f"{where}: {what}")


def _itself(registry: str, found: Endpoint) -> Endpoint:
    """Return the endpoint for a registry whose configuration names no address for it."""
    default = origins.default(registry)
    if found.tls != TLS():
        # Who configures certificates wants them used, on this machine too.
        default = default.replace("http://", "https://", 1)
    return dataclasses.replace(found, url=f"{default}/v2")


def _mirrored(registry: str, url: str) -> str:
    """Return `registry` if `url` is another host than its own, "" otherwise."""
    own = origins.origin(origins.default(registry)).netloc
    return "" if origins.origin(url).netloc in (own, registry) else registry


def _certificates(directory: Path) -> TLS:
    """Return docker's way to configure certificates: *.crt for authorities, *.cert with its *.key for us."""
    try:
        names = sorted(path.name for path in directory.iterdir())
    except OSError as error:
        raise _invalid(directory, error.strerror or "") from error
    keys = {name.removesuffix(".key") for name in names if name.endswith(".key")}
    clients = [name.removesuffix(".cert") for name in names if name.endswith(".cert")]
    for name in {*clients} ^ keys:
        has, lacks = ("cert", "key") if name in clients else ("key", "cert")
        raise _invalid(directory, f"'{name}.{has}' has no '{name}.{lacks}'")
    return TLS(
        ca=tuple(str(directory / name) for name in names if name.endswith(".crt")),
        client=tuple((str(directory / f"{name}.cert"), str(directory / f"{name}.key")) for name in clients),
    )


def _is_proxy(address: str) -> bool:
    try:
        parts = urllib.parse.urlsplit(address)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # of a port that is no number, above all
        return False


def _shown(address: str) -> str:
    """Return an address as errors show it: these reach whoever may pull, and what is before an @ may be a login."""
    _, at, rest = address.rpartition("@")
    return f"{'***@' if at else ''}{rest}"[:200]


def _invalid(path: Path, why: str) -> errors.RegistryConfigInvalid:
    return errors.RegistryConfigInvalid(
        f"cannot use the registry configuration {str(path)!r}: {why}",
        hint="the format is that of containerd's docs/hosts.md",
    )
