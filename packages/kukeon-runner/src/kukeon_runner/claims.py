"""Instances side by side: each says in its runtime directory what it uses, so that two never share a cgroup tree or a
containerd's namespaces.

Claims live below /run, so a reboot clears them; one whose run path is gone counts no more.
"""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from kukeon_api import errors
from kukeon_runner import durable, flock, instance
from kukeon_runner.layout import Layout

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kukeon_runner.options import Options

_DIRECTORY_MODE = 0o755


class _Claim(msgspec.Struct, frozen=True, rename="camel"):
    """What an instance uses of the host. Fields that a newer version adds are ignored: what is here still holds."""

    run_path: str
    cgroup_root: str
    namespace_suffix: str
    containerd_socket: str


def claim(layout: Layout) -> None:
    """Make the runtime directory and claim what the instance uses. The containerd is decided, the run path held.

    Raises Conflict, naming both run paths, when another instance uses the same; ours is withdrawn then. Instances claim
    one after the other, so of two that start at once one gets it. TimedOut when another one is stuck in doing so.
    """
    own = _claim_of(layout)
    name = Path(layout.owner_file).name
    with durable.host_errors("claim", layout.runtime_dir), flock.in_turn(layout.shared_lock):
        runtime_dir = Path(layout.runtime_dir)
        if not runtime_dir.is_dir():
            runtime_dir.mkdir(parents=True)
            runtime_dir.chmod(_DIRECTORY_MODE)
        with durable.directory(layout.runtime_dir, ()) as fd:
            before = _read(layout.owner_file)
            if before is not None and before.run_path != own.run_path and _alive(before):
                raise errors.Conflict(
                    f"cannot use run path {own.run_path!r}: its instance id {layout.instance.id!r} is that of"
                    f" {before.run_path!r}",
                    hint="use another run path",
                )
            if before == own:
                _check_others(layout, own)
                return
            durable.replace(fd, name, msgspec.json.encode(own) + b"\n")
            try:
                _check_others(layout, own)
            except errors.Conflict:
                durable.remove(fd, name)
                raise


def claimed(options: Options) -> tuple[Options, instance.Containerd] | None:
    """The settings and the containerd of the instance that claimed `options.run_path`, for one whose record is lost.

    None when nobody claimed it. Raises what is wrong with the run path.
    """
    layout = Layout(instance.wanted(options))
    own = _read(layout.owner_file)
    if own is None or own.run_path != os.path.realpath(layout.run_path):
        return None
    embedded = own.containerd_socket == os.path.realpath(layout.containerd_socket)
    settings = dataclasses.replace(options, namespace_suffix=own.namespace_suffix, cgroup_root=own.cgroup_root)
    return settings, instance.Containerd("embedded" if embedded else "system", own.containerd_socket)


def _claim_of(layout: Layout) -> _Claim:
    containerd = layout.instance.containerd
    return _Claim(
        os.path.realpath(layout.run_path),
        layout.cgroup_root,
        layout.instance.namespace_suffix,
        os.path.realpath(containerd.socket) if containerd else "",
    )


def _check_others(layout: Layout, own: _Claim) -> None:
    for other in _others(layout):
        if not _alive(other):
            continue
        if _nested(own.cgroup_root, other.cgroup_root) or _nested(other.cgroup_root, own.cgroup_root):
            raise errors.Conflict(
                f"cannot use cgroup root {own.cgroup_root!r} for {own.run_path!r}: the kukeon of {other.run_path!r}"
                f" has {other.cgroup_root!r}",
                hint="give this instance another --cgroup-root",
            )
        if (own.containerd_socket, own.namespace_suffix) == (other.containerd_socket, other.namespace_suffix):
            raise errors.Conflict(
                f"cannot use namespace suffix {own.namespace_suffix!r} for {own.run_path!r}: the kukeon of"
                f" {other.run_path!r} has it in the same containerd",
                hint="give this instance another --containerd-namespace-suffix, or a containerd of its own",
            )


def _others(layout: Layout) -> Iterator[_Claim]:
    root, own = Path(layout.runtime_root), Path(layout.owner_file)
    for path in (root / own.name, *sorted(root.glob(f"????????/{own.name}"))):
        if path != own and (other := _read(str(path))) is not None:
            yield other


def _read(path: str) -> _Claim | None:
    """The claim in `path`; None when there is none. One that can't be understood claims nothing that we could name."""
    directory, name = os.path.split(path)
    try:
        with durable.directory(directory, ()) as fd:
            return msgspec.json.decode(durable.read(fd, name), type=_Claim)
    except (FileNotFoundError, NotADirectoryError, msgspec.DecodeError):
        return None


def _alive(claim: _Claim) -> bool:
    """Whether the run path is still an instance's; one that can't be read might be."""
    try:
        return instance.find_instance(claim.run_path) is not None
    except errors.KukeonError:
        return True


def _nested(inner: str, outer: str) -> bool:
    return f"{inner}/".startswith(f"{outer}/")
