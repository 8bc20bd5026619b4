"""`kuke run`: what can be run and how, what is refused before anything is made, and whose exit code it is."""

from __future__ import annotations

import datetime as dt
import json
import os
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from kukeon_api import errors, labels, model
from kukeon_cli import cell_sources, foreground

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from memory_client import MemoryClient

    from conftest import Kuke

WEB = model.Ref("default", "default", "default", "web")
IMAGE = "docker.io/library/busybox:latest"
PROFILE = """\
kind: CellProfile
metadata: {name: dev}
spec:
  prefix: box
  parameters:
  - {name: BRANCH, required: true, description: what to build}
  - {name: TOKEN, fromEnv: MY_TOKEN}
  cell:
    containers:
    - {id: main, image: busybox, args: ["${BRANCH}", "${TOKEN}"]}
"""
CELL = """\
kind: Cell
metadata: {name: web}
spec: {realmId: default, spaceId: default, stackId: default, containers: [{id: main, image: busybox}]}
"""


@pytest.fixture(autouse=True)
def image(memory: MemoryClient) -> None:
    memory.load("default", IMAGE)


@pytest.fixture
def profiles(kuke: Kuke) -> Path:
    where = Path(kuke.environ["HOME"], ".kuke", "profiles.d")
    where.mkdir(parents=True)
    (where / "dev.yaml").write_text(PROFILE)
    return where


def cells(memory: MemoryClient) -> list[model.CellDoc]:
    return [doc for ref, doc in memory.docs.items() if isinstance(doc, model.CellDoc)]


def only(memory: MemoryClient) -> model.CellDoc:
    (cell,) = cells(memory)
    return cell


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


def test_a_profile(kuke: Kuke, memory: MemoryClient, profiles: Path, tmp_path: Path) -> None:
    values = tmp_path / "values"
    values.write_text("# mine\nBRANCH=file\n")
    result = kuke("run", "-d", "-p", "dev", "--param-file", str(values), environ={"MY_TOKEN": "t", "TOKEN": "no"})
    assert (result.code, result.err) == (0, "")
    made = only(memory)
    assert made.metadata.name.startswith("box-")
    assert made.metadata.labels[labels.PROFILE] == "dev"
    container = made.spec.containers[0]
    assert (container.args, container.env) == (("file", "t"), ("KUKEON_CELL_PROFILE_NAME=dev",))
    line = ("run", "-d", "-p", "dev", "--param-file", str(values), "--param", "BRANCH=flag", "--name", "other")
    assert kuke(*line, "-o", "json").code == 0
    other = memory.docs[model.Ref("default", "default", "default", "other")]
    assert isinstance(other, model.CellDoc)
    assert other.spec.containers[0].args == ("flag", "")
    assert kuke("get", "cells", "-l", "kukeon.io/profile=dev", "-o", "name").out.count("cell/") == 2


def test_a_profile_with_a_name_is_made_once(kuke: Kuke, memory: MemoryClient, profiles: Path) -> None:
    line = ("run", "-d", "-p", "dev", "--name", "mine", "-o", "json", "--param")
    assert json.loads(kuke(*line, "BRANCH=a").out)["created"] is True
    assert json.loads(kuke(*line, "BRANCH=a").out)["created"] is False
    result = kuke(*line, "BRANCH=b")
    assert result.code == 5
    assert "differs in spec.containers[main].args" in result.err


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("-p", "dev"), 2, "the parameter 'BRANCH' (what to build) has no value (pass --param BRANCH=VALUE)"),
        (("-p", "dev", "--param", "BRANHC=x"), 2, '(did you mean "BRANCH"?)'),
        (("-p", "dev", "--param", "BRANCH"), 2, "--param: 'BRANCH' is not NAME=VALUE"),
        (("-p", "dev", "--param-file", "/nowhere"), 2, "cannot read --param-file '/nowhere': No such file"),
        (("-p", "dve"), 3, "hint: did you mean 'dev'?"),
        (("-p", "../dev"), 2, "cannot use '../dev' as profile name"),
        (("-p", "dev", "--name", "A"), 2, "cannot use 'A' as cell name"),
    ],
)
def test_what_is_wrong_with_a_profile(
    kuke: Kuke, memory: MemoryClient, profiles: Path, arguments: tuple[str, ...], code: int, words: str
) -> None:
    result = kuke("run", "-d", *arguments)
    assert (result.code, result.out) == (code, "")
    assert words in result.err
    assert cells(memory) == []


