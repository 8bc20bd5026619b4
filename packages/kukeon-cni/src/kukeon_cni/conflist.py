"""Network configuration lists: build ours, read anybody's, derive what one plugin is told. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from typing import cast

from kukeon_cni.errors import CniError, ErrorCode, InvalidConfig
from kukeon_cni.jsons import Json, JsonObject, dump_object, load_object
from kukeon_cni.names import check_absolute, check_ifname, check_network_name, check_plugin_type

__all__ = [
    "DEFAULT_DATA_DIR",
    "VERSIONS",
    "NetworkList",
    "build_bridge",
    "execution_config",
    "negotiate",
    "parse",
    "to_json",
]

# What we speak, oldest first. Before 0.3.0 there were no lists and results looked different; 1.1.0 changes
# nothing in the commands used here.
VERSIONS = ("0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0")
# Where host-local keeps its records unless told otherwise (its documentation, "dataDir").
DEFAULT_DATA_DIR = "/var/lib/cni/networks"
_LARGEST_BYTES = 1 << 20
_MOST_PLUGINS = 32


@dataclass(frozen=True)
class NetworkList:
    """One network: its name, the version its author wrote for, and its plugins in the order of ADD."""

    name: str
    cni_version: str
    plugins: tuple[JsonObject, ...]
    disable_check: bool = False
    # From 1.1.0 on a list may name every version it is good for; empty means `cni_version` and older.
    cni_versions: tuple[str, ...] = ()

    @property
    def types(self) -> tuple[str, ...]:
        """The plugins that must be installed, delegated address management included, each once."""
        types = [cast(str, plugin["type"]) for plugin in self.plugins]
        types += [cast(str, ipam["type"]) for ipam in map(_ipam, self.plugins) if "type" in ipam]
        return tuple(dict.fromkeys(types))

    @property
    def bridge(self) -> str | None:
        """The bridge's interface name, or None when no plugin is a bridge."""
        for plugin in self.plugins:
            if plugin["type"] == "bridge":
                name = plugin.get("bridge", "cni0")  # the plugin's own default
                return name if isinstance(name, str) else None
        return None

    @property
    def subnet(self) -> IPv4Network | None:
        """The first IPv4 range that host-local hands addresses out of, or None."""
        for plugin in self.plugins:
            for text in _subnets(_ipam(plugin)):
                try:
                    return IPv4Network(text)
                except ValueError:
                    continue  # an IPv6 range, or not ours to judge
        return None

    @property
    def address_dirs(self) -> tuple[str, ...]:
        """The directories where host-local records this network's addresses."""
        ipams = [ipam for ipam in map(_ipam, self.plugins) if ipam.get("type") == "host-local"]
        return tuple(dict.fromkeys(f"{ipam.get('dataDir') or DEFAULT_DATA_DIR}/{self.name}" for ipam in ipams))


def build_bridge(
    name: str,
    bridge: str,
    subnet: IPv4Network,
    gateway: IPv4Address | None = None,
    data_dir: str = DEFAULT_DATA_DIR,
    mtu: int | None = None,
    cni_version: str = "1.0.0",
) -> NetworkList:
    """Return the list of a bridge network with host-local addresses and a default route; raise `InvalidConfig`.

    The gateway is the bridge's own address: the first of the subnet unless given. `ipMasq` is off, since it runs
    iptables thirteen milliseconds per ADD: masquerading is the caller's. Hairpin mode is on: where br_netfilter hands
    bridged packets to the packet filter, one that is translated to its own sender has to leave by the port by which it
    came. `loopback` is not in the chain, since pinned namespaces are made with it up and each plugin more costs an
    execution.
    """
    check_network_name(name)
    check_ifname(bridge)
    check_absolute("data directory", data_dir)
    if cni_version not in VERSIONS:
        raise InvalidConfig(None, f"cannot build network {name!r}: CNI version {cni_version!r} is unknown")
    if subnet.prefixlen > 30:
        raise InvalidConfig(None, f"cannot build network {name!r}: subnet '{subnet}' is too small, /30 at least")
    gateway = gateway or subnet[1]
    if gateway not in subnet or gateway in {subnet.network_address, subnet.broadcast_address}:
        raise InvalidConfig(None, f"cannot build network {name!r}: gateway '{gateway}' is no host of '{subnet}'")
    # 68 is the least of IPv4 (RFC 791), 65535 the most a bridge takes.
    if mtu is not None and not 68 <= mtu <= 65535:
        raise InvalidConfig(None, f"cannot build network {name!r}: mtu {mtu} is not between 68 and 65535")
    plugin: dict[str, Json] = {
        "type": "bridge",
        "bridge": bridge,
        "isGateway": True,
        "ipMasq": False,
        "hairpinMode": True,
        "ipam": {
            "type": "host-local",
            "dataDir": data_dir,
            "ranges": [[{"subnet": str(subnet), "gateway": str(gateway)}]],
            "routes": [{"dst": "0.0.0.0/0"}],
        },
    }
    if mtu is not None:
        plugin["mtu"] = mtu
    return NetworkList(name, cni_version, (plugin,))


