"""Cells that cannot come up for want of an image: it is pulled again, until it comes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import pytest
from lacking_images import APP, NAME, REF, ROOT, WEB, S, Story, doc, refused, story

from kukeon_api import errors, manifest, model, restarts
from kukeon_runner.testing.cells import IMAGE, NAMESPACE, cell, container

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
async def it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Story:
    return await story(tmp_path, monkeypatch)


async def test_it_is_tried_again_later_and_later_until_it_comes(it: Story) -> None:
    await refused(it, doc())
    status = it.status
    assert (status.state, status.reason, status.desired) == (S.PENDING, "ImagePullFailed", model.DesiredState.RUNNING)
    assert "'app'" in status.message
    assert (it.app.reason, it.app.restart_count, it.running()) == ("ImagePullFailed", 0, set())
    assert "cannot find image" in it.app.message
    pauses = [it.pause_s()]
    for _ in range(10):
        asked = len(it.host.images.asked)
        await it.found.reconcile()
        await it.found.runner.cells.fetch(REF)
        assert len(it.host.images.asked) == asked, "not before its time"
        await it.due()
        assert len(it.host.images.asked) == asked + 1
        pauses.append(it.pause_s())
    assert pauses == [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]
    it.publish()
    status = await it.due()
    assert (status.state, status.reason, it.running()) == (S.READY, "", {APP, WEB, ROOT})
    assert (it.app.reason, it.app.message, it.app.restart_attempts) == ("", "", 0)


async def test_what_was_counted_outlives_kukeond(it: Story) -> None:
    await refused(it, doc())
    await it.due()
    it.restart()
    await it.found.reconcile()
    assert (it.status.state, it.pause_s(), it.app.restart_attempts) == (S.PENDING, 2, 2)
    it.publish()
    assert (await it.due()).state is S.READY


@pytest.mark.parametrize("policy", ["on-failure", "unless-stopped"])
async def test_every_policy_but_no_has_it_tried_again(it: Story, policy: str) -> None:
    await refused(it, doc(policy))
    for _ in range(9):
        await it.due()
    assert (it.status.state, it.app.reason) == (S.PENDING, "ImagePullFailed"), "pulls are never given up"
    it.publish()
    assert (await it.due()).state is S.READY


async def test_without_a_policy_a_command_that_fails_has_failed(it: Story) -> None:
    await refused(it, doc(""))
    it.publish()
    status = await it.due()
    assert (status.state, status.reason) == (S.FAILED, "CreateCellFailed")
    assert (it.app.reason, it.app.next_restart, len(it.host.images.asked)) == ("ImagePullFailed", None, 1)


async def test_never_is_not_asked_for(it: Story) -> None:
    await refused(it, doc(image_pull_policy="Never"))
    await it.due()
    assert (it.status.state, it.app.next_restart, it.host.images.asked) == (S.FAILED, None, [])


async def test_no_pause_for_programs_is_a_pause_for_registries(it: Story) -> None:
    await refused(it, doc(restart_backoff_seconds=0))
    assert it.pause_s() == 1
    await it.due()
    assert it.pause_s() == 2
    await it.found.delete_cell(doc())
    await refused(it, doc(restart_backoff_seconds=30))
    assert it.pause_s() == 30


@pytest.mark.parametrize("verb", ["stop", "kill", "delete"])
async def test_who_stops_it_is_obeyed(it: Story, verb: str) -> None:
    await refused(it, doc())
    await getattr(it.found, f"{verb}_cell")(doc())
    it.publish()
    it.restart()
    it.clock.wait(400)
    await it.found.reconcile()
    await it.found.runner.cells.fetch(REF)
    assert (it.running(), len(it.host.images.asked)) == (set(), 1)
    if verb != "delete":
        assert (it.status.state, it.app.reason, it.app.next_restart) == (S.STOPPED, "", None)


async def test_who_starts_it_does_not_wait(it: Story) -> None:
    await refused(it, doc())
    for _ in range(5):
        await it.due()
    it.publish()
    assert (await it.found.start_cell(doc())).started
    assert (it.status.state, it.app.restart_attempts, restarts.next_due(it.status)) == (S.READY, 0, None)


async def test_only_what_was_asked_for_comes_up(it: Story) -> None:
    it.publish()
    await it.found.create_cell(doc())
    await it.found.stop_cell(doc())
    await it.host.containers.delete(NAMESPACE, APP)
    it.withdraw()
    spec = container("app", realm_id="default", space_id="default", stack_id="default", cell_id="hello")
    with pytest.raises(errors.ImageNotFound):
        await it.found.start_container(model.ContainerDoc(metadata=model.Metadata(name="app"), spec=spec))
    it.restart()
    await it.found.refresh_all()
    await it.due()
    assert (it.status.state, it.app.reason) == (S.PENDING, "ImagePullFailed")
    it.publish()
    await it.due()
    assert it.running() == {APP, ROOT}


@pytest.mark.parametrize("policy", ["", "always"])
async def test_what_a_reboot_took_is_brought_back_whatever_its_policy(it: Story, policy: str) -> None:
    it.publish()
    await it.found.create_cell(doc(policy))
    it.host.reboot()
    await it.host.containers.delete(NAMESPACE, APP)
    it.withdraw()
    it.restart()
    await it.found.reconcile()
    assert (it.status.state, len(it.host.images.asked)) == (S.PENDING, 1), "looks pull nothing"
    for pause in (1, 2, 4):
        await it.due()
        assert (it.status.state, it.status.reason, it.pause_s()) == (S.PENDING, "ImagePullFailed", pause)
    it.restart()
    it.publish()
    assert (await it.due()).state is S.READY
    assert it.running() == {APP, WEB, ROOT}


async def test_an_image_that_somebody_brings_meanwhile_is_used(it: Story) -> None:
    it.publish()
    await it.found.create_cell(doc(""))
    it.host.reboot()
    await it.host.containers.delete(NAMESPACE, APP)
    it.withdraw()
    await it.found.reconcile()
    assert it.status.state is S.PENDING
    it.host.images.add(NAMESPACE, NAME)
    await it.found.runner.cells.fetch(REF)
    assert (it.status.state, len(it.host.images.asked)) == (S.READY, 1)


async def test_siblings_run_on_and_are_restarted_while_one_lacks_its_image(it: Story) -> None:
    it.publish()
    wanted = cell(
        "hello", container("app", image=NAME, restart_policy="always"), container("web", restart_policy="always")
    )
    await it.found.create_cell(wanted)
    for _ in range(2):  # the first start comes at once
        it.host.containers.end(NAMESPACE, APP, 3)
        await it.found.reconcile()
    it.host.containers.snapshots.discard((NAMESPACE, APP))
    it.withdraw()
    await it.due()
    assert (it.status.state, it.app.reason, it.running()) == (S.DEGRADED, "ImagePullFailed", {WEB, ROOT})
    for _ in range(3):
        await it.due()
    it.host.containers.end(NAMESPACE, WEB, 1)
    await it.found.reconcile()
    assert it.running() == {WEB, ROOT}
    it.publish()
    assert (await it.due()).state is S.READY
    assert (it.running(), it.app.restart_attempts) == ({APP, WEB, ROOT}, 1)


async def test_a_changed_manifest_that_names_another_image_comes_up(it: Story) -> None:
    await refused(it, doc())
    wanted = cell("hello", container("app", restart_policy="always"), container("web"))
    (result,) = (await it.found.apply_documents(manifest.dump([wanted]).encode())).resources
    assert result.action is model.ApplyAction.UPDATED
    assert (it.status.state, restarts.next_due(it.status), IMAGE) == (S.READY, None, wanted.spec.containers[0].image)


async def test_auto_delete_waits_for_the_image(it: Story) -> None:
    it.publish()
    wanted = doc()
    await it.found.create_cell(
        msgspec.structs.replace(wanted, spec=msgspec.structs.replace(wanted.spec, auto_delete=True))
    )
    it.host.reboot()
    await it.host.containers.delete(NAMESPACE, APP)
    it.withdraw()
    it.restart()
    for _ in range(3):
        await it.due()
    assert it.status.state is S.PENDING
