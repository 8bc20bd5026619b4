"""A cell in the foreground: its output here, its end ours, its program's exit code kuke's."""

from __future__ import annotations

import signal
import sys
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from kukeon_api import errors, model
from kukeon_cli import failures, happenings, interruption, log_stream, resources

if TYPE_CHECKING:
    from types import FrameType, TracebackType

    from kukeon_cli.session import Session
    from kukeon_sdk.client import Client

_LOOK_S = 0.5
"""How often to see whether the output has broken off."""
_QUIET_S = 0.3
"""After the end of a program: when nothing has come for so long, nothing more will."""
_LAST_S = 5.0
"""After the end of a program: how long what it wrote last may take."""

_ALIVE = frozenset(
    {
        model.ContainerState.READY,
        model.ContainerState.PENDING,
        model.ContainerState.PAUSED,
        model.ContainerState.PAUSING,
        model.ContainerState.UNKNOWN,
    }
)
_OVER = frozenset({model.CellState.EXITED, model.CellState.ERROR, model.CellState.STOPPED, model.CellState.FAILED})
_ENDS = frozenset({model.EventType.EXITED, model.EventType.OOM_KILLED, model.EventType.STOPPED, model.EventType.KILLED})


@dataclass(frozen=True)
class End:
    """How a program ended; None where nobody knows the code."""

    code: int | None
    why: str = ""


class Ending:
    """The end of one container's program, also when it is started again in between, and when its cell goes with it."""

    def __init__(self, client: Client, container: model.Ref, events: happenings.Happenings) -> None:
        assert container.parent is not None
        self.client = client
        self.container = container
        self.cell = container.parent
        self._events = events
        self._code: int | None = None
        self._looked = 0.0
        self._away: float | None = None

    def wait(self, timeout_s: float) -> End | None:
        """Wait for the end; None when it has not come in time. kukeond may be restarted meanwhile."""
        if not self._looked:
            return self._look_patiently()
        event = self._events.next(timeout_s)
        happened = [event, *self._events.pending()] if event is not None else []
        for each in happened:
            if each is not None and each.ref == str(self.container) and each.type in _ENDS:
                self._code = each.exit_code if each.exit_code is not None else self._code
        if not happened and self._events.supported and time.monotonic() - self._looked < happenings.LOOK_S:
            return None
        return self._look_patiently()

    def _look_patiently(self) -> End | None:
        try:
            found = self.look()
        except errors.Unavailable:
            self._away = self._away or time.monotonic()
            if time.monotonic() - self._away > happenings.RECONNECT_S:
                raise
            return None
        self._away = None
        return found

    def look(self) -> End | None:
        """Return how the program ended, None when it has not, or is about to be started again."""
        self._looked = time.monotonic()
        cell = resources.find(self.client, self.cell)
        if not isinstance(cell, model.CellDoc):
            return End(self._code if self._code is not None else self._remembered(), "its cell is gone")
        status = next((each for each in cell.status.containers if each.name == self.container.name), None)
        spec = next((each for each in cell.spec.containers if each.id == self.container.name), None)
        if status is None or spec is None:
            return End(self._code, cell.status.message) if cell.status.state in _OVER else None
        if status.state in _ALIVE:
            return None
        stays = spec.restart_policy in ("", "no") or cell.status.desired is not model.DesiredState.RUNNING
        if not stays and cell.status.state not in _OVER:
            return None
        code = status.exit_code if status.exit_code is not None else self._code
        return End(code, status.message or status.reason or cell.status.message)

    def _remembered(self) -> int | None:
        """Return the last exit code that kukeond remembers of a container that is no more."""
        try:
            events = happenings.remembered(self.client, self.cell.parts)
        except errors.Unsupported:
            return None
        codes = [
            each.exit_code
            for each in events
            if each.ref == str(self.container) and each.type in _ENDS and each.exit_code is not None
        ]
        return codes[-1] if codes else None


