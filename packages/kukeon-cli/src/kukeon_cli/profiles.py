"""The profiles of a user: files in `$KUKE_PROFILES_DIR`, else in `~/.kuke/profiles.d`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from kukeon_api import errors, manifest, names, profile
from kukeon_cli import near

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

VARIABLE = "KUKE_PROFILES_DIR"
_SUFFIXES = (".yaml", ".yml")
_MAX_VALUES_BYTES = 1 << 20
"""Of a file of values; a person writes them."""


def directory(environ: Mapping[str, str]) -> Path:
    """Return where the profiles are; it need not exist. Raises `Invalid` when nothing says where."""
    stated = environ.get(VARIABLE)
    if stated:
        return Path(stated)
    home = environ.get("HOME")
    if not home:
        raise errors.Invalid(f"cannot look for profiles: neither {VARIABLE} nor HOME is set")
    return Path(home, ".kuke", "profiles.d")


def find(name: str, environ: Mapping[str, str]) -> profile.Profile:
    """Return the profile called `name`: of the file called so, else of whichever file says that it is.

    Raises `ProfileNotFound`, and `ProfileInvalid` for the file called so when it is broken, and when several files
    that are called otherwise say that they are it.
    """
    names.check_name(name, "profile")
    where = directory(environ)
    files = _files(where)
    own = [path for suffix in _SUFFIXES for path in files if path.name == name + suffix]
    for path in own:
        found = _load(path)
        if found.name == name:
            return found
    others, broken = _others([path for path in files if path not in own])
    same = [each for each in others if each.name == name]
    if len(same) > 1:
        sources = " and ".join(repr(each.source) for each in same)
        raise errors.ProfileInvalid(
            f"cannot choose a profile {name!r}: {sources} both say that they are it",
            hint=f"rename one, or the file that is meant to {name}.yaml",
        )
    if same:
        return same[0]
    raise errors.ProfileNotFound(
        f"cannot find profile {name!r} in {str(where)!r}", hint=_hint(name, [each.name for each in others], broken)
    )


def known(environ: Mapping[str, str]) -> list[str]:
    """Return the names of the profiles that can be read."""
    found, _ = _others(_files(directory(environ)))
    return sorted({each.name for each in found})


def values(flags: Sequence[str], files: Sequence[str]) -> tuple[list[profile.Given], list[errors.Problem]]:
    """Return the values of `--param` and `--param-file` in the order in which later ones win, and what is wrong."""
    given: list[profile.Given] = []
    problems: list[errors.Problem] = []
    for file in files:
        found, wrong = profile.values_in(_read(Path(file), _MAX_VALUES_BYTES, "--param-file"), file)
        given += found
        problems += wrong
    for flag in flags:
        name, separator, value = flag.partition("=")
        if not separator or not name:
            # What stands there may be secret.
            problems.append(errors.Problem(source="--param", message=f"{name[:80]!r} is not NAME=VALUE"))
        else:
            given.append(profile.Given(name, value))
    return given, problems


def _files(where: Path) -> list[Path]:
    try:
        return sorted(path for path in where.iterdir() if path.suffix in _SUFFIXES and path.is_file())
    except FileNotFoundError:
        return []
    except OSError as exc:
        raise errors.Invalid(f"cannot read the directory of profiles {str(where)!r}: {exc.strerror}") from exc


def _load(path: Path) -> profile.Profile:
    return profile.load(_read(path, manifest.MAX_BYTES, "the profile"), str(path))


def _others(files: Sequence[Path]) -> tuple[list[profile.Profile], list[str]]:
    """Return the profiles in `files`, and the names of those that hold none that can be read."""
    found, broken = [], []
    for path, each in _loaded(files):
        if each is None:
            broken.append(path.name)
        else:
            found.append(each)
    return found, broken


def _loaded(files: Sequence[Path]) -> Iterator[tuple[Path, profile.Profile | None]]:
    for path in files:
        try:
            yield path, _load(path)
        except errors.Invalid:
            # Somebody else's profile; whoever asks for it is told what is wrong with it.
            yield path, None


def _read(path: Path, limit: int, what: str) -> bytes:
    try:
        with path.open("rb") as stream:
            content = stream.read(limit + 1)
    except OSError as exc:
        raise errors.Invalid(f"cannot read {what} {str(path)!r}: {exc.strerror}") from exc
    if len(content) > limit:
        raise errors.Invalid(f"cannot read {what} {str(path)!r}: larger than {limit} bytes")
    return content


def _hint(name: str, others: Sequence[str], broken: Sequence[str]) -> str:
    meant = near.nearest(name, sorted(set(others)))
    said = (
        f"did you mean {meant!r}?"
        if meant
        else (f"it has {', '.join(sorted(set(others)))}" if others else "it has none")
    )
    if broken:
        said += f"; not readable as profiles: {', '.join(broken)}"
    return said
