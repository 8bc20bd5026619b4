"""Terminals as their users meet them: left and found again, by members of the group, from their first moment."""

import ctypes
import os
import stat
import struct
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from kuketest import manifests, pseudo_terminal, traces, witness
from kuketest.instance import InProcess, Instance
from kuketest.pseudo_terminal import Terminal

GROUP = 64123
"""Of nobody, until a test runs as it."""
BUILD_IMAGE = Path(__file__).resolve().parent.parent / "scripts" / "build-image"
DETACH = b"\x1d\x1d"

# It obeys what is typed, and ends when it is told to, as an interactive shell would not.
OBEYS = "trap 'exit 0' TERM; while :; do read -r line && eval \"$line\"; done"

# <sys/inotify.h>
IN_ATTRIB, IN_MOVED_TO, IN_CREATE = 0x004, 0x080, 0x100


def attachable(name: str, script: str = OBEYS, **more: object) -> str:
    return manifests.cell(name, manifests.container("main", script) | {"attachable": True, **more})


@contextmanager
def at_a_terminal(kukeon: Instance, *arguments: str, prefix: Sequence[str] = ()) -> Iterator[Terminal]:
    where = ("--no-daemon",) if isinstance(kukeon, InProcess) else ()
    command = [*prefix, str(kukeon.programs / "kuke"), *where, *arguments]
    with pseudo_terminal.terminal(command, kukeon.environment(), str(kukeon.home)) as screen:
        yield screen


def sockets(kukeon: Instance) -> list[Path]:
    return sorted(Path(traces.runtime_directory(kukeon), "tty").glob("*.sock"))


@pytest.mark.scenario(30, 31)
def test_a_terminal_is_left_and_found_again(either: Instance) -> None:
    either.apply(attachable("web"))
    (_,) = sockets(either)
    task = witness.tasks(either, "default")["default_default_web_main"]
    with at_a_terminal(either, "attach", "web") as first:
        first.type(b"mine=kept; echo set-$((1+1))\r")
        first.shows(b"set-2")
        first.type(DETACH)
        assert first.ends() == 0
        assert first.given_back
    assert task[1] == "RUNNING"
    assert witness.tasks(either, "default")["default_default_web_main"] == task
    with at_a_terminal(either, "attach", "web") as second:
        second.type(b"echo again-$mine\r")
        second.shows(b"again-kept")
        second.type(DETACH)
        assert second.ends() == 0
    assert witness.tasks(either, "default")["default_default_web_main"] == task, "it is still the same shell"
    either.kuke("delete", "cell", "web")
    assert sockets(either) == []


@pytest.mark.scenario(32)
def test_members_of_the_group_run_what_was_stopped_again_and_again(
    new_instance: Callable[..., Instance], image_archive: Path
) -> None:
    kukeon = new_instance("--containerd", "embedded", "--socket-gid", str(GROUP))
    kukeon.start()
    kukeon.kuke("image", "load", str(image_archive))
    member = ("setpriv", "--reuid=65534", f"--regid={GROUP}", "--clear-groups")
    kukeon.kuke("apply", "-f", "-", manifest=attachable("web"), prefix=member)
    for number in range(20):
        kukeon.kuke("stop", "cell", "web", prefix=member)
        assert sockets(kukeon) == []
        with at_a_terminal(kukeon, "run", "web", prefix=member) as screen:
            screen.type(f"echo round-$(({number}+100))\r".encode())
            screen.shows(f"round-{number + 100}".encode())
            (socket,) = sockets(kukeon)
            found = socket.stat()
            assert (stat.S_IMODE(found.st_mode), found.st_uid, found.st_gid) == (0o660, 0, GROUP)
            screen.type(DETACH)
            screen.shows(b"it goes on. Back to it: kuke attach web")
            assert screen.ends() == 0, screen.seen
            assert b"denied" not in screen.seen
        kukeon.remember_shims()
    kukeon.kuke("delete", "cell", "web", prefix=member)


@contextmanager
def seen_happening(directory: Path, mask: int) -> Iterator[Callable[[], list[tuple[int, str]]]]:
    """What happens in a directory, as inotify(7) tells it: the kind, and the file's name."""
    libc = ctypes.CDLL(None, use_errno=True)
    watching = libc.inotify_init1(os.O_CLOEXEC | os.O_NONBLOCK)
    assert libc.inotify_add_watch(watching, os.fsencode(directory), mask) >= 0, os.strerror(ctypes.get_errno())
    seen: list[tuple[int, str]] = []

    def so_far() -> list[tuple[int, str]]:
        try:
            while events := os.read(watching, 1 << 16):
                while events:
                    _, kind, _, length = struct.unpack_from("iIII", events)
                    name = events[16 : 16 + length].rstrip(b"\0").decode()
                    seen.append((kind, name))
                    events = events[16 + length :]
        except BlockingIOError:
            pass
        return seen

    try:
        yield so_far
    finally:
        os.close(watching)


@pytest.mark.scenario(33)
def test_a_socket_has_its_rights_from_its_first_moment(
    new_instance: Callable[..., Instance], image_archive: Path
) -> None:
    kukeon = new_instance("--containerd", "embedded", "--socket-gid", str(GROUP))
    kukeon.start()
    kukeon.kuke("image", "load", str(image_archive))
    kukeon.apply(attachable("early"))
    (early,) = sockets(kukeon)
    # Long before its program is ready for anybody: what it is to do first never ends.
    busy = attachable("busy", "sleep 1000; exec sh", tty={"onInit": [{"script": "sleep 1000"}]})
    with seen_happening(early.parent, IN_CREATE | IN_MOVED_TO | IN_ATTRIB) as so_far:
        kukeon.apply(busy)
        (socket,) = set(sockets(kukeon)) - {early}
        happened = [kind for kind, name in so_far() if name == socket.name]
    assert happened == [IN_MOVED_TO], "it comes into sight once, finished, and nobody changes its rights afterwards"
    found = socket.stat()
    assert (stat.S_IMODE(found.st_mode), found.st_uid, found.st_gid) == (0o660, 0, GROUP)
    for name in ("busy", "early"):
        kukeon.kuke("kill", "cell", name)
        kukeon.kuke("delete", "cell", name)


def test_a_program_at_a_terminal_has_its_images_environment(kukeon: Instance, tmp_path: Path) -> None:
    archive, image = tmp_path / "flavoured.tar", "docker.io/library/flavoured:latest"
    subprocess.run([BUILD_IMAGE, "--name", image, "--env", "FLAVOUR=vanilla", archive], check=True)
    kukeon.kuke("image", "load", str(archive))
    kukeon.apply(attachable("web", image=image, env=["MINE=too"]))
    with at_a_terminal(kukeon, "attach", "web") as screen:
        screen.type(b"echo $FLAVOUR-$MINE-$KUKEON_CELL_NAME-$TERM\r")
        screen.shows(b"vanilla-too-web-xterm-256color")
        screen.type(DETACH)
        assert screen.ends() == 0
    kukeon.kuke("delete", "cell", "web")
    kukeon.kuke("image", "delete", image)


@pytest.mark.scenario(34)
def test_the_shell_is_offered_the_names_that_kukeond_knows(either: Instance) -> None:
    either.apply(manifests.sleeper("web"))
    # The hidden command is the first word of its line; where to look is said as anywhere else on it.
    where = ("--no-daemon",) if isinstance(either, InProcess) else ()
    done = Instance.kuke(either, "__complete", "get", "cell", *where, "")
    assert done.out == "web\n:4\n"
    either.kuke("delete", "cell", "web")
