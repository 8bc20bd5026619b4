"""`kuke events`, `describe` and `get -w`: what they show of what happens, with events and without."""

from __future__ import annotations

import datetime as dt
import io
import json
import re
import threading
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from kukeon_api import errors, model
from kukeon_cli import columns, description, happenings, output, resources, running_table
from kukeon_cli.output import Format

if TYPE_CHECKING:
    from memory_client import MemoryClient

    from conftest import Kuke, Told

WEB = model.Ref("default", "default", "default", "web")
AT = dt.datetime(2026, 11, 21, 10, 0, tzinfo=dt.UTC)


def event(number: int, kind: model.EventType, ref: model.Ref, **more: Any) -> model.Event:
    return model.Event(cursor=f"1-{number}", at=AT, type=kind, kind=ref.kind, ref=str(ref), **more)


KNOWN = [
    event(1, model.EventType.CREATED, WEB, state="Pending"),
    event(2, model.EventType.STARTED, WEB.child("web")),
    event(3, model.EventType.EXITED, WEB.child("web"), exit_code=137, exit_signal="SIGKILL"),
    event(4, model.EventType.CREATED, model.Ref("blue"), message="\x1b[31mred"),
]


@pytest.fixture(autouse=True)
def web(memory: MemoryClient) -> None:
    memory.put(WEB, labels={"tier": "front"})


def test_events_that_are_remembered(kuke: Kuke, told: Told) -> None:
    told.known = KNOWN
    result = kuke("events")
    assert (result.code, result.err) == (0, "")
    assert result.out == (
        "TIME                  TYPE     OBJECT             REASON  MESSAGE\n"
        "2026-11-21T10:00:00Z  Created  cell/web           -       now Pending\n"
        "2026-11-21T10:00:00Z  Started  container/web/web  -       -\n"
        "2026-11-21T10:00:00Z  Exited   container/web/web  -       exit code 137 (SIGKILL)\n"
        "2026-11-21T10:00:00Z  Created  realm/blue         -       \\x1b[31mred\n"
    )
    found = json.loads(kuke("events", "-o", "json").out)
    assert (found[2]["exitCode"], found[2]["ref"]) == (137, str(WEB.child("web")))


@pytest.mark.parametrize(
    ("line", "cursors"),
    [
        (("--for", "cell/web"), ["1-1", "1-2", "1-3"]),
        (("--for", "container/web"), ["1-2", "1-3"]),
        (("--for", "realm/blue"), ["1-4"]),
        (("--cell", "web", "--for", "container/other"), []),
        (("--realm", "default"), ["1-1", "1-2", "1-3"]),
        (("--since", "2026-11-21T10:00:00Z"), ["1-1", "1-2", "1-3", "1-4"]),
        (("--since", "2026-11-21T10:00:01Z"), []),
        (("--since", "1m"), []),
    ],
)
def test_which_events_are_meant(
    kuke: Kuke, told: Told, line: tuple[str, ...], cursors: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    told.known = KNOWN
    assert [each["cursor"] for each in json.loads(kuke("events", *line, "-o", "json").out)] == cursors


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (("--for", "web"), "it is not KIND/NAME"),
        (("--for", "sell/web"), "did you mean 'cell'?"),
        (("--for", "cell/WEB"), "cannot use 'WEB' as cell name"),
        (("--for", "realm/a", "--realm", "b"), "cannot look for 'realm/a' in realm 'b' (--realm)"),
        (("--since", "soon"), "it is neither an age nor a time"),
    ],
)
def test_what_events_refuses(kuke: Kuke, told: Told, line: tuple[str, ...], words: str) -> None:
    result = kuke("events", *line)
    assert (result.code, result.out) == (2, "")
    assert words in result.err


def test_no_events(kuke: Kuke, told: Told) -> None:
    assert kuke("events").err == "No events found.\n"
    assert kuke("events", "-o", "json").out == "[]\n"


