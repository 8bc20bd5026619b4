"""The contract of documents: apply and delete."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from kukeon_api import errors, model
from kukeon_sdk.testing.contract.place import WAIT_S, Placed, manifest

if TYPE_CHECKING:
    from kukeon_sdk.client import Client
    from kukeon_sdk.testing.contract.place import Place

Action, Deleted = model.ApplyAction, model.DeleteAction
replace = msgspec.structs.replace


def actions(results: Any) -> dict[str, str]:
    """Return what became of each, by its name."""
    return {each.name: each.action.value for each in results}


def only(results: Any) -> Any:
    (one,) = results
    return one


def with_container(doc: model.CellDoc, **fields: Any) -> model.CellDoc:
    """Return the cell with these fields of its first container."""
    first, *rest = doc.spec.containers
    return replace(doc, spec=replace(doc.spec, containers=(replace(first, **fields), *rest)))


class Applying(Placed):
    """Many documents at once."""

    def test_documents_are_made_parents_first_whatever_their_order(self, client: Client, place: Place) -> None:
        image = place.image
        docs = (
            place.cell_doc("web", place.container("web", image)),
            place.stack_doc("fresh", space="more"),
            place.space_doc("more"),
        )
        results = place.apply(*docs)
        assert [(each.kind, each.name, each.index) for each in results] == [
            ("Space", "more", 2),
            ("Stack", "fresh", 1),
            ("Cell", "web", 0),
        ]
        assert {each.action for each in results} == {Action.CREATED}
        assert place.state() is model.CellState.READY

    def test_applying_again_changes_nothing(self, client: Client, place: Place) -> None:
        docs = (
            place.realm_doc(team="blue"),
            place.space_doc(team="blue"),
            place.stack_doc(team="blue"),
            place.cell_doc("web", place.container("web", env=("A=1",)), team="blue"),
        )
        place.apply(*docs)
        before = place.snapshot()
        again = place.apply(*docs)
        assert {each.action for each in again} == {Action.UNCHANGED}
        assert all(each.changes == () and each.details == {} for each in again)
        assert place.snapshot() == before

    def test_what_is_shown_can_be_applied_again(self, client: Client, place: Place) -> None:
        place.apply(place.cell_doc("web", place.container("web"), place.container("side"), team="blue"))
        shown = (client.get_realm(place.realm_doc()).realm, client.get_space(place.space_doc()).space, place.cell())
        assert {each.action for each in place.apply(*shown)} == {Action.UNCHANGED}

    def test_missing_ancestors_are_made_and_told(self, client: Client, place: Place) -> None:
        doc = place.stack_doc("deep", space="between")
        result = only(place.apply(doc))
        assert result.action is Action.CREATED
        assert result.changes == ('space "between" created',)
        assert client.get_space(place.space_doc("between"), timeout=WAIT_S).metadata_exists

    def test_labels_are_updated_in_place(self, client: Client, place: Place) -> None:
        place.apply(place.cell_doc("web", team="blue"))
        started = place.cell().status.containers[0].start_time
        result = only(place.apply(place.cell_doc("web", team="red", tier="front")))
        assert result.action is Action.UPDATED
        assert result.changes == ("metadata.labels",)
        assert result.details["metadata.labels.team"] == '"blue" -> "red"'
        assert set(result.details) == {"metadata.labels.team", "metadata.labels.tier"}
        after = place.cell()
        assert after.metadata.labels["team"] == "red"
        assert after.status.containers[0].start_time == started

    def test_labels_of_a_space_are_updated(self, client: Client, place: Place) -> None:
        result = only(place.apply(place.space_doc(team="red")))
        assert (result.action, result.changes) == (Action.UPDATED, ("metadata.labels",))
        assert client.get_space(place.space_doc(), timeout=WAIT_S).space.metadata.labels["team"] == "red"
        assert only(place.apply(place.space_doc())).action is Action.UPDATED
        assert "team" not in client.get_space(place.space_doc(), timeout=WAIT_S).space.metadata.labels

    def test_a_changed_container_is_made_anew_and_runs(self, client: Client, place: Place) -> None:
        doc = place.cell_doc("web", place.container("web"), place.container("side"))
        place.apply(doc)
        before = {each.name: each.start_time for each in place.cell().status.containers}
        result = only(place.apply(with_container(doc, env=("A=2",))))
        assert result.action in (Action.UPDATED, Action.RECREATED)
        assert 'container "web" updated: env' in result.changes
        assert "spec.containers[web].env" in result.details
        cell = place.cell()
        after = {each.name: each.start_time for each in cell.status.containers}
        assert after["web"] != before["web"]
        assert after["side"] == before["side"]
        assert cell.spec.containers[0].env == ("A=2",)
        assert cell.status.state is model.CellState.READY
        assert cell.metadata.generation == 2
        assert cell.status.observed_generation == 2

    def test_containers_are_added_and_removed(self, client: Client, place: Place) -> None:
        place.apply(place.cell_doc("web", place.container("web"), place.container("old")))
        result = only(place.apply(place.cell_doc("web", place.container("web"), place.container("new"))))
        assert result.action is Action.UPDATED
        assert {'container "new" added', 'container "old" removed'} <= set(result.changes)
        states = {each.name: each.state for each in place.cell().status.containers}
        assert states == {"web": model.ContainerState.READY, "new": model.ContainerState.READY}

    def test_a_changed_root_container_makes_the_cell_anew(self, client: Client, place: Place) -> None:
        doc = place.cell_doc("web", place.container("base", root=True), place.container("web"))
        place.apply(doc)
        created = place.cell().status.created_at
        result = only(place.apply(with_container(doc, env=("A=2",))))
        assert result.action is Action.RECREATED
        assert result.changes == ("root container recreated", 'container "base" updated: env')
        cell = place.cell()
        assert cell.status.state is model.CellState.READY
        assert cell.status.created_at == created
        assert only(place.apply(with_container(doc, env=("A=2",)))).action is Action.UNCHANGED

    def test_a_stopped_cell_is_started(self, client: Client, place: Place) -> None:
        doc = place.cell_doc()
        place.apply(doc)
        client.kill_cell(place.reference(), timeout=WAIT_S)
        result = only(place.apply(doc))
        assert result.action is Action.UPDATED
        assert result.changes
        assert place.state() is model.CellState.READY

    def test_a_container_document_is_part_of_its_cell(self, client: Client, place: Place) -> None:
        place.apply(place.cell_doc())
        doc = place.new_container_doc("side")
        assert only(place.apply(doc)).action is Action.CREATED
        assert only(place.apply(doc)).action is Action.UNCHANGED
        changed = place.new_container_doc("side", env=("A=1",))
        assert only(place.apply(changed)).action in (Action.UPDATED, Action.RECREATED)
        assert [each.id for each in place.cell().spec.containers] == ["web", "side"]
        assert place.state() is model.CellState.READY

    def test_one_that_fails_does_not_keep_the_others(self, client: Client, place: Place) -> None:
        image = place.image
        results = place.apply(
            place.container_doc("lost", cell="absent", image=image, command="/bin/true"), place.cell_doc("web")
        )
        found = actions(results)
        assert found == {"web": "created", "lost": "failed"}
        failed = results[-1]
        assert failed.error
        assert failed.details["kind"] == "CellNotFound"

    def test_a_missing_image_fails_the_document(self, client: Client, place: Place) -> None:
        missing = place.container("web", "registry.invalid/none:1", image_pull_policy="Never")
        result = only(place.apply(place.cell_doc("web", missing)))
        assert result.action is Action.FAILED
        assert result.details["kind"] == "ImageNotFound"
        assert result.details["hint"]

    def test_a_running_cell_is_left_alone_when_its_new_image_is_missing(self, client: Client, place: Place) -> None:
        doc = place.cell_doc()
        place.apply(doc)
        before = place.cell()
        result = only(place.apply(with_container(doc, image="registry.invalid/none:1", image_pull_policy="Never")))
        assert (result.action, result.details["kind"]) == (Action.FAILED, "ImageNotFound")
        assert place.cell().status.containers == before.status.containers
        assert place.state() is model.CellState.READY

    def test_breaking_changes_are_refused_with_the_reason(self, client: Client, place: Place) -> None:
        doc = replace(place.realm_doc(), spec=model.RealmSpec(namespace=f"{place.realm}.elsewhere"))
        before = place.snapshot()
        result = only(place.apply(doc))
        assert (result.action, result.details["kind"]) == (Action.FAILED, "BreakingChange")
        assert "namespace" in result.error
        assert place.snapshot() == before

    def test_mistakes_are_told_all_at_once_and_nothing_is_done(self, client: Client, place: Place) -> None:
        good = place.stack_doc("good")
        bad = {"kind": "Stack", "metadata": {"name": "Bad Name"}, "spec": {"realmId": place.realm}}
        worse = {"kind": "Volume", "metadata": {"name": "v"}}
        before = place.snapshot()
        for call in (client.apply_documents, client.delete_documents):
            with pytest.raises(errors.InvalidManifest) as caught:
                call(manifest(good, bad, worse), timeout=WAIT_S)
            assert {problem.document for problem in caught.value.problems} == {1, 2}
            assert len(caught.value.problems) >= 3
            for nothing in (b"", b"---\n# nothing\n"):
                with pytest.raises(errors.Invalid):
                    call(nothing, timeout=WAIT_S)
        assert place.snapshot() == before

    def test_a_dry_run_tells_and_changes_nothing(self, client: Client, place: Place) -> None:
        doc = place.cell_doc("web", team="blue")
        place.apply(doc)
        before = place.snapshot()
        docs = (
            place.stack_doc("fresh"),
            with_container(place.cell_doc("web", team="red"), env=("A=1",)),
            place.cell_doc("more"),
            replace(place.realm_doc(), spec=model.RealmSpec(namespace=f"{place.realm}.elsewhere")),
        )
        told = place.apply(*docs, dry_run=True)
        assert actions(told) | {"web": "-"} == {
            place.realm: "failed",
            "fresh": "created",
            "more": "created",
            "web": "-",
        }
        changed = next(each for each in told if each.name == "web")
        assert changed.action in (Action.UPDATED, Action.RECREATED)
        assert {"metadata.labels", 'container "web" updated: env'} <= set(changed.changes)
        assert place.snapshot() == before
        assert only(place.apply(doc, dry_run=True)).action is Action.UNCHANGED

    def test_an_older_generation_is_stale(self, client: Client, place: Place) -> None:
        doc = place.cell_doc()
        place.apply(doc)
        place.apply(with_container(doc, env=("A=2",)))
        old = replace(with_container(doc, env=("A=3",)), metadata=model.Metadata(name="web", generation=1))
        result = only(place.apply(old))
        assert (result.action, result.details["kind"]) == (Action.FAILED, "StaleResource")
        assert result.details["hint"]
        assert place.cell().spec.containers[0].env == ("A=2",)
        current = replace(old, metadata=model.Metadata(name="web", generation=2))
        assert only(place.apply(current)).action in (Action.UPDATED, Action.RECREATED)
        assert place.cell().metadata.generation == 3

    def test_prune_deletes_what_is_labelled_and_not_there_any_more(self, client: Client, place: Place) -> None:
        mark = place.realm
        kept, dropped, other = (
            place.cell_doc("kept", **{"app": mark}),
            place.cell_doc("dropped", **{"app": mark}),
            place.cell_doc("other"),
        )
        place.apply(kept, dropped, other)
        before = place.snapshot()
        told = actions(place.apply(kept, prune=f"app={mark}", dry_run=True))
        assert told == {"kept": "unchanged", "dropped": "pruned"}
        assert place.snapshot() == before
        done = place.apply(kept, prune=f"app={mark}")
        assert actions(done) == {"kept": "unchanged", "dropped": "pruned"}
        dropped_result = next(each for each in done if each.name == "dropped")
        assert (dropped_result.kind, dropped_result.index) == ("Cell", -1)
        assert dropped_result.details["ref"] == f"{place.realm}/{place.space}/{place.stack}/dropped"
        assert [doc.metadata.name for doc in client.list_cells(place.realm, timeout=WAIT_S)] == ["kept", "other"]
        assert actions(place.apply(kept, prune=f"app in ({mark}, x),!absent")) == {"kept": "unchanged"}

    def test_nothing_is_pruned_when_a_document_fails(self, client: Client, place: Place) -> None:
        mark = place.realm
        place.apply(place.stack_doc("dropped", app=mark))
        lost = place.container_doc("lost", cell="absent", image=place.image, command="/bin/true")
        results = place.apply(place.stack_doc(), lost, prune=f"app={mark}")
        assert actions(results) == {place.stack: "unchanged", "lost": "failed", "dropped": "failed"}
        assert "not pruned" in results[-1].error
        assert len(client.list_stacks(place.realm, timeout=WAIT_S)) == 2

    def test_containers_are_pruned_by_their_own_labels(self, client: Client, place: Place) -> None:
        mark = place.realm
        web, side = place.container("web"), place.container("side", labels={"app": mark})
        place.apply(place.cell_doc("web", web, side))
        done = actions(place.apply(place.stack_doc(), prune=f"app={mark}"))
        assert done == {place.stack: "unchanged", "side": "pruned"}
        assert [each.id for each in place.cell().spec.containers] == ["web"]

    def test_a_cell_and_a_container_of_it_in_one_input(self, client: Client, place: Place) -> None:
        docs = (place.cell_doc("web"), place.new_container_doc("side"))
        assert [each.action for each in place.apply(*docs)] == [Action.CREATED, Action.CREATED]
        assert [each.action for each in place.apply(*docs)] == [Action.UNCHANGED, Action.UNCHANGED]
        assert [each.id for each in place.cell().spec.containers] == ["web", "side"]

    def test_a_selector_that_cannot_be_used(self, client: Client, place: Place) -> None:
        before = place.snapshot()
        for text in ("app in (", "=x", ",", "a b", "!app", "app!=x"):
            with pytest.raises(errors.Invalid):
                place.apply(place.stack_doc("fresh"), prune=text)
        assert place.snapshot() == before

    def test_many_at_once_end_as_if_in_some_order(self, client: Client, place: Place) -> None:
        place.apply(place.cell_doc("web", number="none"))
        failed: list[BaseException] = []

        def work(number: int) -> None:
            try:
                for result in place.apply(place.stack_doc(f"s{number}"), place.cell_doc("web", number=str(number))):
                    assert result.action is not Action.FAILED, result
            except BaseException as error:
                failed.append(error)

        threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(WAIT_S)
        assert failed == []
        stacks = {doc.metadata.name for doc in client.list_stacks(place.realm, timeout=WAIT_S)}
        assert stacks == {place.stack, *(f"s{number}" for number in range(8))}
        assert place.cell().metadata.labels["number"] in {str(number) for number in range(8)}
        assert place.state() is model.CellState.READY

    def test_deleting_documents_innermost_first_and_twice(self, client: Client, place: Place) -> None:
        docs = (
            place.space_doc("more"),
            place.stack_doc("fresh", space="more"),
            place.cell_doc("web", place.container("web"), place.container("side")),
        )
        place.apply(*docs)
        side = place.new_container_doc("side")
        results = place.delete(*docs, side)
        assert [(each.kind, each.name, each.index) for each in results] == [
            ("Container", "side", 3),
            ("Cell", "web", 2),
            ("Stack", "fresh", 1),
            ("Space", "more", 0),
        ]
        assert {each.action for each in results} == {Deleted.DELETED}
        assert client.list_cells(place.realm, timeout=WAIT_S) == ()
        again = place.delete(*docs, side)
        assert {each.action for each in again} == {Deleted.NOT_FOUND}
        assert all(each.error == "" for each in again)

    def test_deleting_a_document_with_children(self, client: Client, place: Place) -> None:
        client.create_cell(place.cell_doc(), no_start=True, timeout=WAIT_S)
        refused = only(place.delete(place.space_doc()))
        assert (refused.action, refused.details["kind"]) == (Deleted.FAILED, "ResourceHasDependencies")
        assert "1 stack " in refused.error
        gone = only(place.delete(place.space_doc(), cascade=True))
        assert gone.action is Deleted.DELETED
        assert gone.cascaded == (f"stack:{place.stack}", f"cell:{place.stack}/web")
        assert gone.details == {"stacks": "1 deleted", "cells": "1 deleted", "containers": "1 deleted"}
        assert client.list_spaces(place.realm, timeout=WAIT_S) == ()
