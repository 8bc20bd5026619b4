"""Manifests as the user names them: files, directories, standard input; and problems that point back into them."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import msgspec

from kukeon_api import errors, manifest
from kukeon_cli import streams

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    import yaml

STDIN = "-"
_SUFFIXES = (".yaml", ".yml", ".json")

MAX_BYTES = 32 << 20
"""Half of what a message between kuke and kukeond may have; a manifest is a thousand times smaller."""


@dataclass(frozen=True)
class Source:
    """One input: the name that the user knows it by, and what is in it."""

    name: str
    raw: bytes


def read(names: Sequence[str], stdin: BinaryIO | None = None) -> list[Source]:
    """Read every file named; `-` is standard input, a directory stands for the manifests right in it.

    Raises `Invalid` naming the path that cannot be read.
    """
    if names.count(STDIN) > 1:
        raise errors.Invalid("cannot read standard input twice: '-' is given more than once")
    sources = []
    for name in names:
        if name == STDIN:
            sources.append(_stdin(streams.standard_input() if stdin is None else stdin))
        else:
            sources += [_file(path) for path in _files(Path(name))]
    return sources


def _stdin(stream: BinaryIO) -> Source:
    if stream.isatty():
        raise errors.Invalid("cannot read a manifest from the terminal", hint="pipe it in, or name a file with -f FILE")
    try:
        return Source("<stdin>", _bounded(stream, streams.STDIN))
    except OSError as exc:
        raise errors.Invalid(f"cannot read {streams.STDIN}: {exc.strerror}") from exc


def _files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    found = sorted(child for child in path.iterdir() if child.suffix in _SUFFIXES and child.is_file())
    if not found:
        raise errors.Invalid(f"cannot read {str(path)!r}: no {', '.join(_SUFFIXES)} file in this directory")
    return found


def _file(path: Path) -> Source:
    try:
        with path.open("rb") as stream:
            return Source(str(path), _bounded(stream, repr(str(path))))
    except OSError as exc:
        hint = "" if path.exists() else "check the path; '-' reads standard input"
        raise errors.Invalid(f"cannot read {str(path)!r}: {exc.strerror}", hint=hint) from exc


def _bounded(stream: BinaryIO, what: str) -> bytes:
    raw = streams.read(stream, MAX_BYTES + 1)
    if len(raw) > MAX_BYTES:
        raise errors.Invalid(f"cannot read {what}: larger than {MAX_BYTES >> 20} MiB")
    return raw


def parse(sources: Iterable[Source]) -> list[manifest.Document]:
    """Return the documents of all sources; raises one `Invalid` with every problem of every source."""
    documents: list[manifest.Document] = []
    failures: list[errors.Invalid] = []
    for source in sources:
        try:
            documents += manifest.parse(source.raw, source=source.name)
        except errors.Invalid as exc:
            failures.append(exc)
    if len(failures) == 1:
        raise failures[0]
    if failures:
        problems = [problem for failure in failures for problem in failure.problems]
        # A failure without problems (not text at all) is one in itself.
        lone = [failure.message for failure in failures if not failure.problems]
        raise errors.InvalidManifest("\n".join([f"{len(failures)} files are invalid", *lone]), problems=problems)
    twice = manifest.duplicates(documents)
    if twice:
        count = "1 resource is" if len(twice) == 1 else f"{len(twice)} resources are"
        raise errors.InvalidManifest(f"{count} described more than once", problems=twice)
    return documents


def completed(source: Source, parents: Mapping[str, str]) -> Source:
    """Return `source` with `parents` (by key of the spec) added to its documents where these leave them out.

    Raises `Invalid` with every problem that this does not solve.
    """
    try:
        manifest.parse(source.raw, source=source.name)
    except errors.Invalid as exc:
        others = [problem for problem in exc.problems if not _lacks_parent(problem, parents)]
        if len(others) == len(exc.problems):
            raise
        if others:
            count = "1 problem" if len(others) == 1 else f"{len(others)} problems"
            raise type(exc)(f"invalid manifest {source.name!r}: {count}", hint=exc.hint, problems=others) from exc
    else:
        return source
    import yaml

    # Nodes keep every scalar as it was written; loading and dumping would turn `1000:10` into a number.
    roots = [root for root in yaml.compose_all(source.raw, Loader=yaml.SafeLoader) if root is not None]
    for root in roots:
        for key, value in (pair for each in _documents(root) for pair in each.value):
            if key.value == "spec":
                stated = [(name, node) for name, node in value.value if node.tag != _NULL or name.value not in parents]
                known = {name.value for name, _ in stated}
                value.value = stated + [(_text(k), _text(v)) for k, v in parents.items() if k not in known]
    return Source(source.name, yaml.serialize_all(roots, encoding="utf-8"))


def _documents(root: yaml.Node) -> list[yaml.Node]:
    """Return the documents that `root` holds: itself, or those of the list that it is."""
    import yaml

    return root.value if isinstance(root, yaml.SequenceNode) else [root]


_NULL = "tag:yaml.org,2002:null"


def _lacks_parent(problem: errors.Problem, parents: Mapping[str, str]) -> bool:
    return problem.message == "is required" and problem.path.removeprefix("spec.") in parents


def _text(value: str) -> yaml.ScalarNode:
    import yaml

    return yaml.ScalarNode("tag:yaml.org,2002:str", value, style='"')


@dataclass(frozen=True)
class Joined:
    """Several sources as one stream, and where each begins in it."""

    raw: bytes
    starts: tuple[tuple[int, Source], ...]
    """First line (from 1) of each source in the stream."""

    def located(self, problem: errors.Problem) -> errors.Problem:
        """Return `problem`, found in the stream, with the file and the line that the user knows."""
        name, line = self.starts[0][1].name, problem.line
        for start, source in self.starts:
            if start <= problem.line:
                name, line = source.name, problem.line - start + 1
        return msgspec.structs.replace(problem, source=name, line=line)

    @contextmanager
    def naming_problems(self) -> Iterator[None]:
        """Have an `Invalid` of the block, which speaks of the stream, speak of the user's own files."""
        try:
            yield
        except errors.Invalid as exc:
            # What only the daemon knows to be wrong is told in the same words, with the user's own file names.
            problems = [self.located(problem) for problem in exc.problems]
            raise type(exc)(_renamed(exc, problems), hint=exc.hint, kind=exc.kind, problems=problems) from exc


