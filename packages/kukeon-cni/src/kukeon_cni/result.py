"""What plugins answer: results, errors and supported versions, believed only after a check."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import (
    IPv4Address,
    IPv4Interface,
    IPv4Network,
    IPv6Address,
    IPv6Interface,
    IPv6Network,
    ip_address,
    ip_interface,
    ip_network,
)

from kukeon_cni.errors import CniError, ErrorCode, VethExists, printable
from kukeon_cni.jsons import Json, JsonObject

__all__ = ["Dns", "Interface", "Ip", "Result", "Route", "parse", "parse_error", "parse_versions"]

# Far above any real answer; what exceeds them is an attack or a bug.
_MOST_ITEMS = 256
_LONGEST_TEXT = 4096


@dataclass(frozen=True)
class Interface:
    """An interface that a plugin made; `sandbox` is empty for one on the host. Never use it as a path."""

    name: str
    mac: str = ""
    sandbox: str = ""


@dataclass(frozen=True)
class Ip:
    """An address with its prefix; `interface` is an index into `Result.interfaces`."""

    address: IPv4Interface | IPv6Interface
    gateway: IPv4Address | IPv6Address | None = None
    interface: int | None = None


@dataclass(frozen=True)
class Route:
    """A route made in the container's namespace."""

    dst: IPv4Network | IPv6Network
    gw: IPv4Address | IPv6Address | None = None


@dataclass(frozen=True)
class Dns:
    """Resolver settings that a plugin proposes."""

    nameservers: tuple[str, ...] = ()
    domain: str = ""
    search: tuple[str, ...] = ()
    options: tuple[str, ...] = ()


@dataclass(frozen=True)
class Result:
    """The outcome of an ADD. `raw` is the plugin's own text as JSON, for the next plugin's `prevResult`."""

    cni_version: str
    interfaces: tuple[Interface, ...] = ()
    ips: tuple[Ip, ...] = ()
    routes: tuple[Route, ...] = ()
    dns: Dns = Dns()
    raw: JsonObject = field(default_factory=dict, compare=False, repr=False)

    @property
    def ipv4(self) -> IPv4Interface | None:
        """The first IPv4 address with its prefix, or None."""
        return next((ip.address for ip in self.ips if isinstance(ip.address, IPv4Interface)), None)

    @property
    def gateway(self) -> IPv4Address | None:
        """The gateway that belongs to the first IPv4 address, or None."""
        first = next((ip for ip in self.ips if isinstance(ip.address, IPv4Interface)), None)
        return first.gateway if first is not None and isinstance(first.gateway, IPv4Address) else None


def parse(data: JsonObject, version: str) -> Result:
    """Return the result of an ADD asked for in `version`; raise `CniError` (undecodable) for what is not one."""
    answered = data.get("cniVersion", version)
    if answered != version:
        raise _bad(f"'cniVersion' is {_show(answered)}, asked for {version}")
    interfaces = tuple(
        Interface(_text(item, "name"), _text(item, "mac"), _text(item, "sandbox"))
        for item in _objects(data, "interfaces")
    )
    try:
        ips = tuple(_ip(item, len(interfaces)) for item in _objects(data, "ips"))
        routes = tuple(_route(item) for item in _objects(data, "routes"))
    except ValueError as error:
        raise _bad(str(error)) from error
    raw = {**data, "cniVersion": version}
    return Result(version, interfaces, ips, routes, _dns(data.get("dns")), raw)


def parse_error(data: JsonObject, plugin: str, command: str) -> CniError:
    """Return the error that a failed plugin printed, naming the plugin and the command."""
    code, text = data.get("code"), data.get("msg")
    if not isinstance(code, int) or isinstance(code, bool) or not 0 <= code < 1 << 32:
        code = ErrorCode.INTERNAL
    message = printable(text) if isinstance(text, str) else ""
    details = data.get("details")
    details = printable(details) if isinstance(details, str) else ""
    # The bridge plugin's words when eth0 is there already; "already exists" alone would also match an address
    # conflict or a duplicate allocation, which are real errors.
    lower = message.lower()
    kind = VethExists if "container veth name" in lower and "already exists" in lower else CniError
    return kind(code, f"cannot {command} with plugin {plugin!r}: {message or f'error code {code}'}", details)


def parse_versions(data: JsonObject) -> tuple[str, ...]:
    """Return the versions in a VERSION reply; raise `CniError` (undecodable) when they are not there."""
    versions = data.get("supportedVersions")
    if not isinstance(versions, list) or not 0 < len(versions) <= _MOST_ITEMS:
        raise _bad("'supportedVersions' is missing or not a list")
    return tuple(_short(version, "supportedVersions") for version in versions)


def _ip(item: JsonObject, interfaces: int) -> Ip:
    index = item.get("interface")
    if index is not None and (not isinstance(index, int) or isinstance(index, bool) or not 0 <= index < interfaces):
        raise _bad(f"'ips[].interface' is {_show(index)} with {interfaces} interfaces")
    gateway = _text(item, "gateway")
    return Ip(ip_interface(_text(item, "address")), ip_address(gateway) if gateway else None, index)


def _route(item: JsonObject) -> Route:
    gateway = _text(item, "gw")
    return Route(ip_network(_text(item, "dst"), strict=False), ip_address(gateway) if gateway else None)


def _dns(value: Json) -> Dns:
    if value is None:
        return Dns()
    if not isinstance(value, Mapping):
        raise _bad("'dns' is not an object")
    return Dns(_texts(value, "nameservers"), _text(value, "domain"), _texts(value, "search"), _texts(value, "options"))


def _objects(data: JsonObject, key: str) -> list[JsonObject]:
    items = _items(data, key)
    objects = [item for item in items if isinstance(item, Mapping)]
    if len(objects) != len(items):
        raise _bad(f"'{key}' holds something that is not an object")
    return objects


def _texts(data: JsonObject, key: str) -> tuple[str, ...]:
    return tuple(_short(item, key) for item in _items(data, key))


def _items(data: JsonObject, key: str) -> list[Json]:
    items = data.get(key)
    if items is None:  # Go writes an empty list as null
        return []
    if not isinstance(items, list) or len(items) > _MOST_ITEMS:
        raise _bad(f"'{key}' is not a list of at most {_MOST_ITEMS}")
    return items


def _text(data: JsonObject, key: str) -> str:
    value = data.get(key)
    return "" if value is None else _short(value, key)


def _short(value: Json, key: str) -> str:
    if not isinstance(value, str) or len(value) > _LONGEST_TEXT:
        raise _bad(f"'{key}' is {_show(value)}, not a short text")
    return value


def _show(value: Json) -> str:
    return printable(repr(value)[:200], 80)


def _bad(why: str) -> CniError:
    return CniError(ErrorCode.UNDECODABLE, f"cannot understand the plugin's answer: {printable(why, 200)}")
