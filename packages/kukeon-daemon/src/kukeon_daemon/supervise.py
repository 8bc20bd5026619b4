"""`kukeond supervise`: a small parent that starts kukeond again when it crashes, for hosts without a service manager.

It must stay small and must never be the one that crashes, so it uses a handful of built-in modules: no gRPC, no
runner, no threads. The daemon runs in a session of its own and gets signals from here alone.
"""

from __future__ import annotations

import os
import select
import signal
import sys
import time

from kukeon_daemon import logfile, pidfile

FIRST_DELAY_S = 0.5
# Well below what clients wait for a restart before they give up (RECONNECT_S of kukeon_cli.happenings).
MAX_DELAY_S = 8.0
# A daemon that ran this long was healthy: its next crash is a new story.
STABLE_S = 10.0
# More than the daemon's own drain, cancel and close deadlines together.
STOP_TIMEOUT_S = 30.0
# Starting again changes nothing about wrong usage (2), a conflict (5), missing rights (6) or a missing feature (7).
FINAL_EXIT_CODES = frozenset({0, 2, 5, 6, 7})

DEFAULT_MAX_LOG_BYTES = 10 << 20
DEFAULT_LOG_FILES = 3
READ_BYTES = 1 << 16

USAGE = """\
usage: kukeond supervise [--log-file FILE] [--pid-file FILE] [--max-log-size BYTES] [--max-log-files N]
                         [options of `kukeond serve`] [-- COMMAND [ARGUMENT ...]]

Run `kukeond serve` and start it again when it crashes, waiting longer after each crash (0.5 s to 8 s). Ends when
kukeond ends on purpose, or with its exit code when starting again would not help. SIGTERM stops kukeond and waits for
it, SIGHUP is passed on, and SIGCONT ends the waiting for the next start.

  --log-file FILE       append kukeond's output to FILE (default: it goes where ours goes)
  --max-log-size BYTES  begin a new log file before FILE grows past this (default: 10485760)
  --max-log-files N     keep N older log files as FILE.1 ... FILE.N (default: 3)
  --pid-file FILE       write our pid to FILE, and refuse to start while another supervisor holds it
  -- COMMAND ...        supervise COMMAND instead of `kukeond serve`
"""


class UsageError(Exception):
    """The command line is wrong."""


class Settings:
    """What the command line asks for; `command` is the argument vector to keep running."""

    def __init__(self, arguments: list[str]) -> None:
        """Read `arguments`; what is not ours belongs to `kukeond serve`. Raises `UsageError`."""
        own = {
            "--log-file": "",
            "--pid-file": "",
            "--max-log-size": str(DEFAULT_MAX_LOG_BYTES),
            "--max-log-files": str(DEFAULT_LOG_FILES),
        }
        rest: list[str] = []
        queue = iter(arguments)
        command: list[str] = []
        for argument in queue:
            if argument == "--":
                command = list(queue)
                if not command:
                    raise UsageError("a command must follow '--'")
                break
            name, equals, value = argument.partition("=")
            if name not in own:
                rest.append(argument)
                continue
            if not equals:
                value = next(queue, "")
            if not value:
                raise UsageError(f"{name} needs a value")
            own[name] = value
        if command and rest:
            raise UsageError(f"{rest[0]!r} has no meaning together with a command after '--'")
        self.log_file = own["--log-file"]
        self.pid_file = own["--pid-file"]
        self.max_log_bytes = _count("--max-log-size", own["--max-log-size"])
        self.log_files = _count("--max-log-files", own["--max-log-files"])
        # -P: no package of the current directory takes the daemon's place.
        self.command = command or [sys.executable, "-P", "-m", "kukeon_daemon", "serve", *rest]


def _count(name: str, text: str) -> int:
    if not text.isdecimal():
        raise UsageError(f"{name} must be a whole number, not {text!r}")
    return int(text)


def next_delay_s(delay_s: float, ran_s: float) -> float:
    """Return how long to wait after a run of `ran_s` seconds, when the wait before it was `delay_s` (0: the first)."""
    if not delay_s or ran_s >= STABLE_S:
        return FIRST_DELAY_S
    return min(delay_s * 2, MAX_DELAY_S)


