"""What keeps a log from being shown, in the same words whoever reads it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kukeon_api import errors, scope

if TYPE_CHECKING:
    from kukeon_api.logs.selection import Selection
    from kukeon_api.model import Ref


def check(ref: Ref, wanted: Selection, *, follow: bool, terminal: bool, times: bool = False) -> None:
    """Raise Invalid when there can be no such part of the log of container `ref`, or no `times` before its lines."""
    if follow and wanted.previous:
        raise errors.Invalid(
            f"cannot follow the previous run of container {str(ref)!r}: it has ended",
            hint="leave --follow or --previous away",
        )
    asked = {"--previous": wanted.previous, "--since": wanted.since, "--timestamps": times}
    if terminal and any(asked.values()):
        flags = " and ".join(flag for flag, given in asked.items() if given)
        raise errors.Invalid(
            f"cannot tell when container {str(ref)!r} wrote what: a terminal's transcript has no times",
            hint=f"leave {flags} away, and what it shows is all; --tail gives the last lines",
        )


def nothing_written(ref: Ref, path: str) -> errors.KukeonError:
    """The error for a container that was never started."""
    return errors.Conflict(
        f"container {str(ref)!r} has not written a log yet: there is no {path!r}",
        hint=f"see how it is: kuke get container {ref.container} --cell {ref.cell}{scope.flags(ref)}",
    )


def no_previous_run(ref: Ref) -> errors.KukeonError:
    """The error for a log in which no run before the present one is left."""
    return errors.Conflict(
        f"cannot show the previous run of container {str(ref)!r}: its log has nothing from before the last start",
        hint="it has not been started again, said nothing, or what it said was rotated away; leave --previous away",
    )


def unreadable(path: str, error: OSError) -> errors.KukeonError:
    """The error for a log that the host refuses."""
    return errors.HostError(f"cannot read the log {path!r}: {error.strerror}")
