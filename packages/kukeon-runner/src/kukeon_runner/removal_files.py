"""The files and mounts of an instance, as far as its removal is concerned."""

from __future__ import annotations

import contextlib
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from kukeon_api import errors
from kukeon_runner import flock
from kukeon_runner.host import mounts

if TYPE_CHECKING:
    from kukeon_runner.layout import Layout


@dataclass(frozen=True)
class Row:
    """One thing and what became of it."""

    label: str
    outcome: str


def remove(layout: Layout) -> list[Row]:
    """Unmount and remove all files of the instance, the record of it last; a row for each.

    Raises HostError for what cannot be removed.
    """
    rows: list[Row] = []
    run_path = Path(layout.run_path).resolve()
    last = {Path(layout.instance_file).name, Path(layout.lock_file).name}
    inside = sorted(run_path.iterdir(), key=lambda entry: (entry.name in last, entry.name))
    runtime = _runtime_entries(layout)
    for entry in (*runtime, *inside):
        rows += _unmounted(entry)
    rows += [Row(f"{str(entry)!r}", _removed(entry)) for entry in runtime]
    with contextlib.suppress(OSError):
        Path(layout.runtime_dir).rmdir()  # not while another instance has something in it
    flock.remove_shared(layout.shared_lock)
    for entry in inside:
        # Were the record gone first, nobody would know later what else there was.
        _removed(entry)
    rows.append(Row(f"{str(run_path)!r}", _removed(run_path)))
    return rows


def _unmounted(entry: Path) -> list[Row]:
    """Unmount what is at or below `entry`; what others mounted there keeps its files that way."""
    found = []
    for path in mounts.mounts_below(entry):
        try:
            mounts.unmount(path, lazy=True)
        except errors.HostError as error:
            found.append(Row(f"mount {path!r}", f"still busy: {error}"))
        else:
            found.append(Row(f"mount {path!r}", "unmounted"))
    return found


def _runtime_entries(layout: Layout) -> list[Path]:
    """What is ours below /run: the default instance shares its directory with those of others."""
    try:
        entries = sorted(Path(layout.runtime_dir).iterdir())
    except FileNotFoundError:
        return []
    return [entry for entry in entries if layout.owns_runtime_entry(entry.name)]


def _removed(path: Path) -> str:
    """Remove `path` and what is below. A mount point keeps its place: who mounted it may want it back, empty."""
    try:
        if not path.is_dir() or path.is_symlink():
            path.unlink()
            return "removed"
        if not path.is_mount():
            shutil.rmtree(path)
            return "removed"
        for entry in path.iterdir():
            _removed(entry)
    except FileNotFoundError:
        return "absent"
    except OSError as error:
        raise errors.HostError(f"cannot remove {str(path)!r}: {error}") from error
    return "emptied (it is a mount point)"
