"""Documents and a controller on a host in memory, for the tests of the runner's core."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kukeon_api import model
from kukeon_runner import credentials
from kukeon_runner.controller import Controller
from kukeon_runner.instance import Instance
from kukeon_runner.layout import Layout
from kukeon_runner.options import Options
from kukeon_runner.runner import HostRunner
from kukeon_runner.runner.context import Context, utc_now
from kukeon_runner.store import Store
from kukeon_runner.subnets import Subnets

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable
    from pathlib import Path

    from kukeon_runner.testing.host import FakeHost

NAMESPACE = "default.kukeon.io"
IMAGE = "docker.io/library/web:1"


def container(id: str, **fields: Any) -> model.ContainerSpec:
    return model.ContainerSpec(**{"id": id, "image": IMAGE} | fields)


def cell(name: str, *containers: model.ContainerSpec, **labels: str) -> model.CellDoc:
    spec = model.CellSpec(
        realm_id="default", space_id="default", stack_id="default", containers=containers or (container("web"),)
    )
    return model.CellDoc(metadata=model.Metadata(name=name, labels=labels), spec=spec)


def controller(host: FakeHost, run_path: Path, gid: int = 0, now: Callable[[], dt.datetime] = utc_now) -> Controller:
    """A controller as kukeond would open it again after a restart: all it knows is on disk and on the host."""
    run_path.mkdir(parents=True, exist_ok=True)
    layout = Layout(
        Instance("0badcafe", str(run_path), "kukeon.io", "/kukeon", "10.88.0.0/16"), str(run_path / "runtime")
    )
    context = Context(
        Options(str(run_path)),
        layout,
        Store(layout, exclusive=True, gid=gid),
        Subnets(layout),
        host,
        credentials.Store(layout),
        now=now,
    )
    return Controller(HostRunner(context), model.PingResult(ok=True))


async def prepared(
    host: FakeHost, run_path: Path, gid: int = 0, now: Callable[[], dt.datetime] = utc_now
) -> Controller:
    """A controller with the default hierarchy and the image that the documents here name."""
    found = controller(host, run_path, gid, now)
    await found.create_realm(model.RealmDoc(metadata=model.Metadata(name="default")))
    space = model.SpaceDoc(metadata=model.Metadata(name="default"), spec=model.SpaceSpec(realm_id="default"))
    await found.create_space(space)
    spec = model.StackSpec(realm_id="default", space_id="default")
    await found.create_stack(model.StackDoc(metadata=model.Metadata(name="default"), spec=spec))
    host.images.add(NAMESPACE, IMAGE)
    return found
