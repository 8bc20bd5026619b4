"""From options to a controller: the lock, the record, containerd, the doors."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from concurrent.futures import ThreadPoolExecutor
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from kukeon_api import errors, model
from kukeon_runner import claims, credentials, flock, instance, readonly
from kukeon_runner.controller import Controller
from kukeon_runner.host import linux, oci_runtime
from kukeon_runner.host.cgroups import Cgroups
from kukeon_runner.host.containerd.client import Containerd
from kukeon_runner.host.embedded import EmbeddedContainerd
from kukeon_runner.layout import Layout
from kukeon_runner.runner import HostRunner
from kukeon_runner.runner.context import Context
from kukeon_runner.store import Store
from kukeon_runner.subnets import Subnets

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from kukeon_runner.host.terminals import LinuxTerminals
    from kukeon_runner.options import Options

log = logging.getLogger(__name__)

DOOR_THREADS = 32
"""Doors wait for the kernel and the disk, hardly ever for a processor: more threads than cores keep both busy."""


@contextlib.asynccontextmanager
async def open_controller(options: Options, *, exclusive: bool = True) -> AsyncIterator[Controller]:
    """Yield a controller of the instance at `options.run_path`; with `exclusive` it may change things.

    The run path's lock is held for as long. Raises RunPathLocked when another process holds it, InstanceMismatch when
    the options contradict the record, ConnectContainerd when containerd is away.

    Without `exclusive` it only reads, makes no file and takes no lock. It opens where nothing was ever set up, for
    whoever may read the run path, and without containerd, which it asks when it has to: flags that only containerd
    could tell are False then. What changes something is refused, see `readonly`.
    """
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(DOOR_THREADS, thread_name_prefix="kukeon"))
    if not exclusive:
        async with _reading(options) as controller:
            yield controller
        return
    fresh = instance.find_instance(options.run_path) is None
    found = instance.ensure_instance(options)
    with flock.hold_run_path(found.run_path, gid=options.group_gid):
        found = await instance.decide_containerd(found, options, answers, Layout(found).containerd_socket)
        async with changing(found, options, fresh=fresh) as controller:
            yield controller


@contextlib.asynccontextmanager
async def open_runner(options: Options) -> AsyncIterator[HostRunner]:
    """Yield the runner of the instance at `options.run_path`, for changing it; raises like `open_controller`."""
    async with open_controller(options) as controller:
        yield controller.runner


@contextlib.asynccontextmanager
async def changing(found: instance.Instance, options: Options, *, fresh: bool = False) -> AsyncIterator[Controller]:
    """Yield the controller of an instance whose run path is held and whose containerd is decided.

    `fresh` says that its record was made just now. Raises Conflict when another instance uses the same of the host,
    ConnectContainerd when containerd is away.
    """
    layout = Layout(found)
    async with contextlib.AsyncExitStack() as held:
        await _claim(layout, fresh=fresh)
        await linux.prepare(layout)
        layout = await asyncio.to_thread(_with_oci_runtime, layout, options.group_gid)
        if found.containerd is not None and found.containerd.mode == "embedded":
            await held.enter_async_context(_running(embedded(layout)))
        containerd = await held.enter_async_context(await _connect(found))
        store = Store(layout, exclusive=True, gid=options.group_gid)
        for problem in store.open():
            log.warning("%s", problem)
        await _drop_abandoned_leases(containerd, layout, store)
        version = (await containerd.version()).version
        terminals = linux.terminals_of(layout, options.group_gid)
        controller = _controller(options, layout, store, containerd, version, terminals)
        await held.enter_async_context(terminals.running())
        namespaces = [layout.namespace(each.metadata.name, each.spec.namespace) for each in store.docs(model.RealmDoc)]
        await controller.runner.context.host.containers.end_abandoned(namespaces)
        yield controller


@contextlib.asynccontextmanager
async def _reading(options: Options) -> AsyncIterator[Controller]:
    recorded = instance.find_instance(options.run_path)
    found = instance.get_instance(options) if recorded is not None else instance.wanted(options)
    layout = Layout(found)
    # Where no containerd was decided yet, nothing is in any.
    socket = found.containerd.socket if found.containerd is not None else layout.containerd_socket
    async with Containerd.unconnected(socket) as containerd:
        controller = _controller(options, layout, Store(layout), containerd, "")
        yield readonly.only(controller, found.run_path)


def _controller(
    options: Options,
    layout: Layout,
    store: Store,
    containerd: Containerd,
    version: str,
    terminals: LinuxTerminals | None = None,
) -> Controller:
    host = linux.LinuxHost.of(
        layout, containerd, options.group_gid, terminals, options.logs, options.registry_config_dir
    )
    subnets = Subnets(layout, exclusive=store.exclusive, gid=options.group_gid)
    context = Context(options, layout, store, subnets, host, credentials.Store(layout))
    decided = layout.instance.containerd
    about = model.PingResult(
        ok=True,
        version=metadata.version("kukeon-runner"),
        instance_id=layout.instance.id,
        run_path=layout.run_path,
        containerd_mode=decided.mode if decided else "",
        containerd_version=version,
        containerd_socket=decided.socket if decided else "",
        cgroup_mode=host.kernel.cgroup_mode,
        oci_runtime=layout.instance.oci_runtime,
        pid=os.getpid(),
    )
    return Controller(HostRunner(context), about)


def _with_oci_runtime(layout: Layout, gid: int) -> Layout:
    """Decide once what makes the containers; again when what was decided is not installed any more."""
    found = layout.instance
    if found.oci_runtime and oci_runtime.installed(found.oci_runtime):
        return layout
    cgroups, trial = Cgroups.detect(), f"{layout.cgroup_root}_trial"
    chosen = oci_runtime.choose(cgroups.mode, layout.pause_rootfs, trial)
    cgroups.kill(trial)
    cgroups.remove(trial)
    if chosen == found.oci_runtime:
        return layout
    log.info("containers are made by %s", chosen)
    return Layout(instance.record_oci_runtime(found, chosen, gid), layout.runtime_root)


async def _claim(layout: Layout, *, fresh: bool) -> None:
    """Claim what the instance uses of the host; a record made just now goes when that is refused."""
    try:
        await asyncio.to_thread(claims.claim, layout)
    except errors.Conflict:
        if fresh:
            await asyncio.to_thread(Path(layout.instance_file).unlink, missing_ok=True)
        raise


def embedded(layout: Layout) -> EmbeddedContainerd:
    """The containerd of the instance's own."""
    return EmbeddedContainerd(
        root=layout.containerd_root,
        state=layout.containerd_state,
        socket=layout.containerd_socket,
        log=layout.containerd_log,
        cgroup=layout.containerd_cgroup,
        cgroups=Cgroups.detect(),
    )


