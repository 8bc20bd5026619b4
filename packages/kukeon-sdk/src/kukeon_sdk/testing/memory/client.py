"""MemoryClient: a whole kukeon in memory behind the interface of a client."""

from __future__ import annotations

import datetime as dt
import threading
import weakref
from typing import TYPE_CHECKING, Any

from kukeon_api import calls, errors, happenings, methods, model, parts, restarts
from kukeon_sdk import sessions, streams
from kukeon_sdk.calls import Calls
from kukeon_sdk.deadline import Deadline
from kukeon_sdk.testing.memory.apply import Apply, bare
from kukeon_sdk.testing.memory.channel import Channel
from kukeon_sdk.testing.memory.images import Images
from kukeon_sdk.testing.memory.runs import Runs
from kukeon_sdk.testing.memory.streams import Streams, Waiting
from kukeon_sdk.testing.memory.upkeep import Upkeep
from kukeon_sdk.testing.memory.world import World

if TYPE_CHECKING:
    from kukeon_api.methods import Method
    from kukeon_sdk.testing.memory.world import Stored
    from kukeon_sdk.testing.programs import Program


class Kukeon(Apply, Images, Streams, Upkeep):
    """What kukeond's controller is on a host, in memory: the methods of the wire over a `World`."""

    def __init__(self, world: World, *, version: str = "memory", warnings: tuple[str, ...] = ()) -> None:
        super().__init__(world)
        self.version = version
        self.warnings = warnings

    def ping(self) -> model.PingResult:
        return model.PingResult(
            ok=True,
            version=self.version,
            instance_id="0badcafe",
            run_path=self.world.run_path,
            containerd_mode="embedded",
            containerd_version="1.7.0",
            containerd_socket="/run/kukeon/containerd/containerd.sock",
            cgroup_mode="v2",
            oci_runtime="runc",
            warnings=self.warnings,
            pid=1,
        )

    def refresh_all(self) -> model.RefreshAllResult:
        """Nothing changes behind the back of a kukeon in memory, so nothing is ever found changed."""
        found = {kind: tuple(str(model.ref_of(doc)) for doc in self.world.of_kind(kind)) for kind in model.KINDS[:4]}
        containers = tuple(
            str(model.ref_of(cell).child(each.id))
            for cell in self.world.of_kind("Cell")
            for each in cell.spec.containers
        )
        return model.RefreshAllResult(
            realms_found=found["Realm"],
            spaces_found=found["Space"],
            stacks_found=found["Stack"],
            cells_found=found["Cell"],
            containers_found=containers,
        )


