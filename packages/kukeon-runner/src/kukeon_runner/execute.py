"""Do the steps of a plan, as many at once as its order allows, and take back what was done when one fails.

Taking back covers the failed step, too, since it may have got half-way; undoing what never happened is harmless.
"""

from __future__ import annotations

import asyncio
import dataclasses
import datetime as dt
import graphlib
import logging
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, assert_never

from kukeon_api import errors
from kukeon_runner import observed
from kukeon_runner.steps import (
    Announce,
    AttachNetwork,
    CreateContainer,
    CreateTask,
    Delegate,
    DeleteContainer,
    DeleteTask,
    DetachNetwork,
    FillEnvironment,
    MakeCgroup,
    MountSecrets,
    MountShm,
    PinNamespaces,
    Plan,
    Publish,
    RemoveCgroup,
    RemoveSecrets,
    RenewContainer,
    Results,
    StageSecrets,
    StartTask,
    Step,
    StopTask,
    UnmountSecrets,
    UnmountShm,
    UnpinNamespaces,
    Withdraw,
    WriteFile,
)

if TYPE_CHECKING:
    from kukeon_runner.host.protocol import Host

log = logging.getLogger(__name__)

UNDO_TIMEOUT_S = 60.0
"""For one step taken back: a stuck program must not keep the others."""


Ended = Callable[[str, observed.Exit], Awaitable[None]]
"""Is told of a task that a step has ended, by containerd id, before any step deletes it."""


Clock = Callable[[], dt.datetime]


def _utc_now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


async def execute(plan: Plan, host: Host, ended: Ended | None = None, now: Clock = _utc_now) -> Results:
    """Do `plan` on `host` and return what its steps yielded; that of a `StartTask` is when it began.

    Raises the first step's error after everything attempted was taken back. A cancelled call takes back as well.
    """
    order = graphlib.TopologicalSorter(plan)
    order.prepare()
    results: dict[Step, Any] = {}
    attempted: list[Step] = []
    running: dict[asyncio.Task[Any], Step] = {}
    try:
        while order.is_active():
            for step in order.get_ready():
                attempted.append(step)
                running[asyncio.create_task(_do(step, host, results, ended, now), name=str(step))] = step
            done, _ = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                step = running.pop(task)
                results[step] = task.result()
                order.done(step)
    except BaseException:
        # What is under way has deadlines of its own; ending it half-way would leave more to find out than waiting.
        await asyncio.shield(_take_back(attempted, running, host))
        raise
    return results


async def _take_back(attempted: list[Step], running: dict[asyncio.Task[Any], Step], host: Host) -> None:
    if running:
        await asyncio.wait(running)
        for task, step in running.items():
            if not task.cancelled() and (error := task.exception()):
                log.info("another step failed as well: %s: %s", step, error)
    for step in reversed(attempted):
        for back in undo(step):
            try:
                async with asyncio.timeout(UNDO_TIMEOUT_S):
                    await _do(back, host, {})
            except (errors.KukeonError, OSError, TimeoutError) as error:
                log.warning("cannot take back %s: %s", step, error)


async def sweep(plan: Plan, host: Host) -> tuple[errors.KukeonError, ...]:
    """Do the steps of `plan` one after another, whichever fail, and return what failed. For taking things away."""
    failed = []
    for step in graphlib.TopologicalSorter(plan).static_order():
        try:
            await _do(step, host, {})
        except errors.KukeonError as error:
            log.warning("%s: %s", step, error)
            failed.append(error)
    return tuple(failed)


def undo(step: Step) -> tuple[Step, ...]:
    """The steps that take `step` back. Ending is not taken back: what was stopped stays stopped."""
    match step:
        case MakeCgroup(path):
            return (RemoveCgroup(path),)
        case PinNamespaces(directory=directory):
            return (UnpinNamespaces(directory),)
        case MountShm(path):
            return (UnmountShm(path),)
        case MountSecrets(path):
            return (UnmountSecrets(path),)
        case StageSecrets(directory=directory):
            return (RemoveSecrets(directory),)
        case Announce(before=before) if before is not None:
            return (Announce(before), Publish(before.bridge))
        case Announce(member=member):
            return (Withdraw(member.ref),)
        case AttachNetwork(conflist, container_id, netns):
            return (DetachNetwork(conflist, container_id, netns),)
        case CreateContainer(namespace=namespace, id=id):
            return (DeleteContainer(namespace, id),)
        case CreateTask(namespace=namespace, id=id):
            return (StopTask(namespace, id, "SIGKILL", 0), DeleteTask(namespace, id))
        case _:
            return ()


async def _do(step: Step, host: Host, results: Results, ended: Ended | None = None, now: Clock = _utc_now) -> Any:
    began = time.monotonic()
    result = await _act(step, host, results, now)
    if ended is not None and isinstance(step, StopTask) and isinstance(result, observed.Exit):
        await ended(step.id, result)
    log.debug("%s took %.1f ms", step, (time.monotonic() - began) * 1e3)
    return result


async def _act(step: Step, host: Host, results: Results, now: Clock) -> Any:
    match step:
        case MakeCgroup(path):
            return await host.kernel.make_cgroup(path)
        case RemoveCgroup(path):
            return await host.kernel.remove_cgroup(path)
        case PinNamespaces(directory, hostname, network):
            return await host.kernel.pin_namespaces(directory, hostname, network=network)
        case UnpinNamespaces(directory):
            return await host.kernel.unpin_namespaces(directory)
        case MountShm(path):
            return await host.kernel.mount_shm(path)
        case UnmountShm(path):
            return await host.kernel.unmount_shm(path)
        case MountSecrets(path):
            return await host.kernel.mount_secrets(path)
        case UnmountSecrets(path):
            return await host.kernel.unmount_secrets(path)
        case StageSecrets(namespace, id, directory, secrets):
            owner = await host.containers.owner(namespace, id)
            return await host.kernel.stage_secrets(directory, secrets, owner)
        case RemoveSecrets(directory):
            return await host.kernel.remove_secrets(directory)
        case FillEnvironment(namespace, id, secrets):
            values = {each.name: await host.kernel.secret_text(each) for each in secrets}
            return await host.containers.fill_environment(namespace, id, values)
        case Delegate(path, task):
            return await host.kernel.delegate(path, results[task])
        case WriteFile(path, text):
            return await host.kernel.write_file(path, text)
        case AttachNetwork(conflist, container_id, netns):
            return await host.network.attach(conflist, container_id, netns)
        case DetachNetwork(conflist, container_id, netns):
            return await host.network.detach(conflist, container_id, netns)
        case Announce(member, attach):
            known = dataclasses.replace(member, address=results[attach].ip) if attach else member
            return await host.kernel.write_file(known.hosts, await host.network.members.announce(known))
        case Publish(bridge):
            return await host.network.members.publish(bridge)
        case Withdraw(cell):
            return await host.network.members.withdraw(cell)
        case CreateContainer():
            return await host.containers.create(step)
        case RenewContainer():
            return await host.containers.renew(step)
        case DeleteContainer(namespace, id):
            return await host.containers.delete(namespace, id)
        case CreateTask():
            return await host.containers.create_task(step)
        case StartTask(namespace, id):
            began = now()
            await host.containers.start_task(namespace, id)
            return began
        case StopTask(namespace, id, signal, grace_s, hang_up):
            return await host.containers.stop_task(namespace, id, signal, grace_s, hang_up=hang_up)
        case DeleteTask(namespace, id):
            return await host.containers.delete_task(namespace, id)
        case unreachable:
            assert_never(unreachable)