@contextlib.asynccontextmanager
async def _running(containerd: EmbeddedContainerd) -> AsyncIterator[None]:
    """Have `containerd` running, also when it dies meanwhile; it stays behind at the end, with the cells in it."""
    await containerd.start()
    supervisor = asyncio.create_task(containerd.supervise(), name="supervise containerd")
    try:
        yield
    finally:
        supervisor.cancel()
        await asyncio.wait({supervisor})


async def _drop_abandoned_leases(containerd: Containerd, layout: Layout, store: Store) -> None:
    """Delete what a process that died still held: nobody else works in the instance's namespaces."""
    for realm in store.docs(model.RealmDoc):
        namespace = layout.namespace(realm.metadata.name, realm.spec.namespace)
        dropped = await containerd.with_namespace(namespace).leases.drop_abandoned()
        if dropped:
            log.info("dropped %d leases that an earlier process left in %s", dropped, namespace)


async def _connect(found: instance.Instance) -> Containerd:
    if found.containerd is None:
        raise errors.ConnectContainerd(
            f"cannot open {found.run_path!r}: its containerd was never decided", hint="start kukeond once"
        )
    return await Containerd.connect(found.containerd.socket)


async def answers(socket: str) -> bool:
    """Tell whether a containerd replies on `socket`."""
    try:
        async with await Containerd.connect(socket, timeout_s=5):
            return True
    except errors.KukeonError as error:
        log.info("no containerd at %s: %s", socket, error)
        return False
