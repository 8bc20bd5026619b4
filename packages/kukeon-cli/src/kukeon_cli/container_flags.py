"""Flags that describe a container, read into its spec; every error names the flag and the value.

Three layers say no: a flag that cannot be read (here), a value that is wrong (the rules of the model, which speak of
paths that are told as flags here), and a setting that nothing makes work yet.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from kukeon_api import errors, model, rules, unsupported

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

_SIZE = re.compile(r"([0-9]{1,18}) ?(?:([kmg])i?)?b?", re.IGNORECASE)
_POWERS = {"": 0, "k": 1, "m": 2, "g": 3}


def wrong(flag: str, value: str, why: str, hint: str = "") -> errors.Invalid:
    """Return the error that says why `value` is none for `flag`."""
    return errors.Invalid(f"cannot use {value!r} for {flag}: {why}", hint=hint)


def size(flag: str, text: str) -> int:
    """Return bytes; k, m, g, ki, mi and gi all count in 1024, like docker's."""
    found = _SIZE.fullmatch(text.strip())
    if found is None:
        raise wrong(flag, text, "it is no size", "write bytes, or a number with k, m or g, like 512m")
    count: int = int(found[1]) * 1024 ** _POWERS[(found[2] or "").lower()]
    if count >= 2**63:
        raise wrong(flag, text, "it is larger than 64 bits can say")
    return count


def pairs(flag: str, values: Iterable[str]) -> dict[str, str]:
    """Return KEY=VALUE texts as a mapping; a key that comes twice is refused."""
    found: dict[str, str] = {}
    for value in values:
        key, separator, text = value.partition("=")
        if not separator or not key.strip():
            raise wrong(flag, value, "it is not KEY=VALUE")
        if key in found and found[key] != text:
            raise wrong(flag, value, f"{key!r} is given more than once")
        found[key] = text
    return found


def variables(values: Sequence[str]) -> tuple[str, ...]:
    """Return the KEY=VALUE texts of `--env`. Values may be secret, so errors show keys alone."""
    found: dict[str, str] = {}
    for value in values:
        key, separator, _ = value.partition("=")
        if not separator or not key:
            shown = key or "=..."
            raise wrong("--env", shown, "it is not KEY=VALUE", f"an empty value is written {key or 'KEY'}=")
        if found.setdefault(key, value) != value:
            raise wrong("--env", f"{key}=...", f"{key!r} is given more than once with different values")
    return tuple(found.values())


def volume(value: str) -> model.VolumeMount:
    """Return `SRC:DST[:ro|rw]` as a mount."""
    source, *rest = value.split(":")
    form = "write SRC:DST or SRC:DST:ro with absolute paths"
    if not rest or len(rest) > 2 or not source or not rest[0]:
        raise wrong("--volume", value, "it is not SRC:DST[:ro|rw]", form)
    if not rest[0].startswith("/"):
        raise wrong("--volume", value, f"{rest[0]!r} is not an absolute path", form)
    mode = rest[1] if len(rest) == 2 else "rw"
    if mode not in ("ro", "rw"):
        raise wrong("--volume", value, f"{mode!r} is neither ro nor rw", form)
    return model.VolumeMount(source=source, target=rest[0], read_only=mode == "ro")


def tmpfs(value: str) -> model.Tmpfs:
    """Return `PATH[:OPTION,...]` as fresh memory; the option `size=` has a size with an optional unit."""
    path, _, text = value.partition(":")
    if not path.startswith("/"):
        raise wrong("--tmpfs", value, f"{path!r} is not an absolute path", "write PATH or PATH:size=64m,mode=1777")
    limit = None
    left = []
    for option in text.split(",") if text else []:
        if not option:
            raise wrong("--tmpfs", value, "an option is empty")
        if option.startswith("size="):
            limit = size("--tmpfs", option.removeprefix("size="))
        else:
            left.append(option)
    return model.Tmpfs(path=path, size_bytes=limit, options=tuple(left))


def check(doc: model.Doc, flags: Mapping[str, str], doing: str = "create") -> None:
    """Raise what is wrong with a document that was made of flags.

    `flags` maps the paths of the document to the flags that they come from: `Invalid` with every problem, or
    `NotSupportedYet` when the only trouble is that nothing makes it work yet.
    """
    found = [problem for problem in rules.problems(doc) if problem.path != "spec.containers"]
    if not found:
        return
    told = [_told(problem, flags) for problem in found]
    subject = f'{doc.kind.lower()} "{doc.metadata.name}"'
    message = f"cannot {doing} {subject}: {told[0]}" if len(told) == 1 else f"cannot {doing} {subject}:"
    if len(told) > 1:
        message = "\n  ".join([message, *told])
    if all(problem.message == unsupported.MESSAGE for problem in found):
        raise errors.NotSupportedYet(message, hint="leave it out")
    raise errors.Invalid(message)


def _told(problem: errors.Problem, flags: Mapping[str, str]) -> str:
    """Return a problem as a sentence about the flag that it comes from."""
    about = " " if problem.message.startswith(("is ", "must ")) else ": "
    suggestion = f" ({problem.suggestion})" if problem.suggestion else ""
    return f"{_flag(problem.path, flags)}{about}{problem.message}{suggestion}"


def _flag(path: str, flags: Mapping[str, str]) -> str:
    """Return the flag that a path comes from, with its number where there are several; else the path itself."""
    for own, flag in sorted(flags.items(), key=lambda item: -len(item[0])):
        rest = path.removeprefix(own)
        if rest != path or path == own:
            number = re.match(r"\[([0-9]+)\]", rest)
            return f"{flag} (number {int(number[1]) + 1})" if number else flag
    return path