def test_where_profiles_are_looked_for(kuke: Kuke, profiles: Path, tmp_path: Path) -> None:
    (profiles / "dev.yaml").rename(profiles / "other.yml")
    (profiles / "broken.yaml").write_text("a: [")
    line = ("run", "-d", "--param", "BRANCH=x", "-p")
    assert kuke(*line, "dev").code == 0
    (profiles / "dev.yml").write_text(PROFILE.replace("name: dev", "name: else"))
    assert kuke(*line, "dev").code == 0
    result = kuke(*line, "broken")
    assert (result.code, "is not YAML" in result.err) == (2, True)
    result = kuke(*line, "none")
    assert result.err == (
        f"Error: cannot find profile 'none' in {str(profiles)!r}\n"
        "hint: it has dev, else; not readable as profiles: broken.yaml\n"
    )
    (profiles / "third.yaml").write_text(PROFILE)
    assert "both say that they are it" in kuke(*line, "dev").err
    elsewhere = tmp_path / "elsewhere"
    result = kuke(*line, "dev", environ={"KUKE_PROFILES_DIR": str(elsewhere)})
    assert (result.code, result.err) == (
        3,
        f"Error: cannot find profile 'dev' in {str(elsewhere)!r}\nhint: it has none\n",
    )


def test_profiles_are_completed(kuke: Kuke, profiles: Path) -> None:
    assert kuke("__complete", "run", "-p", "d").out.splitlines()[0] == "dev"
    assert kuke("__complete", "run", "-p", "x").out.splitlines()[0].startswith(":")


# Cells that are there.


@pytest.mark.parametrize(
    ("state", "out"),
    [
        (model.CellState.READY, 'Cell "web" already runs\n'),
        (model.CellState.STOPPED, 'Started cell "web" from stack "default"\n'),
        (model.CellState.EXITED, 'Started cell "web" from stack "default"\n'),
    ],
)
def test_a_cell_that_is_there_is_started_if_need_be(
    kuke: Kuke, memory: MemoryClient, state: model.CellState, out: str
) -> None:
    over = model.ContainerState.READY if state is model.CellState.READY else model.ContainerState.EXITED
    memory.put(WEB, state=state, containers=(model.ContainerStatus(name="web", id="x", state=over),))
    result = kuke("run", "-d", "web")
    assert (result.code, result.out, result.err) == (0, out, "")
    assert str(memory.docs[WEB].status.state) == "Ready"


@pytest.mark.parametrize("state", [model.CellState.PENDING, model.CellState.UNKNOWN])
def test_a_cell_of_which_nobody_knows_what_it_is_is_left_alone(
    kuke: Kuke, memory: MemoryClient, state: model.CellState
) -> None:
    memory.put(WEB, state=state)
    result = kuke("run", "-d", "web")
    assert (result.code, result.out) == (5, "")
    assert result.err.startswith(f"Error: cannot run cell 'default/default/default/web': it is {state}\n")


def test_a_cell_that_is_not_there(kuke: Kuke) -> None:
    result = kuke("run", "wbe")
    assert (result.code, result.out) == (3, "")


def test_a_half_made_cell_is_completed_from_its_file(kuke: Kuke, memory: MemoryClient, tmp_path: Path) -> None:
    path = tmp_path / "web.yaml"
    path.write_text(CELL)
    assert kuke("run", "-d", "-f", str(path)).code == 0
    doc = memory.docs[WEB]
    memory._become(WEB, {"state": model.CellState.PENDING})
    assert kuke("run", "-d", "-f", str(path)).code == 0
    memory._become(WEB, {"state": model.CellState.UNKNOWN})
    assert kuke("run", "-d", "-f", str(path)).code == 5
    assert memory.docs[WEB].spec == doc.spec