def test_following_goes_on_after_what_was_shown_and_after_kukeond_was_away(kuke: Kuke, told: Told) -> None:
    told.known = KNOWN[:2]
    for each in (KNOWN[2], errors.Unavailable("away"), KNOWN[3], errors.Denied("enough")):
        told.coming.put(each)
    result = kuke("events", "-f", "-o", "json", "--for", "cell/web")
    assert result.code == 6
    assert [json.loads(line)["cursor"] for line in result.out.splitlines()] == ["1-1", "1-2", "1-3"]
    assert told.asked == ["1-2", "1-3"]


def test_a_kukeond_that_stays_away_is_an_error(
    memory: MemoryClient, told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(happenings, "RECONNECT_S", 0.02)
    monkeypatch.setattr(happenings, "AGAIN_S", 0.001)
    for _ in range(1000):
        told.coming.put(errors.Unavailable("away"))
    with happenings.Happenings(memory) as events:
        found = events.next()
        assert found is not None
        assert found.type is model.EventType.RESYNC
        with pytest.raises(errors.Unavailable):
            _exhaust(events)


def _exhaust(events: happenings.Happenings) -> None:
    while events.next() is not None:
        pass


def without_events(kuke: Kuke) -> None:
    """As of a kukeond that is too old for them."""
    kuke.client.trouble["events"] = [errors.Unsupported("cannot do Events: kukeond does not know it")]


def test_a_kukeond_without_events(kuke: Kuke) -> None:
    without_events(kuke)
    assert kuke("events").code == 7


def test_a_cell_is_described(kuke: Kuke, memory: MemoryClient, told: Told) -> None:
    told.known = KNOWN
    memory.finish(WEB.child("web"), 3)
    out = kuke("describe", "cell", "web").out
    for line in (
        "Name:          web",
        "Labels:        tier=front",
        "State:         Error",
        "Message:       container 'web' exited with code 3",
        "Address:       10.88.0.2/24",
        "Containers:    0/1 ready",
        "  web:",
        "    State:         Error",
        "    Restarts:      0",
        "      image: docker.io/library/busybox:latest",
    ):
        assert line in out.splitlines(), line
    assert "    Last exit:     3, " in out
    assert "Exited   container/web/web    exit code 137 (SIGKILL)" in out
    assert "realm/blue" not in out
    found = json.loads(kuke("describe", "cell", "web", "-o", "json").out)
    assert (found["resource"]["metadata"]["name"], len(found["events"])) == ("web", 3)


def test_what_waits_for_its_next_start_says_when_that_is() -> None:
    status = model.ContainerStatus(
        name="web",
        state=model.ContainerState.PENDING,
        reason="ImagePullFailed",
        message="registry is away",
        next_restart=AT + dt.timedelta(seconds=42),
    )
    spec = model.CellSpec(
        realm_id="default",
        space_id="default",
        stack_id="default",
        containers=(model.ContainerSpec(id="web", image="busybox", restart_policy="always"),),
    )
    told = model.CellStatus(containers=(status,))
    doc = model.CellDoc(metadata=model.Metadata(name="web"), spec=spec, status=told)
    found = list(description.lines(doc, (), AT))
    for line in ("    Reason:        ImagePullFailed", "    Message:       registry is away"):
        assert line in found
    (due,) = (line for line in found if line.startswith("    Next start:"))
    assert due.endswith("(in 42s)")
    running = msgspec.structs.replace(told, containers=(msgspec.structs.replace(status, next_restart=None),))
    later = description.lines(msgspec.structs.replace(doc, status=running), (), AT)
    assert not [line for line in later if "Next start" in line]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (("container", "web", "--cell", "web"), "Cell:          web"),
        (("realm", "default"), "Kind:          Realm"),
        (("space", "default"), "Realm:         default"),
        (("stack", "default"), "Space:         default"),
    ],
)
def test_everything_can_be_described(kuke: Kuke, line: tuple[str, ...], words: str) -> None:
    result = kuke("describe", *line)
    assert (result.code, result.err) == (0, "")
    assert words in result.out.splitlines()
    without_events(kuke)
    assert "Events:        this kukeond has none" in kuke("describe", *line).out


