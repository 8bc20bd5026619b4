"""The closed set of errors, alike on both sides of the wire.

A branch (`NotFound`, `Conflict`, ...) exists because a caller would act differently; a leaf (`CellNotFound`, ...) says
what it is about and is made from the table `KINDS`, one class per wire kind.  So `except NotFound` and
`except CellNotFound` both work, in the daemon and in a program that talks to it.  This module never imports gRPC:
codes are the names of gRPC's codes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, overload

import msgspec

from kukeon_api.problem import APIError as APIError
from kukeon_api.problem import Problem as Problem

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

UNKNOWN = "Unknown"


class KukeonError(Exception):
    """Something kukeon has to tell its caller.  `str(error)` is the message, verbatim.

    `hint` says what to do about it, `kind` is the word on the wire, `problems` lists everything wrong with an input.
    """

    code: ClassVar[str] = "UNKNOWN"
    exit_code: ClassVar[int] = 1
    default_kind: ClassVar[str] = UNKNOWN

    def __init__(
        self, message: str, *, hint: str = "", kind: str | None = None, problems: Iterable[Problem] = ()
    ) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.kind = kind or self.default_kind
        self.problems = tuple(problems)

    def __reduce__(self) -> tuple[Any, ...]:
        """Survive pickling: the keyword arguments are part of the error."""
        return _rebuild, (type(self), self.message, self.hint, self.kind, self.problems)


def _rebuild(cls: type[KukeonError], message: str, hint: str, kind: str, problems: tuple[Problem, ...]) -> KukeonError:
    return cls(message, hint=hint, kind=kind, problems=problems)


class Invalid(KukeonError):
    """The input is wrong; `problems` names every place."""

    code = "INVALID_ARGUMENT"
    exit_code = 2
    default_kind = "Invalid"


class NotFound(KukeonError):
    """The thing asked for is not there."""

    code = "NOT_FOUND"
    exit_code = 3
    default_kind = "NotFound"


class AlreadyExists(KukeonError):
    """The thing to be made is there already."""

    code = "ALREADY_EXISTS"
    exit_code = 4
    default_kind = "AlreadyExists"


class Conflict(KukeonError):
    """Not in this state: it has children, it runs, somebody else holds it."""

    code = "FAILED_PRECONDITION"
    exit_code = 5
    default_kind = "Conflict"


class Aborted(KukeonError):
    """Somebody else changed it meanwhile; reading again and retrying is right."""

    code = "ABORTED"
    exit_code = 5
    default_kind = "Aborted"


class Denied(KukeonError):
    """The caller may not do this."""

    code = "PERMISSION_DENIED"
    exit_code = 6
    default_kind = "Denied"


class Unsupported(KukeonError):
    """This host, this daemon or this version cannot do it."""

    code = "UNIMPLEMENTED"
    exit_code = 7
    default_kind = "Unsupported"


class Unavailable(KukeonError):
    """The daemon or containerd is away; retrying later is right."""

    code = "UNAVAILABLE"
    exit_code = 8
    default_kind = "Unavailable"


class TimedOut(KukeonError):
    """It took too long; whether it happened is unknown."""

    code = "DEADLINE_EXCEEDED"
    exit_code = 8
    default_kind = "TimedOut"


class HostError(KukeonError):
    """The kernel, a plugin, containerd or the disk refused; the message names the command or path."""

    code = "INTERNAL"
    exit_code = 1
    default_kind = "HostError"


BRANCHES: tuple[type[KukeonError], ...] = (
    Invalid,
    NotFound,
    AlreadyExists,
    Conflict,
    Aborted,
    Denied,
    Unsupported,
    Unavailable,
    TimedOut,
    HostError,
)


# The table: one line per wire kind, which is the name of its class, and its branch.  They are classes and not data so
# that editors and type checkers know them; there is nothing in them.
class _Leaf:
    """Makes the class's name its kind."""

    default_kind: ClassVar[str]

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        cls.default_kind = cls.__name__


# fmt: off
class RealmNotFound(_Leaf, NotFound): ...
class SpaceNotFound(_Leaf, NotFound): ...
class StackNotFound(_Leaf, NotFound): ...
class CellNotFound(_Leaf, NotFound): ...
class ContainerNotFound(_Leaf, NotFound): ...
class TaskNotFound(_Leaf, NotFound): ...
class NetworkNotFound(_Leaf, NotFound): ...
class ImageNotFound(_Leaf, NotFound): ...
class MissingMetadataFile(_Leaf, NotFound): ...
class ProfileNotFound(_Leaf, NotFound): ...
class BlobNotFound(_Leaf, NotFound): ...

