"""Hatchling's hook: compile the native programs and put them into the wheel, which is then one for this machine.

An editable install gets none: `kukeon_runner.native` compiles there on demand.  An sdist carries the sources.
"""

from __future__ import annotations

import importlib.util
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

if TYPE_CHECKING:
    from types import ModuleType


class NativeBuildHook(BuildHookInterface):  # type: ignore[type-arg]
    """Adds `kukeon_runner/_native/<machine>/*` to a wheel."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if self.target_name != "wheel" or version == "editable":
            return
        native_build = _load(Path(self.root) / "src" / "kukeon_runner" / "native_build.py")
        machine = native_build.machine()
        self._built = tempfile.TemporaryDirectory(prefix="kukeon-native-")
        for program in native_build.PROGRAMS:
            target = Path(self._built.name) / program
            native_build.build(program, target)
            build_data["force_include"][str(target)] = f"kukeon_runner/_native/{machine}/{program}"
        build_data["pure_python"] = False
        # Programs without a C library run under each of them; with one they are the distribution's own business.
        any_libc = f"manylinux_2_17_{machine}.musllinux_1_1_{machine}"
        build_data["tag"] = f"py3-none-{any_libc if native_build.standalone(machine) else f'linux_{machine}'}"

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        if built := getattr(self, "_built", None):
            built.cleanup()


def _load(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("native_build", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
