"""What kukeon's own containerd leaves when it is gone: running tasks, shims, sockets, mounts, state and images.

Ours is what its state directory names, and the shims that were started with its socket's address.  containerd places
shim sockets in /run/containerd/s and runc's state in /run/containerd/runc whatever its own directories are; other
containerds' files stand beside, so only what a bundle of ours refers to is touched there.
"""

from __future__ import annotations

import contextlib
import itertools
import logging
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

from kukeon_api import errors
from kukeon_runner.host import cgroups_tree, mounts

if TYPE_CHECKING:
    from kukeon_runner.host.embedded_config import Places

log = logging.getLogger(__name__)

RUNC_STATE = Path("/run/containerd/runc")
SHIM_SOCKETS = Path("/run/containerd/s")
_BUNDLES = "io.containerd.runtime.v2.task"
_RUNC_TIMEOUT_S = 30
_SHIM_TIMEOUT_S = 10.0


def sweep(places: Places) -> None:
    """End and remove all of it.  Raises HostError for what cannot be removed."""
    bundles = [path for path in Path(places.state, _BUNDLES).glob("*/*") if path.is_dir() and not path.is_symlink()]
    sockets = [socket for bundle in bundles if (socket := _shim_socket(bundle)) is not None]
    for bundle in bundles:
        _end_task(bundle.parent.name, bundle.name)
    _end_shims(places.socket)
    for socket in sockets:
        socket.unlink(missing_ok=True)
    for namespace in {path.name for top in (places.state, places.root) for path in Path(top, _BUNDLES).glob("*")}:
        with contextlib.suppress(OSError):  # containers of others are in it, or it never was
            (RUNC_STATE / namespace).rmdir()
    for directory in (places.state, places.root):
        mounts.unmount_below(directory)
        _remove_plugins(Path(directory))


def _shim_socket(bundle: Path) -> Path | None:
    """Return the socket of a bundle's shim, None when it has none where shims have theirs."""
    try:
        address = (bundle / "address").read_text().strip()
    except (FileNotFoundError, NotADirectoryError):
        return None
    path = Path(address.removeprefix("unix://"))
    return path if path.parent == SHIM_SOCKETS else None


def _end_task(namespace: str, id: str) -> None:
    """Kill a container and have runc forget it; absent is done."""
    state = RUNC_STATE / namespace
    if (state / id).is_dir():
        try:
            done = subprocess.run(
                ["runc", "--root", str(state), "delete", "--force", id],
                capture_output=True,
                text=True,
                timeout=_RUNC_TIMEOUT_S,
                check=False,
            )
            if done.returncode != 0:
                log.warning("runc cannot delete %s/%s: %s", namespace, id, done.stderr.strip())
        except (OSError, subprocess.TimeoutExpired) as error:
            log.warning("runc cannot delete %s/%s: %s", namespace, id, error)
        shutil.rmtree(state / id, ignore_errors=True)


def _end_shims(socket: str) -> None:
    """Kill the shims that were started for the containerd at `socket`."""
    handles = []
    for pid in _shims(socket):
        try:
            handle = os.pidfd_open(pid)
        except ProcessLookupError:
            continue
        handles.append(handle)
        # Again: the handle's process is a shim of ours, not a later one with its number.
        if _is_shim(pid, socket):
            signal.pidfd_send_signal(handle, signal.SIGKILL)
    cgroups_tree.wait_for_exits(handles, time.monotonic() + _SHIM_TIMEOUT_S)


def _shims(socket: str) -> list[int]:
    return [
        int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit() and _is_shim(int(path.name), socket)
    ]


def _is_shim(pid: int, socket: str) -> bool:
    try:
        arguments = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except (FileNotFoundError, ProcessLookupError):
        return False
    program = arguments[0].rpartition(b"/")[2]
    pairs = itertools.pairwise(arguments)
    return program.startswith(b"containerd-shim") and (b"-address", os.fsencode(socket)) in pairs


def _remove_plugins(directory: Path) -> None:
    """Remove what containerd's plugins keep in `directory`, and it, if nothing else is in it."""
    try:
        for entry in list(directory.iterdir()) if directory.is_dir() else []:
            if entry.name.startswith("io.containerd.") or entry.name in {"opt", "tmpmounts"}:
                shutil.rmtree(entry)
        if directory.is_dir() and not any(directory.iterdir()):
            directory.rmdir()
    except OSError as error:
        raise errors.HostError(f"cannot remove {error.filename!r}: {error.strerror}") from error
