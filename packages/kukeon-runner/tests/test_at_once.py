"""Several clients at once: what comes out is what some order of theirs would have given, and nothing is left behind."""

from __future__ import annotations

import asyncio
import itertools
import random
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from kukeon_api import errors, manifest, model
from kukeon_runner.controller import Controller
from kukeon_runner.testing.cells import cell, container, controller, prepared
from kukeon_runner.testing.host import FakeHost

Verb = Callable[[Controller], Awaitable[object]]

CELL = cell("hello")
STACK = model.Ref("default", "default", "default")
REF = STACK.child("hello")
WIDE = cell("hello", container("web"), container("side"))
OTHER = cell("hello", container("web", env=("A=1",)))
ROOTED = cell("hello", container("web", root=True), container("side"))


def apply(*docs: model.Doc, dry_run: bool = False) -> Verb:
    text = manifest.dump(list(docs)).encode()

    async def verb(found: Controller) -> object:
        results = (await found.apply_documents(text, dry_run=dry_run)).resources
        return [(each.action, each.details.get("kind", "")) for each in results]

    return verb


def delete(*docs: model.Doc) -> Verb:
    text = manifest.dump(list(docs)).encode()

    async def verb(found: Controller) -> object:
        results = (await found.delete_documents(text)).resources
        return [(each.action, each.details.get("kind", "")) for each in results]

    return verb


def single(id: str) -> model.ContainerDoc:
    spec = container(id, realm_id="default", space_id="default", stack_id="default", cell_id="hello")
    return model.ContainerDoc(metadata=model.Metadata(name=id), spec=spec)


async def delete_stack(found: Controller) -> object:
    spec = model.StackSpec(realm_id="default", space_id="default")
    return await found.delete_stack(model.StackDoc(metadata=model.Metadata(name="default"), spec=spec), False, True)


async def delete_realm(found: Controller) -> object:
    return await found.delete_realm(model.RealmDoc(metadata=model.Metadata(name="default")), False, True)


VERBS: dict[str, Verb] = {
    "create": lambda found: found.create_cell(CELL),
    "apply": apply(CELL),
    "apply wide": apply(WIDE),
    "apply other": apply(OTHER),
    "apply rooted": apply(ROOTED),
    "apply side": apply(single("side")),
    "try other": apply(OTHER, dry_run=True),
    "delete side": delete(single("side")),
    "delete document": delete(CELL),
    "apply more": apply(single("more")),
    "start": lambda found: found.start_cell(CELL),
    "stop": lambda found: found.stop_cell(CELL),
    "kill": lambda found: found.kill_cell(CELL),
    "delete": lambda found: found.delete_cell(CELL),
    "stop web": lambda found: found.stop_container(single("web")),
    "start web": lambda found: found.start_container(single("web")),
    "restart web": lambda found: found.restart_container(single("web")),
    "create side": lambda found: found.create_container(single("side")),
    "delete web": lambda found: found.delete_container(single("web")),
    "purge web": lambda found: found.purge_container(single("web")),
    "restart": lambda found: found.restart_cell(CELL),
    "purge": lambda found: found.purge_cell(CELL),
    "create stopped": lambda found: found.create_cell(CELL, no_start=True),
    "reconcile": lambda found: found.reconcile(),
    "refresh": lambda found: found.refresh_all(),
    "delete stack": delete_stack,
}


async def tried(found: Controller, verb: str) -> str:
    """What a client is told, as far as the order of things decides it."""
    try:
        result = await VERBS[verb](found)
    except errors.KukeonError as error:
        return type(error).__name__
    return str(result) if isinstance(result, list) else "done"


def outcome(found: Controller, host: FakeHost) -> object:
    """What there is in the end."""
    doc = found.runner.cells.find(REF)
    stored = None
    if doc is not None:
        states = [(each.name, each.state) for each in doc.status.containers]
        stored = (doc.spec.containers, doc.status.desired, doc.status.state, states)
    # The same places, whichever directory an attempt was given.
    home = found.runner.context.layout.run_path
    traces = {kind: {str(each).replace(home, "") for each in held} for kind, held in host.traces().items()}
    attached = set(host.network.addresses)
    return stored, traces | {"attachments": attached}, found.runner.stacks.find(STACK) is not None


async def ready(host: FakeHost, run_path: Path, *, exists: bool) -> Controller:
    found = await prepared(host, run_path)
    if exists:
        await found.create_cell(CELL)
    return found


async def in_order(verbs: tuple[str, ...], run_path: Path, *, exists: bool) -> tuple[dict[int, str], object]:
    """What clients are told, by their place in `verbs`, and what there is, when they come one after the other."""
    host = FakeHost()
    found = await ready(host, run_path, exists=exists)
    told = [await tried(found, verb) for verb in verbs]
    return dict(enumerate(told)), outcome(found, host)


async def at_once(verbs: tuple[str, ...], seed: int, run_path: Path, *, exists: bool) -> tuple[dict[int, str], object]:
    host = FakeHost()
    found = await ready(host, run_path, exists=exists)
    chance = random.Random(seed)
    host.faults.turns = lambda: chance.randrange(4)
    told = await asyncio.gather(*(tried(found, verb) for verb in verbs))
    seen = outcome(found, host)
    # A daemon that starts afresh finds the same, and everything can go.
    fresh = controller(host, run_path)
    assert outcome(fresh, host) == seen
    await delete_realm(fresh)
    left = host.traces() | host.networks()
    assert left.pop("cgroups") == {"/kukeon"}
    assert not any(left.values()), left
    return dict(enumerate(told)), seen


