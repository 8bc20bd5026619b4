"""What kukeond does by itself, in memory: programs end, are started again, and cells are deleted after their work."""

from __future__ import annotations

from kukeon_api import model, restarts
from kukeon_sdk.testing.memory.cells import State, summed_up
from kukeon_sdk.testing.memory.containers import Containers, cell_of
from kukeon_sdk.testing.memory.world import replace

_OVER = frozenset({model.CellState.EXITED, model.CellState.ERROR, model.CellState.STOPPED, model.CellState.FAILED})


class Upkeep(Containers):
    """Ends, and what comes of them."""

    def finish(self, ref: model.Ref, code: int, *, oom_killed: bool = False) -> model.CellDoc:
        """Let the program of a container end by itself; it is started again, or its cell deleted, where that is due."""
        cell = self._cell_with(ref)
        before = self._status(cell, ref)
        after = self.ended(before, State.ERROR if code else State.EXITED, code)
        if oom_killed and after is not before:
            after = replace(after, oom_killed=True, reason="OOMKilled", message="it used more memory than it may")
        containers = tuple(after if each.name == after.name else each for each in cell.status.containers)
        doc = summed_up(replace(cell, status=replace(cell.status, containers=containers)))
        status = restarts.scheduled(doc, doc.status, self.world.now(), lambda: 0.0)
        ended = self.world.save(replace(doc, status=status))
        self.catch_up()
        found: model.CellDoc = self.world.find(cell_of(ref)) or ended
        return found

    def catch_up(self) -> None:
        """Start again who is due; delete cells with `autoDelete` that are over."""
        now = self.world.now()
        for cell in list(self.world.of_kind("Cell")):
            doc = cell
            for name in restarts.due(doc.status, now):
                doc = self._start_again(doc, name)
            over = doc.status.state in _OVER and doc.status.ready_observed
            if doc.spec.auto_delete and over and restarts.next_due(doc.status) is None:
                self.world.forget(model.ref_of(doc))

    def _start_again(self, doc: model.CellDoc, name: str) -> model.CellDoc:
        spec = next(each for each in doc.spec.containers if each.id == name)
        status = restarts.started(doc.status, name, self.world.now())
        containers = tuple(self.running(doc, spec, each) if each.name == name else each for each in status.containers)
        status = replace(status, containers=containers, reason="", message="")
        return self.world.save(summed_up(replace(doc, status=status)))
