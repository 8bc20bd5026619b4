"""MemoryClient: a whole kukeon in memory behind the interface of a client."""

from __future__ import annotations

import threading
from typing import Any

from kukeon_api import errors, methods, model
from kukeon_sdk.calls import Calls
from kukeon_sdk.testing.memory.apply import Apply, bare
from kukeon_sdk.testing.memory.images import Images
from kukeon_sdk.testing.memory.world import World


class Kukeon(Apply, Images):
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
    suite of real clients. Every program in it just runs; `finish` lets one end. `trouble` has for a method's name the
    errors that its next calls raise. Any number of threads may use it; calls happen one after the other.
    """

    def __init__(self, *, hierarchy: bool = True, run_path: str = "/opt/kukeon") -> None:
        self.world = World(run_path=run_path)
        self.trouble: dict[str, list[BaseException]] = {}
        self.closed = False
        self._kukeon = Kukeon(self.world)
        self._lock = threading.RLock()  # what is uploaded may come from this client
        if hierarchy:
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
            method = getattr(self._kukeon, name, None)
            if method is None:
                raise errors.NotSupportedYet(f"cannot do {methods.BY_PYTHON[name].name}: nothing runs in memory")
            return method(**arguments)

    def close(self) -> None:
        """Refuse further calls. Twice is fine."""
        self.closed = True

    def finish(self, ref: model.Ref, code: int = 0) -> model.CellDoc:
        """Let the program of the container `ref` end by itself with an exit code; return what its cell is then.

        Raises `CellNotFound`, `ContainerNotFound`.
        """
        with self._lock:
            return self._kukeon.finish(ref, code)

    def warn(self, *warnings: str) -> None:
        """Have `ping` tell these warnings."""
        self._kukeon.warnings = warnings
