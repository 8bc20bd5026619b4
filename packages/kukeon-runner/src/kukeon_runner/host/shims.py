"""containerd's shims as processes: for the one that answers nobody any more."""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import shutil
import signal
import socket as socketlib
import stat
import time
from pathlib import Path
from typing import TYPE_CHECKING

from kukeon_runner.host import mounts, runtime_words

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

log = logging.getLogger(__name__)

_PROGRAM = "containerd-shim-runc-v2"
_BUNDLES = "io.containerd.runtime.v2.task"
_RUNC_STATE = Path("/run/containerd/runc")
"""Where the shim keeps runc's state, whatever containerd's own directories are."""

FRESH_S = 1.0
"""A socket that is younger may be that of a shim which is being started; that takes microseconds."""

_SOCKETS = Path("/run/containerd/s")
"""Where shims listen, whatever containerd's own directories are."""


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


def sweep(socket: str, ours: Callable[[str], bool]) -> int:
    """End all shims that the containerd at `socket`, which is gone, has in namespaces that are `ours`; how many.

    With each go its containers' processes, its directory and what is mounted there.
    """
    ended = 0
    for entry in Path("/proc").iterdir():
        given = _given(entry) if entry.name.isdigit() else {}
        namespace, id = given.get("-namespace", ""), given.get("-id", "")
        if given.get("-address") != socket or not ours(namespace):
            continue
        if _end_with_bundles(socket, namespace, id, _bundles(entry, namespace)):
            ended += 1
            with contextlib.suppress(OSError):
                (_RUNC_STATE / namespace).rmdir()
    return ended


def end_empty(socket: str, namespace: str, tasks: Collection[str]) -> frozenset[str]:
    """End the shims of a namespace that serve nothing; `tasks` are those that containerd can tell something of.

    A creation that was cut off at the wrong moment leaves one that answers nobody, and every later creation in its
    group waits for it. Nobody may be creating anything meanwhile. Returns the ids of the other containers whose
    programs run: their shims are only slow to answer, and stay.
    """
    slow: set[str] = set()
    found: list[tuple[str, list[Path]]] = []
    for entry in Path("/proc").iterdir():
        given = _given(entry) if entry.name.isdigit() else {}
        if (given.get("-address"), given.get("-namespace")) != (socket, namespace):
            continue
        bundles = _bundles(entry, namespace)
        slow |= {bundle.name for bundle in bundles if bundle.name not in tasks and _runs(entry.name, bundle)}
        found.append((given.get("-id", ""), bundles))
    # Not before all are known: what a shim starts looks for a moment like a second one that serves the same.
    served = slow.union(tasks)
    for id, bundles in found:
        if served.isdisjoint({id, *(bundle.name for bundle in bundles)}):
            _end_with_bundles(socket, namespace, id, bundles)
    return frozenset(slow)


def _runs(shim: str, bundle: Path) -> bool:
    """Whether the program of a container runs below its shim: not whether it is about to be, or was."""
    try:
        # runc's shim has runc write it there; for whoever has the number later, the parent is another one.
        pid = int((bundle / "init.pid").read_text())
        _, _, known = Path(f"/proc/{pid}/stat").read_text().partition("(")
    except (OSError, ValueError):
        return False
    name, _, fields = known.rpartition(") ")  # a name may hold anything
    state, parent = fields.split()[:2]
    return parent == shim and state not in "ZX" and not name.startswith("runc:[")


def _end_with_bundles(socket: str, namespace: str, id: str, bundles: Iterable[Path]) -> bool:
    if not end(socket, namespace, id):
        return False
    for bundle in bundles:
        _remove(bundle)
        shutil.rmtree(_RUNC_STATE / namespace / bundle.name, ignore_errors=True)
    return True


def _bundles(shim: Path, namespace: str) -> list[Path]:
    """The directories of the containers that a shim serves: it works in that of the first."""
    try:
        first = (shim / "cwd").readlink()
    except OSError:
        return []
    beside = f"/{_BUNDLES}/{namespace}"
    if not str(first.parent).endswith(beside):
        return []
    # A container that joined the group says so in its own directory, by the socket that it shares.
    try:
        address = (first / "address").read_bytes()
        return [each.parent for each in first.parent.glob("*/address") if each.read_bytes() == address]
    except OSError:
        return [first]


def _given(entry: Path) -> dict[str, str]:
    """The options of a shim, nothing for other processes."""
    try:
        words = (entry / "cmdline").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return {}  # it ended
    if Path(words[0]).name != _PROGRAM or not _at_home(entry):
        return {}
    return dict(zip(words[1::2], words[2::2], strict=False))


def _at_home(entry: Path) -> bool:
    """Whether a process is of this user and sees this host's files: what others call themselves says nothing.

    The directory in which a process in a container works reads like one of the host.
    """
    try:
        return entry.stat().st_uid == os.geteuid() and (entry / "root").samefile("/")
    except OSError:
        return False


def clear(socket: str, namespace: str, id: str, words: str) -> None:
    """End the shim of a container that containerd has forgotten, and remove the directory that it says is in the way.

    `words` are containerd's: the path in them is taken only where it is exactly such a directory.
    """
    end(socket, namespace, id)
    found = runtime_words.directory_in_the_way(words)
    if not found.endswith(f"/{_BUNDLES}/{namespace}/{id}"):
        return
    log.warning("removing what a creation of %s in %s left: %s", id, namespace, found)
    _remove(Path(found))


def _remove(bundle: Path) -> None:
    """Remove the directory of a container, also under the name that containerd gives it before it removes it.

    One that was made anew meanwhile stays there otherwise, and keeps containerd from ever removing another.
    """
    for each in (bundle, bundle.with_name(f".{bundle.name}")):
        mounts.unmount_below(each)
        shutil.rmtree(each, ignore_errors=True)


def forget_socket(socket: str, namespace: str, group: str) -> bool:
    """Remove the socket that a shim for `group` left which was killed; False when there is none, or one listens.

    Nobody else does: a shim removes its own when it ends, and containerd only before it starts another of that name.
    """
    # SocketAddress of containerd's runtime/v2/shim: a hash, since paths of sockets are short.
    digest = hashlib.sha256(f"{socket}/{namespace}/{group}".encode()).hexdigest()
    path = _SOCKETS / digest
    try:
        # Between its making and the moment in which a shim listens, nobody does either.
        found = path.lstat()
        if not stat.S_ISSOCK(found.st_mode) or time.time() - found.st_mtime < FRESH_S:
            return False
    except OSError:
        return False
    with socketlib.socket(socketlib.AF_UNIX, socketlib.SOCK_STREAM) as asking:
        try:
            asking.connect(str(path))
        except ConnectionRefusedError:
            path.unlink(missing_ok=True)
            return True
        except OSError as error:
            log.info("leaving %s: %s", path, error.strerror)
    return False


def _is_shim(entry: Path, socket: str, namespace: str, id: str) -> bool:
    wanted = {"-namespace": namespace, "-id": id, "-address": socket}
    return wanted.items() <= _given(entry).items()
