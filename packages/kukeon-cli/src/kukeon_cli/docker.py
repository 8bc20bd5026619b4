"""Images of a docker on this host, as archives: the door to the program `docker`."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
from contextlib import contextmanager
from typing import TYPE_CHECKING, BinaryIO, cast

from kukeon_api import errors, image_ref
from kukeon_cli.terminal import printable

if TYPE_CHECKING:
    from collections.abc import Iterator

_LAST_LINES = 5


class _Archive:
    """What `docker save` writes; its end is the end of an archive only when docker says so."""

    def __init__(self, process: subprocess.Popen[bytes], complaints: BinaryIO, ref: str) -> None:
        self._process = process
        self._complaints = complaints
        self._ref = ref

    def read(self, count: int = -1) -> bytes:
        assert self._process.stdout is not None
        piece = self._process.stdout.read(count)
        if not piece and self._process.wait():
            self._complaints.seek(0)
            lines = printable(self._complaints.read().decode(errors="replace")).strip().splitlines()
            said = "; ".join(lines[-_LAST_LINES:]) or f"it ended with code {self._process.returncode}"
            raise errors.HostError(f"cannot take {self._ref!r} from docker: {said}")
        return piece


@contextmanager
def saved(ref: str) -> Iterator[BinaryIO]:
    """Have the archive that `docker save` makes of the image `ref`, as it is written; nothing is kept of it.

    Raises `InvalidImage`, and `HostError` when there is no docker here or it refuses, in its own words.
    """
    image_ref.parse(ref)
    # A file: nobody reads the complaints before the end, and a pipe may be full by then.
    with tempfile.TemporaryFile() as complaints:
        try:
            process = subprocess.Popen(
                ["docker", "save", "--", ref],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=complaints,
                start_new_session=True,
            )
        except OSError as exc:
            raise errors.HostError(
                f"cannot run docker: {exc.strerror}", hint="on a host with docker: docker save REF > FILE"
            ) from exc
        try:
            yield cast("BinaryIO", _Archive(process, cast("BinaryIO", complaints), ref))
        finally:
            # One that nobody reads from any more would wait for ever; as long as it is not waited for, the pid is its.
            if process.returncode is None:
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            assert process.stdout is not None
            process.stdout.close()
