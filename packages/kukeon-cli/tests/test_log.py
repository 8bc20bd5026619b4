"""`kuke log`: which container, from where, and how it is printed."""

from __future__ import annotations

import contextlib
import io
import json
import os
import shutil
import socket
import threading
from typing import TYPE_CHECKING, Any

import pytest

from kukeon_api import errors, model
from kukeon_api.logs import selection
from kukeon_api.logs.source import Source
from kukeon_cli import log_files, log_lines, several_logs

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from memory_client import MemoryClient

    from conftest import Kuke

WEB = model.Ref("default", "default", "default", "web")
DEADLINE_S = 20


def entry(message: str, stream: str = "stdout", tag: str = "F", second: int = 0) -> str:
    return f"2026-11-21T10:00:{second:02d}.123456789Z {stream} {tag} {message}\n"


START = entry("", "stderr", "F:start")


@pytest.fixture(autouse=True)
def same_host(monkeypatch: pytest.MonkeyPatch) -> None:
    """A client in memory has no socket that could lead to another host."""
    monkeypatch.setattr(log_files, "on_this_host", lambda client, address: True)


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch, same_host: None) -> None:
    monkeypatch.setattr(log_files, "on_this_host", lambda client, address: False)


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[Path]:
    made = tmp_path / "cell" / "container"
    made.mkdir(parents=True)
    yield made
    # A follower ends when the directory is removed, so no thread outlives a test that fails.
    shutil.rmtree(made, ignore_errors=True)


def append(path: Path, text: str) -> None:
    with path.open("a") as file:
        file.write(text)


def test_following_from_the_files_until_the_log_is_removed(directory: Path) -> None:
    log = directory / "log"
    found: list[bytes] = []
    arrived = threading.Condition()

    def run() -> None:
        for entries in log_files.follow(Source(str(log), str(directory.parent)), selection.Selection()):
            with arrived:
                found.extend(entry.data for entry in entries)
                arrived.notify()

    def wait_for(*expected: bytes) -> None:
        with arrived:
            assert arrived.wait_for(lambda: found == list(expected), DEADLINE_S), found

    thread = threading.Thread(target=run)
    thread.start()
    append(log, START + entry("one"))
    wait_for(b"one")
    log.rename(directory / "log.1")
    append(log, entry("two"))
    wait_for(b"one", b"two")
    shutil.rmtree(directory)
    thread.join(DEADLINE_S)
    assert not thread.is_alive()


def test_streams_go_where_they_came_from(kuke: Kuke, memory: MemoryClient, tmp_path: Path) -> None:
    memory.put(WEB)
    log = tmp_path / "log"
    log.write_text(entry("to ", tag="P") + entry("out") + entry("to err", "stderr"))
    memory.log_paths[WEB.child("web")] = str(log)
    for line in (("log", "web"), ("logs", "web", "-c", "web"), ("log", "web", "--container", "web")):
        result = kuke(*line)
        assert (result.code, result.out, result.err) == (0, "to out\n", "to err\n")


def test_the_log_of_a_terminal_is_taken_as_it_is(kuke: Kuke, memory: MemoryClient, tmp_path: Path) -> None:
    memory.put(WEB)
    log = tmp_path / "capture"
    log.write_text(entry("raw"))
    capture = model.LogContainerResult(host_capture_path=str(log))
    memory.log_container = lambda doc, *, timeout=None: capture  # type: ignore[method-assign]
    assert kuke("log", "web").out == entry("raw")


def test_which_container(kuke: Kuke, memory: MemoryClient, tmp_path: Path) -> None:
    memory.put(WEB)
    assert kuke("log", "web", "-c", "wbe").code == 3
    assert "did you mean 'web'" in kuke("log", "web", "-c", "wbe").err
    memory.load("default", "docker.io/library/busybox:latest")
    two = """
        {apiVersion: v1beta1, kind: Cell, metadata: {name: two},
         spec: {realmId: default, spaceId: default, stackId: default,
                containers: [{id: b, image: busybox}, {id: a, image: busybox}]}}"""
    assert kuke("apply", "-f", "-", stdin=two.encode()).code == 0
    result = kuke("log", "two")
    assert result.code == 2
    assert result.err == (
        "Error: cannot choose a container of cell 'default/default/default/two': it has a, b\n"
        "hint: name one: kuke log two -c a; or pass --all-containers\n"
    )


