"""Streams in memory: events, logs, programs and terminals."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kukeon_api import errors, exec_rules, happenings, model, scope, start_ways
from kukeon_api.logs import cri, selection, troubles
from kukeon_sdk.testing.memory.cells import ACTIVE
from kukeon_sdk.testing.memory.containers import Containers, cell_of, spec_of
from kukeon_sdk.testing.memory.world import changeable

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Iterable, Sequence

    from kukeon_sdk.deadline import Deadline
    from kukeon_sdk.testing.memory.channel import Channel
    from kukeon_sdk.testing.memory.runs import Runs


class Streams(Containers):
    """The verbs that go on for a while; each gets what waits for it."""

    runs: Runs
    ring: happenings.Ring

    def events(
        self, realm: str, space: str, stack: str, cell: str, kinds: Sequence[str], since: str, follow: bool
    ) -> Callable[[], tuple[Iterable[model.Event], bool]]:
        """Return what gives the events that are new, and whether these are all."""
        place = (realm, space, stack, cell)
        reader: happenings.Reader | None = None if since else self.ring.reader(follow=follow)

        def more() -> tuple[Iterable[model.Event], bool]:
            nonlocal reader
            happenings.check_kinds(kinds)
            if reader is None:
                reader = self.ring.reader(since, follow=follow)
            found = []
            while (event := reader.next()) is not None:
                if happenings.within(event, place, kinds):
                    found.append(event)
            return found, not follow

        return more

    def logs(
        self, doc: model.ContainerDoc, follow: bool, tail: int, since: str, previous: bool
    ) -> Callable[[], tuple[Iterable[model.LogEntry], bool]]:
        """Return what gives the entries that are new, and whether these are all."""
        ref = model.ref_of(doc)
        seen: int | None = None

        def more() -> tuple[Iterable[model.LogEntry], bool]:
            nonlocal seen
            book = self.runs.books.get(ref)
            if seen is not None:
                if book is None:
                    return (), True
                found = book.entries[seen:]
                seen += len(found)
                return found, False
            spec = self._spec(ref)
            stamp = cri.read_since(since, self.world.now())
            wanted = selection.Selection(tail=tail if tail >= 0 else None, since=stamp, previous=previous)
            troubles.check(ref, wanted, follow=follow, terminal=spec.attachable)
            if book is None:
                raise troubles.nothing_written(ref, f"{self.world.directory(ref)}/log")
            seen = len(book.entries)
            entries = book.previous(tail, stamp) if previous else book.read(tail, stamp)
            if entries is None:
                raise troubles.no_previous_run(ref)
            return entries, not follow

        return more

    def exec(
        self,
        doc: model.ContainerDoc,
        command: Sequence[str],
        tty: bool,
        env: Sequence[str],
        user: str,
        working_dir: str,
        rows: int,
        columns: int,
        channel: Channel,
    ) -> None:
        ref = changeable(model.ref_of(doc), "run a program in")
        exec_rules.check_program(command, env, user, working_dir)
        exec_rules.check_size(rows, columns)
        spec = self._spec(ref)
        cell = self.world.load(cell_of(ref))
        if self._status(cell, ref).state not in ACTIVE:
            raise start_ways.not_running(cell, ref, f"run {command[0]!r} in")
        how: dict[str, Any] = {"user": user, "working_dir": working_dir, "tty": tty, "rows": rows, "columns": columns}
        self.runs.exec(ref, spec, channel, command=command, env=env, **how)

    def attach(self, doc: model.ContainerDoc, rows: int, columns: int, position: int, channel: Channel) -> None:
        exec_rules.check_size(rows, columns)
        exec_rules.check_position(position)
        self.runs.attach(self._terminal(doc), channel, rows, columns, position)

    def attach_container(self, doc: model.ContainerDoc) -> model.AttachContainerResult:
        """Tell the path of a socket that is not there: in memory, `attach` is the only way to a terminal."""
        ref = self._terminal(doc)
        return model.AttachContainerResult(host_socket_path=f"{self.world.directory(ref)}/tty.sock")

    def resize_terminal(self, doc: model.ContainerDoc, rows: int, columns: int) -> model.ResizeTerminalResult:
        exec_rules.check_size(rows, columns)
        self.runs.resize(self._terminal(doc), rows, columns)
        return model.ResizeTerminalResult(resized=True)

    def log_container(self, doc: model.ContainerDoc) -> model.LogContainerResult:
        ref = model.ref_of(doc)
        if self._spec(ref).attachable:
            return model.LogContainerResult(host_capture_path=f"{self.world.directory(ref)}/tty/capture")
        return model.LogContainerResult(host_log_path=f"{self.world.directory(ref)}/log")

    def _spec(self, ref: model.Ref) -> model.ContainerSpec:
        spec = spec_of(self._cell_with(ref), ref)
        assert spec is not None
        return spec

    def _terminal(self, doc: model.ContainerDoc) -> model.Ref:
        ref = model.ref_of(doc)
        if not self._spec(ref).attachable:
            raise errors.AttachNotSupported(
                f"cannot attach to container {str(ref)!r}: it has no terminal (attachable is not true)",
                hint=f"its output is in its log: kuke log {ref.cell}{scope.flags(ref)} --container {ref.container}",
            )
        cell = self.world.load(cell_of(ref))
        if self._status(cell, ref).state not in ACTIVE:
            raise start_ways.not_running(cell, ref, "attach to")
        return ref


class Waiting:
    """A `streams.Source` over one of the above: waits on `changed` until `more` gives something."""

    def __init__(
        self,
        name: str,
        more: Callable[[], tuple[Iterable[Any], bool]],
        changed: threading.Condition,
        deadline: Deadline,
        pause_s: Callable[[], float | None],
    ) -> None:
        self._name = name
        self._more = more
        self._changed = changed
        self._deadline = deadline
        self._pause_s = pause_s
        self._over = False
        self._error: errors.KukeonError | None = None

    def receive(self) -> Iterable[Any] | None:
        """Wait for the next items; None at the end. Raises what it ended with."""
        with self._changed:
            while not self._over:
                pause_s = self._pause_s()  # may make something happen
                found, self._over = self._more()
                if found or self._over:
                    return found
                left_s = self._deadline.left_s()
                if left_s == 0:
                    self._over = True
                    raise errors.TimedOut(
                        f"cannot wait for {self._name} any longer: no answer within {self._deadline.timeout_s:g} s"
                    )
                self._changed.wait(min((each for each in (left_s, pause_s) if each is not None), default=None))
            if self._error is not None:
                error, self._error = self._error, None
                raise error
            return None

    def cancel(self) -> None:
        """End it."""
        with self._changed:
            self._over = True
            self._changed.notify_all()

    def fail(self, error: errors.KukeonError) -> None:
        """End it with an error."""
        self._error = error
        self.cancel()
