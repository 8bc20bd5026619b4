"""When images are pulled, by whom, and who shares a pull."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from kukeon_api import errors, manifest, model
from kukeon_api.docker_config import Login
from kukeon_runner import observed
from kukeon_runner.host.transfer import logins
from kukeon_runner.host.transfer.progress import News, Progress
from kukeon_runner.runner.pulls import Pulls
from kukeon_runner.testing.cells import NAMESPACE, cell, container, controller, prepared
from kukeon_runner.testing.host import FakeHost

if TYPE_CHECKING:
    from pathlib import Path

    from kukeon_runner.controller import Controller

NAME = "registry.example/team/app:1"
OLD, NEW = "sha256:" + "a" * 64, "sha256:" + "b" * 64


def at_the_registry(host: FakeHost, digest: str = OLD) -> None:
    host.images.registry[NAME] = observed.Image(NAME, digest, "sha256:" + "1" * 64, cmd=("true",))


def doc(policy: str = "") -> model.CellDoc:
    return cell("hello", container("web", image=NAME, image_pull_policy=policy))


async def apply(found: Controller, *docs: model.Doc, **options: Any) -> model.ApplyResourceResult:
    return (await found.apply_documents(manifest.dump(docs).encode(), **options)).resources[-1]


async def made_from(found: Controller) -> str:
    status = (await found.get_cell(doc())).cell.status
    (digest,) = [each.image_digest for each in status.containers if each.name == "web"]
    return digest


async def test_what_is_missing_is_pulled_once(tmp_path: Path) -> None:
    host = FakeHost()
    found = await prepared(host, tmp_path)
    at_the_registry(host)
    await found.create_cell(doc())
    assert (host.images.asked, await made_from(found)) == ([NAME], OLD)
    at_the_registry(host, NEW)
    await found.restart_cell(doc())
    await apply(found, doc())
    await found.delete_cell(doc())
    await found.create_cell(doc())
    assert (host.images.asked, await made_from(found)) == ([NAME], OLD)


async def test_always_asks_as_often_as_the_container_is_made(tmp_path: Path) -> None:
    host = FakeHost()
    found = await prepared(host, tmp_path)
    at_the_registry(host)
    await found.create_cell(doc("Always"))
    at_the_registry(host, NEW)
    await found.stop_cell(doc())
    await found.start_cell(doc())
    assert (host.images.asked, await made_from(found)) == ([NAME], OLD)
    await found.delete_cell(doc())
    await found.create_cell(doc("Always"))
    assert (host.images.asked, await made_from(found)) == ([NAME] * 2, NEW)
    del host.images.registry[NAME]
    await found.delete_cell(doc())
    with pytest.raises(errors.ImageNotFound, match="nor pull") as caught:
        await found.create_cell(doc("Always"))
    assert "kuke image load" in caught.value.hint


async def test_never_asks_nobody(tmp_path: Path) -> None:
    host = FakeHost()
    found = await prepared(host, tmp_path)
    at_the_registry(host)
    with pytest.raises(errors.ImageNotFound):
        await found.create_cell(doc("Never"))
    assert host.images.asked == []
    host.images.add(NAMESPACE, NAME)
    await found.start_cell(doc())


async def test_a_policy_that_is_none(tmp_path: Path) -> None:
    found = controller(FakeHost(), tmp_path)
    with pytest.raises(errors.InvalidManifest) as caught:
        await found.create_cell(doc("ifNotPresent"))
    (problem,) = caught.value.problems
    assert (problem.path, "IfNotPresent" in problem.suggestion) == ("spec.containers[0].imagePullPolicy", True)


async def test_a_dry_run_asks_and_fetches_nothing(tmp_path: Path) -> None:
    host = FakeHost()
    found = await prepared(host, tmp_path)
    refused = await apply(found, doc(), dry_run=True)
    assert (refused.action, refused.details["kind"]) == (model.ApplyAction.FAILED, "ImageNotFound")
    at_the_registry(host)
    assert (await apply(found, doc(), dry_run=True)).action is model.ApplyAction.CREATED
    assert (NAMESPACE, NAME) not in host.images.present


async def test_the_realm_logs_in(tmp_path: Path) -> None:
    host = FakeHost()
    found = await prepared(host, tmp_path)
    at_the_registry(host)
    login = model.RegistryCredentials(username="ann", password="x", server_address="registry.example")
    spec = model.RealmSpec(registry_credentials=(login,))
    await apply(found, model.RealmDoc(metadata=model.Metadata(name="default"), spec=spec))
    await found.create_cell(doc())
    assert host.images.logins == [("registry.example", "ann")]


def test_logins_are_for_exactly_their_host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    (tmp_path / "config.json").write_text('{"auths": {"c.example": {"username": "root", "password": "r"}}}')
    realm = (
        model.RegistryCredentials(username="realm", password="a", server_address="a.example:5000"),
        model.RegistryCredentials(username="hub", password="h", server_address="index.docker.io"),
    )
    own = model.RegistryLogin(server_address="b.example", username="me", password="b")
    login = logins.credentials(realm, own)
    assert login("a.example:5000") == Login("realm", "a")
    assert login("docker.io") == Login("hub", "h")
    assert login("b.example") == Login("me", "b")
    assert login("c.example") == Login("root", "r")
    for other in ("a.example", "a.example:5001", "evil-a.example:5000", "b.example:80", "x.b.example", "d.example"):
        assert login(other) is None
    assert "password" not in repr(own)


def test_a_login_for_no_registry_in_particular_is_the_hubs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    login = logins.credentials((model.RegistryCredentials(username="hub", password="h"),), model.RegistryLogin())
    assert login("registry-1.docker.io") == login("docker.io") == Login("hub", "h")
    for other in ("evil.example", "localhost:5000", "", "docker.io.evil.example"):
        assert login(other) is None


class Slow:
    """A pull that a test lets go on."""

    def __init__(self) -> None:
        self.begun = 0
        self.cancelled = 0
        self.gate = asyncio.Event()

    async def __call__(self, progress: Progress) -> model.TransferResult:
        self.begun += 1
        progress.tell(model.TransferStage.DOWNLOADING, "sha256:x", 1, 2)
        try:
            await self.gate.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        return model.TransferResult(digest=OLD)


async def test_two_that_ask_the_same_share_one_pull() -> None:
    pulls, work = Pulls(), Slow()
    async with pulls.joined("a", work) as one, pulls.joined("a", work) as other, pulls.joined("b", work) as third:
        assert one is other is not third
        assert not await one.wait(0.01)
        assert [event.done_bytes for event in News(one.progress).take()] == [1]
        work.gate.set()
        assert await one.task == await other.task
    assert (work.begun, work.cancelled) == (2, 0)


async def test_the_last_to_leave_ends_it() -> None:
    pulls, work = Pulls(), Slow()
    async with pulls.joined("a", work) as pull:
        async with pulls.joined("a", work):
            await pull.wait(0)
        assert not pull.task.done(), "somebody still waits"
    assert (work.begun, work.cancelled) == (1, 1)
    async with pulls.joined("a", work) as again:
        assert again is not pull
        work.gate.set()
        await again.wait()
    assert (work.begun, work.cancelled) == (2, 1)


async def test_a_failure_is_everybodys() -> None:
    async def fails(_: Progress) -> model.TransferResult:
        raise errors.RegistryUnreachable("cannot pull")

    pulls = Pulls()
    async with pulls.joined("a", fails) as one, pulls.joined("a", fails) as other:
        for pull in (one, other):
            await pull.wait()
            with pytest.raises(errors.RegistryUnreachable):
                await pull.task


async def test_a_registry_that_is_away_keeps_nothing_down_that_a_reboot_took(tmp_path: Path) -> None:
    host = FakeHost()
    found = await prepared(host, tmp_path)
    at_the_registry(host)
    await found.create_cell(doc("Always"))
    del host.images.registry[NAME]
    for lost in (False, True):
        host.reboot()
        if lost:
            await host.containers.delete(NAMESPACE, "default_default_hello_web")
        await found.reconcile()
        assert (await found.get_cell(doc())).cell.status.state is model.CellState.READY
        assert (host.images.asked, await made_from(found)) == ([NAME], OLD)
