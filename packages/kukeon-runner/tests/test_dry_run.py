"""A dry run tells what the real one will, and does nothing."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kukeon_api import manifest, model
from kukeon_runner import credentials
from kukeon_runner.dryrun.store import DryStore, DrySubnets
from kukeon_runner.store import Store
from kukeon_runner.subnets import Subnets
from kukeon_runner.testing.cells import IMAGE, NAMESPACE, cell, container, controller, prepared
from kukeon_runner.testing.host import FakeHost

if TYPE_CHECKING:
    from kukeon_runner.controller import Controller

HELLO = model.Ref("default", "default", "default", "hello")


def labelled(doc: Any, **labels: str) -> Any:
    return msgspec.structs.replace(doc, metadata=msgspec.structs.replace(doc.metadata, labels=labels))


def realm(name: str, **spec: Any) -> model.RealmDoc:
    return model.RealmDoc(metadata=model.Metadata(name=name), spec=model.RealmSpec(**spec))


def space(name: str, realm: str = "default", **defaults: Any) -> model.SpaceDoc:
    filled = model.SpaceDefaults(container=model.ContainerDefaults(**defaults)) if defaults else None
    return model.SpaceDoc(metadata=model.Metadata(name=name), spec=model.SpaceSpec(realm_id=realm, defaults=filled))


def stack(name: str, space: str = "default") -> model.StackDoc:
    return model.StackDoc(metadata=model.Metadata(name=name), spec=model.StackSpec(realm_id="default", space_id=space))


def within(doc: model.CellDoc, **place: str) -> model.CellDoc:
    return msgspec.structs.replace(doc, spec=msgspec.structs.replace(doc.spec, **place))


def single(id: str, cell: str = "hello", **fields: Any) -> model.ContainerDoc:
    place = {"realm_id": "default", "space_id": "default", "stack_id": "default", "cell_id": cell}
    return model.ContainerDoc(metadata=model.Metadata(name=id), spec=container(id, **place | fields))


def files(run_path: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in run_path.rglob("*") if path.is_file()}


def everything(found: Controller, host: FakeHost, run_path: Path) -> object:
    """All that is stored and on the host."""
    docs = [found.runner.context.store.docs(kind) for kind in ("Realm", "Space", "Stack", "Cell")]
    tasks = dict(host.containers.tasks)
    return docs, files(run_path), host.traces() | host.networks(), tasks, dict(host.kernel.files), list(host.faults.log)


def text(*docs: model.Doc) -> bytes:
    return "---\n".join(manifest.dump(each) for each in docs).encode()


async def told(found: Controller, *docs: model.Doc, **how: Any) -> tuple[model.ApplyResourceResult, ...]:
    return (await found.apply_documents(text(*docs), **how)).resources


async def agreed(
    found: Controller, host: FakeHost, run_path: Path, *docs: model.Doc, prune: str = ""
) -> tuple[model.ApplyResourceResult, ...]:
    """Apply dry and then in earnest: the same is told, and the dry run has changed nothing."""
    before = everything(found, host, run_path)
    dry = await told(found, *docs, dry_run=True, prune=prune)
    assert everything(found, host, run_path) == before
    assert await told(found, *docs, prune=prune) == dry
    return dry


def actions(results: tuple[model.ApplyResourceResult, ...]) -> list[str]:
    return [each.action.value for each in results]


@pytest.mark.parametrize(
    ("dry", "real", "derived"),
    [
        (DryStore, Store, {"load", "docs", "exclusive"}),
        (DrySubnets, Subnets, {"allocate", "allocated", "damage"}),
        (credentials.DryStore, credentials.Store, set()),
    ],
)
def test_no_method_reaches_the_disk_by_being_forgotten(dry: type, real: type, derived: set[str]) -> None:
    public = {name for name in vars(real) if not name.startswith("_")}
    assert public - derived <= vars(dry).keys()


async def test_where_there_is_nothing_yet(tmp_path: Path) -> None:
    host = FakeHost()
    found = controller(host, tmp_path)
    host.images.add(NAMESPACE, IMAGE)
    dry = await agreed(found, host, tmp_path, cell("hello"), single("side"))
    assert actions(dry) == ["created", "created"]
    assert dry[0].changes == ('realm "default" created', 'space "default" created', 'stack "default" created')
    assert actions(await agreed(found, host, tmp_path, cell("hello"), single("side"))) == ["unchanged"] * 2


async def test_documents_that_need_earlier_ones_of_the_same_input(tmp_path: Path) -> None:
    host = FakeHost()
    found = await prepared(host, tmp_path)
    docs = (
        realm("other"),
        space("web", user="1000"),
        stack("app", "web"),
        within(cell("hello"), space_id="web", stack_id="app"),
        within(cell("alone"), space_id="web", stack_id="missing"),
        # No image is in the realm that only comes to be here, so both runs fail with the same words.
        within(cell("poor"), realm_id="other"),
    )
    dry = await agreed(found, host, tmp_path, *docs)
    assert actions(dry) == ["created"] * 5 + ["failed"]
    assert (dry[-1].details["kind"], dry[4].changes) == ("ImageNotFound", ('stack "missing" created',))
    assert actions(await agreed(found, host, tmp_path, *docs[:5])) == ["unchanged"] * 5


@pytest.mark.parametrize("state", ["running", "stopped", "killed", "hurt", "failed", "half gone"])
async def test_whatever_the_cell_is_like(state: str, tmp_path: Path) -> None:
    doc = cell("hello", container("web"), container("db"))
    for number, wanted in enumerate(
        [
            doc,
            cell("hello", container("web", env=("A=1",)), container("new")),
            cell("hello", container("web", root=True), container("db")),
            cell("hello", container("web", image="docker.io/library/none:1")),
            labelled(doc, app="web"),
        ]
    ):
        host = FakeHost()
        run_path = tmp_path / str(number)
        found = await prepared(host, run_path)
        if state == "failed":
            host.images.present.clear()
        await told(found, doc)
        match state:
            case "stopped":
                await found.stop_cell(doc)
            case "killed":
                await found.kill_cell(doc)
            case "hurt":
                host.containers.end(NAMESPACE, "default_default_hello_web", 1)
            case "half gone":
                host.reboot()
            case "failed":
                host.images.add(NAMESPACE, IMAGE)
        await agreed(found, host, run_path, wanted)


async def test_what_is_refused_is_refused_with_the_same_words(tmp_path: Path) -> None:
    host = FakeHost()
    found = await prepared(host, tmp_path)
    rooted = cell("hello", container("web", root=True))
    await told(found, rooted)
    dry = await agreed(
        found,
        host,
        tmp_path,
        realm("default", namespace="elsewhere"),
        realm("thief", namespace=NAMESPACE),
        cell("hello", container("web")),
        single("web", "nowhere"),
    )
    kinds = [each.details.get("kind") for each in dry]
    assert kinds == ["BreakingChange", "Conflict", "BreakingChange", "CellNotFound"]
    assert set(actions(dry)) == {"failed"}


async def test_many_cells(tmp_path: Path) -> None:
    host = FakeHost()
    found = await prepared(host, tmp_path)
    docs = [cell(f"c{number}") for number in range(8)]
    assert actions(await agreed(found, host, tmp_path, *docs)) == ["created"] * 8
    await found.kill_cell(docs[3])
    assert sorted(actions(await agreed(found, host, tmp_path, *docs))) == ["unchanged"] * 7 + ["updated"]


async def test_passwords_change_without_being_told(tmp_path: Path) -> None:
    host = FakeHost()
    found = await prepared(host, tmp_path)

    def login(password: str, user: str = "me") -> model.RealmDoc:
        entry = model.RegistryCredentials(server_address="r.example", username=user, password=password)
        return realm("default", registry_credentials=(entry,))

    told = [
        await agreed(found, host, tmp_path, login(password, user))
        for password, user in [("hunter2", "me"), ("hunter2", "me"), ("", "me"), ("swordfish", "me"), ("", "you")]
    ]
    assert [actions(each) for each in told] == [["updated"], ["unchanged"], ["unchanged"], ["updated"], ["failed"]]
    assert told[3][0].changes == ("password of 'r.example' as 'me'",)
    assert not any(word in str(told) for word in ("hunter2", "swordfish"))


async def test_what_would_be_pruned(tmp_path: Path) -> None:
    host = FakeHost()
    found = await prepared(host, tmp_path)
    await told(found, labelled(space("old"), app="web"), labelled(cell("a"), app="web"), labelled(cell("b"), app="web"))
    dry = await agreed(found, host, tmp_path, labelled(cell("a"), app="web"), prune="app=web")
    assert [(each.action, each.kind, each.name) for each in dry] == [
        ("unchanged", "Cell", "a"),
        ("pruned", "Cell", "b"),
        ("pruned", "Space", "old"),
    ]
    assert len(await agreed(found, host, tmp_path, labelled(cell("a"), app="web"), prune="app=web")) == 1


async def test_it_waits_for_nobody(tmp_path: Path) -> None:
    found = await prepared(FakeHost(), tmp_path)
    await told(found, cell("hello"))
    async with found.runner.context.lock(HELLO):
        async with asyncio.timeout(20):
            dry = await told(found, cell("hello", container("web", env=("A=1",))), dry_run=True)
    assert actions(dry) == ["updated"]


# Inputs drawn from a small world, so that one often meets what another left.
_containers = st.lists(
    st.builds(
        container,
        st.sampled_from(["web", "db", "side"]),
        image=st.sampled_from([IMAGE, IMAGE, IMAGE, "docker.io/library/none:1"]),
        env=st.sampled_from([(), ("A=1",), ("A=2",)]),
        root=st.sampled_from([False, False, False, True]),
        user=st.sampled_from([None, None, "", "1000"]),
        labels=st.sampled_from([{}, {"app": "web"}]),
    ),
    min_size=1,
    max_size=3,
    unique_by=lambda each: each.id,
).filter(lambda found: sum(each.root for each in found) < 2)
_labels = st.sampled_from([{}, {}, {"app": "web"}, {"app": "db"}])
_cells = st.builds(
    lambda name, found, labels, stack: within(labelled(cell(name, *found), **labels), stack_id=stack),
    st.sampled_from(["hello", "other", "third"]),
    _containers,
    _labels,
    st.sampled_from(["default", "default", "app"]),
)
_spaces = st.builds(
    lambda name, user, labels: labelled(space(name, **({} if user is None else {"user": user})), **labels),
    st.sampled_from(["default", "web"]),
    st.sampled_from([None, "1", "2"]),
    _labels,
)
_stacks = st.builds(
    lambda name, space, labels: labelled(stack(name, space), **labels),
    st.sampled_from(["default", "app"]),
    st.sampled_from(["default", "web"]),
    _labels,
)
_singles = st.builds(
    lambda id, cell, env: single(id, cell, env=env),
    st.sampled_from(["web", "db", "side"]),
    st.sampled_from(["hello", "other"]),
    st.sampled_from([(), ("A=1",)]),
)
_realms = st.builds(lambda labels: labelled(realm("default"), **labels), _labels)
inputs = st.lists(
    st.one_of(_cells, _cells, _spaces, _stacks, _singles, _realms), min_size=1, max_size=4, unique_by=model.ref_of
)
prunes = st.sampled_from(["", "", "app=web", "app in (web,db)"])
_troubles = st.lists(st.sampled_from(["stop", "kill", "reboot", "end"]), max_size=1)


async def trouble(found: Controller, host: FakeHost, what: str) -> None:
    if what == "reboot":
        host.reboot()
        return
    for doc in found.runner.context.store.docs(model.CellDoc):
        if what == "end":
            running = [key for key, task in host.containers.tasks.items() if task.status == "running"]
            if running:
                host.containers.end(*running[0], 1)
            return
        await getattr(found, f"{what}_cell")(doc)
        return


@given(st.lists(st.tuples(inputs, prunes, _troubles), min_size=1, max_size=3))
@settings(max_examples=60)
def test_a_dry_run_is_right_about_anything(story: list[tuple[list[model.Doc], str, list[str]]]) -> None:
    async def run(directory: Path) -> None:
        host = FakeHost()
        found = await prepared(host, directory)
        for docs, prune, troubles in story:
            dry = await agreed(found, host, directory, *docs, prune=prune)
            # What did not fail is as it should be, and says so.
            own = [(doc, result) for result in dry if result.index >= 0 for doc in [docs[result.index]]]
            fine = [doc for doc, result in own if result.action is not model.ApplyAction.FAILED]
            if fine and len(fine) == len(own):
                again = await told(found, *fine)
                assert set(actions(again)) == {"unchanged"}, again
            for each in troubles:
                await trouble(found, host, each)

    with tempfile.TemporaryDirectory() as directory:
        asyncio.run(run(Path(directory)))
