"""Laws of apply, for any documents that the rules accept."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kukeon_api import diff, image_ref, labels, manifest, model, normalise, testing
from kukeon_runner.testing.cells import NAMESPACE, prepared
from kukeon_runner.testing.host import FakeHost

if TYPE_CHECKING:
    from kukeon_runner.controller import Controller

REF = model.Ref("default", "default", "default", "hello")
PLACE = {"realm_id": "default", "space_id": "default", "stack_id": "default"}


def placed(doc: model.CellDoc) -> model.CellDoc:
    metadata = msgspec.structs.replace(doc.metadata, name="hello")
    return msgspec.structs.replace(doc, metadata=metadata, spec=msgspec.structs.replace(doc.spec, **PLACE))


def default_space(doc: model.SpaceDoc) -> model.SpaceDoc:
    metadata = msgspec.structs.replace(doc.metadata, name="default")
    return msgspec.structs.replace(doc, metadata=metadata, spec=msgspec.structs.replace(doc.spec, realm_id="default"))


cells = testing.cells().map(placed)
spaces = testing.spaces.map(default_space)
SLOW = {
    "max_examples": 25,
    "deadline": None,
    "suppress_health_check": [HealthCheck.too_slow, HealthCheck.data_too_large],
}


def furnished(host: FakeHost, *docs: model.CellDoc) -> None:
    """Have the images and the volumes that the cells name."""
    for doc in docs:
        for each in doc.spec.containers:
            host.images.add(NAMESPACE, image_ref.normalise(each.image))
            for volume in each.volumes:
                host.kernel.files.setdefault(volume.source, "")


async def applied(found: Controller, *docs: model.Doc) -> list[model.ApplyAction]:
    text = "---\n".join(manifest.dump(each) for each in docs)
    results = (await found.apply_documents(text.encode())).resources
    assert not any(each.error for each in results), results
    return [each.action for each in results]


def outcome(found: Controller, host: FakeHost) -> dict[str, Any]:
    """What there is of the cell in the end, whichever way it went."""
    doc = found.runner.cells.get(REF)
    states = [(each.name, each.state) for each in doc.status.containers]
    traces = host.traces()
    return {
        "spec": doc.spec,
        "labels": doc.metadata.labels,
        "state": (doc.status.state, doc.status.desired, doc.status.reason, states),
        "records": {key: (step.spec, step.user, step.image) for key, step in host.containers.records.items()},
        **{kind: traces[kind] for kind in ("tasks", "snapshots", "cgroups", "shms", "residue")},
        "pins": set(host.kernel.pins),
        "attached": set(host.network.addresses),
    }


def can_follow(a: model.CellDoc, b: model.CellDoc) -> bool:
    """A root container of the user's own cannot be taken away."""
    rooted = [any(each.root for each in doc.spec.containers) for doc in (a, b)]
    return rooted != [True, False]


@given(spaces, cells)
@settings(**SLOW)
def test_applied_again_it_is_unchanged_and_nothing_is_touched(space: model.SpaceDoc, doc: model.CellDoc) -> None:
    async def story(directory: Path) -> None:
        host = FakeHost()
        found = await prepared(host, directory)
        furnished(host, doc)
        await applied(found, space, doc)
        host.faults.log.clear()
        assert await applied(found, space, doc) == [model.ApplyAction.UNCHANGED] * 2
        # What get prints is as good as the manifest.
        stored = (await found.get_cell(doc)).cell
        assert await applied(found, stored) == [model.ApplyAction.UNCHANGED]
        assert host.faults.log == []

    with tempfile.TemporaryDirectory() as directory:
        asyncio.run(story(Path(directory)))


@given(spaces, cells, cells, st.booleans())
@settings(**SLOW)
def test_the_last_one_applied_is_all_that_counts(
    space: model.SpaceDoc, a: model.CellDoc, b: model.CellDoc, alike: bool
) -> None:
    if alike:  # containers that are there before and after
        own = tuple(msgspec.structs.replace(each, id=f"c{at}") for at, each in enumerate(a.spec.containers))
        a = msgspec.structs.replace(a, spec=msgspec.structs.replace(a.spec, containers=own))
        own = tuple(msgspec.structs.replace(each, id=f"c{at}") for at, each in enumerate(b.spec.containers))
        b = msgspec.structs.replace(b, spec=msgspec.structs.replace(b.spec, containers=own))
    if not can_follow(a, b):
        a, b = b, a

    async def story(directory: Path) -> None:
        ends = []
        for number, docs in enumerate([(a, b), (b,)]):
            host = FakeHost()
            found = await prepared(host, directory / str(number))
            furnished(host, a, b)
            for doc in docs:
                await applied(found, space, doc)
            ends.append(outcome(found, host))
        # The run path is another one, and so the names of files in it.
        first, second = (msgspec.json.encode(msgspec.to_builtins(_plain(each))) for each in ends)
        assert first.replace(f"{directory}/0".encode(), b"") == second.replace(f"{directory}/1".encode(), b"")

    with tempfile.TemporaryDirectory() as directory:
        asyncio.run(story(Path(directory)))


def _plain(value: Any) -> Any:
    """Anything as something that has one spelling."""
    if isinstance(value, dict):
        return [[str(key), _plain(value[key])] for key in sorted(value, key=str)]
    if isinstance(value, set):
        return sorted(map(str, value))
    if isinstance(value, tuple | list):
        return [_plain(each) for each in value]
    return value


@given(spaces, cells, cells)
@settings(max_examples=30)
def test_what_is_told_is_what_differs(space: model.SpaceDoc, a: model.CellDoc, b: model.CellDoc) -> None:
    before, after = (normalise.effective(normalise.normalise(doc), normalise.normalise(space).spec) for doc in (a, b))
    same = before.spec == after.spec and labels.authored(a.metadata.labels) == labels.authored(b.metadata.labels)
    assert bool(diff.cell(before, after)) is bool(diff.cell(after, before)) is not same
