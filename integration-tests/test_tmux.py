"""What people do in a terminal multiplexer: terminals in a window that changes, and what is left of it afterwards."""

import os
import shlex
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from kuketest import manifests
from kuketest.instance import Instance
from kuketest.waiting import PATIENCE, until, until_equal

FULL_SCREEN = "printf '\\033[?1049h\\033[?25l\\033[?1000hfull-%s-screen' $((1+1))"
"""What an editor does when it starts: the other screen, no cursor, the mouse."""


class Window:
    """A window of tmux with a shell in it."""

    def __init__(self, kukeon: Instance) -> None:
        self._server = ("tmux", "-L", kukeon.name, "-f", "/dev/null")
        self._environment = kukeon.environment()
        self._kuke = str(kukeon.programs / "kuke")
        self.tmux("new-session", "-d", "-x", "100", "-y", "30", "/bin/sh")
        # tmux settles the terminal after it has answered, and before the shell begins.
        self.types("echo begun-$((1+1))")
        self.shows("begun-2")
        self.before = self.modes()

    def tmux(self, *arguments: str) -> str:
        done = subprocess.run(
            [*self._server, *arguments],
            env=self._environment,
            capture_output=True,
            text=True,
            check=True,
            timeout=30 * PATIENCE,
        )
        return done.stdout

    def types(self, line: str) -> None:
        self.tmux("send-keys", "-l", line)
        self.tmux("send-keys", "Enter")

    def kuke(self, *arguments: str) -> None:
        """Run `kuke` at the prompt; its exit code is shown as `left-with-CODE`."""
        self.types(f"{shlex.join((self._kuke, *arguments))}; echo left-with-$?")

    def leave(self) -> None:
        self.tmux("send-keys", "C-]", "C-]")

    def shows(self, text: str) -> None:
        until(lambda: text in self.screen(), f"{text!r} on the screen:\n{self.screen()}")

    def screen(self) -> str:
        return self.tmux("capture-pane", "-p")

    def modes(self) -> dict[str, str]:
        """What programs can do to the terminal: the modes of the screen, and those of the keyboard."""
        names = ("alternate_on", "cursor_flag", "mouse_any_flag", "keypad_flag", "keypad_cursor_flag", "wrap_flag")
        found = dict(zip(names, self.ask(*names), strict=True))
        (terminal,) = self.ask("pane_tty")
        done = subprocess.run(["stty", "-g", "-F", terminal], capture_output=True, text=True, check=True)
        return found | {"stty": done.stdout}

    def ask(self, *names: str) -> list[str]:
        return self.tmux("display-message", "-p", " ".join(f"#{{{name}}}" for name in names)).strip("\n").split(" ")

    def resize(self, columns: int, rows: int) -> None:
        self.tmux("resize-window", "-x", str(columns), "-y", str(rows))

    def fits(self) -> None:
        """Wait until the program sees the window's own size."""
        rows, columns = self.ask("pane_height", "pane_width")
        self.types(
            f"until test \"$(stty size)\" = '{rows} {columns}'; do sleep 0.1; done; echo fits-{columns}-$((1+1))"
        )
        self.shows(f"fits-{columns}-2")

    @property
    def client(self) -> int:
        """The process of `kuke`."""
        (shell,) = self.ask("pane_pid")
        return int(until(lambda: Path(f"/proc/{shell}/task/{shell}/children").read_text().split(), "kuke to run")[0])

    def is_given_back(self, code: int) -> None:
        """Wait until `kuke` has ended with `code`; everything is then as it was."""
        self.shows(f"left-with-{code}\n")
        until_equal(self.modes, self.before, "the modes of the terminal")
        self.types("clear; echo outside-$((1+1))")
        self.shows("outside-2")


@pytest.fixture
def window(kukeon: Instance) -> Iterator[Window]:
    made = Window(kukeon)
    try:
        yield made
    finally:
        made.tmux("kill-server")


@pytest.fixture
def shell(kukeon: Instance) -> Iterator[str]:
    container = {"id": "main", "image": manifests.IMAGE, "command": "/bin/sh", "attachable": True}
    kukeon.apply(manifests.cell("shell", container | {"tty": {"prompt": "cell> "}}))
    yield "shell"
    kukeon.kuke("delete", "cell", "shell")


def test_attach(window: Window, shell: str) -> None:
    window.kuke("attach", shell)
    window.shows("Leave it with Ctrl-] Ctrl-]")
    window.shows("cell>")
    window.fits()
    window.resize(132, 43)
    window.fits()
    window.leave()
    window.is_given_back(0)
    for number in (signal.SIGTERM, signal.SIGHUP):
        window.kuke("attach", shell)
        window.types(f"clear; {FULL_SCREEN}")
        window.shows("full-2-screen")
        assert window.modes()["alternate_on"] == "1"
        os.kill(window.client, number)
        window.is_given_back(128 + number)
    # Whoever comes next is shown what there is, and the program has gone on.
    window.kuke("attach", shell)
    window.shows("full-2-screen")
    window.leave()
    window.is_given_back(0)


def test_exec(window: Window, shell: str, kukeon: Instance) -> None:
    window.kuke("exec", "-it", shell, "--", "sh")
    window.shows("# ")
    window.fits()
    window.resize(90, 25)
    window.fits()
    window.types(FULL_SCREEN)
    window.shows("full-2-screen")
    os.kill(window.client, signal.SIGHUP)
    window.is_given_back(128 + signal.SIGHUP)
    window.kuke("exec", "-it", shell, "--", "sh")
    window.shows("# ")
    window.types(FULL_SCREEN)
    window.shows("full-2-screen")
    kukeon.sigkill()
    window.is_given_back(8)
    kukeon.start()
    window.kuke("exec", "-it", shell, "--", "sh", "-c", f"{FULL_SCREEN}; exit 7")
    window.is_given_back(7)


def test_run(window: Window, kukeon: Instance) -> None:
    window.kuke("run", "--rm", "--name", "job", "--image", "busybox", "--", "/bin/sh")
    window.shows("Attached to cell/job")
    window.shows("# ")
    window.fits()
    window.resize(120, 40)
    window.fits()
    window.leave()
    window.is_given_back(0)
    window.kuke("run", "--rm", "--name", "other", "--image", "busybox", "--", "/bin/sh")
    window.shows("Attached to cell/other")
    os.kill(window.client, signal.SIGHUP)
    window.is_given_back(128 + signal.SIGHUP)
    assert kukeon.state("other") == "Ready"
    kukeon.kuke("delete", "cell", "other")
    window.kuke("run", "job")
    window.shows("# ")
    window.types(f"clear; {FULL_SCREEN}; read key; exit 9")
    window.shows("full-2-screen")
    window.types("x")
    window.is_given_back(9)
    kukeon.kuke("wait", "cell/job", "--for=deleted", "--timeout", "30s")