def mostly_atomic(verbs: list[str]) -> bool:
    """An apply makes parents, then the cell: two deletions of the parents can each come in between."""
    return verbs.count("delete stack") < 2


@given(
    st.lists(st.sampled_from(sorted(VERBS)), min_size=2, max_size=3).filter(mostly_atomic),
    st.booleans(),
    st.integers(0, 1_000_000),
)
@settings(max_examples=25)
def test_verbs_at_once_end_as_in_some_order(verbs: list[str], exists: bool, seed: int) -> None:
    async def story(directory: Path) -> None:
        mixed = await at_once(tuple(verbs), seed, directory / "mixed", exists=exists)
        possible = []
        for number, order in enumerate(itertools.permutations(range(len(verbs)))):
            told, there = await in_order(tuple(verbs[at] for at in order), directory / str(number), exists=exists)
            possible.append(({order[at]: words for at, words in told.items()}, there))
        assert mixed in possible, f"{mixed}\nis none of\n" + "\n".join(map(str, possible))

    with tempfile.TemporaryDirectory() as directory:
        asyncio.run(story(Path(directory)))


def unsteady(host: FakeHost, seed: int = 1) -> FakeHost:
    chance = random.Random(seed)
    host.faults.turns = lambda: chance.randrange(4)
    return host


async def test_container_documents_for_one_cell_all_stay(tmp_path: Path) -> None:
    host = unsteady(FakeHost())
    found = await prepared(host, tmp_path)
    docs = [single(f"c{number}") for number in range(8)]
    told = await apply(CELL, *docs)(found)
    assert told == [("created", "")] * 9
    stored = found.runner.cells.get(REF)
    assert {each.id for each in stored.spec.containers} == {"web", *(each.metadata.name for each in docs)}
    assert len(host.containers.tasks) == 10


async def test_a_cell_waits_for_what_is_being_made_for_it(tmp_path: Path) -> None:
    for turns in range(1, 40, 2):
        host = FakeHost()
        found = controller(host, tmp_path / str(turns))
        host.images.add("default.kukeon.io", CELL.spec.containers[0].image)
        host.faults.turns = lambda: 2
        first = asyncio.create_task(tried(found, "apply"))
        for _ in range(turns):
            await asyncio.sleep(0)
        told = await asyncio.gather(first, tried(found, "apply wide"))
        assert all("failed" not in words for words in told), told
        assert {each.status for each in host.containers.tasks.values()} == {"running"}


async def test_a_stale_writer_is_told_and_nothing_of_the_other_is_lost(tmp_path: Path) -> None:
    for seed in range(6):
        found = await prepared(unsteady(FakeHost(), seed), tmp_path / str(seed))
        await found.create_cell(CELL)
        read = (await found.get_cell(CELL)).cell
        both = [
            manifest.dump(doc).replace("  name: hello", f"  name: hello\n  generation: {read.metadata.generation}", 1)
            for doc in (OTHER, cell("hello", container("web", env=("A=2",))))
        ]
        told = await asyncio.gather(*(found.apply_documents(text.encode()) for text in both))
        (first,), (second,) = (each.resources for each in told)
        assert sorted([first.action, second.action]) == ["failed", "updated"]
        loser = first if first.action == "failed" else second
        assert loser.details["kind"] == "StaleResource"
        (web,) = found.runner.cells.get(REF).spec.containers
        assert web.env == (("A=1",) if loser is second else ("A=2",))


async def test_the_same_many_documents_at_once_make_everything_once(tmp_path: Path) -> None:
    host = unsteady(FakeHost())
    found = await prepared(host, tmp_path)
    docs = [cell(f"c{number}") for number in range(8)]
    told = await asyncio.gather(*(apply(*docs)(found) for _ in range(3)))
    assert [sorted(results) for results in zip(*told, strict=True)] == [
        [("created", ""), ("unchanged", ""), ("unchanged", "")]
    ] * 8
    assert len(host.containers.tasks) == 16


async def test_many_cells_at_once_each_have_an_address_of_their_own(tmp_path: Path) -> None:
    host = unsteady(FakeHost())
    found = await prepared(host, tmp_path)
    clean = host.traces()
    cells = [cell(f"c{number}") for number in range(40)]
    made = await asyncio.gather(*(found.create_cell(each) for each in cells))
    addresses = {each.cell.status.network.address for each in made if each.cell.status.network}
    assert len(addresses) == 40
    assert {each.cell.status.state for each in made} == {model.CellState.READY}
    await asyncio.gather(*(found.delete_cell(each) for each in cells))
    assert host.traces() == clean


async def test_nothing_waits_for_ever_on_a_lock(tmp_path: Path) -> None:
    found = await prepared(unsteady(FakeHost()), tmp_path)
    await asyncio.gather(*(tried(found, verb) for verb in sorted(VERBS) * 3))
    assert found.runner.context.lock.statistics() == (0, 0)
