"""What an answer of a registry that is no success means."""

from __future__ import annotations

import email.utils
import re
import time
from typing import TYPE_CHECKING

import msgspec

from kukeon_api import errors
from kukeon_runner.host.registry import hosts
from kukeon_runner.host.registry.retries import Trouble

if TYPE_CHECKING:
    from kukeon_runner.host.registry.transport import Answer

_ERROR_LIMIT_BYTES = 16 * 1024
_WORDS_LIMIT = 200
CREDENTIALS_HINT = (
    "give the realm a login for this host: "
    "kuke create registry-credential REALM --server HOST --username NAME --password-stdin"
)


class _Error(msgspec.Struct, frozen=True):
    code: str = ""
    message: str = ""


class _Errors(msgspec.Struct, frozen=True):
    errors: list[_Error] = []


async def trouble(answer: Answer, *, anonymous: bool) -> Trouble:
    """Return what the answer of a registry means, whatever its status but success. Reads it."""
    content = b"" if answer.request.method == "HEAD" else await _read(answer)
    told = _details(content)
    host = answer.origin.netloc
    code = told[0].code if told else ""
    words = f": {_words(told)}" if told else ""
    status = answer.status
    if status == 401:
        why = "wants to know who asks" if anonymous else "does not accept the login"
        return Trouble(errors.RegistryUnauthorized, f"registry {host!r} {why}{words}", hint=CREDENTIALS_HINT)
    if status == 403 or code == "DENIED":
        hint = CREDENTIALS_HINT if anonymous else "the login that was used has no right to it"
        return Trouble(errors.RegistryDenied, f"registry {host!r} does not allow it{words}", hint=hint)
    if status == 429 or code == "TOOMANYREQUESTS":
        wait = retry_after_s(answer.headers.get("Retry-After", ""))
        when = f"try again in {round(wait)} s" if wait else "try again later"
        hint = f"{when}; a login often has a higher limit" if anonymous else when
        return Trouble(
            errors.RegistryRateLimited,
            f"registry {host!r} takes no more requests for now{words}",
            hint=hint,
            passing=True,
            retry_after_s=wait,
        )
    if status == 408 or status >= 500:
        return Trouble(
            errors.RegistryFailed,
            f"registry {host!r} failed with status {status}{words}",
            hint="it is the registry's own trouble; its log may tell more",
            # What is not implemented or not of this HTTP version will not be so in a second.
            passing=status not in (501, 505),
            retry_after_s=retry_after_s(answer.headers.get("Retry-After", "")),
        )
    if status == 400 and answer.origin.scheme == "http" and b"HTTPS" in content:
        # In these words nginx, Go's servers and others tell who does not begin with TLS.
        return Trouble(
            errors.RegistryUntrusted,
            f"registry {host!r} speaks TLS, and was asked without",
            hint=f'write server = "https://{host}", and ca = "FILE" if its authority is your own, into '
            f"'{host}/hosts.toml' of {hosts.HINT}",
        )
    return Trouble(errors.RegistryRefused, f"registry {host!r} refused with status {status}{words}")


async def _read(answer: Answer) -> bytes:
    try:
        return await answer.read(_ERROR_LIMIT_BYTES)
    except Trouble:
        # Its words are a courtesy; the status says enough.
        return b""


def _details(content: bytes) -> list[_Error]:
    """Return the errors that a document lists (distribution-spec, "Error Codes"); none if it is something else."""
    try:
        return msgspec.json.decode(content, type=_Errors).errors
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return []


def retry_after_s(header: str) -> float | None:
    """Return the seconds that a Retry-After header asks for: a number, or a time (RFC 9110, 10.2.3)."""
    if re.fullmatch(r"\s*[0-9]{1,9}\s*", header):
        return float(header)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(header).timestamp() - time.time())
    except (ValueError, TypeError, OverflowError):
        return None


def _words(told: list[_Error]) -> str:
    text = "; ".join(each.message or each.code for each in told[:3])
    plain = "".join(character if character.isprintable() else " " for character in text)
    return plain if len(plain) <= _WORDS_LIMIT else f"{plain[:_WORDS_LIMIT]}..."
