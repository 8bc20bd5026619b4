"""Streams: events, logs, programs and terminals."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kukeon_api import model
    from kukeon_sdk.sessions import AttachSession, ExecSession
    from kukeon_sdk.streams import Stream


class Streams(Protocol):
    """Verbs that last until somebody ends them; their `timeout` is how long the whole may take."""

    def events(
        self,
        realm: str = "",
        space: str = "",
        stack: str = "",
        cell: str = "",
        *,
        kinds: Sequence[str] = (),
        since: str = "",
        follow: bool = False,
        timeout: float | None = None,
    ) -> Stream[model.Event]:
        """Yield what happens to the resources within; an empty name, or no kinds, means any.

        `follow` waits for more, from now on; without it comes what kukeond remembers. `since` is the `cursor` of the
        last event that was seen: the next ones come, without a gap. Where that is no longer possible, the first event
        is of type RESYNC, and what is known of the resources has to be listed again. Use it in a `with` block, or close
        it to end it. Raises `Invalid` with the first event for what is no kind or no cursor.
        """
        ...

    def logs(
        self,
        doc: model.ContainerDoc,
        *,
        follow: bool = False,
        tail: int = -1,
        since: str = "",
        previous: bool = False,
        timeout: float | None = None,
    ) -> Stream[model.LogEntry]:
        """Yield what the container's program has written, and with `follow` what it is writing.

        `tail` limits it to the last lines, `since` to what is not older than a time (RFC 3339) or an age (`5m`),
        `previous` shows the run before the present one. Use it in a `with` block, or close it to end it. With the first
        entry come `CellNotFound`, `ContainerNotFound`, `Conflict` when nothing was written, or no run before this one
        is known, and `Invalid` for what a terminal's transcript, which has no times, does not tell.
        """
        ...

    def exec(
        self,
        doc: model.ContainerDoc,
        command: Sequence[str],
        *,
        tty: bool = False,
        env: Sequence[str] = (),
        user: str = "",
        working_dir: str = "",
        rows: int = 0,
        columns: int = 0,
        timeout: float | None = None,
    ) -> ExecSession:
        """Run a program in a running container and return the session with it; use it in a `with` block.

        The program has the container's environment, user and working directory where `env` (`KEY=VALUE`), `user`
        (`name`, `uid`, either with `:group`) and `working_dir` say nothing else. With `tty` it runs in a terminal of
        `rows` and `columns`. Its input stays open until `close_stdin`. Ending the session, or losing kukeond, ends the
        program. Raises `CellNotFound`, `ContainerNotFound`, `Conflict` when the container does not run, `Invalid` when
        there is no such program, user or directory.
        """
        ...

    def attach(
        self,
        doc: model.ContainerDoc,
        *,
        rows: int = 0,
        columns: int = 0,
        position: int = 0,
        timeout: float | None = None,
    ) -> AttachSession:
        """Connect to the container's terminal and return the session with it; use it in a `with` block.

        The same as through the socket that `attach_container` tells, for clients that cannot reach it. It begins with
        recent output, or goes on at the `position` of an earlier session, if the terminal still knows that. Raises
        like `attach_container`.
        """
        ...

    def resize_terminal(
        self, doc: model.ContainerDoc, rows: int, columns: int, *, timeout: float | None = None
    ) -> model.ResizeTerminalResult:
        """Tell the container's terminal its size. Raises like `attach_container`."""
        ...
