"""Take an instance off its host, down to the last trace that is not the user's."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from kukeon_api import errors, model
from kukeon_runner import flock, instance
from kukeon_runner.host import mounts, nftables
from kukeon_runner.host.cgroups import Cgroups
from kukeon_runner.layout import Layout
from kukeon_runner.opening import embedded, open_controller
from kukeon_runner.runner import remains

if TYPE_CHECKING:
    from kukeon_runner.options import Options


@dataclass(frozen=True)
class Row:
    """One thing and what became of it."""

    label: str
    outcome: str


async def uninstall(options: Options) -> tuple[Row, ...]:
    """Delete every realm, stop the instance's own containerd, and remove its files, mounts, rules and cgroups.

    kukeond must be stopped. Repeatable: what is gone already is reported as absent. Raises RunPathLocked while a
    kukeond runs, and whatever keeps a realm from going; then files stay, so that it can be repeated.
    """
    found = instance.find_instance(options.run_path)
    if found is None:
        return (Row(f"run path {options.run_path!r}", "absent"),)
    flock.hold_run_path(found.run_path).release()
    # Where no containerd was ever decided, nothing was made.
    rows = await _realms(options) if found.containerd is not None else []
    layout = Layout(found)
    if found.containerd is not None and found.containerd.mode == "embedded":
        await embedded(layout).destroy()
        rows.append(Row("containerd", "removed"))
    await nftables.remove(layout.nft_table)
    rows.append(Row(f"nft table {layout.nft_table!r}", "removed"))
    rows += await asyncio.to_thread(_files, layout)
    return tuple(rows)


async def _realms(options: Options) -> list[Row]:
    rows = []
    async with open_controller(options) as controller:
        runner = controller.runner
        for name in remains.below(runner.context.store, None):
            await runner.realms.delete(model.Ref(name), cascade=True)
            rows.append(Row(f"realm {name!r}", "deleted"))
    return rows


def _files(layout: Layout) -> list[Row]:
    rows = []
    cgroups = Cgroups.detect()
    for path in (layout.cgroup_root, layout.containerd_cgroup):
        existed = cgroups.exists(path)
        cgroups.kill(path)
        cgroups.remove(path)
        rows.append(Row(f"cgroup {path!r}", "removed" if existed else "absent"))
    entries = _runtime_entries(layout)
    for entry in entries:
        mounts.unmount_below(entry)  # pins and tmpfs of ours; nothing of others is mounted there
    for entry in (*entries, Path(layout.run_path).resolve()):
        rows.append(Row(f"{str(entry)!r}", _remove(entry)))
    with contextlib.suppress(OSError):
        Path(layout.runtime_dir).rmdir()  # not while another instance has something in it
    return rows


def _runtime_entries(layout: Layout) -> list[Path]:
    """What is ours below /run: the default instance shares its directory with those of others."""
    try:
        entries = sorted(Path(layout.runtime_dir).iterdir())
    except FileNotFoundError:
        return []
    return [entry for entry in entries if layout.owns_runtime_entry(entry.name)]


def _remove(path: Path) -> str:
    """Remove `path` and what is below. A mount point keeps its place: who mounted it may want it back, empty."""
    try:
        if not path.is_dir() or path.is_symlink():
            path.unlink()
            return "removed"
        if not path.is_mount():
            shutil.rmtree(path)
            return "removed"
        for entry in path.iterdir():
            _remove(entry)
    except FileNotFoundError:
        return "absent"
    except OSError as error:
        raise errors.HostError(f"cannot remove {str(path)!r}: {error}") from error
    return "emptied (it is a mount point)"