def _renamed(exc: errors.Invalid, problems: Sequence[errors.Problem]) -> str:
    """Return the message of `exc` without the lines that repeat its problems, which stand there with other names."""
    old = {str(problem) for problem in exc.problems}
    lines = [line for line in exc.message.splitlines() if line.strip().removeprefix("- ") not in old]
    return "\n".join(lines) or f"{len(problems)} problems"


_BOM = b"\xef\xbb\xbf"


def join(sources: Sequence[Source]) -> Joined:
    """Return the sources as one stream, so that what is in them is sorted and applied as a whole."""
    raw = b""
    starts = []
    for source in sources:
        text = source.raw.removeprefix(_BOM)
        if raw:
            if not raw.endswith(b"\n"):
                raw += b"\n"
            # After `...` a document may begin with directives (%YAML), after `---` it may not.
            raw += b"...\n" if _first_mark(text) in (b"%", b"---") else b"---\n"
        starts.append((raw.count(b"\n") + 1, source))
        raw += text
    return Joined(raw, tuple(starts))


def _first_mark(text: bytes) -> bytes:
    """Return `%` or `---` when `text` begins with a directive or an explicit document."""
    for line in text.splitlines():
        if line.strip() and not line.lstrip().startswith(b"#"):
            if line.startswith(b"%"):
                return b"%"
            return b"---" if line.startswith(b"---") else b""
    return b"---"
