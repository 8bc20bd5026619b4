"""One line per event on stderr: `time LEVEL message key=value`, without the time when journald adds its own."""

from __future__ import annotations

import logging
import os
import sys
import time

LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warn": logging.WARNING, "error": logging.ERROR}

# sd-daemon(3): a line that begins with <N> has that syslog priority in the journal.
_PRIORITIES = {logging.DEBUG: 7, logging.INFO: 6, logging.WARNING: 4, logging.ERROR: 3, logging.CRITICAL: 2}


class LineFormatter(logging.Formatter):
    """Writes a record as one line; a traceback follows on lines of its own, indented.

    Names and messages come from clients and programs, so control characters are written as escapes: nobody can forge
    a line or move a terminal's cursor.
    """

    def __init__(self, *, journal: bool = False) -> None:
        super().__init__()
        self._journal = journal

    def format(self, record: logging.LogRecord) -> str:
        text = f"{record.levelname} {printable(record.getMessage())}"
        priority = f"<{_PRIORITIES.get(record.levelno, 6)}>" if self._journal else ""
        stamp = "" if self._journal else f"{self.formatTime(record)} "
        lines = [f"{stamp}{text}"]
        if record.exc_info:
            lines += ["    " + printable(line) for line in self.formatException(record.exc_info).splitlines()]
        return "\n".join(priority + line for line in lines)

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:
        """Return the record's time as RFC 3339 in UTC with milliseconds."""
        return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(record.created))}.{int(record.msecs):03d}Z"


def printable(text: str) -> str:
    """Return `text` with every control character escaped."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def printable_lines(text: str) -> str:
    """Return `text` with every control character but line ends escaped."""
    return "\n".join(printable(line) for line in text.split("\n"))


def pairs(**values: object) -> str:
    """Return `key=value key="a value"`; values that are None or empty are left out."""
    return " ".join(f"{key}={_value(value)}" for key, value in values.items() if value is not None and value != "")


def _value(value: object) -> str:
    text = str(value)
    if text.isprintable() and not any(c in text for c in ' "='):
        return text
    return '"' + printable(text).replace("\\", "\\\\").replace('"', '\\"') + '"'


def to_journal() -> bool:
    """Tell whether stderr is the journal's stream: JOURNAL_STREAM names its device and inode, systemd.exec(5)."""
    try:
        stat = os.fstat(sys.stderr.fileno())
    except (OSError, ValueError, AttributeError):  # closed, or no real file
        return False
    return os.environ.get("JOURNAL_STREAM") == f"{stat.st_dev}:{stat.st_ino}"


def configure(level: str) -> None:
    """Log everything from `level` ("debug", "info", "warn", "error") on to stderr."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(LineFormatter(journal=to_journal()))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    set_level(level)
    # Its complaints about cancelled calls and lost clients are ours to judge; what is an error arrives as an error.
    logging.getLogger("grpc").setLevel(logging.CRITICAL)
    logging.getLogger("asyncio").setLevel(logging.WARNING)


def set_level(level: str) -> None:
    """Change the level of a running daemon."""
    logging.getLogger().setLevel(LEVELS[level])
