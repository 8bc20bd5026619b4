"""`kuke run`: what can be run and how, what is refused before anything is made, and whose exit code it is."""

from __future__ import annotations

import datetime as dt
import os
import threading
from typing import TYPE_CHECKING, Any

import pytest
from run_cells import IMAGE, WEB, cells, only

from kukeon_api import errors, model
from kukeon_cli import cell_sources, foreground

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from memory_client import MemoryClient

    from conftest import Kuke


@pytest.fixture(autouse=True)
def image(memory: MemoryClient) -> None:
    memory.load("default", IMAGE)


class Living:
    """What makes the cells of a kukeon in memory live: output, and an end with an exit code."""

    def __init__(self, memory: MemoryClient, *, code: int = 0, output: list[model.LogEntry] | None = None) -> None:
        self.memory = memory
        self.code = code
        self.output = output or []
        self.began = threading.Event()
        self.hold = threading.Event()
        self.perform = memory.perform

    def __call__(self, name: str, arguments: dict[str, Any], timeout: float | None) -> Any:
        if name == "logs":
            return self._logs(model.ref_of(arguments["doc"]))
        return self.perform(name, arguments, timeout)

    def _logs(self, ref: model.Ref) -> Iterator[model.LogEntry]:
        assert ref.parent is not None
        while (doc := self.memory.docs.get(ref.parent)) is not None and str(doc.status.state) != "Ready":
            os.sched_yield()
        yield from self.output
        self.began.set()
        assert self.hold.wait(20)
        if ref.parent in self.memory.docs:
            self.memory.finish(ref, self.code)


@pytest.fixture
def living(memory: MemoryClient, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Living]:
    def make(code: int = 0, output: list[model.LogEntry] | None = None, *, hold: bool = False) -> Living:
        made = Living(memory, code=code, output=output)
        if not hold:
            made.hold.set()
        monkeypatch.setattr(memory, "perform", made)
        return made

    return make


def entry(stream: model.LogStream, data: bytes, *, partial: bool = False) -> model.LogEntry:
    return model.LogEntry(stream=stream, data=data, partial=partial, at=dt.datetime.now(dt.UTC))


@pytest.mark.parametrize("code", [0, 7, 137])
def test_the_exit_code_is_the_programs(
    kuke: Kuke, memory: MemoryClient, living: Callable[..., Living], code: int
) -> None:
    living(code)
    result = kuke("run", "--image", "busybox", "--name", "job", "--", "sh", "-c", "exit 7")
    assert (result.code, result.out, result.err) == (code, "", "")
    made = only(memory)
    assert (made.metadata.name, made.spec.containers[0].command) == ("job", "sh")
    assert made.spec.containers[0].args == ("-c", "exit 7")


def test_output_comes_on_both_streams(kuke: Kuke, living: Callable[..., Living]) -> None:
    out, err, both = model.LogStream.STDOUT, model.LogStream.STDERR, model.LogStream.TERMINAL
    living(
        0,
        [entry(out, b"one"), entry(err, b"oops"), entry(out, b"tw", partial=True), entry(out, b"o"), entry(both, b"$")],
    )
    result = kuke("run", "--image", "busybox")
    assert (result.out, result.err) == ("one\ntwo\n$", "oops\n")


def test_names_are_new_and_tell_the_image(kuke: Kuke, memory: MemoryClient, living: Callable[..., Living]) -> None:
    living()
    assert kuke("run", "--image", "busybox").code == 0
    assert kuke("run", "--image", "busybox").code == 0
    names = [cell.metadata.name for cell in cells(memory)]
    assert len(set(names)) == 2
    assert all(name.startswith("busybox-") and len(name) == len("busybox-") + 6 for name in names)


