"""containerd's shims as processes: for the one that answers nobody any more."""

from __future__ import annotations

import contextlib
import logging
import os
import re
import shutil
import signal
from pathlib import Path

from kukeon_runner.host import mounts

log = logging.getLogger(__name__)

_PROGRAM = "containerd-shim-runc-v2"
_IN_THE_WAY = re.compile(r"mkdir (?P<path>/\S+): file exists")


def end(socket: str, namespace: str, id: str) -> bool:
    """Kill the shim that containerd at `socket` started for container `id`; False when there is none.

    containerd notices, and cleans up what the shim held. Only a shim that was started for exactly this container is
    taken: one that serves a group carries the name of its first member (its command line: -namespace, -id, -address).
    """
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or not _is_shim(entry, socket, namespace, id):
            continue
        with contextlib.suppress(ProcessLookupError):
            handle = os.pidfd_open(int(entry.name))
            try:
                # Looked at again through a handle: the number may have been given to another process meanwhile.
                if _is_shim(entry, socket, namespace, id):
                    log.warning("killing the shim of %s in %s, pid %s: it does not answer", id, namespace, entry.name)
                    signal.pidfd_send_signal(handle, signal.SIGKILL)
                    return True
            finally:
                os.close(handle)
    return False


def clear(socket: str, namespace: str, id: str, words: str) -> None:
    """End the shim of a container that containerd has forgotten, and remove the directory that it says is in the way.

    `words` are containerd's: the path in them is taken only where it is exactly such a directory.
    """
    end(socket, namespace, id)
    found = _IN_THE_WAY.search(words)
    if found is None or not found["path"].endswith(f"/io.containerd.runtime.v2.task/{namespace}/{id}"):
        return
    log.warning("removing what a creation of %s in %s left: %s", id, namespace, found["path"])
    mounts.unmount_below(found["path"])
    shutil.rmtree(found["path"], ignore_errors=True)


def _is_shim(entry: Path, socket: str, namespace: str, id: str) -> bool:
    try:
        words = (entry / "cmdline").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return False  # it ended
    given = dict(zip(words[1::2], words[2::2], strict=False))
    wanted = {"-namespace": namespace, "-id": id, "-address": socket}
    return Path(words[0]).name == _PROGRAM and wanted.items() <= given.items()
