"""What a call that failed means: gRPC's words and codes as errors of kukeon. Pure; both kinds of clients use it."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from kukeon_api import errors, status

if TYPE_CHECKING:
    from collections.abc import Iterable

    from kukeon_api.methods import Method
    from kukeon_sdk.deadline import Deadline

_NEVER_CONNECTED = "failed to connect"
"""How gRPC's details begin when a call had no connection at all (client_channel in grpc/grpc); tests hold it to it."""


@dataclasses.dataclass(frozen=True)
class Failure:
    """What gRPC tells of a call that failed: the code's name, its words, the detail that kukeond sent along."""

    code: str
    details: str = ""
    trailer: bytes | None = None

    @classmethod
    def of(cls, code: Any, details: str | None, trailing: Iterable[Any] | None) -> Failure:
        """Return what gRPC's objects say."""
        trailers = {key: value for key, value in trailing or ()}
        return cls(code.name, details or "", trailers.get(status.TRAILER))

    @property
    def never_connected(self) -> bool:
        """Whether the call had no connection. gRPC's only word on that; all else it says is about one that ended."""
        return self.code == "UNAVAILABLE" and self.trailer is None and self.details.startswith(_NEVER_CONNECTED)


class Failures:
    """Errors of calls to the kukeond at `path`."""

    def __init__(self, path: str, dial_timeout_s: float) -> None:
        self._path = path
        self._dial_timeout_s = dial_timeout_s

    def translated(self, method: Method, failure: Failure, deadline: Deadline) -> errors.KukeonError:
        """Return what `failure` means: kukeond's own error where it sent one, else gRPC's in our words.

        Not for one that `never_connected`: somebody has to look why (`reach`), and `unanswered` is what is left.
        """
        if failure.trailer is not None:
            return status.from_status(failure.code, failure.details, failure.trailer)
        match failure.code:
            case "DEADLINE_EXCEEDED":
                return timed_out(method, deadline)
            case "UNAVAILABLE" | "CANCELLED":
                return self.lost(method)
            case "UNIMPLEMENTED":
                return errors.Unsupported(
                    f"cannot do {method.name}: the kukeond at {self._path!r} does not know it",
                    hint="client and daemon have different versions: `kuke version` shows them",
                )
            case "RESOURCE_EXHAUSTED":
                return errors.HostError(f"cannot do {method.name}: too large for one message: {failure.details}")
        words = f"cannot do {method.name}: {failure.details or failure.code}"
        return status.from_status(failure.code, words, None)

    def unanswered(self, failure: Failure, waited_s: float) -> errors.Unavailable:
        """Return what it means that connecting failed for `waited_s` seconds although the socket can be reached."""
        # The attempt to connect ends by itself after the dial timeout; timers of others may be a little early.
        if waited_s >= self._dial_timeout_s * 0.9:
            return errors.Unavailable(
                f"cannot reach kukeond at {self._path!r}: no answer within {self._dial_timeout_s:g} s",
                hint="it was paused, hangs or is overloaded; `kuke daemon logs` tells more",
            )
        return errors.Unavailable(
            f"cannot reach kukeond at {self._path!r}: what listens there does not answer as kukeond",
            hint=f"something else has the socket, or kukeond is just ending (gRPC: {failure.details})",
        )

    def lost(self, method: Method) -> errors.Unavailable:
        """Return what to tell when the connection ended under a call."""
        # Whether kukeond is back cannot be known yet: a process that ends closes its connections before its socket.
        hint = "the same command can be repeated once kukeond serves again (if it does not: `sudo kuke daemon start`)"
        if method.name == "Exec":
            hint = f"the program ends with it, or when kukeond is back; {hint}"
        elif method.writes:
            hint = f"the work may be half done; {hint}"
        return errors.Unavailable(
            f"cannot finish {method.name}: kukeond at {self._path!r} ended during the call", hint=hint
        )

    @staticmethod
    def closed(method: Method) -> errors.Conflict:
        """Return what to tell a call whose client was closed under it."""
        return errors.Conflict(f"cannot do {method.name}: this client was closed meanwhile")


def timed_out(method: Method, deadline: Deadline) -> errors.TimedOut:
    """Return what to tell when the caller's time is over."""
    if method.writes:
        hint = "kukeond goes on with what it has begun; look at the outcome with `kuke get`, or allow more time"
    else:
        hint = "kukeond was paused, hangs or is overloaded; `kuke daemon logs` tells more; or allow more time"
    return errors.TimedOut(
        f"cannot wait for {method.name} any longer: no answer within {deadline.timeout_s:g} s", hint=hint
    )
