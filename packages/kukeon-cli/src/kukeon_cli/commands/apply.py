"""`kuke apply`: make resources be what manifests say."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from kukeon_cli import lazy, options

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from kukeon_api import errors, model
    from kukeon_cli.manifests import Source
    from kukeon_cli.output import Output
    from kukeon_cli.session import Session
    from kukeon_sdk.client import Client


_NAMED = 2
"""How many resources are named beside the first that failed for the same reason; their own lines are on stdout."""


def apply(client: Client, sources: Sequence[Source], out: Output) -> int:
    """Apply all sources as one and print what became of each resource; return the exit code.

    Raises `Invalid` with every problem, and then nothing was changed.
    """
    from kukeon_api import errors, model
    from kukeon_cli import interruption, manifests, terminal

    documents = manifests.parse(sources)
    joined = manifests.join(sources)
    noun = "resource" if len(documents) == 1 else "resources"
    try:
        with (
            interruption.kukeond_goes_on("kuke get cells"),
            terminal.Progress(f"applying {len(documents)} {noun}"),
        ):
            result = client.apply_documents(joined.raw)
    except errors.Invalid as exc:
        # What only the daemon knows to be wrong is told in the same words, with the user's own file names.
        problems = [joined.located(problem) for problem in exc.problems]
        raise type(exc)(_renamed(exc, problems), hint=exc.hint, kind=exc.kind, problems=problems) from exc
    out.result(result, _lines(result), [f"{found.kind.lower()}/{found.name}" for found in result.resources])
    out.stream.flush()
    realms = {document.index: model.ref_of(document.doc).realm for document in documents}
    return _report(result.resources, realms)


def _renamed(exc: object, problems: Sequence[object]) -> str:
    """Return the message of `exc` without the lines that repeat its problems, which stand there with other names."""
    from kukeon_api import errors

    assert isinstance(exc, errors.KukeonError)
    old = {str(problem) for problem in exc.problems}
    lines = [line for line in exc.message.splitlines() if line.strip().removeprefix("- ") not in old]
    return "\n".join(lines) or f"{len(problems)} problems"


def _lines(result: model.ApplyDocumentsResult) -> list[str]:
    lines = []
    for resource in result.resources:
        lines.append(f'{resource.kind} "{resource.name}": {resource.action}')
        lines += [f"  - {_change(resource, change)}" for change in resource.changes]
    return lines


def _change(resource: model.ApplyResourceResult, change: str) -> str:
    detail = resource.details.get(change, "")
    return f"{change}: {detail}" if detail and detail != change else change


def _report(resources: Sequence[model.ApplyResourceResult], realms: Mapping[int, str]) -> int:
    """Print the errors of failed resources on stderr and return the exit code of the whole.

    Equal errors are told once, with those that they are about; so is each hint. `realms` says by index which realm a
    document is in.
    """
    import re

    from kukeon_api import model
    from kukeon_cli import failures

    codes = []
    alike: dict[str, list[_Failure]] = {}
    for resource in resources:
        if resource.action is not model.ApplyAction.FAILED:
            codes.append(0)
            continue
        failed = _failure(resource, realms.get(resource.index, model.DEFAULT_REALM))
        codes.append(_code(failed.error))
        # An error that names its resource is the same as one that names another in its place.
        key = re.sub(rf"\b{re.escape(resource.name)}\b", "\0", failed.error.message)
        alike.setdefault(key, []).append(failed)
    told: set[str] = set()
    for failed, *others in alike.values():
        hint = "" if failed.error.hint in told else failed.error.hint
        told.add(failed.error.hint)
        prefix = "" if len(resources) == 1 else f"{failed.name}: "
        failures.error(failed.error, prefix=f"Error: {prefix}", hint=hint, more=_same(others))
    return failures.code_of_several(codes)


@dataclass(frozen=True)
class _Failure:
    name: str
    error: errors.KukeonError


def _failure(resource: model.ApplyResourceResult, realm: str) -> _Failure:
    from kukeon_api import errors
    from kukeon_cli import failures

    kind = resource.details.get("kind", "")
    cls = errors.KINDS.get(kind, errors.HostError)
    hint = resource.details.get("hint", "")
    if issubclass(cls, errors.ImageNotFound):
        # What kukeond says about it knows no flags.
        hint = failures.image_hint(realm)
    return _Failure(f"{resource.kind.lower()} {resource.name!r}", cls(resource.error, hint=hint, kind=kind or None))


def _code(error: errors.KukeonError) -> int:
    from kukeon_api import errors
    from kukeon_cli import failures

    return errors.HostError.exit_code if isinstance(error, failures.HOST_NOT_READY) else error.exit_code


def _same(others: Sequence[_Failure]) -> str:
    """Return a line about those that failed for the same reason; few are named, many counted."""
    if not others:
        return ""
    named = ", ".join(failed.name for failed in others[:_NAMED])
    rest = len(others) - _NAMED
    return f"the same: {named}" + (f" ... and {rest} more" if rest > 0 else "")


@click.command("apply", cls=lazy.Command)
@click.option(
    "-f",
    "--file",
    "files",
    multiple=True,
    required=True,
    metavar="FILE",
    help="Manifest, or directory of manifests, or - for standard input; may be given more than once.",
    type=click.Path(),
)
@options.output()
@click.pass_obj
def command(session: Session, files: tuple[str, ...], output: str) -> int:
    """Make resources be what a manifest says.

    All documents of all files are checked first; when anything is wrong nothing is changed. Parents are made before
    what is in them, whatever the order of the documents.
    """
    from kukeon_cli import manifests

    return apply(session.client, manifests.read(files), session.output(output))
