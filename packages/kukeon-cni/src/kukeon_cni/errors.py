"""What can go wrong with a network, as classes a caller can tell apart.

The package has errors of its own because it knows nothing of its users; whoever drives it translates them.
"""

from enum import IntEnum

__all__ = [
    "AlreadyAttached",
    "CheckUnsupported",
    "CniError",
    "ErrorCode",
    "InvalidConfig",
    "InvalidName",
    "NamespaceError",
    "OwnNamespace",
    "PluginNotFound",
    "PluginTimeout",
    "SubnetExhausted",
    "VethExists",
    "printable",
]


class ErrorCode(IntEnum):
    """Well-known error codes of the CNI specification, section "Error"; plugins use 100 and above for their own."""

    INCOMPATIBLE_VERSION = 1
    UNSUPPORTED_FIELD = 2
    UNKNOWN_CONTAINER = 3
    INVALID_ENVIRONMENT = 4
    IO_FAILURE = 5
    UNDECODABLE = 6
    INVALID_CONFIG = 7
    TRY_AGAIN = 11
    # Not in the specification: the plugins' own library uses it for whatever has no code.
    INTERNAL = 999


class CniError(Exception):
    """A network operation failed: `code` as in the specification, `details` for the log, `hint` for a person.

    `str()` gives the message alone. All three texts are printable and bounded, whoever wrote them.
    """

    default_code = ErrorCode.INTERNAL

    def __init__(self, code: int | None, message: str, details: str = "", *, hint: str = "") -> None:
        super().__init__(message)
        self.code = int(self.default_code if code is None else code)
        self.message = message
        self.details = details
        self.hint = hint


class InvalidName(CniError, ValueError):
    """A name, id or argument does not fit the grammar of the specification and never became a path."""

    default_code = ErrorCode.INVALID_ENVIRONMENT


class InvalidConfig(CniError, ValueError):
    """A network configuration list is not one, or can not work."""

    default_code = ErrorCode.INVALID_CONFIG


class SubnetExhausted(CniError):
    """No free subnet is left in the pool."""


class PluginNotFound(CniError):
    """No plugin of this type is in the directories that were searched."""

    default_code = ErrorCode.INVALID_CONFIG


class PluginTimeout(CniError):
    """A plugin ran over its time limit and was killed with everything it started."""

    default_code = ErrorCode.TRY_AGAIN


class VethExists(CniError):
    """The interface is in the namespace already: an earlier ADD went through."""


class AlreadyAttached(CniError):
    """The container has a cached ADD on this network, so the specification forbids another before a DEL."""


class CheckUnsupported(CniError):
    """CHECK may not be called: the version is below 0.4.0, the list says `disableCheck`, or nothing was added."""

    default_code = ErrorCode.INCOMPATIBLE_VERSION


class NamespaceError(CniError):
    """A namespace can not be made, pinned, entered or is not what its path claims."""

    default_code = ErrorCode.IO_FAILURE


class OwnNamespace(NamespaceError):
    """The path leads to the network namespace this process lives in; plugins never touch that one."""

    default_code = ErrorCode.INVALID_ENVIRONMENT


def printable(text: str, limit: int = 1024) -> str:
    """Return `text` on one line, without control characters, cut to `limit` characters.

    What plugins say ends in logs and terminals, where escape sequences would be obeyed.
    """
    cut = text[: limit + 1].strip()
    line = "".join(c if c.isprintable() else " " for c in cut)
    return line if len(line) <= limit else line[: limit - 1] + "…"