def test_a_generated_name_that_is_taken_is_not_used(
    kuke: Kuke, memory: MemoryClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    numbers = iter(["busybox-000000", "busybox-000000", "busybox-111111"])
    monkeypatch.setattr("kukeon_api.names.generated", lambda prefix: next(numbers))
    assert kuke("run", "-d", "--image", "busybox").code == 0
    assert kuke("run", "-d", "--image", "busybox", "-o", "name").out == "cell/busybox-111111\n"


@pytest.mark.parametrize(
    ("image", "name"),
    [
        ("busybox", "busybox"),
        ("quay.io/team/My_app:1.2", "cell"),
        ("quay.io/team/my_app:1.2", "my-app"),
        ("a/b@sha256:" + "0" * 64, "b"),
        ("x" * 80, "x" * 56),
    ],
)
def test_what_a_cell_of_an_image_is_called(image: str, name: str) -> None:
    assert cell_sources.short_name(image) == name


def test_a_name_that_is_taken_is_refused(kuke: Kuke, memory: MemoryClient) -> None:
    memory.put(WEB)
    before = memory.docs[WEB]
    result = kuke("run", "-d", "--image", "busybox", "--name", "web")
    assert (result.code, result.out) == (4, "")
    assert result.err == (
        "Error: cannot make cell 'default/default/default/web': it exists\n"
        "hint: run it: kuke run web; or make room: kuke delete cell web\n"
    )
    assert memory.docs[WEB] is before


def test_rm_deletes_the_cell_and_keeps_the_code(
    kuke: Kuke, memory: MemoryClient, living: Callable[..., Living]
) -> None:
    living(3)
    assert kuke("run", "--rm", "--image", "busybox", "--", "false").code == 3
    assert cells(memory) == []


@pytest.mark.parametrize(
    ("error", "left"),
    [
        (errors.RegistryUnreachable("registry 'r.example' cannot be reached"), 0),
        (errors.RegistryUnauthorized("registry 'r.example' wants to know who asks"), 0),
        (errors.Unavailable("cannot reach kukeond"), 1),
    ],
)
@pytest.mark.parametrize("line", [("--rm",), ("--rm", "--name", "web"), ("-d",)])
def test_what_a_registry_keeps_from_starting_is_not_left(
    kuke: Kuke,
    memory: MemoryClient,
    monkeypatch: pytest.MonkeyPatch,
    error: errors.KukeonError,
    left: int,
    line: tuple[str, ...],
) -> None:
    perform = memory.perform

    def refusing(name: str, arguments: dict[str, Any], timeout: float | None) -> Any:
        if name == "create_cell" and not arguments["no_start"]:
            perform(name, arguments | {"no_start": True}, timeout)
            raise error
        if name == "start_cell":
            raise error
        return perform(name, arguments, timeout)

    monkeypatch.setattr(memory, "perform", refusing)
    result = kuke("run", *line, "--image", "busybox")
    assert (result.code, str(error) in result.err) == (6 if isinstance(error, errors.Denied) else 8, True)
    assert len(cells(memory)) == left


def test_rm_says_so_to_kukeond_too(kuke: Kuke, memory: MemoryClient) -> None:
    assert kuke("run", "-d", "--rm", "--image", "busybox").code == 0
    assert only(memory).spec.auto_delete


def test_a_cell_that_is_gone_before_anybody_looked(
    kuke: Kuke, memory: MemoryClient, living: Callable[..., Living], monkeypatch: pytest.MonkeyPatch
) -> None:
    life = living(5)

    def perform(name: str, arguments: dict[str, Any], timeout: float | None) -> Any:
        if name == "start_cell":
            made = life(name, arguments, timeout)
            ref = model.ref_of(arguments["doc"])
            life("delete_cell", {"doc": arguments["doc"]}, None)
            event = model.Event(
                cursor="1-1",
                at=dt.datetime.now(dt.UTC),
                type=model.EventType.EXITED,
                kind="Container",
                ref=str(ref.child("main")),
                exit_code=5,
            )
            life.events = [event]  # type: ignore[attr-defined]
            return made
        if name == "events":
            return iter([] if arguments["follow"] else life.events)  # type: ignore[attr-defined]
        return life(name, arguments, timeout)

    monkeypatch.setattr(memory, "perform", perform)
    assert kuke("run", "--rm", "--image", "busybox").code == 5


def test_an_end_that_nobody_knows_is_said(kuke: Kuke, memory: MemoryClient, living: Callable[..., Living]) -> None:
    target = WEB.child("web")
    with pytest.raises(errors.HostError, match="cannot tell how container 'web' of cell 'web' ended: gone"):
        foreground.exit_code(target, foreground.End(None, "gone"))


def test_ctrl_c_stops_what_was_started_and_shows_its_end(
    kuke: Kuke, memory: MemoryClient, living: Callable[..., Living]
) -> None:
    import signal

    life = living(0, hold=True)

    def press() -> None:
        assert life.began.wait(20)
        os.kill(os.getpid(), signal.SIGTERM)

    pressing = threading.Thread(target=press)
    pressing.start()
    result = kuke("run", "--image", "busybox", "--name", "job")
    pressing.join()
    life.hold.set()
    assert (result.code, str(only(memory).status.state)) == (0, "Stopped")


def test_ctrl_c_leaves_a_cell_that_ran_before(
    kuke: Kuke, memory: MemoryClient, living: Callable[..., Living], monkeypatch: pytest.MonkeyPatch
) -> None:
    memory.put(WEB)
    monkeypatch.setattr(foreground, "_LOOK_S", 0.01)
    life = living(0, hold=True)
    target = WEB.child("web")

    from kukeon_cli import happenings, interruption

    interrupts = foreground.Interrupts()
    interrupts.count = 1
    with happenings.Happenings(memory, WEB.parts) as events:
        ending, output = foreground.Ending(memory, target, events), foreground.Output(memory, target)
        with pytest.raises(interruption.Interrupted) as raised:
            foreground.follow(ending, output, interrupts, ours=False)
    life.hold.set()
    assert raised.value.hint == "the cell goes on running: kuke stop cell web"


# Profiles.


# Cells that are there.


# What does not go together.
