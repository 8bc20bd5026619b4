"""The contract of realms, spaces and stacks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import pytest

from kukeon_api import errors, model
from kukeon_sdk.testing.contract.place import WAIT_S, Placed, raises_kind

if TYPE_CHECKING:
    from kukeon_sdk.client import Client
    from kukeon_sdk.testing.contract.place import Place


class Levels(Placed):
    """Create, get, list and delete of the levels above cells."""

    def test_create_realm_tells_what_was_there_and_what_it_made(self, client: Client, place: Place) -> None:
        doc = place.realm_doc(f"{place.realm}-2", team="blue")
        try:
            first = client.create_realm(doc, timeout=WAIT_S)
            assert first.created
            assert (first.metadata_exists_pre, first.metadata_exists_post) == (False, True)
            assert (first.cgroup_exists_pre, first.cgroup_exists_post, first.cgroup_created) == (False, True, True)
            assert (first.containerd_namespace_exists_pre, first.containerd_namespace_exists_post) == (False, True)
            assert first.containerd_namespace_created
            second = client.create_realm(doc, timeout=WAIT_S)
            assert not second.created
            assert (second.metadata_exists_pre, second.metadata_exists_post) == (True, True)
            assert (second.cgroup_exists_pre, second.cgroup_exists_post, second.cgroup_created) == (True, True, False)
            assert (second.containerd_namespace_exists_pre, second.containerd_namespace_exists_post) == (True, True)
            assert not second.containerd_namespace_created
            assert second.realm.status.state is model.RealmState.READY
            assert second.realm.spec.namespace
            assert second.realm.metadata.labels["team"] == "blue"
            assert second.realm.metadata.generation == first.realm.metadata.generation == 1
        finally:
            client.purge_realm(doc, timeout=WAIT_S)

    def test_create_space_tells_what_was_there_and_what_it_made(self, client: Client, place: Place) -> None:
        doc = place.space_doc("other", team="blue")
        first = client.create_space(doc, timeout=WAIT_S)
        assert first.created
        assert (first.metadata_exists_pre, first.metadata_exists_post) == (False, True)
        assert (first.cgroup_exists_pre, first.cgroup_exists_post, first.cgroup_created) == (False, True, True)
        assert (first.cni_network_exists_pre, first.cni_network_exists_post) == (False, True)
        assert first.cni_network_created
        second = client.create_space(doc, timeout=WAIT_S)
        assert not second.created
        assert (second.metadata_exists_pre, second.metadata_exists_post) == (True, True)
        assert (second.cgroup_exists_pre, second.cgroup_exists_post, second.cgroup_created) == (True, True, False)
        assert (second.cni_network_exists_pre, second.cni_network_exists_post) == (True, True)
        assert not second.cni_network_created
        assert second.space.status.state is model.SpaceState.READY
        assert second.space.metadata.labels["team"] == "blue"

    def test_create_stack_tells_what_was_there_and_what_it_made(self, client: Client, place: Place) -> None:
        doc = place.stack_doc("other", team="blue")
        first = client.create_stack(doc, timeout=WAIT_S)
        assert first.created
        assert (first.metadata_exists_pre, first.metadata_exists_post) == (False, True)
        assert (first.cgroup_exists_pre, first.cgroup_exists_post, first.cgroup_created) == (False, True, True)
        second = client.create_stack(doc, timeout=WAIT_S)
        assert not second.created
        assert (second.metadata_exists_pre, second.metadata_exists_post) == (True, True)
        assert (second.cgroup_exists_pre, second.cgroup_exists_post, second.cgroup_created) == (True, True, False)
        assert second.stack.status.state is model.StackState.READY
        assert second.stack.spec.id == "other"
        assert second.stack.metadata.labels["team"] == "blue"

    def test_creating_what_exists_keeps_its_spec_and_labels(self, client: Client, place: Place) -> None:
        client.create_stack(place.stack_doc("other", team="blue"), timeout=WAIT_S)
        again = client.create_stack(place.stack_doc("other", team="red"), timeout=WAIT_S)
        assert again.stack.metadata.labels["team"] == "blue"

    def test_a_missing_parent_is_told_by_its_kind(self, client: Client, place: Place) -> None:
        space = model.SpaceDoc(metadata=model.Metadata(name="s"), spec=model.SpaceSpec(realm_id=f"{place.realm}-no"))
        with raises_kind("RealmNotFound"):
            client.create_space(space, timeout=WAIT_S)
        with raises_kind("SpaceNotFound"):
            client.create_stack(place.stack_doc("t", space="absent"), timeout=WAIT_S)
        assert client.list_spaces(f"{place.realm}-no", timeout=WAIT_S) == ()
        assert len(client.list_stacks(place.realm, timeout=WAIT_S)) == 1

    def test_get_returns_what_is_there(self, client: Client, place: Place) -> None:
        realm = client.get_realm(place.realm_doc(), timeout=WAIT_S)
        assert (realm.metadata_exists, realm.cgroup_exists, realm.containerd_namespace_exists) == (True, True, True)
        assert realm.realm.metadata.name == place.realm
        assert realm.realm.status.state is model.RealmState.READY
        assert realm.realm.status.created_at is not None
        space = client.get_space(place.space_doc(), timeout=WAIT_S)
        assert (space.metadata_exists, space.cgroup_exists, space.cni_network_exists) == (True, True, True)
        assert space.space.status.state is model.SpaceState.READY
        stack = client.get_stack(place.stack_doc(), timeout=WAIT_S)
        assert (stack.metadata_exists, stack.cgroup_exists) == (True, True)
        assert stack.stack.status.state is model.StackState.READY

    def test_get_of_what_is_absent_is_no_error(self, client: Client, place: Place) -> None:
        realm_doc = place.realm_doc(f"{place.realm}-no")
        realm = client.get_realm(realm_doc, timeout=WAIT_S)
        assert realm == model.GetRealmResult(realm=realm_doc)
        space = client.get_space(place.space_doc("absent"), timeout=WAIT_S)
        assert space == model.GetSpaceResult(space=place.space_doc("absent"))
        stack = client.get_stack(place.stack_doc("absent"), timeout=WAIT_S)
        assert stack == model.GetStackResult(stack=place.stack_doc("absent"))

    def test_names_that_are_none_are_refused_everywhere(self, client: Client, place: Place) -> None:
        for name in ("", "Bad Name", "../up", "under_score", "x" * 64):
            doc = model.RealmDoc(metadata=model.Metadata(name=name))
            for call in (client.create_realm, client.get_realm, client.delete_realm, client.purge_realm):
                with raises_kind("InvalidRealmName" if name else "RealmNameRequired"):
                    call(doc, timeout=WAIT_S)

    def test_names_of_parents_that_are_none_are_refused_everywhere(self, client: Client, place: Place) -> None:
        for name in ("", "Bad Name", "../up"):
            nameless = model.SpaceDoc(metadata=model.Metadata(name=name), spec=model.SpaceSpec(realm_id=place.realm))
            nowhere = model.SpaceDoc(metadata=model.Metadata(name="fine"), spec=model.SpaceSpec(realm_id=name))
            for call in (client.create_space, client.get_space, client.delete_space, client.purge_space):
                with raises_kind("InvalidName" if name else "SpaceNameRequired"):
                    call(nameless, timeout=WAIT_S)
                with raises_kind("InvalidRealmName" if name else "RealmNameRequired"):
                    call(nowhere, timeout=WAIT_S)
        with raises_kind("InvalidRealmName"):
            client.list_spaces("../up", timeout=WAIT_S)
        with raises_kind("InvalidName"):
            client.list_cells(place.realm, "../up", timeout=WAIT_S)

    def test_a_name_that_is_missing_is_told_in_words(self, client: Client, place: Place) -> None:
        stack = model.StackDoc(
            metadata=model.Metadata(name=""), spec=model.StackSpec(realm_id=place.realm, space_id=place.space)
        )
        with raises_kind("StackNameRequired") as caught:
            client.get_stack(stack, timeout=WAIT_S)
        assert str(caught.value) == "stack name is required"

    def test_lists_are_in_order_and_filtered_by_place(self, client: Client, place: Place) -> None:
        client.create_space(place.space_doc("alpha"), timeout=WAIT_S)
        client.create_stack(place.stack_doc("one", space="alpha"), timeout=WAIT_S)
        client.create_stack(place.stack_doc("two", space="alpha"), timeout=WAIT_S)

        def names(docs: tuple[model.RealmDoc | model.SpaceDoc | model.StackDoc, ...]) -> list[str]:
            return [doc.metadata.name for doc in docs]

        realms = names(client.list_realms(timeout=WAIT_S))
        assert place.realm in realms
        assert realms == sorted(realms)
        assert names(client.list_spaces(place.realm, timeout=WAIT_S)) == ["alpha", "net"]
        assert set(names(client.list_spaces(timeout=WAIT_S))) >= {"alpha", "net"}
        assert names(client.list_stacks(place.realm, timeout=WAIT_S)) == ["one", "two", "app"]
        assert names(client.list_stacks(place.realm, "alpha", timeout=WAIT_S)) == ["one", "two"]
        assert names(client.list_stacks("", "alpha", timeout=WAIT_S))[:2] == ["one", "two"]
        assert client.list_spaces(f"{place.realm}-no", timeout=WAIT_S) == ()
        assert client.list_stacks(place.realm, "absent", timeout=WAIT_S) == ()

    def test_what_has_children_is_kept_and_they_are_counted(self, client: Client, place: Place) -> None:
        with raises_kind("ResourceHasDependencies") as caught:
            client.delete_realm(place.realm_doc(), timeout=WAIT_S)
        assert "1 space " in str(caught.value)
        assert caught.value.hint
        client.create_space(place.space_doc("other"), timeout=WAIT_S)
        with raises_kind("ResourceHasDependencies") as caught:
            client.delete_realm(place.realm_doc(), timeout=WAIT_S)
        assert "2 spaces " in str(caught.value)
        with raises_kind("ResourceHasDependencies") as caught:
            client.delete_space(place.space_doc(), timeout=WAIT_S)
        assert "1 stack " in str(caught.value)
        client.create_cell(place.cell_doc(), no_start=True, timeout=WAIT_S)
        with raises_kind("ResourceHasDependencies") as caught:
            client.delete_stack(place.stack_doc(), timeout=WAIT_S)
        assert "1 cell " in str(caught.value)
        assert place.cell().metadata.name == "web"

    def test_deleting_with_cascade_takes_everything_inside(self, client: Client, place: Place) -> None:
        client.create_cell(place.cell_doc(), timeout=WAIT_S)
        gone = client.delete_realm(place.realm_doc(), cascade=True, timeout=WAIT_S)
        assert gone.realm.metadata.name == place.realm
        assert gone.metadata_deleted
        assert gone.cgroup_deleted
        assert gone.containerd_namespace_deleted
        assert gone.deleted[0] == f"space:{place.space}"
        assert set(gone.deleted[1:]) == {"cgroup", "namespace", "metadata"}
        assert gone.deleted[-1] == "metadata"
        after = client.get_realm(place.realm_doc(), timeout=WAIT_S)
        assert (after.metadata_exists, after.cgroup_exists, after.containerd_namespace_exists) == (False, False, False)
        assert client.list_spaces(place.realm, timeout=WAIT_S) == ()
        assert client.list_cells(place.realm, timeout=WAIT_S) == ()

    def test_force_does_what_cascade_does(self, client: Client, place: Place) -> None:
        gone = client.delete_space(place.space_doc(), force=True, timeout=WAIT_S)
        assert (gone.space_name, gone.realm_name) == (place.space, place.realm)
        assert (gone.metadata_deleted, gone.cgroup_deleted, gone.cni_network_deleted) == (True, True, True)
        assert gone.deleted[0] == f"stack:{place.stack}"
        assert set(gone.deleted[1:]) == {"cgroup", "network", "metadata"}
        assert not client.get_space(place.space_doc(), timeout=WAIT_S).metadata_exists

    def test_delete_stack(self, client: Client, place: Place) -> None:
        gone = client.delete_stack(place.stack_doc(), timeout=WAIT_S)
        assert (gone.stack_name, gone.space_name, gone.realm_name) == (place.stack, place.space, place.realm)
        assert (gone.metadata_deleted, gone.cgroup_deleted) == (True, True)
        assert set(gone.deleted) == {"cgroup", "metadata"}

    def test_deleting_what_is_absent_raises_its_kind(self, client: Client, place: Place) -> None:
        with raises_kind("RealmNotFound"):
            client.delete_realm(place.realm_doc(f"{place.realm}-no"), cascade=True, timeout=WAIT_S)
        with raises_kind("SpaceNotFound"):
            client.delete_space(place.space_doc("absent"), force=True, timeout=WAIT_S)
        with raises_kind("StackNotFound"):
            client.delete_stack(place.stack_doc("absent"), timeout=WAIT_S)

    def test_two_realms_never_share_a_namespace(self, client: Client, place: Place) -> None:
        namespace = client.get_realm(place.realm_doc(), timeout=WAIT_S).realm.spec.namespace
        other = msgspec.structs.replace(place.realm_doc(f"{place.realm}-2"), spec=model.RealmSpec(namespace=namespace))
        with pytest.raises(errors.Conflict, match=namespace):
            client.create_realm(other, timeout=WAIT_S)
        assert not client.get_realm(other, timeout=WAIT_S).metadata_exists

    def test_passwords_of_registries_never_come_back(self, client: Client, place: Place) -> None:
        def with_login(**login: str) -> model.RealmDoc:
            found = model.RegistryCredentials(username="me", server_address="registry.invalid", **login)
            return msgspec.structs.replace(place.realm_doc(), spec=model.RealmSpec(registry_credentials=(found,)))

        unknown = place.apply(with_login())[0]
        assert (unknown.action, unknown.details["kind"]) == (model.ApplyAction.FAILED, "Invalid")
        first = place.apply(with_login(password="hunter2"))[0]  # noqa: S106 - a test's
        assert first.action is model.ApplyAction.UPDATED
        assert place.apply(with_login(password="hunter2"))[0].action is model.ApplyAction.UNCHANGED  # noqa: S106
        assert place.apply(with_login())[0].action is model.ApplyAction.UNCHANGED
        second = place.apply(with_login(password="hunter3"))[0]  # noqa: S106
        assert second.action is model.ApplyAction.UPDATED
        shown = client.get_realm(place.realm_doc(), timeout=WAIT_S).realm
        assert shown.spec.registry_credentials == (
            model.RegistryCredentials(username="me", server_address="registry.invalid"),
        )
        told = repr((first, second, shown, client.list_realms(timeout=WAIT_S)))
        assert "hunter" not in told

    def test_the_system_realm_is_kukeons_own(self, client: Client, place: Place) -> None:
        name = model.SYSTEM_REALM
        realm = model.RealmDoc(metadata=model.Metadata(name=name))
        space = model.SpaceDoc(metadata=model.Metadata(name="s"), spec=model.SpaceSpec(realm_id=name))
        spec = model.CellSpec(realm_id=name, space_id="s", stack_id="t")
        cell = model.CellDoc(metadata=model.Metadata(name="c"), spec=spec)
        container = model.ContainerDoc(
            metadata=model.Metadata(name="x"),
            spec=model.ContainerSpec(realm_id=name, space_id="s", stack_id="t", cell_id="c"),
        )
        with pytest.raises((errors.Denied, errors.Invalid)):
            client.create_realm(realm, timeout=WAIT_S)
        for switches in ({}, {"cascade": True}, {"force": True}):
            with pytest.raises(errors.ReservedRealm, match="cannot delete realm"):
                client.delete_realm(realm, timeout=WAIT_S, **switches)
            with pytest.raises(errors.ReservedRealm, match="cannot purge realm"):
                client.purge_realm(realm, timeout=WAIT_S, **switches)
            with pytest.raises(errors.Denied):
                client.delete_space(space, timeout=WAIT_S, **switches)
            with pytest.raises(errors.Denied):
                client.purge_space(space, timeout=WAIT_S, **switches)
        for on_cell in (
            client.start_cell,
            client.stop_cell,
            client.kill_cell,
            client.restart_cell,
            client.delete_cell,
            client.purge_cell,
        ):
            with pytest.raises(errors.Denied):
                on_cell(cell, timeout=WAIT_S)
        for on_container in (
            client.start_container,
            client.stop_container,
            client.kill_container,
            client.restart_container,
            client.delete_container,
            client.purge_container,
        ):
            with pytest.raises(errors.Denied):
                on_container(container, timeout=WAIT_S)
        client.get_realm(realm, timeout=WAIT_S)
        client.list_spaces(name, timeout=WAIT_S)