class RealmNameRequired(_Leaf, Invalid): ...
class SpaceNameRequired(_Leaf, Invalid): ...
class StackNameRequired(_Leaf, Invalid): ...
class CellNameRequired(_Leaf, Invalid): ...
class ContainerNameRequired(_Leaf, Invalid): ...
class InvalidRealmName(_Leaf, Invalid): ...
class InvalidName(_Leaf, Invalid): ...
class InvalidRef(_Leaf, Invalid): ...
class InvalidImage(_Leaf, Invalid): ...
class InvalidManifest(_Leaf, Invalid): ...
class UnknownKind(InvalidManifest): ...
class UnsupportedAPIVersion(InvalidManifest): ...
class InvalidRequest(_Leaf, Invalid): ...
class InvalidSelector(_Leaf, Invalid): ...
class InvalidArchive(_Leaf, Invalid): ...
class InvalidUser(_Leaf, Invalid): ...
class TarballRequired(_Leaf, Invalid): ...
class ConversionFailed(_Leaf, Invalid): ...
class MultipleRootContainers(_Leaf, Invalid): ...
class RootContainerMismatch(_Leaf, Invalid): ...
class VolumeSourceNotFound(_Leaf, Invalid): ...
class DeviceNotFound(_Leaf, Invalid): ...
class SecretNotFound(_Leaf, Invalid): ...
class ServerConfigurationInvalid(_Leaf, Invalid): ...
class ClientConfigurationInvalid(_Leaf, Invalid): ...
class ProfileInvalid(_Leaf, Invalid): ...
class RegistryConfigInvalid(_Leaf, Invalid): ...
class DockerConfigInvalid(_Leaf, Invalid): ...

class CellExists(_Leaf, AlreadyExists): ...
class ContainerExists(_Leaf, AlreadyExists): ...
class NetworkAlreadyExists(_Leaf, AlreadyExists): ...
class NamespaceAlreadyExists(_Leaf, AlreadyExists): ...

class ResourceHasDependencies(_Leaf, Conflict): ...
class BreakingChange(_Leaf, Conflict): ...
class TaskNotRunning(_Leaf, Conflict): ...
class InstanceMismatch(_Leaf, Conflict): ...
class RunPathLocked(_Leaf, Conflict): ...
class SubnetExhausted(_Leaf, Conflict): ...
class PortTaken(_Leaf, Conflict): ...
class RootContainerRefused(_Leaf, Conflict): ...
class CellSpecDrift(_Leaf, Conflict): ...

class StaleResource(_Leaf, Aborted): ...

class MustRunAsRoot(_Leaf, Denied): ...
class ReservedRealm(_Leaf, Denied): ...
class RegistryUnauthorized(_Leaf, Denied): ...
class RegistryDenied(_Leaf, Denied): ...

class NotSupportedYet(_Leaf, Unsupported): ...
class AttachNotSupported(_Leaf, Unsupported): ...
class UnsupportedScheme(_Leaf, Unsupported): ...
class ManifestNotSupported(_Leaf, Unsupported): ...

class ConnectContainerd(_Leaf, Unavailable): ...
class RegistryUnreachable(_Leaf, Unavailable): ...
class RegistryRateLimited(_Leaf, Unavailable): ...
class RegistryFailed(_Leaf, Unavailable): ...
class RegistryStalled(_Leaf, Unavailable): ...
class RegistryClosed(_Leaf, Unavailable): ...

class CreateRealm(_Leaf, HostError): ...
class CreateSpace(_Leaf, HostError): ...
class CreateStack(_Leaf, HostError): ...
class CreateCell(_Leaf, HostError): ...
class CreateContainer(_Leaf, HostError): ...
class StartCell(_Leaf, HostError): ...
class StartContainer(_Leaf, HostError): ...
class DeleteRealm(_Leaf, HostError): ...
class DeleteSpace(_Leaf, HostError): ...
class DeleteStack(_Leaf, HostError): ...
class DeleteCell(_Leaf, HostError): ...
class DeleteContainer(_Leaf, HostError): ...
class WriteMetadata(_Leaf, HostError): ...
class CorruptMetadata(_Leaf, HostError): ...
class SubnetStateCorrupt(_Leaf, HostError): ...
class CNIPluginNotFound(_Leaf, HostError): ...
class CNIPluginFailed(_Leaf, HostError): ...
class ShimLost(_Leaf, HostError): ...
class DiskPressure(_Leaf, HostError): ...
class RegistryUntrusted(_Leaf, HostError): ...
class RegistryRefused(_Leaf, HostError): ...
class NotARegistry(_Leaf, HostError): ...
class LengthMismatch(_Leaf, HostError): ...
class DigestMismatch(_Leaf, HostError): ...
class CredentialHelperFailed(_Leaf, HostError): ...
# fmt: on