class Output:
    """What a container writes, copied to our stdout and stderr by a thread."""

    def __init__(self, client: Client, container: model.Ref) -> None:
        self._client = client
        self._container = container
        self._last = time.monotonic()
        self.error: BaseException | None = None
        self._thread = threading.Thread(target=self._copy, name="kuke output", daemon=True)
        self._thread.start()

    def finish(self) -> None:
        """Wait until what the program wrote last has come; raises what went wrong with the output."""
        end = time.monotonic() + _LAST_S
        self._last = time.monotonic()
        while self._thread.is_alive() and time.monotonic() < end:
            self._thread.join(_QUIET_S)
            if time.monotonic() - self._last >= _QUIET_S:
                break
        self.check()

    def check(self) -> None:
        """Raise what went wrong with the output."""
        if self.error is not None:
            raise self.error

    def _copy(self) -> None:
        try:
            for entry in log_stream.follow(self._client, resources.container_document(self._container)):
                stream = sys.stderr if entry.stream is model.LogStream.STDERR else sys.stdout
                whole = entry.partial or entry.stream is model.LogStream.TERMINAL
                stream.buffer.write(entry.data if whole else entry.data + b"\n")
                stream.buffer.flush()
                self._last = time.monotonic()
        except errors.NotFound:
            pass  # it is gone with its cell, and with what it wrote
        except Exception as exc:  # whatever it is, the main thread raises it
            self.error = exc


class Interrupts:
    """Ctrl-C and SIGTERM in the block: the first one is counted, the next one interrupts.

    Wherever the first one comes, the cell is known and there is somebody to stop it. What this process was told to
    ignore (nohup) stays ignored.
    """

    def __init__(self) -> None:
        self.count = 0
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                if signal.getsignal(number) is not signal.SIG_IGN:
                    self._before[number] = signal.signal(number, self._take)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for number, before in self._before.items():
            signal.signal(number, before)

    def _take(self, number: int, frame: FrameType | None) -> None:
        self.count += 1
        if self.count > 1:
            raise KeyboardInterrupt


def follow(ending: Ending, output: Output, interrupts: Interrupts, *, ours: bool) -> End:
    """Let `output` go on until the program ends, and return how it did.

    Ctrl-C stops the cell when it is `ours`, that is, when this command started it, and the output goes on to its end;
    a second one ends kuke at once. A cell that ran before is left alone.
    """
    cell = ending.cell
    stopping = False
    end: End | None = None
    with interruption.waiting(f"kukeond goes on stopping cell {cell.name!r}"):
        while end is None:
            end = ending.wait(_LOOK_S)
            output.check()
            if interrupts.count and not ours:
                stop = f"kuke stop cell {cell.name}{resources.scope_flags(cell)}"
                raise interruption.Interrupted(f"the cell goes on running: {stop}")
            if interrupts.count and not stopping:
                stopping = True
                threading.Thread(target=_stop, args=(ending.client, cell), daemon=True).start()
        output.finish()
    return end


def attach(session: Session, ending: Ending) -> End | None:
    """Be the terminal of the container until its program ends, and return how it did; None when somebody left it.

    Of a program that had ended before, what it wrote is shown.
    """
    from kukeon_cli import attaching
    from kukeon_sdk import interaction

    told = f"Attached to cell/{ending.cell.name}. Leave it with Ctrl-] Ctrl-]."
    try:
        over = attaching.attach(session, ending.container, told)
    except (errors.Conflict, errors.NotFound, errors.Unavailable):
        end = ending.look()
        if end is None:
            raise
        Output(ending.client, ending.container).finish()
        return end
    if over.how is interaction.How.DETACHED:
        print(attaching.left(ending.container), file=sys.stderr)
        return None
    if over.code is not None:
        return End(over.code)
    until = time.monotonic() + _LAST_S
    while time.monotonic() < until:
        end = ending.wait(_LOOK_S)
        if end is not None:
            return end
    return End(None, "its terminal was closed")


def _stop(client: Client, cell: model.Ref) -> None:
    try:
        client.stop_cell(resources.cell_document(cell))
    except errors.NotFound:
        return  # it has ended, and is gone, by itself
    except errors.KukeonError as exc:
        failures.error(exc)


def exit_code(container: model.Ref, end: End) -> int:
    """Return the program's code; raises `HostError` when nobody knows it."""
    if end.code is None:
        why = f": {end.why}" if end.why else ""
        raise errors.HostError(
            f"cannot tell how container {container.name!r} of cell {container.cell!r} ended{why}",
            hint=f"see: kuke describe cell {container.cell}{resources.scope_flags(container)}",
        )
    return end.code


def remove(client: Client, cell: model.Ref) -> None:
    """Delete a cell of `--rm` whose program has ended; kukeond may have been faster."""
    try:
        client.delete_cell(resources.cell_document(cell))
    except errors.NotFound:
        return
    except errors.KukeonError as exc:
        # kukeond tries again by itself; what matters is the program's code.
        failures.error(exc, prefix="warning: ")
