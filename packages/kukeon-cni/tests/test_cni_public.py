"""The public face: what is exported, what importing it costs."""

import subprocess
import sys

import kukeon_cni

PUBLIC = {
    "AlreadyAttached", "CheckUnsupported", "CniError", "DEFAULT_PLUGIN_DIRS", "ErrorCode", "InvalidConfig",
    "InvalidName", "NamespaceError", "Network", "NetworkList", "OwnNamespace", "Pins", "PluginNotFound",
    "PluginTimeout", "Result", "SubnetExhausted", "VethExists", "build_bridge", "call_in_netns", "conflist",
    "find_plugin", "free_subnet", "links", "netns", "subnet",
}  # fmt: skip


def test_exports_are_these() -> None:
    assert set(kukeon_cni.__all__) == PUBLIC
    assert all(hasattr(kukeon_cni, name) for name in PUBLIC)


def test_every_error_is_a_cni_error() -> None:
    errors = [value for value in vars(kukeon_cni).values() if isinstance(value, type) and issubclass(value, Exception)]
    assert errors
    assert all(issubclass(error, kukeon_cni.CniError) for error in errors)


def test_importing_brings_the_standard_library_only() -> None:
    code = (
        "import sys; before = set(sys.modules); import kukeon_cni; print(*{m.partition('.')[0] for m in sys.modules})"
    )
    run = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert not set(run.stdout.split()) & {"pyroute2", "grpc", "msgspec", "google", "yaml", "kukeon_api"}
