"""The contract of cells."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from kukeon_api import errors, model
from kukeon_sdk.testing import archives
from kukeon_sdk.testing.contract.place import WAIT_S, Placed, raises_kind

if TYPE_CHECKING:
    from kukeon_sdk.client import Client
    from kukeon_sdk.testing.contract.place import Place

READY, STOPPED, FAILED = model.CellState.READY, model.CellState.STOPPED, model.CellState.FAILED


class Cells(Placed):
    """Create, get, list, start, stop, kill, restart and delete of cells."""

    def test_create_cell_tells_what_was_there_and_what_it_made(self, client: Client, place: Place) -> None:
        doc = place.cell_doc("web", place.container("web"), place.container("side"), team="blue")
        first = client.create_cell(doc, timeout=WAIT_S)
        assert first.created
        assert (first.metadata_exists_pre, first.metadata_exists_post) == (False, True)
        assert (first.cgroup_exists_pre, first.cgroup_exists_post, first.cgroup_created) == (False, True, True)
        assert (first.root_container_exists_pre, first.root_container_exists_post) == (False, True)
        assert first.root_container_created
        assert (first.started_pre, first.started_post, first.started) == (False, True, True)
        assert first.containers == tuple(
            model.ContainerCreationOutcome(name=name, exists_post=True, created=True) for name in ("web", "side")
        )
        second = client.create_cell(doc, timeout=WAIT_S)
        assert not second.created
        assert (second.metadata_exists_pre, second.metadata_exists_post) == (True, True)
        assert (second.cgroup_exists_pre, second.cgroup_exists_post, second.cgroup_created) == (True, True, False)
        assert (second.root_container_exists_pre, second.root_container_exists_post) == (True, True)
        assert not second.root_container_created
        assert (second.started_pre, second.started_post, second.started) == (True, True, False)
        assert second.containers == tuple(
            model.ContainerCreationOutcome(name=name, exists_pre=True, exists_post=True) for name in ("web", "side")
        )
        assert second.cell.metadata.labels["team"] == "blue"
        assert second.cell.metadata.generation == 1

    def test_a_cell_that_runs(self, client: Client, place: Place) -> None:
        client.create_cell(place.cell_doc(), timeout=WAIT_S)
        found = client.get_cell(place.reference(), timeout=WAIT_S)
        assert (found.metadata_exists, found.cgroup_exists, found.root_container_exists) == (True, True, True)
        status = found.cell.status
        assert status.state is READY
        assert status.desired is model.DesiredState.RUNNING
        assert status.ready_observed
        assert status.created_at is not None
        assert status.ready_at is not None
        assert status.network is not None
        assert "/" in status.network.address
        (container,) = status.containers
        assert container.name == "web"
        assert container.state is model.ContainerState.READY
        assert container.start_time is not None
        assert found.cell.spec.id == "web"
        assert found.cell.spec.containers[0].containerd_id == container.id

    def test_two_cells_have_two_addresses(self, client: Client, place: Place) -> None:
        for name in ("one", "two"):
            client.create_cell(place.cell_doc(name), timeout=WAIT_S)
        found = [each.status.network for each in client.list_cells(place.realm, timeout=WAIT_S)]
        assert len({each.address for each in found if each}) == 2

    def test_a_cell_that_is_not_to_be_started_yet(self, client: Client, place: Place) -> None:
        result = client.create_cell(place.cell_doc(), no_start=True, timeout=WAIT_S)
        assert result.created
        assert (result.started_pre, result.started_post, result.started) == (False, False, False)
        assert place.state() is STOPPED
        assert client.start_cell(place.reference(), timeout=WAIT_S).started
        assert place.state() is READY

    def test_a_missing_parent_is_told_and_nothing_is_made(self, client: Client, place: Place) -> None:
        doc = place.cell_doc()
        client.delete_stack(place.stack_doc(), timeout=WAIT_S)
        with raises_kind("StackNotFound"):
            client.create_cell(doc, timeout=WAIT_S)
        assert client.list_cells(place.realm, timeout=WAIT_S) == ()

    def test_a_missing_image_fails_the_cell_until_it_is_loaded(self, client: Client, place: Place) -> None:
        name = "registry.invalid/late:1"
        doc = place.cell_doc("late", place.container(image=name, image_pull_policy="Never"))
        with raises_kind("ImageNotFound") as caught:
            client.create_cell(doc, timeout=WAIT_S)
        assert name in str(caught.value)
        assert caught.value.hint
        failed = place.cell("late").status
        assert failed.state is FAILED
        assert failed.reason
        assert name in failed.message
        client.delete_cell(place.reference("late"), timeout=WAIT_S)

    def test_documents_with_mistakes_are_refused_with_all_of_them(self, client: Client, place: Place) -> None:
        doc = place.cell_doc(
            "web",
            model.ContainerSpec(id="a", image="", restart_policy="sometimes"),
            model.ContainerSpec(id="a", image="busybox"),
        )
        with pytest.raises(errors.Invalid) as caught:
            client.create_cell(doc, timeout=WAIT_S)
        assert len(caught.value.problems) >= 2
        assert client.list_cells(place.realm, timeout=WAIT_S) == ()

    def test_get_of_an_absent_cell_is_no_error(self, client: Client, place: Place) -> None:
        assert client.get_cell(place.reference(), timeout=WAIT_S) == model.GetCellResult(cell=place.reference())

    def test_stop_start_and_again(self, client: Client, place: Place) -> None:
        client.create_cell(place.cell_doc(), timeout=WAIT_S)
        stopped = client.stop_cell(place.reference(), timeout=WAIT_S)
        assert stopped.stopped
        assert stopped.cell.status.state is STOPPED
        assert stopped.cell.status.desired is model.DesiredState.STOPPED
        assert not client.stop_cell(place.reference(), timeout=WAIT_S).stopped
        started = client.start_cell(place.reference(), timeout=WAIT_S)
        assert started.started
        assert started.cell.status.state is READY
        assert not client.start_cell(place.reference(), timeout=WAIT_S).started

    def test_kill_and_again(self, client: Client, place: Place) -> None:
        client.create_cell(place.cell_doc(), timeout=WAIT_S)
        killed = client.kill_cell(place.reference(), timeout=WAIT_S)
        assert killed.killed
        assert killed.cell.status.state is STOPPED
        assert not client.kill_cell(place.reference(), timeout=WAIT_S).killed
        assert client.start_cell(place.reference(), timeout=WAIT_S).cell.status.state is READY

    def test_restart(self, client: Client, place: Place) -> None:
        client.create_cell(place.cell_doc(), timeout=WAIT_S)
        before = place.cell().status.containers[0].start_time
        again = client.restart_cell(place.reference(), timeout=WAIT_S)
        assert again.restarted
        assert again.cell.status.state is READY
        after = again.cell.status.containers[0].start_time
        assert before is not None
        assert after is not None
        assert after > before
        client.stop_cell(place.reference(), timeout=WAIT_S)
        assert client.restart_cell(place.reference(), timeout=WAIT_S).cell.status.state is READY

    def test_verbs_on_an_absent_cell(self, client: Client, place: Place) -> None:
        for verb in (
            client.start_cell,
            client.stop_cell,
            client.kill_cell,
            client.restart_cell,
            client.delete_cell,
        ):
            with raises_kind("CellNotFound"):
                verb(place.reference(), timeout=WAIT_S)

    def test_lists_are_in_order_and_filtered_by_place(self, client: Client, place: Place) -> None:
        client.create_stack(place.stack_doc("more"), timeout=WAIT_S)
        other = place.cell_doc("gamma")
        spec = model.CellSpec(
            realm_id=place.realm, space_id=place.space, stack_id="more", containers=other.spec.containers
        )
        client.create_cell(model.CellDoc(metadata=other.metadata, spec=spec), no_start=True, timeout=WAIT_S)
        for name in ("beta", "alpha"):
            client.create_cell(place.cell_doc(name), no_start=True, timeout=WAIT_S)

        def names(*within: str) -> list[str]:
            return [doc.metadata.name for doc in client.list_cells(*within, timeout=WAIT_S)]

        assert names(place.realm) == ["alpha", "beta", "gamma"]
        assert names(place.realm, place.space, "more") == ["gamma"]
        assert names(place.realm, "", place.stack) == ["alpha", "beta"]
        assert names(place.realm, "absent") == []
        assert set(names()) >= {"alpha", "beta", "gamma"}

    def test_delete(self, client: Client, place: Place) -> None:
        client.create_cell(place.cell_doc(), timeout=WAIT_S)
        gone = client.delete_cell(place.reference(), timeout=WAIT_S)
        assert gone.cell.metadata.name == "web"
        assert (gone.containers_deleted, gone.cgroup_deleted, gone.metadata_deleted) == (True, True, True)
        assert not client.get_cell(place.reference(), timeout=WAIT_S).metadata_exists
        assert client.create_cell(place.cell_doc(), timeout=WAIT_S).created

    def test_an_image_of_another_realm_is_not_seen(self, client: Client, place: Place) -> None:
        name = "example.invalid/own:1"
        client.load_image(place.realm, archives.oci(name), timeout=WAIT_S)
        other = place.realm_doc(f"{place.realm}-2")
        client.create_realm(other, timeout=WAIT_S)
        try:
            with raises_kind("ImageNotFound"):
                client.get_image(other.metadata.name, name, timeout=WAIT_S)
        finally:
            client.purge_realm(other, timeout=WAIT_S)
