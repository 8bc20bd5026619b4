"""The seam to whatever keeps kukeond running on this host: systemd, or our own small supervisor."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from kukeon_api import errors
from kukeon_cli import processes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kukeon_cli.server import Server

UNIT = "kukeond.service"
UNIT_FILE = Path("/etc/systemd/system") / UNIT
SYSTEMD_RUNTIME = Path("/run/systemd/system")
"""Exists exactly when systemd is the init of this host: sd_booted(3)."""

PROGRAM_VARIABLE = "KUKEOND_PROGRAM"
_COMMAND_TIMEOUT_S = 60.0
FORCE_S = 10.0
"""What a killed process may take to be gone: the kernel frees its memory first."""
_SAID_BYTES = 1 << 14
"""More than anybody wants to read of a program that didn't start."""


class Service(Protocol):
    """How kukeond is started, stopped and found."""

    def pid(self) -> int | None:
        """Return the process to stop when kukeond is to stop, None when it does not run."""
        ...

    def start(self) -> None:
        """Start kukeond without waiting until it answers. Raises `HostError`."""
        ...

    def wake(self) -> bool:
        """Have a kukeond that crashed, and waits for its next start, started now; return whether it was so."""
        ...

    def stop(self, timeout_s: float) -> bool:
        """Stop kukeond, by force when it takes longer than `timeout_s`; return whether force was needed.

        Raises `HostError` when even force does not end it.
        """
        ...

    def kill(self) -> None:
        """End kukeond at once, without letting it finish anything; it is not started again. Raises `HostError`."""
        ...

    def complaint(self) -> str | None:
        """Return why it has given up since `start`, None while it has not."""
        ...


def of(server: Server, program: Path | None = None) -> Service:
    """Return what keeps the kukeond of `server`: systemd where its unit is installed, else the supervisor."""
    if server.default and SYSTEMD_RUNTIME.is_dir() and UNIT_FILE.exists():
        return Systemd(server)
    return Supervised(server, program)


def find_program(environ: dict[str, str] | None = None) -> Path:
    """Return the `kukeond` to start: $KUKEOND_PROGRAM, the one installed beside this kuke, the one on PATH.

    Raises `Unavailable` when there is none.
    """
    values = os.environ if environ is None else environ
    if values.get(PROGRAM_VARIABLE):
        return Path(values[PROGRAM_VARIABLE])
    for directory in (Path(sys.executable).parent, Path(sys.argv[0]).parent):
        beside = directory / "kukeond"
        if os.access(beside, os.X_OK) and beside.is_file():
            return beside.absolute()
    found = shutil.which("kukeond")
    if found is None:
        raise errors.Unavailable(
            "cannot start kukeond: there is no such program beside kuke or on PATH",
            hint="install it: pip install kukeon-daemon",
        )
    return Path(found).absolute()


class Systemd:
    """kukeond as a unit of systemd; one that somebody started otherwise can be found and stopped all the same."""

    def __init__(self, server: Server) -> None:
        self._other = Supervised(server)

    def _main_pid(self) -> int | None:
        text = _systemctl("show", "--property=MainPID", "--value", UNIT).strip()
        return int(text) if text.isdecimal() and text != "0" else None

    def pid(self) -> int | None:
        return self._main_pid() or self._other.pid()

    def start(self) -> None:
        _systemctl("reset-failed", UNIT, check=False)
        _systemctl("start", "--no-block", UNIT)

    def wake(self) -> bool:
        # What a unit waits for has no process, so it is started like any other.
        return self._main_pid() is None and self._other.wake()

    def stop(self, timeout_s: float) -> bool:
        pid = self._main_pid()
        if pid is None:
            return self._other.stop(timeout_s)
        _systemctl("stop", "--no-block", UNIT)
        if processes.wait_gone(pid, timeout_s):
            return False
        self._force(pid)
        return True

    def kill(self) -> None:
        pid = self._main_pid()
        if pid is None:
            self._other.kill()
            return
        # Told to stop it first, systemd does not start it again.
        _systemctl("stop", "--no-block", UNIT)
        self._force(pid)

    def _force(self, pid: int) -> None:
        # Kukeond alone: what else is in its unit are programs that go on without it. It may have ended just now.
        _systemctl("kill", "--signal=SIGKILL", "--kill-who=main", UNIT, check=False)
        if not processes.wait_gone(pid, FORCE_S):
            raise _immortal(pid)

    def complaint(self) -> str | None:
        state = _systemctl("show", "--property=ActiveState", "--value", UNIT).strip()
        return "systemd gave up restarting it" if state == "failed" else None


def _systemctl(*arguments: str, check: bool = True) -> str:
    return run("systemctl", *arguments, check=check)


def run(*command: str, check: bool = True) -> str:
    """Run a program of the host and return its output. Raises `HostError` with what it said."""
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_COMMAND_TIMEOUT_S,
            check=False,
        )
    except FileNotFoundError as exc:
        raise errors.HostError(f"cannot run {command[0]!r}: there is no such program") from exc
    except subprocess.TimeoutExpired as exc:
        raise errors.HostError(f"cannot wait for {' '.join(command)!r}: no end in {_COMMAND_TIMEOUT_S:.0f} s") from exc
    if check and done.returncode:
        said = done.stderr.strip() or done.stdout.strip()
        raise errors.HostError(f"{' '.join(command)!r} failed with exit code {done.returncode}: {said}")
    return done.stdout


