"""CNI networks for namespaces, per the CNI specification."""

from kukeon_cni import conflist, links, netns, subnet
from kukeon_cni.conflist import NetworkList, build_bridge
from kukeon_cni.errors import (
    AlreadyAttached,
    CheckUnsupported,
    CniError,
    ErrorCode,
    InvalidConfig,
    InvalidName,
    NamespaceError,
    OwnNamespace,
    PluginNotFound,
    PluginTimeout,
    SubnetExhausted,
    VethExists,
)
from kukeon_cni.netns import Pins, call_in_netns
from kukeon_cni.network import Network
from kukeon_cni.plugin import DEFAULT_PLUGIN_DIRS, find_plugin
from kukeon_cni.result import Result
from kukeon_cni.subnet import free_subnet

__all__ = [
    "AlreadyAttached",
    "CheckUnsupported",
    "CniError",
    "DEFAULT_PLUGIN_DIRS",
    "ErrorCode",
    "InvalidConfig",
    "InvalidName",
    "NamespaceError",
    "Network",
    "NetworkList",
    "OwnNamespace",
    "Pins",
    "PluginNotFound",
    "PluginTimeout",
    "Result",
    "SubnetExhausted",
    "VethExists",
    "build_bridge",
    "call_in_netns",
    "conflist",
    "find_plugin",
    "free_subnet",
    "links",
    "netns",
    "subnet",
]
