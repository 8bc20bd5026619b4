"""The contract of purge and refresh."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kukeon_api import model
from kukeon_sdk.testing.contract.place import WAIT_S, Placed, raises_kind

if TYPE_CHECKING:
    from kukeon_sdk.client import Client
    from kukeon_sdk.testing.contract.place import Place


class Purging(Placed):
    """Removing whatever there is, and looking at everything."""

    def test_purging_what_never_was_succeeds_and_finds_nothing(self, client: Client, place: Place) -> None:
        doc = place.realm_doc(f"{place.realm}-no")
        realm = client.purge_realm(doc, timeout=WAIT_S)
        assert realm.purge_succeeded
        assert realm.namespace_removed
        assert not realm.realm_deleted
        assert (realm.deleted, realm.purged) == ((), ())
        space = client.purge_space(place.space_doc("absent"), timeout=WAIT_S)
        assert space.purge_succeeded
        assert (space.metadata_deleted, space.cgroup_deleted, space.cni_network_deleted) == (False, False, False)
        assert (space.deleted, space.purged) == ((), ())
        stack = client.purge_stack(place.stack_doc("absent"), timeout=WAIT_S)
        assert stack.purge_succeeded
        assert (stack.metadata_deleted, stack.cgroup_deleted, stack.deleted, stack.purged) == (False, False, (), ())
        cell = client.purge_cell(place.reference("absent"), timeout=WAIT_S)
        assert cell.purge_succeeded
        assert (cell.containers_deleted, cell.cgroup_deleted, cell.metadata_deleted) == (False, False, False)
        assert (cell.deleted, cell.purged) == ((), ())
        container = client.purge_container(place.container_doc("web", cell="absent"), timeout=WAIT_S)
        assert (container.cell_metadata_exists, container.container_exists) == (False, False)
        assert (container.deleted, container.purged) == ((), ())
        for result in (realm, space, stack, cell, container):
            assert result.warnings == ()

    def test_the_switches_are_told_back(self, client: Client, place: Place) -> None:
        doc = place.realm_doc(f"{place.realm}-no")
        for force, cascade in ((False, False), (True, False), (False, True)):
            realm = client.purge_realm(doc, force, cascade, timeout=WAIT_S)
            space = client.purge_space(place.space_doc("absent"), force, cascade, timeout=WAIT_S)
            stack = client.purge_stack(place.stack_doc("absent"), force, cascade, timeout=WAIT_S)
            cell = client.purge_cell(place.reference("absent"), force, cascade, timeout=WAIT_S)
            for result in (realm, space, stack, cell):
                assert (result.force, result.cascade) == (force, cascade)

    def test_what_has_children_is_kept_and_they_are_counted(self, client: Client, place: Place) -> None:
        with raises_kind("ResourceHasDependencies") as caught:
            client.purge_realm(place.realm_doc(), timeout=WAIT_S)
        assert "1 space " in str(caught.value)
        with raises_kind("ResourceHasDependencies") as caught:
            client.purge_space(place.space_doc(), timeout=WAIT_S)
        assert "1 stack " in str(caught.value)
        client.create_cell(place.cell_doc(), no_start=True, timeout=WAIT_S)
        with raises_kind("ResourceHasDependencies") as caught:
            client.purge_stack(place.stack_doc(), timeout=WAIT_S)
        assert "1 cell " in str(caught.value)
        assert place.state() is model.CellState.STOPPED

    def test_purging_a_realm_with_everything_inside(self, client: Client, place: Place) -> None:
        client.create_cell(place.cell_doc(), timeout=WAIT_S)
        gone = client.purge_realm(place.realm_doc(), cascade=True, timeout=WAIT_S)
        assert (gone.realm_deleted, gone.purge_succeeded, gone.namespace_removed) == (True, True, True)
        assert gone.realm.metadata.name == place.realm
        assert set(gone.deleted) >= {f"space:{place.space}", "cgroup", "namespace", "metadata"}
        after = client.get_realm(place.realm_doc(), timeout=WAIT_S)
        assert (after.metadata_exists, after.cgroup_exists, after.containerd_namespace_exists) == (False, False, False)
        assert client.list_cells(place.realm, timeout=WAIT_S) == ()
        again = client.purge_realm(place.realm_doc(), cascade=True, timeout=WAIT_S)
        assert (again.realm_deleted, again.purge_succeeded, again.namespace_removed) == (False, True, True)
        assert (again.deleted, again.purged) == ((), ())

    def test_purging_a_space_and_a_stack(self, client: Client, place: Place) -> None:
        stack = client.purge_stack(place.stack_doc(), timeout=WAIT_S)
        assert (stack.metadata_deleted, stack.cgroup_deleted, stack.purge_succeeded) == (True, True, True)
        assert set(stack.deleted) == {"cgroup", "metadata"}
        space = client.purge_space(place.space_doc(), force=True, timeout=WAIT_S)
        assert (space.metadata_deleted, space.cgroup_deleted, space.cni_network_deleted) == (True, True, True)
        assert set(space.deleted) == {"cgroup", "network", "metadata"}
        assert not client.get_space(place.space_doc(), timeout=WAIT_S).metadata_exists

    def test_purging_a_cell_that_runs(self, client: Client, place: Place) -> None:
        client.create_cell(place.cell_doc(), timeout=WAIT_S)
        gone = client.purge_cell(place.reference(), timeout=WAIT_S)
        assert (gone.containers_deleted, gone.cgroup_deleted, gone.metadata_deleted) == (True, True, True)
        assert gone.purge_succeeded
        assert set(gone.deleted) >= {"container:web", "cgroup", "metadata"}
        assert not client.get_cell(place.reference(), timeout=WAIT_S).metadata_exists
        assert client.create_cell(place.cell_doc(), timeout=WAIT_S).cell.status.state is model.CellState.READY

    def test_purging_a_container_that_runs(self, client: Client, place: Place) -> None:
        client.create_cell(place.cell_doc("web", place.container("web"), place.container("side")), timeout=WAIT_S)
        gone = client.purge_container(place.container_doc("side"), timeout=WAIT_S)
        assert (gone.cell_metadata_exists, gone.container_exists) == (True, True)
        assert "container" in gone.deleted
        assert gone.purged == ()
        assert [each.id for each in place.cell().spec.containers] == ["web"]
        assert place.state() is model.CellState.READY

    def test_refresh_finds_everything_and_changes_nothing_but_status(self, client: Client, place: Place) -> None:
        client.create_cell(place.cell_doc(), timeout=WAIT_S)
        client.create_cell(place.cell_doc("idle"), no_start=True, timeout=WAIT_S)
        before = place.snapshot()
        found = client.refresh_all(timeout=WAIT_S)
        stack = f"{place.realm}/{place.space}/{place.stack}"
        assert place.realm in found.realms_found
        assert f"{place.realm}/{place.space}" in found.spaces_found
        assert stack in found.stacks_found
        assert {f"{stack}/web", f"{stack}/idle"} <= set(found.cells_found)
        assert {f"{stack}/web/web", f"{stack}/idle/web"} <= set(found.containers_found)
        assert place.realm not in found.realms_updated
        for updated in (found.spaces_updated, found.stacks_updated, found.cells_updated, found.containers_updated):
            assert not any(each.startswith(f"{place.realm}/") for each in updated)
        assert not any(place.realm in each for each in found.errors)
        assert place.snapshot() == before
        assert place.state("idle") is model.CellState.STOPPED
