"""What goes along streams: events, what programs write, how they end."""

from __future__ import annotations

import enum

from kukeon_api.model.base import Model, Time


class EventType(enum.StrEnum):
    """What has happened.

    `RESYNC`: events were missed, so that what is known about the resources has to be looked up again.
    """

    CREATED = "Created"
    UPDATED = "Updated"
    DELETED = "Deleted"
    STARTING = "Starting"
    STARTED = "Started"
    EXITED = "Exited"
    OOM_KILLED = "OOMKilled"
    STOPPED = "Stopped"
    KILLED = "Killed"
    RESTARTING = "Restarting"
    FAILED = "Failed"
    STATE_CHANGED = "StateChanged"
    RESYNC = "Resync"


class Event(Model):
    """Something that happened to a resource."""

    cursor: str
    """Where in the stream it stands: what a stream is asked for that goes on after it."""

    at: Time
    """When it happened."""

    type: EventType
    """What happened."""

    kind: str = ""
    """Of what kind the resource is: Realm to Container."""

    ref: str = ""
    """Which resource: `realm/space/stack/cell/container`, as far down as it is."""

    reason: str = ""
    """Why, as one word for programs."""

    message: str = ""
    """Why, as one line for people."""

    exit_code: int | None = None
    """How a program ended. Absent when none did, or nobody knows."""

    exit_signal: str = ""
    """The signal that ended it, like SIGKILL."""

    state: str = ""
    """The resource's state after it."""


class LogStream(enum.StrEnum):
    """Where a piece of a log comes from."""

    STDOUT = "stdout"
    STDERR = "stderr"
    TERMINAL = "terminal"


class LogEntry(Model):
    """A line that a program wrote."""

    stream: LogStream
    """Where it wrote it."""

    data: bytes = b""
    """What it wrote, without the line's end; of a terminal, the bytes as they came."""

    at: Time | None = None
    """When it wrote it. Absent for a terminal, which keeps no times."""

    partial: bool = False
    """Whether the line goes on in the next entry of the same stream."""


class ExitStatus(Model):
    """How a program ended."""

    code: int = 0
    """Its exit code; 128 and the signal's number when a signal ended it."""

    signal: str = ""
    """The signal that ended it, like SIGKILL."""


class WindowSize(Model):
    """The size of a terminal."""

    rows: int = 0
    """Lines."""

    columns: int = 0
    """Characters in a line."""


class ExecStarted(Model):
    """A program has been started."""

    pid: int = 0
    """Its process id, as the host sees it."""


class AttachEnded(Model):
    """The program of a terminal has ended."""

    code: int | None = None
    """Its exit code. Absent when nobody knows."""


class ArchivePiece(Model):
    """A piece of an archive."""

    data: bytes = b""
    """The next bytes of it."""

    total_bytes: int = 0
    """How long the whole becomes."""