def test_flags_are_part_of_what_is_asked_for(kuke: Kuke, memory: MemoryClient, tmp_path: Path) -> None:
    path = tmp_path / "web.yaml"
    path.write_text(CELL)
    line = ("run", "-d", "-f", str(path), "--env", "A=1", "--label", "tier=front")
    assert kuke(*line).code == 0
    made = only(memory)
    assert (made.spec.containers[0].env, made.metadata.labels["tier"]) == (("A=1",), "front")
    assert kuke(*line).code == 0
    result = kuke("run", "-d", "-f", str(path), "--env", "A=2")
    assert (result.code, "differs in spec.containers[main].env" in result.err) == (5, True)
    assert "A=2" not in result.err


# What does not go together.


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ((), "nothing says what to run: give one of CELL, -f/--file, -p/--profile or --image"),
        (("web", "--image", "x"), "not CELL and --image"),
        (("sh", "--image", "x"), "kuke run --image x -- sh"),
        (("-it", "--image", "x"), "-i/--interactive is for kuke exec"),
        (("-f", "x", "-p", "y"), "not -f/--file and -p/--profile"),
        (("web", "--name", "x"), "--name is not for -f"),
        (("-f", "x", "--param", "A=1"), "--param is for -p/--profile"),
        (("--image", "x", "--param-file", "y"), "--param-file is for -p/--profile"),
        (("-f", "x", "--command", "y"), "--command is for --image"),
        (("web", "--", "sh"), "a command is for --image; in a cell that is there: kuke exec"),
        (("--image", "x", "--command", "y", "--", "sh"), "give --command or a command after --, not both"),
        (("web", "--env", "A=1"), "--env is for cells that are described"),
        (("web", "--rm"), "--rm is for cells that are described"),
        (("--image", "x", "-o", "json"), "-o/--output is for -d/--detach"),
        (("-d", "web", "--container", "x"), "--container says what to attach to"),
        (("--image", "x", "--rm", "--no-daemon"), "--rm needs kukeond"),
    ],
)
def test_what_does_not_go_together(kuke: Kuke, memory: MemoryClient, line: tuple[str, ...], words: str) -> None:
    result = kuke("run", *line)
    assert (result.code, result.out) == (2, "")
    assert words in result.err
    assert cells(memory) == []


def test_a_source_on_the_command_line_counts_more_than_a_variable(kuke: Kuke, memory: MemoryClient) -> None:
    memory.put(WEB)
    assert kuke("run", "-d", "web", environ={"KUKE_RUN_IMAGE": "nginx"}).code == 0
    assert "not -p/--profile and --image" in kuke("run", environ={"KUKE_RUN_IMAGE": "x", "KUKE_RUN_PROFILE": "y"}).err


@pytest.mark.parametrize(
    ("containers", "arguments", "words"),
    [
        ("[{id: a, image: busybox}]", (), "none of its containers is attachable"),
        ("[{id: a, image: busybox}]", ("--container", "b"), "cannot find container 'b' in cell 'web'"),
        ("[{id: a, image: busybox}]", ("--container", "a"), "it is not attachable"),
    ],
)
def test_the_target_is_checked_before_anything_is_made(
    kuke: Kuke, memory: MemoryClient, tmp_path: Path, containers: str, arguments: tuple[str, ...], words: str
) -> None:
    path = tmp_path / "web.yaml"
    path.write_text(CELL.replace("[{id: main, image: busybox}]", containers))
    result = kuke("run", "-f", str(path), *arguments)
    assert result.code in (3, 7)
    assert (result.out, words in result.err) == ("", True), result.err
    assert cells(memory) == []


def test_a_wrong_image_or_label_is_told_by_its_flag(kuke: Kuke) -> None:
    assert "--image" in kuke("run", "-d", "--image", "A B").err
    assert "--label" in kuke("run", "-d", "--image", "busybox", "--label", "=x").err
    assert "secret" not in kuke("run", "-d", "--image", "busybox", "--env", "=secret").err