@pytest.mark.parametrize("line", [("cell", "none"), ("container", "none", "--cell", "web"), ("realm", "none")])
def test_what_is_not_there_is_not_described(kuke: Kuke, line: tuple[str, ...]) -> None:
    result = kuke("describe", *line)
    assert (result.code, result.out) == (3, "")


def test_a_table_goes_on_with_what_changes(kuke: Kuke, memory: MemoryClient, told: Told) -> None:
    other = model.Ref("default", "default", "default", "other")

    def change() -> None:
        memory.finish(WEB.child("web"), 3)
        memory.put(other)

    for each in (change, KNOWN[2], KNOWN[2], event(5, model.EventType.CREATED, other)):
        told.coming.put(each)
    told.coming.put(lambda: memory.delete_cell(memory.docs[other]))  # type: ignore[arg-type] # a cell
    told.coming.put(event(6, model.EventType.DELETED, other))
    told.coming.put(errors.Denied("enough"))
    result = kuke("get", "cells", "-w", "--no-headers")
    assert result.code == 6
    rows = [line.split()[0::4] for line in result.out.splitlines()]
    assert ["web", "Ready"] in rows or ["web", "Error"] in rows
    assert rows[-1][0] in ("other", "web")


@pytest.mark.parametrize("form", [Format.TABLE, Format.WIDE])
@pytest.mark.parametrize("kind", ["Cell", "Container"])
def test_columns_stay_where_they_are_whatever_becomes_of_a_resource(
    memory: MemoryClient, kind: str, form: Format
) -> None:
    stream = io.StringIO()
    table = running_table.RunningTable[Any](output.Output(form, stream), columns.of(kind, AT))
    doc = memory.docs[WEB]
    assert isinstance(doc, model.CellDoc)
    for number, state in enumerate(model.ContainerState if kind == "Container" else model.CellState):
        born = AT - dt.timedelta(days=number, hours=number, seconds=number)
        status = msgspec.structs.replace(doc.status.containers[0], state=state, exit_code=137, exit_signal="SIGKILL")
        own = msgspec.structs.replace(doc.status, state=state, created_at=born, containers=(status,))
        found = msgspec.structs.replace(doc, status=own)
        table.rows([found] if kind == "Cell" else list(resources.containers(found)))
    lines = stream.getvalue().splitlines()
    places = [[found.start() for found in re.finditer(r"(?<=  )[^ ]", line)] for line in lines]
    assert places == [places[0]] * len(lines), stream.getvalue()


def test_a_watch_without_anything_begins_its_table_with_the_first_row(
    kuke: Kuke, memory: MemoryClient, told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    long = model.Ref("default", "default", "default", "a-rather-long-name")
    looked = threading.Event()
    perform = memory.perform

    def spying(name: str, arguments: dict[str, Any], timeout: float | None) -> Any:
        result = perform(name, arguments, timeout)
        if name == "list_cells":
            looked.set()
        return result

    def make() -> None:
        assert looked.wait(20)
        memory.put(long)

    monkeypatch.setattr(memory, "perform", spying)
    del memory.docs[WEB]
    for each in (make, event(1, model.EventType.CREATED, long), errors.Denied("enough")):
        told.coming.put(each)
    result = kuke("get", "cells", "-w")
    assert result.err.startswith("No cells found yet.\n")
    header, row = result.out.splitlines()
    assert header.index("REALM") == row.index("default")


def test_watching_one_that_is_not_there(kuke: Kuke) -> None:
    assert kuke("get", "cell", "none", "-w").code == 3
    assert kuke("get", "container", "none", "-w", "--cell", "web").code == 3


def test_watching_in_json_is_a_document_a_line(kuke: Kuke, memory: MemoryClient, told: Told) -> None:
    told.coming.put(errors.Denied("enough"))
    result = kuke("get", "containers", "-w", "-o", "json", "--cell", "web")
    assert result.code == 6
    assert [json.loads(line)["metadata"]["name"] for line in result.out.splitlines()] == ["web"]