class Supervised:
    """kukeond below `kukeond supervise`, a process of its own session that outlives us and starts it again."""

    def __init__(self, server: Server, program: Path | None = None) -> None:
        self._server = server
        self._program = program
        self._started = 0
        self._said = -1
        self._complaint: str | None = None

    def pid(self) -> int | None:
        """Return the supervisor's pid, or that of a kukeond that somebody started without one."""
        return processes.holder(self._server.supervisor_pid_file) or processes.holder(self._server.pid_file)

    def start(self) -> None:
        program = self._program or find_program()
        self._server.supervisor_pid_file.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
        command = [
            os.fspath(program),
            "supervise",
            f"--log-file={self._server.log}",
            f"--pid-file={self._server.supervisor_pid_file}",
            *self.serve_arguments(),
        ]
        # What it says before it has its log file; a pipe would end with us, this needs no reader.
        self._said = os.memfd_create("kukeond-start")
        try:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=self._said,
                stderr=self._said,
                cwd="/",
                start_new_session=True,
            )
        except OSError as exc:
            raise errors.HostError(f"cannot start {os.fspath(program)!r}: {exc.strerror}") from exc
        self._started = process.pid
        # It outlives us, which `subprocess` would complain about; `complaint` waits for it itself.
        process.returncode = 0

    def serve_arguments(self) -> list[str]:
        """Return the options of `kukeond serve`: its settings file, and what makes it this instance and no other."""
        # An empty name is no file at all: without it, one more instance would read the settings of the main one.
        file = self._server.configuration if self._server.file is not None else ""
        return [f"--configuration={file}", f"--run-path={self._server.run_path}", f"--socket={self._server.socket}"]

    def wake(self) -> bool:
        with processes.of(self._server.supervisor_pid_file) as supervisor:
            if supervisor is None or processes.holder(self._server.pid_file) is not None:
                return False
            supervisor.signal(signal.SIGCONT)
            return True

    def stop(self, timeout_s: float) -> bool:
        with self._processes() as found:
            if found:
                # The supervisor tells kukeond, which takes a second word for an order to drop everything.
                found[0].signal(signal.SIGTERM)
            if processes.all_end(found, timeout_s):
                return False
            self._force(found)
            return True

    def kill(self) -> None:
        with self._processes() as found:
            self._force(found)

    def _force(self, found: list[processes.Process]) -> None:
        # The supervisor first: it would start kukeond again. It may have done so since they were looked for.
        for process in found:
            process.signal(signal.SIGKILL)
        for process in found:
            if not process.ends(FORCE_S):
                raise _immortal(process.pid)
        with processes.of(self._server.pid_file) as late:
            if late is not None:
                late.signal(signal.SIGKILL)
                late.ends(FORCE_S)

    @contextmanager
    def _processes(self) -> Iterator[list[processes.Process]]:
        """Give the supervisor and kukeond, whichever of the two run, in this order."""
        with ExitStack() as opened:
            paths = (self._server.supervisor_pid_file, self._server.pid_file)
            found = [opened.enter_context(processes.of(path)) for path in paths]
            yield [process for process in found if process is not None]

    def complaint(self) -> str | None:
        if self._started:
            pid, status = os.waitpid(self._started, os.WNOHANG)
            if pid:
                self._started = 0
                said = os.pread(self._said, _SAID_BYTES, 0).decode(errors="replace").strip().removeprefix("Error: ")
                self._complaint = said or f"it ended with exit code {os.waitstatus_to_exitcode(status)}"
        return self._complaint


def _immortal(pid: int) -> errors.HostError:
    return errors.HostError(
        f"cannot end kukeond (pid {pid}): it does not die of SIGKILL",
        hint=f"it hangs in the kernel, in what `cat /proc/{pid}/wchan` says; a reboot ends it",
    )


def last_lines(path: Path, count: int, since: int = 0) -> list[str]:
    """Return the last lines of a log, those written after its first `since` bytes; none when there is no log."""
    limit = 1 << 16
    try:
        with path.open("rb") as file:
            end = file.seek(0, os.SEEK_END)
            file.seek(max(since if since <= end else 0, end - limit))
            lines = file.read(limit).decode(errors="replace").splitlines()
    except OSError:
        # Without a log there is nothing to tell; the caller says that it failed anyway.
        return []
    return lines[-count:]


def journal(*, follow: bool, tail: int | None = None) -> int:
    """Let journalctl print what the unit wrote, the last `tail` lines or all, and return its exit code."""
    lines = "all" if tail is None else str(tail)
    command = ["journalctl", "--no-pager", f"--unit={UNIT}", f"--lines={lines}", *(["--follow"] if follow else [])]
    try:
        return subprocess.run(command, check=False).returncode
    except FileNotFoundError as exc:
        raise errors.HostError("cannot run 'journalctl': there is no such program") from exc


def install_unit(server: Server, program: Path | None = None) -> str:
    """Write the unit that `kukeond unit` prints and enable it; return what became of it."""
    service = Supervised(server, program)
    text = run(os.fspath(program or find_program()), "unit", *service.serve_arguments())
    before = UNIT_FILE.read_text() if UNIT_FILE.exists() else None
    if before != text:
        UNIT_FILE.write_text(text)
        _systemctl("daemon-reload")
    _systemctl("enable", UNIT)
    if before is None:
        return "created"
    return "already existed" if before == text else "updated"


def remove_unit() -> str:
    """Disable and remove the unit; return what became of it."""
    if not UNIT_FILE.exists():
        return "absent"
    _systemctl("disable", "--now", UNIT)
    UNIT_FILE.unlink()
    _systemctl("daemon-reload")
    return "removed"
