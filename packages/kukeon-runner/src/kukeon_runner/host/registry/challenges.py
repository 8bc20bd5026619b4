"""What a registry says when it wants to know who asks: the header WWW-Authenticate (RFC 9110, 11.6.1).  Pure."""

from __future__ import annotations

import dataclasses
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"  # noqa: S105 - a word of RFC 9110, no secret
_PIECE = re.compile(
    rf"""\s*(?:
        (?P<name>{_TOKEN})\s*=\s*(?:"(?P<quoted>(?:[^"\\]|\\.)*)"|(?P<plain>{_TOKEN}))   # name=value
        |(?P<scheme>{_TOKEN})(?=\s|,|$)                                                  # a new challenge
    )\s*,?""",
    re.VERBOSE,
)
_LIMIT = 16 * 1024


@dataclasses.dataclass(frozen=True)
class Challenge:
    """One way to prove who asks; scheme and names in lower case."""

    scheme: str
    parameters: Mapping[str, str]


def parse(headers: Iterable[str]) -> tuple[Challenge, ...]:
    """Return the challenges of all WWW-Authenticate headers, as far as they can be read."""
    found: list[tuple[str, dict[str, str]]] = []
    for header in headers:
        # Bytes that are no UTF-8 arrive as surrogates, which nothing can be sent with.
        text, at = header[:_LIMIT].encode("utf-8", "replace").decode(), 0
        while at < len(text) and (piece := _PIECE.match(text, at)):
            at = piece.end()
            if scheme := piece["scheme"]:
                found.append((scheme.lower(), {}))
            elif found:
                quoted = piece["quoted"]
                value = piece["plain"] if quoted is None else re.sub(r"\\(.)", r"\1", quoted)
                found[-1][1].setdefault(piece["name"].lower(), value)
    return tuple(Challenge(scheme, parameters) for scheme, parameters in found)
