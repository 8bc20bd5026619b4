"""What containers write, as a stream: for clients that cannot read the files."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from kukeon_api import model
from kukeon_api.logs import cri, reader, selection, source, troubles
from kukeon_runner import logs
from kukeon_runner.controller.containers import Containers
from kukeon_runner.host.file_changes import FileChanges

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterator

    from kukeon_runner.runner import HostRunner


class Logs(Containers):
    def __init__(self, runner: HostRunner) -> None:
        super().__init__(runner)
        self._changes = FileChanges()

    async def logs(
        self, doc: model.ContainerDoc, follow: bool, tail: int, since: str, previous: bool
    ) -> AsyncGenerator[tuple[model.LogEntry, ...], None]:
        """Yield the entries of the container's log, or the bytes of its terminal, several at once.

        With `follow` it goes on over runs of the container until that is deleted; what has not been written yet is
        waited for. Raises ContainerNotFound; Conflict when nothing was written, or no `previous` run is known;
        Invalid for what a terminal's transcript does not tell.
        """
        ref = model.ref_of(doc)
        wanted = _selection(tail, cri.read_since(since, self.runner.context.now()), previous)
        where = await self.log_container(doc)
        path, terminal = where.host_log_path or where.host_capture_path, not where.host_log_path
        troubles.check(ref, wanted, follow=follow, terminal=terminal)
        assert ref.parent is not None
        home = self.runner.context.layout.cell_dir(ref.parent)
        place = source.Source(path, home, terminal=terminal)
        reading = logs.follow(place, wanted, self._changes) if follow else logs.read(place, wanted)
        with _explained(ref, path):
            async with contextlib.aclosing(reading) as found:
                async for entries in found:
                    yield entries


def _selection(tail: int, since: bytes, previous: bool) -> selection.Selection:
    return selection.Selection(tail=tail if tail >= 0 else None, since=since, previous=previous)


@contextlib.contextmanager
def _explained(ref: model.Ref, path: str) -> Iterator[None]:
    try:
        yield
    except reader.NoPreviousRun as error:
        raise troubles.no_previous_run(ref) from error
    except FileNotFoundError as error:
        raise troubles.nothing_written(ref, path) from error
    except OSError as error:
        raise troubles.unreadable(path, error) from error
