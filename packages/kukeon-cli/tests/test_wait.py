"""`kuke wait`: what is waited for, with events and without."""

from __future__ import annotations

import datetime as dt
import json
import threading
from typing import TYPE_CHECKING, Any

import pytest

from kukeon_api import model

if TYPE_CHECKING:
    from memory_client import MemoryClient

    from conftest import Kuke

WEB = model.Ref("default", "default", "default", "web")
AT = dt.datetime(2026, 11, 21, 10, 0, tzinfo=dt.UTC)
EXITED = model.Event(
    cursor="1-3",
    at=AT,
    type=model.EventType.EXITED,
    kind="Container",
    ref=str(WEB.child("web")),
    exit_code=137,
    exit_signal="SIGKILL",
)


@pytest.fixture(autouse=True)
def web(memory: MemoryClient) -> None:
    memory.put(WEB, labels={"tier": "front"})


@pytest.mark.parametrize(
    ("line", "out"),
    [
        (("cell/web", "--for=state=ready"), 'Cell "web" is Ready\n'),
        (("ce/web", "container/web", "--cell", "web", "--for", "state=Ready,Exited"), None),
        (("cell/none", "--for=deleted"), 'Cell "none" is gone\n'),
        (("realm/default", "--for=created"), 'Realm "default" is Ready\n'),
    ],
)
def test_what_is_so_already_is_not_waited_for(kuke: Kuke, line: tuple[str, ...], out: str | None) -> None:
    result = kuke("wait", *line)
    assert (result.code, result.err) == (0, "")
    assert result.out == (out or 'Cell "web" is Ready\nContainer "web" is Ready\n')


@pytest.mark.parametrize("with_events", [True, False])
@pytest.mark.parametrize("condition", ["ended", "deleted", "state=Exited,Error"])
def test_waiting_ends_when_it_is_so(
    kuke: Kuke, memory: MemoryClient, with_events: bool, condition: str, request: pytest.FixtureRequest
) -> None:
    looked = threading.Event()
    perform = memory.perform
    if with_events:
        told = request.getfixturevalue("told")
        perform = told

    def spying(name: str, arguments: dict[str, Any], timeout: float | None) -> Any:
        result = perform(name, arguments, timeout)
        if name == "get_cell":
            looked.set()
        return result

    memory.perform = spying  # type: ignore[method-assign]

    def change() -> None:
        assert looked.wait(20)
        if condition == "deleted":
            memory.delete_cell(memory.docs[WEB])  # type: ignore[arg-type] # a cell
        else:
            memory.finish(WEB.child("web"), 3)
        if with_events:
            told.coming.put(EXITED)

    changing = threading.Thread(target=change)
    changing.start()
    result = kuke("wait", "cell/web", f"--for={condition}", "-o", "json")
    changing.join()
    assert result.code == 0
    assert json.loads(result.out)[0]["state"] == (None if condition == "deleted" else "Error")


@pytest.mark.parametrize(
    ("line", "code", "words"),
    [
        (("cell/web", "--for=state=Stopped", "--timeout", "10ms"), 8, "is not Stopped after 0.01 s: it is Ready"),
        (("cell/none", "--for=created", "--timeout", "10ms"), 8, "is not there after 0.01 s: it is not there"),
        (("cell/none", "--for=state=Ready"), 3, "cannot find cell"),
        (("cell/web", "--for=state=Raedy"), 2, 'did you mean "Ready"?'),
        (("realm/default", "--for=state=Exited"), 2, "'Exited' is no state of a realm"),
        (("cell/web", "--for=gone"), 2, "cannot wait for 'gone' (--for)"),
        (("web", "--for=deleted"), 2, "it is not KIND/NAME"),
        (("cell", "web", "--for=deleted"), 2, "write cell/NAME"),
        (("cell/web",), 2, "missing option '--for'"),
    ],
)
def test_waiting_in_vain(kuke: Kuke, line: tuple[str, ...], code: int, words: str) -> None:
    result = kuke("wait", *line)
    assert (result.code, result.out) == (code, "")
    assert words in result.err


def test_names_of_a_kind_are_completed(kuke: Kuke) -> None:
    assert kuke("__complete", "wait", "cell/w").out.splitlines()[0] == "cell/web"
    assert kuke("__complete", "wait", "c").out.splitlines()[:2] == ["cell/", "container/"]
