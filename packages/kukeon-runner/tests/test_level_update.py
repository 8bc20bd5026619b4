"""Changing realms, spaces and stacks: what may change, in which order, and what a refresh writes."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from kukeon_api import errors, manifest, model
from kukeon_runner.testing.cells import cell, controller, prepared
from kukeon_runner.testing.host import FakeHost

if TYPE_CHECKING:
    from pathlib import Path

    from kukeon_runner.controller import Controller

KINDS = ["realm", "space", "stack"]
USER = model.SpaceDefaults(container=model.ContainerDefaults(user="1"))


def document(kind: str, name: str = "new", generation: int = 0, **labels: str) -> Any:
    metadata = model.Metadata(name=name, labels=labels, generation=generation)
    match kind:
        case "realm":
            return model.RealmDoc(metadata=metadata)
        case "space":
            return model.SpaceDoc(metadata=metadata, spec=model.SpaceSpec(realm_id="default"))
        case _:
            spec = model.StackSpec(realm_id="default", space_id="default")
            return model.StackDoc(metadata=metadata, spec=spec)


def level(found: Controller, kind: str) -> Any:
    return getattr(found.runner, f"{kind}s")


@pytest.mark.parametrize("kind", KINDS)
class TestEveryKind:
    async def test_labels_change_and_nothing_else(self, kind: str, tmp_path: Path) -> None:
        host = FakeHost()
        found = await prepared(host, tmp_path)
        made = await level(found, kind).converge(document(kind, old="x"), update=False)
        host.faults.log.clear()
        after = await level(found, kind).update(document(kind, team="a"))
        assert (after.before, after.existed, after.changed) == (made.doc, True, True)
        assert {key: value for key, value in after.doc.metadata.labels.items() if "." not in key} == {"team": "a"}
        assert (after.doc.spec, host.faults.log) == (made.doc.spec, [])
        assert after.doc.status.created_at == made.doc.status.created_at
        assert (await level(found, kind).update(document(kind, team="a"))).changed is False

    async def test_what_is_not_there_is_not_made(self, kind: str, tmp_path: Path) -> None:
        host = FakeHost()
        found = await prepared(host, tmp_path)
        done = host.faults.done
        with pytest.raises(errors.NotFound, match="new"):
            await level(found, kind).update(document(kind))
        assert host.faults.done == done

    async def test_a_change_that_is_based_on_an_older_one_is_told(self, kind: str, tmp_path: Path) -> None:
        host = FakeHost()
        found = await prepared(host, tmp_path)
        await level(found, kind).converge(document(kind), update=False)
        store = found.runner.context.store
        ref = model.ref_of(document(kind))
        if kind == "space":
            doc = document(kind)
            changed = msgspec.structs.replace(doc, spec=msgspec.structs.replace(doc.spec, defaults=USER))
            stored = (await found.runner.spaces.update(changed)).doc
        else:
            # Nothing that may change of these is part of the spec: as if a later version had changed it.
            stored = store.load(ref)
            stored = msgspec.structs.replace(stored, metadata=msgspec.structs.replace(stored.metadata, generation=2))
            store._memory.put(ref, stored)  # type: ignore[union-attr]
        assert stored.metadata.generation == 2
        done = host.faults.done
        for verb in (level(found, kind).update, lambda doc: level(found, kind).converge(doc, update=True)):
            with pytest.raises(errors.StaleResource, match="at generation 2, the change is based on 1") as caught:
                await verb(document(kind, generation=1, team="late"))
            assert "get it again" in caught.value.hint
        assert (store.load(ref), host.faults.done) == (stored, done)
        for generation in (2, 9, 0):
            await level(found, kind).update(document(kind, generation=generation, team=str(generation)))

    async def test_a_refresh_writes_the_status_when_it_changed_and_nothing_else(
        self, kind: str, tmp_path: Path
    ) -> None:
        host = FakeHost()
        found = await prepared(host, tmp_path)
        made = (await level(found, kind).converge(document(kind, team="a"), update=False)).doc
        ref = model.ref_of(made)
        path = tmp_path.joinpath("data", *ref.parts, "metadata.json")
        written = path.stat().st_ino
        assert await level(found, kind).refresh(ref) == (made, False)
        assert path.stat().st_ino == written
        host.kernel.cgroups = set()
        done = host.faults.done
        lost, rewritten = await level(found, kind).refresh(ref)
        assert (lost.status.state, rewritten) == ("Unknown", True)
        assert (lost.metadata, lost.spec, host.faults.done) == (made.metadata, made.spec, done)
        assert lost.status.created_at == made.status.created_at
        assert await level(found, kind).refresh(ref) == (lost, False)
        with pytest.raises(errors.NotFound):
            await level(found, kind).refresh(model.ref_of(document(kind, "never")))

    async def test_a_refresh_of_what_is_damaged_overwrites_nothing(self, kind: str, tmp_path: Path) -> None:
        host = FakeHost()
        found = await prepared(host, tmp_path)
        ref = model.ref_of((await level(found, kind).converge(document(kind), update=False)).doc)
        path = tmp_path.joinpath("data", *ref.parts, "metadata.json")
        path.write_text("{")
        fresh = controller(host, tmp_path)
        for work in (
            level(fresh, kind).refresh(ref),
            level(fresh, kind).update(document(kind)),
            level(fresh, kind).converge(document(kind), update=True),
        ):
            with pytest.raises(errors.CorruptMetadata, match=str(path)):
                await work
        assert path.read_text() == "{"
        await fresh.create_cell(cell("others-go-on"))

    async def test_of_many_changes_at_once_none_is_lost_half(self, kind: str, tmp_path: Path) -> None:
        """The document ends as if they had been applied in some order; who says a generation is told."""
        host = FakeHost()
        found = await prepared(host, tmp_path)
        await level(found, kind).converge(document(kind), update=False)
        host.faults.turns = lambda: 3
        wanted = [document(kind, one=str(number), two=str(number)) for number in range(8)]
        await asyncio.gather(*(level(found, kind).update(each) for each in wanted))
        labels = level(found, kind).get(model.ref_of(wanted[0])).metadata.labels
        assert labels["one"] == labels["two"]
        assert controller(host, tmp_path).runner.context.store.load(model.ref_of(wanted[0])).metadata.labels == labels


async def test_of_two_changes_that_say_the_same_generation_one_is_told(tmp_path: Path) -> None:
    found = await prepared(FakeHost(), tmp_path)
    await found.runner.spaces.converge(document("space"), update=False)

    def change(user: str) -> model.SpaceDoc:
        doc: model.SpaceDoc = document("space", generation=1)
        defaults = model.SpaceDefaults(container=model.ContainerDefaults(user=user))
        return msgspec.structs.replace(doc, spec=msgspec.structs.replace(doc.spec, defaults=defaults))

    both = await asyncio.gather(
        *(found.runner.spaces.update(change(user)) for user in ("1", "2")), return_exceptions=True
    )
    assert [isinstance(each, errors.StaleResource) for each in both] == [False, True]
    stored = found.runner.spaces.get(model.Ref("default", "new"))
    assert stored.spec.defaults == model.SpaceDefaults(container=model.ContainerDefaults(user="1"))


async def test_what_cannot_change_in_place_is_refused_before_anything_is_touched(tmp_path: Path) -> None:
    host = FakeHost()
    found = await prepared(host, tmp_path)
    before, done = found.runner.context.store.load(model.Ref("default")), host.faults.done
    other = model.RealmDoc(
        metadata=model.Metadata(name="default", labels={"team": "a"}), spec=model.RealmSpec(namespace="other")
    )
    with pytest.raises(errors.BreakingChange, match=r"spec\.namespace"):
        await found.runner.realms.update(other)
    space = model.SpaceDoc(
        metadata=model.Metadata(name="default", labels={"team": "a"}),
        spec=model.SpaceSpec(realm_id="default", cni_config_path="/etc/cni/mine.conflist"),
    )
    with pytest.raises(errors.BreakingChange, match=r"spec\.cniConfigPath"):
        await found.runner.spaces.update(space)
    assert (found.runner.context.store.load(model.Ref("default")), host.faults.done) == (before, done)


async def test_a_namespace_that_was_made_is_not_left_behind_by_a_realm_that_failed(tmp_path: Path) -> None:
    host = FakeHost()
    found = controller(host, tmp_path)

    def wanted(namespace: str) -> model.RealmDoc:
        return model.RealmDoc(metadata=model.Metadata(name="new"), spec=model.RealmSpec(namespace=namespace))

    with host.failing_at(1), pytest.raises(errors.HostError):
        await found.runner.realms.converge(wanted("first"), update=True)
    with host.failing_at(2), pytest.raises(errors.HostError):
        await found.runner.realms.converge(wanted("second"), update=True)
    with pytest.raises(errors.BreakingChange):
        await found.runner.realms.converge(wanted("third"), update=True)
    assert set(host.containers.labels) == {"second"}


async def test_an_apply_of_an_older_manifest_is_told(tmp_path: Path) -> None:
    found = await prepared(FakeHost(), tmp_path)
    old: model.SpaceDoc = document("space", generation=1)
    changed = msgspec.structs.replace(document("space"), spec=msgspec.structs.replace(old.spec, defaults=USER))
    for doc in (document("space"), changed):
        (result,) = (await found.apply_documents(manifest.dump([doc]).encode())).resources
        assert not result.error
    raw = msgspec.yaml.encode(
        {
            "apiVersion": "v1beta1",
            "kind": "Space",
            "metadata": {"name": "new", "generation": 1},
            "spec": {"realmId": "default"},
        }
    )
    (late,) = (await found.apply_documents(raw)).resources
    assert (late.action, late.details["kind"]) == (model.ApplyAction.FAILED, "StaleResource")
    assert found.runner.spaces.get(model.Ref("default", "new")).spec.defaults == USER
