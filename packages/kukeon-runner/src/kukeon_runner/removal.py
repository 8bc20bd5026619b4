"""Take an instance off its host, down to the last trace that is not the user's.

In this order, so that it can be killed anywhere and run again: realms with their containers, then what only the host
knows of (processes, networks, rules, mounts), then files, of which the record of the instance is the last.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import logging
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kukeon_api import errors, labels, model, names
from kukeon_runner import claims, flock, instance, opening, removal_files, tree
from kukeon_runner.host import nftables, shims
from kukeon_runner.host.cgroups import Cgroups
from kukeon_runner.host.network import LinuxNetwork
from kukeon_runner.layout import Layout
from kukeon_runner.removal_files import Row
from kukeon_runner.runner import remains
from kukeon_runner.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from kukeon_runner.controller import Controller
    from kukeon_runner.options import Options

__all__ = ["Row", "uninstall"]

log = logging.getLogger(__name__)

SKIPPED = "skipped (realm purge failed)"


@dataclass
class _Report:
    told: Callable[[Row], object]
    rows: list[Row]

    def add(self, label: str, outcome: str) -> None:
        row = Row(label, outcome)
        self.rows.append(row)
        self.told(row)


async def uninstall(options: Options, told: Callable[[Row], object] = lambda row: None) -> tuple[Row, ...]:
    """Remove every realm, the instance's own containerd, its processes, networks, rules, mounts, cgroups and files.

    kukeond must be stopped. Returns a row for each thing; `told` gets each at once, also when this raises later. A
    containerd that is gone for good keeps nothing from being removed: a row says what could not be checked. Repeatable:
    what is gone already is reported as absent.

    Raises RunPathLocked while a kukeond runs, ConnectContainerd when the host's containerd is there and does not
    answer, and DeleteRealm when a namespace stays: files stay then, so that it can be repeated.
    """
    report = _Report(told, [])
    if instance.find_instance(options.run_path) is None:
        claimed = await asyncio.to_thread(claims.claimed, options)
        if claimed is None:
            report.add(f"instance at {options.run_path!r}", "absent")
            return tuple(report.rows)
        # Somebody removed the run path under it: what else there is of it is known by name.
        report.add(f"record of the instance at {options.run_path!r}", "lost; going by what it claimed of the host")
        options, containerd = claimed
        found = dataclasses.replace(instance.ensure_instance(options), containerd=containerd)
    else:
        found = instance.ensure_instance(options)
    with flock.hold_run_path(options.run_path):
        layout = Layout(found)
        # Where no containerd was ever decided, nothing was made in any.
        if found.containerd is not None:
            await _realms(layout, options, report)
            if found.containerd.mode == "embedded":
                await opening.embedded(layout).destroy()
                report.add("containerd", "removed")
        await _processes(layout, report)
        await _networks(layout, report)
        for row in await asyncio.to_thread(removal_files.remove, layout):
            report.add(row.label, row.outcome)
    return tuple(report.rows)


async def _realms(layout: Layout, options: Options, report: _Report) -> None:
    decided = layout.instance.containerd
    assert decided is not None
    own = decided.mode == "embedded"
    if not own and (why := await asyncio.to_thread(_gone, decided.socket)):
        report.add("containerd", f"not checked, {why}: namespaces of ours may be left in what it stored")
        stored = {doc.spec.namespace for doc in await asyncio.to_thread(Store(layout).docs, model.RealmDoc)}
        ended = await asyncio.to_thread(
            shims.sweep, decided.socket, lambda name: name in stored or layout.realm_of(name) is not None
        )
        if ended:
            report.add("containerd's shims", f"{ended} ended")
        return
    async with contextlib.AsyncExitStack() as held:
        try:
            controller = await held.enter_async_context(opening.changing(layout.instance, options))
        except errors.KukeonError as error:
            if not own:
                raise
            # All that it has is removed with its files.
            report.add("containerd", f"not started: {error}")
            return
        left = await _purge(controller, report)
    if left and not own:
        report.add(f"run path {layout.run_path!r}", SKIPPED)
        raise errors.DeleteRealm(
            f"cannot uninstall the kukeon at {layout.run_path!r}: containerd still has {', '.join(left)}",
            hint="see why, then uninstall again; files are kept until then",
        )


async def _purge(controller: Controller, report: _Report) -> list[str]:
    """Purge all realms, known or not, kukeon's own last; the namespaces of ours that are left."""
    runner, layout = controller.runner, controller.runner.context.layout
    containers = runner.context.host.containers
    ours = _ours(layout, await containers.namespaces())
    known = {name for name in ours.values() if name} | set(remains.below(runner.context.store, None))
    for name in sorted(known, key=lambda each: (each == model.SYSTEM_REALM, each)):
        label = f'realm "{name}"'
        try:
            gone = await runner.realms.purge(model.Ref(name), cascade=True, unreadable=True)
        except errors.KukeonError as error:
            report.add(label, f"FAILED: {error}" + (f" ({error.hint})" if error.hint else ""))
            continue
        label = f'{label} (namespace "{layout.namespace(name, gone.doc.spec.namespace)}")'
        report.add(label, "; ".join(("purged", *gone.warnings)))
    for namespace, realm in ours.items():
        if realm is None:
            try:
                await containers.delete_namespace(namespace)
            except errors.KukeonError as error:
                report.add(f'namespace "{namespace}"', f"FAILED: {error}")
            else:
                report.add(f'namespace "{namespace}"', "removed")
    return sorted(map(repr, _ours(layout, await containers.namespaces())))