def _leaves() -> dict[str, type[KukeonError]]:
    found = {branch.default_kind: branch for branch in BRANCHES}
    leaves = list(_Leaf.__subclasses__())
    for cls in leaves:
        assert issubclass(cls, KukeonError)
        found[cls.default_kind] = cls
        leaves += cls.__subclasses__()
    return found


KINDS: dict[str, type[KukeonError]] = _leaves()
"""Wire kind -> class, for branches and leaves."""

CODES: dict[str, type[KukeonError]] = {branch.code: branch for branch in BRANCHES}
"""gRPC code name -> branch, for kinds that this version does not know."""


def causes(exc: BaseException) -> Iterator[BaseException]:
    """Yield `exc` and what it was raised from, outermost first."""
    seen: set[int] = set()
    current: BaseException | None = exc
    while current is not None and id(current) not in seen:
        yield current
        seen.add(id(current))
        current = current.__cause__


def find(exc: BaseException) -> KukeonError | None:
    """Return what `exc` stands for: the nearest of our errors among it and its causes, or a special case of that one.

    Whoever raised the nearest has decided how callers should act, so a cause counts only where it says the same more
    specifically: `CellNotFound` below a plain `NotFound`, but never `SpaceNotFound` below `CreateCell`.
    """
    found: KukeonError | None = None
    for each in causes(exc):
        if isinstance(each, KukeonError) and (found is None or _special_case(each, found)):
            found = each
    return found


def _special_case(one: KukeonError, of: KukeonError) -> bool:
    return type(one) is not type(of) and isinstance(one, type(of)) and of.kind == of.default_kind


@overload
def kind_from_error(exc: None) -> None: ...
@overload
def kind_from_error(exc: BaseException) -> str: ...
def kind_from_error(exc: BaseException | None) -> str | None:
    """Return the wire kind of what `exc` stands for (`find`); `Unknown` when it is none of ours, None for None."""
    if exc is None:
        return None
    found = find(exc)
    return found.kind if found else UNKNOWN


@overload
def to_api_error(exc: None) -> None: ...
@overload
def to_api_error(exc: BaseException) -> APIError: ...
def to_api_error(exc: BaseException | None) -> APIError | None:
    """Return `exc` as it travels; None gives None.  The message is the outermost one, so is the hint if it has one.

    Names of files may be bytes that are no Unicode; such text is escaped, because an error must always get through.
    """
    if exc is None:
        return None
    found = find(exc)
    if found is None:
        return APIError(kind=UNKNOWN, message=_unicode(str(exc)))
    told = [each for each in causes(exc) if isinstance(each, KukeonError) and isinstance(found, type(each))]
    hint = next((each.hint for each in told if each.hint), "")
    problems: tuple[Problem, ...] = next((each.problems for each in told if each.problems), ())
    return APIError(
        kind=_unicode(found.kind),
        message=_unicode(str(exc)),
        hint=_unicode(hint),
        problems=tuple(_unicode_problem(problem) for problem in problems),
    )


def _unicode(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode()


def _unicode_problem(problem: Problem) -> Problem:
    texts = {
        name: _unicode(value) for name in problem.__struct_fields__ if isinstance(value := getattr(problem, name), str)
    }
    return msgspec.structs.replace(problem, **texts)


@overload
def from_api_error(error: None, code: str = "") -> None: ...
@overload
def from_api_error(error: APIError, code: str = "") -> KukeonError: ...
def from_api_error(error: APIError | None, code: str = "") -> KukeonError | None:
    """Return the exception that `error` was.  A kind unknown here falls back to the branch of the gRPC `code`."""
    if error is None:
        return None
    cls = KINDS.get(error.kind) or CODES.get(code, KukeonError)
    return cls(error.message, hint=error.hint, kind=error.kind, problems=error.problems)
