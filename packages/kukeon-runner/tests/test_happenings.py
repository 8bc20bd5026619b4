"""Events: what is told, to whom, and from where on."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
from typing import TYPE_CHECKING

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kukeon_api import errors, model
from kukeon_api import happenings as api_happenings
from kukeon_runner import happenings, observed
from kukeon_runner.testing.cells import NAMESPACE, cell, container, prepared
from kukeon_runner.testing.host import FakeHost

if TYPE_CHECKING:
    from pathlib import Path

    from kukeon_runner.controller import Controller

NOW = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
A = "default_default_hello_a"
CELL = "default/default/default/hello"
E = model.EventType


async def told(found: Controller, since: str = "", **within: str) -> list[model.Event]:
    return [event async for event in found.events(since=since, **within)]


def words(events: list[model.Event]) -> list[tuple[str, str]]:
    return [(event.ref, str(event.type)) for event in events]


async def test_an_image_that_cannot_be_pulled_is_told_once(tmp_path: Path) -> None:
    host = FakeHost()
    found = await prepared(host, tmp_path)
    start = (await told(found))[-1].cursor
    doc = cell("hello", container("a", image="registry.example/app:1", restart_policy="always"))
    for _ in range(2):
        with pytest.raises(errors.ImageNotFound):
            await found.create_cell(doc)
    events = await told(found, start)
    failed = [event for event in events if event.type is E.FAILED]
    assert [(event.ref, event.reason, event.state) for event in failed] == [
        (f"{CELL}/a", "ImagePullFailed", "NotCreated")
    ] * 2, "once for each command"
    assert "registry.example" in failed[0].message


async def test_the_life_of_a_cell_is_told(tmp_path: Path) -> None:
    host = FakeHost()
    found = await prepared(host, tmp_path)
    start = (await told(found))[-1].cursor
    await found.create_cell(cell("hello", container("a"), container("b")))
    host.containers.end(NAMESPACE, A, 3)
    await found.reconcile()
    await found.delete_cell(cell("hello"))
    events = await told(found, start)
    assert words(events) == [
        (CELL, "Created"),
        (f"{CELL}/a", "Created"),
        (f"{CELL}/b", "Created"),
        (f"{CELL}/a", "Started"),
        (f"{CELL}/b", "Started"),
        (CELL, "StateChanged"),
        (f"{CELL}/a", "Exited"),
        (CELL, "StateChanged"),
        (CELL, "Deleted"),
    ]
    by_type = {event.type: event for event in events}
    assert (by_type[E.EXITED].exit_code, by_type[E.EXITED].state) == (3, "Error")
    assert [event.state for event in events if event.type is E.STATE_CHANGED] == ["Ready", "Degraded"]


def test_a_life_that_nobody_saw_begins_before_it_ends() -> None:
    before = cell("hello", container("a"))
    ended = NOW + dt.timedelta(milliseconds=3)
    status = model.ContainerStatus(
        name="a", state=model.ContainerState.ERROR, start_time=NOW, finish_time=ended, exit_code=3
    )
    old = msgspec.structs.replace(before, status=model.CellStatus(containers=(model.ContainerStatus(name="a"),)))
    new = msgspec.structs.replace(before, status=model.CellStatus(containers=(status,)))
    found = [(each.type, each.at, each.state) for each in api_happenings.between(old, new, ended)]
    assert found == [(E.STARTED, NOW, "Ready"), (E.EXITED, ended, "Error")]


async def test_what_a_person_does_is_told_as_that(tmp_path: Path) -> None:
    found = await prepared(FakeHost(), tmp_path)
    await found.create_cell(cell("hello", container("a")))
    start = (await told(found))[-1].cursor
    await found.stop_cell(cell("hello"))
    await found.start_cell(cell("hello"))
    await found.kill_cell(cell("hello"))
    assert words(await told(found, start, cell="hello")) == [
        (f"{CELL}/a", "Stopped"),
        (CELL, "StateChanged"),
        (CELL, "StateChanged"),
        (f"{CELL}/a", "Started"),
        (CELL, "StateChanged"),
        (f"{CELL}/a", "Killed"),
        (CELL, "StateChanged"),
    ]


async def test_restarts_memory_and_failures_are_told(tmp_path: Path) -> None:
    host = FakeHost()
    found = await prepared(host, tmp_path)
    await found.create_cell(cell("hello", container("a", restart_policy="always")))
    start = (await told(found))[-1].cursor
    host.containers.end(NAMESPACE, A, 137)
    told_of = observed.Told(out_of_memory={A: found.runner.context.now()})
    await found.runner.cells.reconcile(model.Ref.parse(CELL), lambda: told_of)
    types = [event.type for event in await told(found, start)]
    assert types[:2] == [E.OOM_KILLED, E.EXITED]
    assert {E.RESTARTING, E.STARTED} <= set(types)
    host.containers.broken.add("default_default_other_a")
    with pytest.raises(errors.StartContainer):
        await found.create_cell(cell("other", container("a")))
    failed = [event for event in await told(found, start) if event.type is E.FAILED]
    assert [(event.ref, event.reason) for event in failed] == [("default/default/default/other", "CreateCellFailed")]


async def test_scopes_and_kinds_choose(tmp_path: Path) -> None:
    found = await prepared(FakeHost(), tmp_path)
    await found.create_cell(cell("hello", container("a")))
    await found.create_cell(cell("other", container("a")))
    assert {event.ref.split("/")[3] for event in await told(found, cell="other")} == {"other"}
    kinds = [event.kind async for event in found.events(kinds=("Space", "Stack"))]
    assert set(kinds) == {"Space", "Stack"}
    assert await told(found, realm="nobody") == []
    with pytest.raises(errors.Invalid) as raised:
        [event async for event in found.events(kinds=("cel",))]
    assert "Cell" in raised.value.hint


async def test_a_dry_run_is_no_event(tmp_path: Path) -> None:
    found = await prepared(FakeHost(), tmp_path)
    before = await told(found)
    text = b"kind: Realm\nmetadata: {name: other}"
    await found.apply_documents(text, True)
    assert await told(found) == before


async def test_a_follower_misses_nothing_and_goes_on_where_it_was(tmp_path: Path) -> None:
    found = await prepared(FakeHost(), tmp_path)
    seen: list[model.Event] = []

    async def follow(since: str, count: int) -> None:
        async with contextlib.aclosing(found.events(since=since, follow=True)) as events:
            async for event in events:
                seen.append(event)
                if len(seen) == count:
                    return

    following = asyncio.create_task(follow("", 2))
    await asyncio.sleep(0)
    await found.create_cell(cell("hello", container("a")))
    await following
    await asyncio.wait_for(follow(seen[-1].cursor, 4), 5)
    assert words(seen) == [
        (CELL, "Created"),
        (f"{CELL}/a", "Created"),
        (f"{CELL}/a", "Started"),
        (CELL, "StateChanged"),
    ]


def ring(count: int, remembered: int = 100) -> happenings.Happenings:
    found = happenings.Happenings(remembered)
    for number in range(count):
        found.tell(None, model.RealmDoc(metadata=model.Metadata(name=f"r{number}")), NOW)
    return found


async def read(found: happenings.Happenings, since: str = "") -> list[model.Event]:
    return [event async for event in found.events(since)]


async def test_whoever_comes_back_too_late_is_told_so() -> None:
    found = ring(5, remembered=3)
    assert [event.ref for event in await read(found)] == ["r2", "r3", "r4"]
    epoch = (await read(found))[0].cursor.partition("-")[0]
    missed = await read(found, f"{epoch}-1")
    assert [event.type for event in missed] == [E.RESYNC, E.CREATED, E.CREATED, E.CREATED]
    assert await read(found, missed[-1].cursor) == []
    # What comes with the gap is a cursor, too.
    assert [event.ref for event in await read(found, missed[0].cursor)] == ["r2", "r3", "r4"]


async def test_a_cursor_of_another_kukeond_is_no_use() -> None:
    old = (await read(ring(2)))[-1].cursor
    assert [event.type for event in await read(ring(1), old)] == [E.RESYNC, E.CREATED]
    empty = await read(ring(0), old)
    assert [event.type for event in empty] == [E.RESYNC]
    assert await read(ring(0), "") == []


async def test_a_slow_follower_is_told_what_it_missed() -> None:
    found = ring(2, remembered=3)
    async with contextlib.aclosing(found.events(follow=True, since=(await read(found))[0].cursor)) as events:
        assert (await anext(events)).ref == "r1"
        for number in range(9):
            found.tell(None, model.RealmDoc(metadata=model.Metadata(name=f"n{number}")), NOW)
        assert (await anext(events)).type is E.RESYNC
        assert (await anext(events)).ref == "n6"


@given(st.text(max_size=40))
def test_any_text_for_a_cursor_is_refused_or_a_gap(text: str) -> None:
    async def story() -> None:
        try:
            events = await read(ring(2), text)
        except errors.Invalid:
            return
        assert text == "" or events[0].type is E.RESYNC

    asyncio.run(story())
