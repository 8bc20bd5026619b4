"""Label selectors: which resources are meant, by the labels that people gave them.

app=web,tier!=db       both must hold
app, !app              the label is there, is not there
app in (web,api)       one of these values
app notin (web,api)    none of these values, or no such label
"""

from __future__ import annotations

import dataclasses
import re
from typing import TYPE_CHECKING

from kukeon_api import errors

if TYPE_CHECKING:
    from collections.abc import Mapping

_KEY = r"(?P<key>[A-Za-z0-9](?:[-A-Za-z0-9_./]*[A-Za-z0-9])?)"
"""What a label's key may be (rules)."""

_FORMS = (
    ("in", re.compile(rf"{_KEY}\s+in\s*\((?P<values>[^()]*)\)")),
    ("notin", re.compile(rf"{_KEY}\s+notin\s*\((?P<values>[^()]*)\)")),
    ("notin", re.compile(rf"{_KEY}\s*!=(?P<value>(?!=)[^()]*)")),
    ("in", re.compile(rf"{_KEY}\s*==?(?P<value>(?!=)[^()]*)")),
    ("absent", re.compile(rf"!\s*{_KEY}")),
    ("present", re.compile(_KEY)),
)

MAX_LENGTH = 4096
"""Characters; a selector is typed by a person."""

HINT = "write it like app=web, app!=web, app, !app, 'app in (web,api)' or 'app notin (web,api)', several with commas"


@dataclasses.dataclass(frozen=True)
class Requirement:
    """What one label must be: `operator` is in, notin, present or absent."""

    key: str
    operator: str
    values: tuple[str, ...] = ()

    def matches(self, found: Mapping[str, str]) -> bool:
        """Tell whether the labels `found` are as required."""
        there = self.key in found
        match self.operator:
            case "in":
                return there and found[self.key] in self.values
            case "notin":
                return not there or found[self.key] not in self.values
            case "present":
                return there
            case _:
                return not there

    def __str__(self) -> str:
        one = self.values[0] if len(self.values) == 1 else None
        match self.operator:
            case "present":
                return self.key
            case "absent":
                return f"!{self.key}"
            case operator if one is not None:
                return f"{self.key}{'=' if operator == 'in' else '!='}{one}"
            case operator:
                return f"{self.key} {operator} ({','.join(self.values)})"


@dataclasses.dataclass(frozen=True)
class Selector:
    """Requirements that must all hold."""

    requirements: tuple[Requirement, ...]

    @classmethod
    def parse(cls, text: str) -> Selector:
        """Read a selector; raises `Invalid` for one that is empty or that cannot be read."""
        if not text.strip():
            raise errors.Invalid("cannot use an empty label selector: it says nothing", hint=HINT)
        if len(text) > MAX_LENGTH:
            raise errors.Invalid(f"cannot use a label selector of more than {MAX_LENGTH} characters")
        return cls(tuple(_requirement(part.strip(), text) for part in _parts(text)))

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Tell whether a resource with these labels is meant."""
        return all(each.matches(labels) for each in self.requirements)

    def __str__(self) -> str:
        return ",".join(map(str, self.requirements))


def _parts(text: str) -> list[str]:
    """Split at the commas outside of parentheses."""
    parts, depth = [""], 0
    for character in text:
        depth += {"(": 1, ")": -1}.get(character, 0)
        if character == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += character
    return parts


def _requirement(part: str, text: str) -> Requirement:
    for operator, form in _FORMS:
        found = form.fullmatch(part)
        if found is None:
            continue
        groups = found.groupdict()
        values: tuple[str, ...] = ()
        if "values" in groups:
            values = tuple(dict.fromkeys(each.strip() for each in groups["values"].split(",")))
        elif "value" in groups:
            values = (groups["value"].strip(),)
        return Requirement(groups["key"], operator, values)
    what = f"{part[:80]!r} is no requirement" if part else "there is nothing between two commas"
    raise errors.Invalid(f"cannot read the label selector {text[:200]!r}: {what}", hint=HINT)
