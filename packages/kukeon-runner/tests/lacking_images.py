"""A cell whose image is at a registry that has nothing, until it has."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from living_cells import Clock

from kukeon_api import manifest, model, restarts
from kukeon_runner import observed
from kukeon_runner.testing.cells import NAMESPACE, cell, container, controller, prepared
from kukeon_runner.testing.host import FakeHost

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from kukeon_runner.controller import Controller

NAME = "registry.example/team/app:1"
REF = model.Ref("default", "default", "default", "hello")
APP, WEB, ROOT = (f"default_default_hello_{name}" for name in ("app", "web", "root"))
S = model.CellState


class Story:
    """A host whose registry has nothing, until it has."""

    def __init__(self, host: FakeHost, run_path: Path, clock: Clock, found: Controller) -> None:
        self.host, self.run_path, self.clock, self.found = host, run_path, clock, found

    @property
    def status(self) -> model.CellStatus:
        return self.found.runner.cells.get(REF).status

    @property
    def app(self) -> model.ContainerStatus:
        return next(each for each in self.status.containers if each.name == "app")

    def running(self) -> set[str]:
        return {id for (_, id), task in self.host.containers.tasks.items() if task.status == "running"}

    def publish(self) -> None:
        self.host.images.registry[NAME] = observed.Image(
            NAME, "sha256:" + "a" * 64, "sha256:" + "1" * 64, cmd=("true",)
        )

    def withdraw(self) -> None:
        """Lose the image, here and at the registry."""
        self.host.images.registry.pop(NAME, None)
        self.host.images.present.pop((NAMESPACE, NAME), None)

    def pause_s(self) -> float:
        due = restarts.next_due(self.status)
        assert due is not None
        return round((due - self.clock.time).total_seconds(), 1)

    async def due(self) -> model.CellStatus:
        """Let the time come, and have done what whoever looks after the cell does then."""
        due = restarts.next_due(self.status)
        self.clock.time = max(self.clock.time, due or self.clock.time)
        await self.found.reconcile()
        await self.found.runner.cells.fetch(REF)
        return self.status

    def restart(self) -> None:
        self.found = controller(self.host, self.run_path, now=self.clock)


async def story(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Story:
    monkeypatch.setattr(restarts, "SPREAD", 0.0)
    host, clock = FakeHost(), Clock()
    host.containers.now = clock
    return Story(host, tmp_path, clock, await prepared(host, tmp_path, now=clock))


def doc(policy: str = "always", **fields: Any) -> model.CellDoc:
    return cell("hello", container("app", image=NAME, restart_policy=policy, **fields), container("web"))


async def refused(it: Story, wanted: model.CellDoc) -> None:
    (result,) = (await it.found.apply_documents(manifest.dump([wanted]).encode())).resources
    assert result.action is model.ApplyAction.FAILED
    assert result.details["kind"] == "ImageNotFound"
