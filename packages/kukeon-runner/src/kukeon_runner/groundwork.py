"""What networks need of a host before there are any: directories and programs; and how having them is reported."""

from __future__ import annotations

import asyncio
import enum
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import kukeon_cni
from kukeon_api import errors
from kukeon_runner import durable
from kukeon_runner.host import nftables

if TYPE_CHECKING:
    from kukeon_runner.layout import Layout

PLUGINS = ("bridge", "host-local")
"""What the network of a space is made of."""

_RUNTIME_MODE = 0o755
_PRIVATE_MODE = 0o750


class Outcome(enum.StrEnum):
    """What became of one thing."""

    CREATED = "created"
    EXISTED = "already existed"
    MISSING = "missing"
    DAMAGED = "damaged"


@dataclass(frozen=True)
class BootstrapRow:
    """One thing: `realm "default"`, what became of it, and where it is or what to do."""

    label: str
    outcome: Outcome
    detail: str = ""


@dataclass(frozen=True)
class BootstrapReport:
    """All rows, in the order of making."""

    rows: tuple[BootstrapRow, ...]

    @property
    def created(self) -> bool:
        """Whether anything was made: False says that the host was set up already."""
        return any(row.outcome is Outcome.CREATED for row in self.rows)

    @property
    def missing(self) -> tuple[BootstrapRow, ...]:
        """What should be there and is not."""
        return tuple(row for row in self.rows if row.outcome is Outcome.MISSING)

    @property
    def damaged(self) -> tuple[BootstrapRow, ...]:
        """What is there and cannot be read; the detail names the file."""
        return tuple(row for row in self.rows if row.outcome is Outcome.DAMAGED)


async def directories(layout: Layout) -> BootstrapReport:
    """Have the directories that networks need, and look for the programs: CNI plugins and nft."""
    return BootstrapReport(tuple(await asyncio.to_thread(_directories, layout)))


def _directories(layout: Layout) -> list[BootstrapRow]:
    rows = []
    for label, path, mode in (
        ("runtime dir", layout.runtime_dir, _RUNTIME_MODE),
        ("CNI cache dir", layout.cni_cache, _PRIVATE_MODE),
        ("CNI address dir", layout.cni_data, _PRIVATE_MODE),
    ):
        with durable.host_errors("make", path):
            existed = Path(path).is_dir()
            if not existed:
                Path(path).mkdir(parents=True)
                Path(path).chmod(mode)
        rows.append(row(f'{label} "{path}"', existed=existed))
    for plugin in PLUGINS:
        try:
            path = str(kukeon_cni.find_plugin(plugin, kukeon_cni.DEFAULT_PLUGIN_DIRS))
        except kukeon_cni.PluginNotFound as exc:
            rows.append(BootstrapRow(f'CNI plugin "{plugin}"', Outcome.MISSING, exc.hint or str(exc)))
        else:
            rows.append(row(f'CNI plugin "{plugin}"', existed=True, detail=path))
    try:
        rows.append(row('program "nft"', existed=True, detail=nftables.program()))
    except errors.HostError as exc:
        rows.append(BootstrapRow('program "nft"', Outcome.MISSING, exc.hint))
    return rows


def row(label: str, *, existed: bool, detail: str = "") -> BootstrapRow:
    return BootstrapRow(label, Outcome.EXISTED if existed else Outcome.CREATED, detail)
