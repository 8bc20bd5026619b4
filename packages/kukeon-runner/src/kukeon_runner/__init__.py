"""Makes a host match kukeon documents: containerd, cgroups, CNI networks, nftables.

`open_controller` and `open_runner` are the ways in. Importing this module is cheap; what drives the host is imported
when it is opened.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kukeon_runner.options import Options

if TYPE_CHECKING:
    from kukeon_runner.controller import Controller
    from kukeon_runner.opening import open_controller, open_runner
    from kukeon_runner.removal import uninstall
    from kukeon_runner.verbs import ReconcileOutcome, Runner

_LAZY = {
    "Controller": "kukeon_runner.controller",
    "ReconcileOutcome": "kukeon_runner.verbs",
    "Runner": "kukeon_runner.verbs",
    "open_controller": "kukeon_runner.opening",
    "open_runner": "kukeon_runner.opening",
    "uninstall": "kukeon_runner.removal",
}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_LAZY[name]), name)


__all__ = ["Controller", "Options", "ReconcileOutcome", "Runner", "open_controller", "open_runner", "uninstall"]