def parse(data: bytes) -> NetworkList:
    """Return the list that `data` holds; raise `CniError` when it is not JSON or not a configuration list."""
    if len(data) > _LARGEST_BYTES:
        raise InvalidConfig(None, f"cannot read network list: {len(data)} bytes, at most {_LARGEST_BYTES} are read")
    top = load_object(data, "network list")
    name, version, plugins = top.get("name"), top.get("cniVersion"), top.get("plugins")
    if not isinstance(name, str):
        raise InvalidConfig(None, "cannot read network list: 'name' is missing or not text")
    check_network_name(name)
    if not isinstance(version, str) or version not in VERSIONS:
        raise InvalidConfig(
            None, f"cannot read network list {name!r}: 'cniVersion' must be one of {', '.join(VERSIONS)}"
        )
    if not isinstance(plugins, list) or not 0 < len(plugins) <= _MOST_PLUGINS:
        raise InvalidConfig(
            None,
            f"cannot read network list {name!r}: 'plugins' must hold 1 to {_MOST_PLUGINS} plugins",
            hint="a single plugin's configuration goes into the list 'plugins'",
        )
    versions = top.get("cniVersions", [])
    if not isinstance(versions, list) or not all(isinstance(item, str) for item in versions):
        raise InvalidConfig(None, f"cannot read network list {name!r}: 'cniVersions' must be a list of texts")
    disable_check = top.get("disableCheck", False)
    if not isinstance(disable_check, bool):
        raise InvalidConfig(None, f"cannot read network list {name!r}: 'disableCheck' must be true or false")
    checked = tuple(_plugin(name, index, plugin) for index, plugin in enumerate(plugins))
    return NetworkList(name, version, checked, disable_check, tuple(cast("list[str]", versions)))


def to_json(network: NetworkList) -> bytes:
    """Return the text of a conflist file, which `parse` reads back to the same value."""
    top: dict[str, Json] = {"cniVersion": network.cni_version, "name": network.name}
    if network.cni_versions:
        top["cniVersions"] = network.cni_versions
    if network.disable_check:
        top["disableCheck"] = True
    top["plugins"] = network.plugins
    return dump_object(top, indent=2) + b"\n"


def negotiate(network: NetworkList, supported: Mapping[str, Sequence[str]]) -> str:
    """Return the newest version that the list allows and every plugin (type: versions) supports.

    Raises `CniError` (incompatible version) naming what each plugin supports when there is none.
    """
    if network.cni_versions:
        allowed = {network.cni_version, *network.cni_versions}
    else:
        allowed = set(VERSIONS[: VERSIONS.index(network.cni_version) + 1])
    for version in reversed(VERSIONS):
        if version in allowed and all(version in versions for versions in supported.values()):
            return version
    says = "; ".join(f"{type_}: {', '.join(versions)}" for type_, versions in supported.items())
    raise CniError(
        ErrorCode.INCOMPATIBLE_VERSION,
        f"cannot use network {network.name!r}: its plugins share no CNI version up to {network.cni_version}",
        says,
        hint="install plugins of one release",
    )


def execution_config(
    network: NetworkList,
    plugin: JsonObject,
    version: str,
    prev_result: JsonObject | None,
    capability_args: JsonObject,
) -> JsonObject:
    """Return what one plugin reads on stdin.

    Specification, "Deriving execution configuration from plugin configuration": version and name come from the list,
    `capabilities` is replaced by those of the runtime's values that the plugin asked for, the rest is unaltered.
    """
    config: dict[str, Json] = {key: value for key, value in plugin.items() if key not in _RUNTIME_KEYS}
    config |= {"cniVersion": version, "name": network.name}
    wanted = plugin.get("capabilities")
    if isinstance(wanted, Mapping):
        runtime_config = {key: capability_args[key] for key in wanted if wanted[key] is True and key in capability_args}
        if runtime_config:
            config["runtimeConfig"] = runtime_config
    if prev_result is not None:
        config["prevResult"] = prev_result
    return config


# Set by the runtime alone; an author's own would be taken for ours.
_RUNTIME_KEYS = frozenset({"capabilities", "runtimeConfig", "prevResult"})


def _plugin(name: str, index: int, plugin: Json) -> JsonObject:
    where = f"cannot read network list {name!r}: plugins[{index}]"
    if not isinstance(plugin, Mapping) or not isinstance(plugin.get("type"), str):
        raise InvalidConfig(None, f"{where} must be an object with a 'type'")
    check_plugin_type(cast(str, plugin["type"]))
    ipam = plugin.get("ipam", {})
    if not isinstance(ipam, Mapping):
        raise InvalidConfig(None, f"{where}.ipam must be an object")
    if "type" in ipam:
        if not isinstance(ipam["type"], str):
            raise InvalidConfig(None, f"{where}.ipam.type must be text")
        check_plugin_type(ipam["type"])
    data_dir = ipam.get("dataDir", "") or DEFAULT_DATA_DIR
    if not isinstance(data_dir, str):
        raise InvalidConfig(None, f"{where}.ipam.dataDir must be text")
    check_absolute("data directory", data_dir)
    return plugin


def _ipam(plugin: JsonObject) -> JsonObject:
    ipam = plugin.get("ipam")
    return ipam if isinstance(ipam, Mapping) else {}


def _subnets(ipam: JsonObject) -> list[str]:
    found = [ipam.get("subnet")]
    ranges = ipam.get("ranges")
    for range_set in ranges if isinstance(ranges, list | tuple) else ():
        for entry in range_set if isinstance(range_set, list | tuple) else ():
            found.append(entry.get("subnet") if isinstance(entry, Mapping) else None)
    return [text for text in found if isinstance(text, str)]