def test_a_container_that_never_wrote(kuke: Kuke, memory: MemoryClient, tmp_path: Path) -> None:
    memory.put(WEB)
    memory.log_paths[WEB.child("web")] = str(tmp_path / "none")
    result = kuke("log", "web")
    assert result.code == 5
    assert "has not written a log yet" in result.err


def test_ctrl_c_ends_following_and_is_no_failure(
    kuke: Kuke, memory: MemoryClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(self: object) -> None:
        raise KeyboardInterrupt

    memory.put(WEB)
    log = tmp_path / "log"
    log.write_text(entry("hello"))
    memory.log_paths[WEB.child("web")] = str(log)
    monkeypatch.setattr("kukeon_api.logs.inotify.Watch.wait", interrupt)
    result = kuke("log", "-f", "web")
    assert (result.code, result.out, result.err) == (0, "hello\n", "")


@pytest.mark.parametrize(
    ("mode", "gid", "words"), [(0o640, 990, "usermod -aG 990"), (0o600, 990, "sudo"), (0o640, 0, "sudo")]
)
def test_a_log_that_may_not_be_read_says_who_may(
    kuke: Kuke, memory: MemoryClient, directory: Path, monkeypatch: pytest.MonkeyPatch, mode: int, gid: int, words: str
) -> None:
    memory.put(WEB)
    log = directory / "log"
    log.write_text(entry("secret"))
    memory.log_paths[WEB.child("web")] = str(log)

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied", str(log))

    shown = os.stat_result((0o100000 | mode, 1, 1, 1, 0, gid, 1, 0, 0, 0))
    monkeypatch.setattr("kukeon_api.logs.reader.Reader", refuse)
    monkeypatch.setattr("kukeon_sdk.reach._refusing", lambda path: shown)
    result = kuke("--no-daemon", "log", "web")
    assert result.code == 6
    assert words in result.err.splitlines()[-1]
    assert ("usermod" in result.err) is (words != "sudo")


def test_only_a_part_of_it(kuke: Kuke, memory: MemoryClient, directory: Path) -> None:
    memory.put(WEB)
    log = directory / "log"
    memory.log_paths[WEB.child("web")] = str(log)
    log.write_text(START + entry("one") + START + entry("two", second=2) + entry("three", "stderr", second=3))
    assert kuke("log", "web", "--tail", "1").err == "three\n"
    assert kuke("log", "web", "-n", "2").out == "two\n"
    assert kuke("log", "web", "--tail", "all").out == "one\ntwo\n"
    assert kuke("log", "web", "--since", "2026-11-21T10:00:03Z").err == "three\n"
    assert kuke("log", "web", "--since", "5m").out == ""
    assert kuke("log", "web", "--previous").out == "one\n"
    shown = kuke("log", "web", "-t", "--tail", "1")
    assert shown.err == "2026-11-21T10:00:03.123456Z three\n"


@pytest.mark.parametrize(
    ("line", "code", "words"),
    [
        (("--tail", "-1"), 2, "neither a number of lines"),
        (("--tail", "many"), 2, "neither a number of lines"),
        (("--since", "yesterday"), 2, "as a time or an age"),
        (("--previous", "-f"), 2, "cannot follow the previous run"),
        (("--previous",), 5, "nothing from before the last start"),
        (("-c", "web", "--all-containers"), 2, "pass one of"),
    ],
)
def test_what_cannot_be_shown(
    kuke: Kuke, memory: MemoryClient, directory: Path, line: tuple[str, ...], code: int, words: str
) -> None:
    memory.put(WEB)
    log = directory / "log"
    memory.log_paths[WEB.child("web")] = str(log)
    log.write_text(START + entry("one"))
    result = kuke("log", "web", *line)
    assert result.code == code
    assert words in result.err


def test_a_terminal_has_no_times(kuke: Kuke, memory: MemoryClient, directory: Path) -> None:
    memory.put(WEB)
    capture = directory / "tty" / "capture"
    capture.parent.mkdir()
    capture.write_bytes(b"$ ls\r\n$ ")
    found = model.LogContainerResult(host_capture_path=str(capture))
    memory.log_container = lambda doc, *, timeout=None: found  # type: ignore[method-assign]
    assert kuke("log", "web", "--tail", "1").out == "$ "
    for flags in (("--timestamps",), ("--since", "5m"), ("--previous",), ("--since", "5m", "--timestamps")):
        result = kuke("log", "web", *flags)
        wrong = " and ".join(flag for flag in flags if flag.startswith("--"))
        assert result.code == 2
        assert "a terminal's transcript has no times\nhint: leave " + wrong + " away" in result.err


def two(kuke: Kuke, memory: MemoryClient, tmp_path: Path) -> tuple[Path, Path]:
    """A cell with two containers that wrote in turns."""
    memory.load("default", "docker.io/library/busybox:latest")
    manifest = """
        {apiVersion: v1beta1, kind: Cell, metadata: {name: two},
         spec: {realmId: default, spaceId: default, stackId: default,
                containers: [{id: b, image: busybox}, {id: a, image: busybox}]}}"""
    memory.put(WEB)
    assert kuke("apply", "-f", "-", stdin=manifest.encode()).code == 0
    logs = []
    for name, seconds in (("a", (1, 4)), ("b", (2, 3))):
        directory = tmp_path / "two" / name
        directory.mkdir(parents=True)
        log = directory / "log"
        log.write_text("".join(entry(f"{name}{second}", second=second) for second in seconds))
        memory.log_paths[WEB.parent.child("two").child(name)] = str(log)  # type: ignore[union-attr]
        logs.append(log)
    return logs[0], logs[1]


def test_all_containers_by_their_times(kuke: Kuke, memory: MemoryClient, tmp_path: Path) -> None:
    two(kuke, memory, tmp_path)
    result = kuke("log", "two", "--all-containers")
    assert (result.code, result.out) == (0, "[a] a1\n[b] b2\n[b] b3\n[a] a4\n")


def test_following_all_containers_ends_with_them(kuke: Kuke, memory: MemoryClient, tmp_path: Path) -> None:
    for log in two(kuke, memory, tmp_path):
        # What follows looks at what is there, then sees that its cell is gone.
        log.chmod(0o640)
    threading.Timer(0.2, shutil.rmtree, (tmp_path / "two",)).start()
    result = kuke("log", "two", "--all-containers", "-f", "-t")
    assert result.code == 0
    assert sorted(result.out.splitlines()) == [
        "[a] 2026-11-21T10:00:01.123456Z a1",
        "[a] 2026-11-21T10:00:04.123456Z a4",
        "[b] 2026-11-21T10:00:02.123456Z b2",
        "[b] 2026-11-21T10:00:03.123456Z b3",
    ]


def test_what_one_of_several_raises_is_told() -> None:
    def fails() -> Iterator[tuple[model.LogEntry, ...]]:
        yield ()
        raise errors.Unavailable("gone")

    with pytest.raises(errors.Unavailable, match="gone"):
        list(several_logs.at_once({"a": fails(), "b": iter([])}))


def test_no_container_goes_on_with_the_line_of_another() -> None:
    def said(text: bytes, *, partial: bool = False) -> tuple[model.LogEntry, ...]:
        return (model.LogEntry(stream=model.LogStream.STDOUT, data=text, partial=partial),)

    out = io.BytesIO()
    shown = log_lines.Text(out, io.BytesIO(), names=True)
    for container, entries in [
        ("a", said(b"half ", partial=True)),
        ("a", said(b"of a line, ", partial=True)),
        ("b", said(b"whole")),
        ("a", said(b"the rest")),
        ("b", said(b"next")),
    ]:
        shown.show(container, entries)
    assert out.getvalue().decode().splitlines() == ["[a] half of a line, ", "[b] whole", "[a] the rest", "[b] next"]


def test_as_json_a_line_is_an_object(kuke: Kuke, memory: MemoryClient, directory: Path) -> None:
    memory.put(WEB)
    log = directory / "log"
    memory.log_paths[WEB.child("web")] = str(log)
    log.write_bytes(START.encode() + entry("one").encode() + entry("b@d", "stderr").encode().replace(b"@", b"\xff"))
    result = kuke("log", "web", "-o", "json")
    at = "2026-11-21T10:00:00.123456Z"
    assert (result.code, result.err) == (0, "")
    assert [json.loads(line) for line in result.out.splitlines()] == [
        {"container": "web", "at": at, "stream": "stdout", "text": "one", "partial": False},
        {"container": "web", "at": at, "stream": "stderr", "text": "b\ufffdd", "partial": False},
    ]


SAID = model.LogEntry(stream=model.LogStream.STDERR, data=b"from kukeond")


def test_a_kukeond_elsewhere_tells_it_itself(
    kuke: Kuke, memory: MemoryClient, directory: Path, elsewhere: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory.put(WEB)
    log = directory / "log"
    memory.log_paths[WEB.child("web")] = str(log)
    log.write_text(entry("of another host, by chance at the same path"))
    asked: list[dict[str, Any]] = []

    def logs(doc: model.ContainerDoc, **how: Any) -> Iterator[model.LogEntry]:
        asked.append(how)
        return iter([SAID])

    monkeypatch.setattr(type(memory), "logs", lambda self, doc, **how: logs(doc, **how))
    result = kuke("log", "web", "-f", "--tail", "3", "--since", "5m")
    assert (result.code, result.out, result.err) == (0, "", "from kukeond\n")
    assert [(how["follow"], how["tail"], how["since"], how["previous"]) for how in asked] == [(True, 3, "5m", False)]


def test_what_may_not_be_read_kukeond_tells(
    kuke: Kuke, memory: MemoryClient, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory.put(WEB)
    memory.log_paths[WEB.child("web")] = str(directory / "log")

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("kukeon_api.logs.reader.Reader", refuse)
    monkeypatch.setattr(type(memory), "logs", lambda self, doc, **how: iter([SAID]))
    assert kuke("log", "web").err == "from kukeond\n"


def test_a_kukeond_that_dies_meanwhile_is_told(
    kuke: Kuke, memory: MemoryClient, directory: Path, elsewhere: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory.put(WEB)
    memory.log_paths[WEB.child("web")] = str(directory / "log")

    def dies() -> Iterator[model.LogEntry]:
        yield SAID
        raise errors.Unavailable("cannot finish Logs: kukeond ended during the call", hint="start it")

    monkeypatch.setattr(type(memory), "logs", lambda self, doc, **how: dies())
    monkeypatch.setattr("kukeon_cli.happenings.RECONNECT_S", 0.0)
    result = kuke("log", "web", "-f")
    assert result.code == 8
    assert result.err == "from kukeond\nError: cannot finish Logs: kukeond ended during the call\nhint: start it\n"


class _Asked:
    def __init__(self, pid: int) -> None:
        self.pid = pid

    def ping(self) -> model.PingResult:
        return model.PingResult(pid=self.pid)


def test_only_the_process_that_listens_is_on_this_host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    path = tmp_path / "kukeond.sock"
    with contextlib.closing(socket.socket(socket.AF_UNIX)) as listener:
        listener.bind(str(path))
        listener.listen()
        assert log_files.on_this_host(_Asked(os.getpid()), f"unix://{path}")  # type: ignore[arg-type]
        assert not log_files.on_this_host(_Asked(os.getpid() + 1), f"unix://{path}")  # type: ignore[arg-type]
    assert not log_files.on_this_host(_Asked(os.getpid()), str(path))  # type: ignore[arg-type]


def test_the_root_container_of_ones_own(kuke: Kuke, memory: MemoryClient, directory: Path) -> None:
    memory.load("default", "docker.io/library/busybox:latest")
    memory.put(WEB)
    manifest = """
        {apiVersion: v1beta1, kind: Cell, metadata: {name: own},
         spec: {realmId: default, spaceId: default, stackId: default,
                containers: [{id: init, root: true, image: busybox}]}}"""
    assert kuke("apply", "-f", "-", stdin=manifest.encode()).code == 0
    log = directory / "log"
    log.write_text(entry("hello"))
    memory.log_paths[WEB.parent.child("own").child("init")] = str(log)  # type: ignore[union-attr]
    assert kuke("log", "own").out == "hello\n"
