"""Runs of programs in memory: a container's own, those beside them, and what they write."""

from __future__ import annotations

import itertools
import signal
from typing import TYPE_CHECKING, Any

from kukeon_api import endings, errors, exec_rules, model
from kukeon_sdk.testing.memory.cells import ACTIVE
from kukeon_sdk.testing.memory.logbook import Logbook
from kukeon_sdk.testing.memory.process import Process

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Sequence

    from kukeon_sdk.testing.memory.channel import Channel
    from kukeon_sdk.testing.memory.world import Stored, World
    from kukeon_sdk.testing.programs import Program

KILLED = 128 + signal.SIGKILL
HUNG_UP = 128 + signal.SIGHUP


class Runs:
    """What runs in the containers of a world; follows what is stored of them.

    All of it is guarded by the lock of `changed`, which is told of everything. `exited` is called for a container whose
    program ended by itself.
    """

    def __init__(
        self,
        world: World,
        programs: dict[str, Program],
        changed: threading.Condition,
        exited: Callable[[model.Ref, int], object],
    ) -> None:
        self.books: dict[model.Ref, Logbook] = {}
        """Of containers that were ever started."""
        self._world = world
        self._programs = programs
        self._changed = changed
        self._exited = exited
        self._processes: dict[model.Ref, Process] = {}
        self._beside: dict[model.Ref, list[Process]] = {}
        self._viewers: dict[model.Ref, list[Channel]] = {}
        self._sizes: dict[model.Ref, tuple[int, int]] = {}
        self._pids = itertools.count(1000)

    def follow(self, before: Stored | None, after: Stored | None) -> None:
        """Start and end programs as the containers of a cell did."""
        was, now = _statuses(before), _statuses(after)
        specs = {each.id: each for each in after.spec.containers} if isinstance(after, model.CellDoc) else {}
        doc = after or before
        assert doc is not None
        for name in was.keys() | now.keys():
            ref = model.ref_of(doc).child(name)
            old, new = was.get(name), now.get(name)
            ran = old is not None and old.state in ACTIVE and old.start_time is not None
            runs = new is not None and new.state in ACTIVE and new.start_time is not None
            anew = runs and (old is None or new is None or not ran or old.start_time != new.start_time)
            if ran and (anew or not runs):
                self._end(ref, new.exit_code if new is not None else None)
            if new is None:
                self.books.pop(ref, None)
            elif anew and name in specs:
                self._begin(ref, specs[name])

    def exec(
        self,
        ref: model.Ref,
        spec: model.ContainerSpec,
        channel: Channel,
        *,
        command: Sequence[str],
        env: Sequence[str],
        **how: Any,
    ) -> None:
        """Run a program beside the container's own. Raises `Invalid` when there is none of that name."""
        name = command[0].rpartition("/")[2]
        program = self._programs.get(name)
        if program is None:
            raise errors.Invalid(
                f"cannot run {command[0]!r} in container {str(ref)!r}: there is no program {command[0]!r}",
                hint=f"in memory there are those that a test registers: client.programs[{name!r}] = ...",
            )

        def ended(code: int) -> None:
            channel.put("exit", model.ExitStatus(code=code, signal=endings.signal_name(code)))
            channel.end()
            with self._changed:
                beside.remove(process)

        process = Process(
            ref,
            command,
            env=(*spec.env, *env),
            **how,
            wrote=channel.put_when_taken,
            echoed=lambda data: channel.put("stdout", data),
            taken=lambda count: channel.put("stdin_taken", count),
            ended=ended,
        )
        channel.asked = _asked(process)
        channel.hung_up = lambda: process.end(HUNG_UP)
        beside = self._beside.setdefault(ref, [])
        beside.append(process)
        channel.put("started", model.ExecStarted(pid=next(self._pids)))
        process.run(program)

    def attach(self, ref: model.Ref, channel: Channel, rows: int, columns: int, position: int) -> None:
        """Show the container's terminal, from `position` on, or from the beginning when that is still to come."""
        viewers = self._viewers.setdefault(ref, [])
        channel.asked = lambda name, value: channel.end() if name == "leave" else self._typed(ref, name, value)
        channel.hung_up = lambda: self._left(ref, channel)
        viewers.append(channel)
        self.resize(ref, rows, columns)
        channel.put("started", True)
        shown = self.books[ref].shown()
        begin = position if position <= len(shown) else 0
        channel.put("position", begin)
        if shown[begin:]:
            channel.put("output", shown[begin:])

    def resize(self, ref: model.Ref, rows: int, columns: int) -> None:
        """Change the size of the container's terminal; zeros leave it."""
        if rows and columns:
            self._sizes[ref] = (rows, columns)
            if (process := self._processes.get(ref)) is not None:
                process.resize(rows, columns)

    def write(self, ref: model.Ref, data: bytes, stream: str = "stdout") -> None:
        """Have the container's own program write something. Raises `TaskNotRunning`."""
        with self._changed:
            if ref not in self.books or not self._runs(ref):
                raise errors.TaskNotRunning(f"cannot write as container {str(ref)!r}: it does not run")
            self._keep(ref, stream, data)

    def stop(self) -> None:
        """End every program, so that no thread is left of it; nothing is noted."""
        with self._changed:
            running = [*self._processes.values(), *(each for beside in self._beside.values() for each in beside)]
            self._processes.clear()
        for process in running:
            process.end(KILLED)

    def _keep(self, ref: model.Ref, stream: str, data: bytes) -> None:
        self.books[ref].write(stream, data, self._world.now())
        for viewer in self._viewers.get(ref, ()):
            viewer.put("output", data)
        self._changed.notify_all()

    def _begin(self, ref: model.Ref, spec: model.ContainerSpec) -> None:
        book = self.books.setdefault(ref, Logbook(terminal=spec.attachable))
        book.terminal = spec.attachable
        book.start()
        argv = (spec.command, *spec.args)
        program = self._programs.get(str(ref)) or self._programs.get(spec.command.rpartition("/")[2])
        if program is None:
            return  # it just runs
        rows, columns = self._sizes.get(ref, (0, 0))
        process = Process(
            ref,
            argv,
            env=spec.env,
            user=spec.user or "",
            working_dir=spec.working_dir,
            tty=spec.attachable,
            rows=rows,
            columns=columns,
            wrote=lambda stream, data: self._wrote(ref, process, stream, data),
            echoed=lambda data: self._wrote(ref, process, "stdout", data),
            ended=lambda code: self._ended(ref, process, code),
        )
        if not spec.attachable:
            process.close_stdin()
        self._processes[ref] = process
        process.run(program)

    def _end(self, ref: model.Ref, code: int | None) -> None:
        process = self._processes.get(ref)
        if process is not None and code is not None and code != KILLED:
            process.signal(signal.SIGTERM)  # for its last words, if it has any
        self._processes.pop(ref, None)
        if process is not None:
            process.end(KILLED)
        self.books[ref].finish(self._world.now())
        for each in list(self._beside.pop(ref, ())):
            each.end(KILLED)
        for viewer in self._viewers.pop(ref, ()):
            viewer.put("ended", model.AttachEnded(code=code))
            viewer.end()

    def _wrote(self, ref: model.Ref, process: Process, stream: str, data: bytes) -> None:
        with self._changed:
            if self._processes.get(ref) is process:
                self._keep(ref, stream, data)

    def _ended(self, ref: model.Ref, process: Process, code: int) -> None:
        with self._changed:
            if self._processes.get(ref) is process:
                del self._processes[ref]
                self._exited(ref, code)

    def _typed(self, ref: model.Ref, name: str, value: Any) -> None:
        process = self._processes.get(ref)
        if name == "resize":
            self.resize(ref, value.rows, value.columns)
        elif process is not None:
            process.feed(value)

    def _left(self, ref: model.Ref, channel: Channel) -> None:
        with self._changed:
            viewers = self._viewers.get(ref, [])
            if channel in viewers:
                viewers.remove(channel)

    def _runs(self, ref: model.Ref) -> bool:
        cell = self._world.find(ref.parent) if ref.parent is not None else None
        states = {each.name: each.state for each in cell.status.containers} if cell is not None else {}
        return states.get(ref.container) in ACTIVE


def _asked(process: Process) -> Callable[[str, Any], None]:
    def asked(name: str, value: Any) -> None:
        match name:
            case "stdin":
                process.feed(value)
            case "stdin_closed":
                process.close_stdin()
            case "resize":
                exec_rules.check_size(value.rows, value.columns)
                process.resize(value.rows, value.columns)
            case "signal":
                exec_rules.check_signal(value)
                process.signal(value)

    return asked


def _statuses(doc: Stored | None) -> dict[str, model.ContainerStatus]:
    return {each.name: each for each in doc.status.containers} if isinstance(doc, model.CellDoc) else {}