class Supervisor:
    """Keeps one command running until it ends on purpose or we are told to stop."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._log = (
            logfile.LogFile(settings.log_file, settings.max_log_bytes, settings.log_files)
            if settings.log_file
            else None
        )
        # Both ends stay open here, so the pipe outlives every child and never ends.
        self._output, self._input = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        os.set_blocking(self._input, True)
        self._woken, wake = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCONT, signal.SIGCHLD):
            signal.signal(number, lambda *_: None)
        self._poll = select.poll()
        self._poll.register(self._woken, select.POLLIN)
        self._poll.register(self._output, select.POLLIN)
        self._pid = 0
        self._stopping = False
        self._told_to_go_on = False
        self._kill_at = 0.0

    def run(self) -> int:
        """Return the exit code that the whole story deserves."""
        delay_s = 0.0
        while True:
            started = time.monotonic()
            code = self._run_once()
            ran_s = time.monotonic() - started
            if self._stopping:
                # It may not have had the time yet to learn what SIGTERM means to it.
                code = 0 if code == 128 + signal.SIGTERM else code
                self._say("INFO", f"stopped (exit code {code})")
                return code
            if code in FINAL_EXIT_CODES:
                level = "ERROR" if code else "INFO"
                self._say(level, f"kukeond ended with exit code {code}: not starting it again")
                return code
            delay_s = next_delay_s(delay_s, ran_s)
            self._say("WARNING", f"kukeond ended with {_words(code)} after {ran_s:.1f} s, next start in {delay_s:g} s")
            restart_at = time.monotonic() + delay_s
            self._told_to_go_on = False
            while not (self._stopping or self._told_to_go_on) and time.monotonic() < restart_at:
                self._wait(restart_at - time.monotonic())
            if self._told_to_go_on:
                # Somebody may have mended what made it crash.
                self._say("INFO", "told to go on: starting kukeond now")
                delay_s = 0.0
            if self._stopping:
                self._say("INFO", "stopped while waiting for the next start")
                return 0

    def _run_once(self) -> int:
        """Start the command and return its exit code (128 + signal when killed) once it has ended."""
        command = self._settings.command
        actions: list[tuple[object, ...]] = [(os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0)]
        if self._log:
            actions += [(os.POSIX_SPAWN_DUP2, self._input, 1), (os.POSIX_SPAWN_DUP2, self._input, 2)]
        try:
            self._pid = os.posix_spawnp(
                command[0],
                command,
                os.environ,
                file_actions=actions,
                setsid=True,
                setsigmask=[],
                setsigdef=[signal.SIGPIPE, signal.SIGXFSZ],  # Python ignores them, a command may not expect that
            )
        except OSError as error:
            self._say("ERROR", f"cannot start {command[0]!r}: {error.strerror}")
            return 127
        self._say("INFO", f"started kukeond (pid {self._pid})")
        while True:
            pid, status = os.waitpid(self._pid, os.WNOHANG)
            if pid:
                self._pid = 0
                self._pump()
                code = os.waitstatus_to_exitcode(status)
                return code if code >= 0 else 128 - code
            if self._kill_at and time.monotonic() >= self._kill_at:
                self._say("ERROR", f"kukeond did not stop within {STOP_TIMEOUT_S:g} s: killing it")
                os.kill(self._pid, signal.SIGKILL)
                self._kill_at = 0.0
            self._wait(max(0.0, self._kill_at - time.monotonic()) if self._kill_at else None)

    def _wait(self, timeout_s: float | None) -> None:
        """Sleep until a signal, output or the timeout; deal with the first two."""
        for fd, _ in self._poll.poll(None if timeout_s is None else timeout_s * 1000 + 1):
            if fd == self._output:
                self._pump()
                continue
            for number in os.read(self._woken, 64):
                self._signal(number)

    def _signal(self, number: int) -> None:
        if number == signal.SIGHUP and self._log:
            self._log.reopen()
        if number in (signal.SIGTERM, signal.SIGINT):
            if not self._stopping:
                self._kill_at = time.monotonic() + STOP_TIMEOUT_S
            self._stopping = True
            number = signal.SIGTERM
        if number == signal.SIGCONT:
            # Only ends a wait of ours: whoever sends it cannot know that kukeond has not been started meanwhile, and
            # of all signals this is the one that harms nobody who does not expect it.
            self._told_to_go_on = True
            return
        if number != signal.SIGCHLD and self._pid:
            os.kill(self._pid, number)  # not reaped yet, so the pid is still ours

    def _pump(self) -> None:
        """Move what the command has written into the log file."""
        while self._log:
            try:
                self._log.write(os.read(self._output, READ_BYTES))
            except BlockingIOError:
                return

    def _say(self, level: str, text: str) -> None:
        now = time.time()
        stamp = f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(now))}.{int(now % 1 * 1000):03d}Z"
        line = f"{stamp} {level} supervise: {text}\n".encode(errors="backslashreplace")
        if self._log:
            self._log.write(line)
        else:
            os.write(2, line)


def _words(code: int) -> str:
    return f"signal {code - 128}" if code > 128 else f"exit code {code}"


def main(arguments: list[str]) -> int:
    """Run `kukeond supervise` and return its exit code."""
    if "-h" in arguments or "--help" in arguments:
        sys.stdout.write(USAGE)
        return 0
    try:
        settings = Settings(arguments)
    except UsageError as error:
        sys.stderr.write(f"Error: {error}\nhint: see 'kukeond supervise --help'\n")
        return 2
    held = pidfile.PidFile(settings.pid_file) if settings.pid_file else None
    try:
        if held:
            held.take()
        supervisor = Supervisor(settings)
    except pidfile.Held as error:
        sys.stderr.write(f"Error: cannot start: {error}\nhint: another supervisor runs; stop it first\n")
        return 5
    except OSError as error:
        sys.stderr.write(f"Error: cannot start: {error.strerror}: {error.filename!r}\n")
        return 1
    try:
        return supervisor.run()
    finally:
        if held:
            held.release()