def _ours(layout: Layout, found: Mapping[str, Mapping[str, str]]) -> dict[str, str | None]:
    """The realm of each namespace of this instance, by label or else by suffix; None where its label names none."""
    ours: dict[str, str | None] = {}
    for namespace, own in found.items():
        realm = own.get(labels.CONTAINERD_REALM)
        if realm is not None and own.get(labels.CONTAINERD_INSTANCE, "") == layout.instance.id:
            ours[namespace] = realm if names.is_name(realm) else None
        elif realm is None and labels.CONTAINERD_INSTANCE not in own and layout.realm_of(namespace) is not None:
            ours[namespace] = layout.realm_of(namespace)
    return ours


def _gone(path: str) -> str:
    """Why nobody can be behind a socket; empty when somebody may be, who then has to answer."""
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as trying:
            trying.settimeout(5)
            trying.connect(path)
    except FileNotFoundError:
        return f"there is no socket {path!r}"
    except ConnectionRefusedError:
        return f"nobody listens at {path!r}"
    except OSError as error:
        log.info("cannot connect to %r: %s", path, error)
    return ""


async def _processes(layout: Layout, report: _Report) -> None:
    cgroups = Cgroups.detect()
    for path in (layout.cgroup_root, layout.containerd_cgroup, layout.kuketty_cgroup):
        existed, running = cgroups.exists(path), len(cgroups.processes(path))
        await asyncio.to_thread(cgroups.kill, path)
        await asyncio.to_thread(cgroups.remove, path)
        noun = "process" if running == 1 else "processes"
        ended = f", {running} {noun} in it ended" if running else ""
        report.add(f"cgroup {path!r}", f"removed{ended}" if existed else "absent")


async def _networks(layout: Layout, report: _Report) -> None:
    """Remove what is left of networks: those of spaces that have a directory, and those that carry our name."""
    network = LinuxNetwork(layout.cni_cache, layout.cni_data, layout.nft_table, layout.shared_lock)
    named = [layout.space_of(name) for name in await network.networks()]
    spaces = {ref for ref in named if ref is not None}
    for realm in filter(names.is_name, tree.directories(layout, None)):
        within = tree.directories(layout, model.Ref(realm))
        spaces |= {model.Ref(realm, name) for name in within if names.is_name(name)}
    await nftables.remove(layout.nft_table)
    report.add(f"nft table {layout.nft_table!r}", "removed")
    for space in sorted(spaces):
        if await network.remove(layout.network(space), layout.conflist(space), layout.bridge(space)):
            report.add(f"network {layout.network(space)!r}", "removed")
