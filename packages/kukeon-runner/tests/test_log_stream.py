"""The stream of a container's log: what there is, what comes, and how it ends."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from kukeon_api import errors, model
from kukeon_api.logs import inotify
from kukeon_runner.host.file_changes import FileChanges
from kukeon_runner.testing.cells import IMAGE, cell, prepared
from kukeon_runner.testing.host import FakeHost

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from kukeon_runner.controller import Controller

WEB = model.Ref("default", "default", "default", "hello", "web")
DEADLINE_S = 20


def document(name: str = "web", cell: str = "hello") -> model.ContainerDoc:
    spec = model.ContainerSpec(
        id=name, image=IMAGE, realm_id="default", space_id="default", stack_id="default", cell_id=cell
    )
    return model.ContainerDoc(metadata=model.Metadata(name=name), spec=spec)


def entry(text: str, second: int = 0, stream: str = "stdout", tag: str = "F") -> str:
    return f"2026-11-21T10:00:{second:02d}.000000000Z {stream} {tag} {text}\n"


def start(second: int = 0) -> str:
    return entry("", second, "stderr", "F:start")


@pytest.fixture
async def controller(tmp_path: Path) -> Controller:
    found = await prepared(FakeHost(), tmp_path)
    await found.create_cell(cell("hello"))
    return found


def log_of(controller: Controller, ref: model.Ref = WEB) -> Path:
    path = Path(controller.runner.context.layout.container_log(ref))
    path.parent.mkdir(exist_ok=True)
    return path


def stream(controller: Controller, **how: Any) -> AsyncGenerator[tuple[model.LogEntry, ...], None]:
    given = {"doc": document(), "follow": False, "tail": -1, "since": "", "previous": False, **how}
    return controller.logs(**given)


async def texts(controller: Controller, **how: Any) -> list[str]:
    return [entry.data.decode() async for entries in stream(controller, **how) for entry in entries]


class Following:
    """Takes the entries of a log one by one."""

    def __init__(self, controller: Controller, **how: Any) -> None:
        self.generator = stream(controller, follow=True, **how)
        self._waiting: list[model.LogEntry] = []

    async def next(self) -> str | None:
        async with asyncio.timeout(DEADLINE_S):
            while not self._waiting:
                found = await anext(self.generator, None)
                if found is None:
                    return None
                self._waiting += found
        return self._waiting.pop(0).data.decode()

    async def __aenter__(self) -> Following:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.generator.aclose()


def append(path: Path, text: str) -> None:
    with path.open("a") as file:
        file.write(text)


async def test_what_was_written_comes_and_ends(controller: Controller) -> None:
    log = log_of(controller)
    log.with_name("log.1").write_text(start() + entry("one") + entry("two", 1, "stderr"))
    log.write_text(entry("thr", 2, tag="P") + entry("ee", 2) + start(3) + entry("four", 4) + "cut")
    found = [entry async for entries in stream(controller) for entry in entries]
    assert [(each.stream.value, each.data) for each in found] == [
        ("stdout", b"one"),
        ("stderr", b"two"),
        ("stdout", b"three"),
        ("stdout", b"four"),
        ("stdout", b"cut"),
    ]
    assert [each.at.second for each in found[:4] if each.at] == [0, 1, 2, 4]
    assert await texts(controller, tail=2) == ["four", "cut"]
    assert await texts(controller, since="2026-11-21T10:00:02Z") == ["three", "four", "cut"]
    assert await texts(controller, previous=True) == ["one", "two", "three"]
    assert await texts(controller, previous=True, tail=1) == ["three"]


async def test_who_does_not_exist_and_what_cannot_be_told(controller: Controller) -> None:
    with pytest.raises(errors.ContainerNotFound):
        await texts(controller, doc=document("wbe"))
    with pytest.raises(errors.CellNotFound):
        await texts(controller, doc=document("web", "other"))
    with pytest.raises(errors.Invalid, match="as a time or an age"):
        await texts(controller, since="yesterday")
    with pytest.raises(errors.Conflict, match="has not written a log yet"):
        await texts(controller)
    log_of(controller).write_text(start() + entry("x"))
    with pytest.raises(errors.Conflict, match="nothing from before the last start"):
        await texts(controller, previous=True)
    with pytest.raises(errors.Invalid, match="cannot follow the previous run"):
        await texts(controller, previous=True, follow=True)
    log_of(controller).unlink()
    log_of(controller).mkdir()
    with pytest.raises(errors.HostError, match="not a regular file"):
        await texts(controller)


async def test_a_terminals_transcript_comes_as_it_is(controller: Controller, monkeypatch: pytest.MonkeyPatch) -> None:
    capture = log_of(controller).with_name("tty") / "capture"
    capture.parent.mkdir()
    capture.write_bytes(b"one\r\n\x1b[1mtwo")

    async def log_container(doc: model.ContainerDoc) -> model.LogContainerResult:
        return model.LogContainerResult(host_capture_path=str(capture))

    monkeypatch.setattr(controller, "log_container", log_container)
    assert [entry async for entries in stream(controller) for entry in entries] == [
        model.LogEntry(stream=model.LogStream.TERMINAL, data=b"one\r\n\x1b[1mtwo")
    ]
    assert await texts(controller, tail=1) == ["\x1b[1mtwo"]
    for how in ({"since": "5m"}, {"previous": True}):
        with pytest.raises(errors.Invalid, match="no times"):
            await texts(controller, **how)
    async with Following(controller, tail=0) as following:
        waiting = asyncio.ensure_future(following.next())
        await until(lambda: bool(controller._changes._watchers))
        capture.write_bytes(capture.read_bytes() + b"$ ")
        assert await waiting == "$ "


def descriptors() -> list[str]:
    return [str(path.readlink()) for path in Path("/proc/self/fd").iterdir() if path.is_symlink()]


async def until(condition: Any) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while not condition():  # noqa: ASYNC110 (nobody tells)
            await asyncio.sleep(0.005)


async def test_following_from_before_the_first_start_to_the_deletion(controller: Controller) -> None:
    async with Following(controller) as following:
        waiting = asyncio.ensure_future(following.next())
        await until(lambda: bool(controller._changes._watchers))
        log = log_of(controller)
        append(log, start() + entry("one"))
        assert await waiting == "one"
        append(log, entry("two"))
        assert await following.next() == "two"
        # Over rotation and the next run.
        log.rename(log.with_name("log.1"))
        append(log, start() + entry("three"))
        assert await following.next() == "three"
        append(log, entry("last"))
        await controller.delete_cell(cell("hello"))
        assert not log.exists()
        assert await following.next() == "last"
        assert await following.next() is None
    assert not controller._changes._watchers
    assert controller._changes._inotify is None


async def test_a_line_is_there_at_once(controller: Controller) -> None:
    log = log_of(controller)
    append(log, entry("first"))
    took = []
    async with Following(controller) as following:
        assert await following.next() == "first"
        for number in range(50):
            before = time.perf_counter()
            append(log, entry(str(number)))
            assert await following.next() == str(number)
            took.append(time.perf_counter() - before)
    # The promise is 50 ms, and a busy machine may need longer; polling would take 200.
    assert sorted(took)[25] < 0.15


async def test_many_follow_with_one_inotify_instance(controller: Controller) -> None:
    log = log_of(controller)
    append(log, entry("first"))
    async with contextlib.AsyncExitStack() as stack:
        all_of_them = [await stack.enter_async_context(Following(controller)) for _ in range(200)]
        assert {await each.next() for each in all_of_them} == {"first"}
        waiting = [asyncio.ensure_future(each.next()) for each in all_of_them]
        assert sum("inotify" in link for link in descriptors()) == 1
        append(log, entry("second"))
        assert {await each for each in waiting} == {"second"}


async def test_without_a_watch_it_looks_now_and_then(
    controller: Controller, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(self: FileChanges, directory: str) -> int:
        raise OSError(28, "No space left on device", directory)

    monkeypatch.setattr(FileChanges, "add", refuse)
    log = log_of(controller)
    append(log, entry("first"))
    async with Following(controller) as following:
        assert await following.next() == "first"
        append(log, entry("second"))
        assert await following.next() == "second"
        shutil.rmtree(log.parent)
        assert await following.next() is None
    assert f"looking every {inotify.POLL_S:g} s" in caplog.text


async def test_who_stops_listening_leaves_nothing(controller: Controller) -> None:
    log = log_of(controller)
    append(log, entry("x") * 50_000)
    before = len(descriptors())
    for _ in range(5):
        following = Following(controller)
        assert await following.next() == "x"
        await following.generator.aclose()
    task = asyncio.create_task(Following(controller, tail=0).next())
    await until(lambda: bool(controller._changes._watchers))
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    await until(lambda: not controller._changes._watchers)
    await until(lambda: len(descriptors()) <= before)