class MemoryClient(Calls):
    """A `Client` that behaves like one of a real kukeond, without one: for tests of programs that use the SDK.

    It begins with default/default/default, as a host does (not so with `hierarchy=False`), and passes the contract
    suite of real clients. Every program in it just runs, unless a test says what it does: `programs` has functions by
    name (see `kukeon_sdk.testing.programs`), `finish` lets one end, `write` has one write. `trouble` has for a method's
    name the errors that its next calls raise. Any number of threads may use it; calls happen one after the other.
    """

    def __init__(self, *, hierarchy: bool = True, run_path: str = "/opt/kukeon") -> None:
        self.world = World(run_path=run_path)
        self.trouble: dict[str, list[BaseException]] = {}
        self.programs: dict[str, Program] = {}
        """What runs under a name; under `realm/space/stack/cell/container`, what that container's own program is."""
        self.closed = False
        self._lock = threading.RLock()  # what is uploaded may come from this client
        self._changed = threading.Condition(self._lock)
        self._open: weakref.WeakSet[Waiting | Channel] = weakref.WeakSet()
        self._kukeon = Kukeon(self.world)
        self._kukeon.ring = happenings.Ring()
        self._kukeon.runs = Runs(self.world, self.programs, self._changed, self._kukeon.finish)
        self.world.watchers.append(self._happened)
        if hierarchy:
            with self._lock:
                for depth in (1, 2, 3):
                    self._kukeon.have_level(bare(model.Ref(*(model.DEFAULT_REALM,) * depth)))

    def perform(self, name: str, arguments: dict[str, Any], timeout: float | None) -> Any:
        """Do the method `name` here and now."""
        with self._lock:
            if self.closed:
                raise errors.Conflict(f"cannot do {methods.BY_PYTHON[name].name}: this client is closed")
            if self.trouble.get(name):
                raise self.trouble[name].pop(0)
            if timeout is not None and timeout <= 0:
                raise errors.TimedOut(
                    f"cannot wait for {methods.BY_PYTHON[name].name} any longer: no answer within {timeout:g} s"
                )
            self._kukeon.catch_up()
            if methods.BY_PYTHON[name].stream:
                return self._stream(name, arguments, Deadline(timeout))
            result = getattr(self._kukeon, name)(**_accepted(methods.BY_PYTHON[name], arguments))
            self._kukeon.catch_up()
            return result

    def _stream(self, name: str, arguments: dict[str, Any], deadline: Deadline) -> Any:
        method = methods.BY_PYTHON[name]
        begin = getattr(self._kukeon, name)
        if method.stream == "server":
            accepted = _accepted(method, arguments)
            source = Waiting(method.name, begin(**accepted), self._changed, deadline, self._until_next)
            self._open.add(source)
            return streams.Stream(source)
        accepted = parts.unpack_start(method, parts.pack_start(method, arguments))
        channel = Channel(method.name, deadline)
        begin(**accepted, channel=channel)
        self._open.add(channel)
        return sessions.SESSIONS[method.name](channel)

    def close(self) -> None:
        """Refuse further calls, and end streams and programs. Twice is fine."""
        with self._lock:
            self.closed = True
            begun = list(self._open)
        for each in begun:
            each.fail(errors.Conflict("cannot go on: this client was closed meanwhile"))
        self._kukeon.runs.stop()

    # What only tests do.

    def finish(self, ref: model.Ref, code: int = 0, *, oom_killed: bool = False) -> model.CellDoc:
        """Let the program of the container `ref` end by itself with an exit code; return what its cell is then.

        What follows is kukeond's: it is started again where its `restartPolicy` says so (at once, and then after
        pauses: see `forward`), and a cell with `autoDelete` is gone when all is over; then this is what it was last.
        Raises `CellNotFound`, `ContainerNotFound`.
        """
        with self._lock:
            return self._kukeon.finish(ref, code, oom_killed=oom_killed)

    def write(self, ref: model.Ref, data: bytes, stream: str = "stdout") -> None:
        """Have the program of the container `ref` write something: to its log, or on its terminal.

        For containers that run no program of `programs`. Raises `TaskNotRunning`.
        """
        self._kukeon.runs.write(ref, data, stream)

    def forward(self, seconds: float) -> None:
        """Let time pass at once: what is due meanwhile happens."""
        with self._lock:
            now = self.world.now
            self.world.now = lambda: now() + dt.timedelta(seconds=seconds)
            self._kukeon.catch_up()
            self._changed.notify_all()

    def forget_events(self) -> None:
        """Have nobody know what happened before, as after a restart of kukeond: old cursors lead to a Resync."""
        with self._lock:
            self._kukeon.ring = happenings.Ring()

    def warn(self, *warnings: str) -> None:
        """Have `ping` tell these warnings."""
        self._kukeon.warnings = warnings

    def _happened(self, before: Stored | None, after: Stored | None) -> None:
        self._kukeon.ring.tell(before, after, self.world.now())
        if isinstance(after or before, model.CellDoc):
            self._kukeon.runs.follow(before, after)
        self._changed.notify_all()

    def _until_next(self) -> float | None:
        """Do what is due, and return how many seconds later the next thing is."""
        self._kukeon.catch_up()
        cells = self.world.of_kind("Cell")
        due = [each for each in (restarts.next_due(cell.status) for cell in cells) if each is not None]
        return max(0.0, (min(due) - self.world.now()).total_seconds()) if due else None


def _accepted(method: Method, arguments: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments as they arrive at kukeond: checked and completed by the wire, which is one check for all."""
    if method.upload:
        rest = calls.unpack_args(method, calls.first_chunk(method, arguments))
        return {**rest, method.upload: arguments[method.upload]}
    return calls.unpack_args(method, calls.pack_args(method, arguments))
