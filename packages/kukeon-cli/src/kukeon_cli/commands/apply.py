"""`kuke apply`: make resources be what manifests say."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from kukeon_cli import lazy, options

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from kukeon_api import model
    from kukeon_cli.manifests import Source
    from kukeon_cli.output import Output
    from kukeon_cli.session import Session
    from kukeon_sdk.client import Client


def apply(client: Client, sources: Sequence[Source], out: Output) -> int:
    """Apply all sources as one and print what became of each resource; return the exit code.

    Raises `Invalid` with every problem, and then nothing was changed.
    """
    from kukeon_api import errors, model
    from kukeon_cli import manifests, terminal

    documents = manifests.parse(sources)
    joined = manifests.join(sources)
    noun = "resource" if len(documents) == 1 else "resources"
    try:
        with terminal.Progress(f"applying {len(documents)} {noun}"):
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

    `realms` says by index which realm a document is in.
    """
    from kukeon_api import errors, model
    from kukeon_cli import failures

    codes = []
    for resource in resources:
        if resource.action is not model.ApplyAction.FAILED:
            codes.append(0)
            continue
        kind = resource.details.get("kind", "")
        cls = errors.KINDS.get(kind, errors.HostError)
        hint = resource.details.get("hint", "")
        # The manifest is right and the host is not ready for it: that is no "not found" of something asked for.
        image = issubclass(cls, errors.ImageNotFound)
        if image and not hint:
            hint = f"load it: kuke image load FILE --realm {realms.get(resource.index, model.DEFAULT_REALM)}"
        exc = cls(resource.error, hint=hint, kind=kind or None)
        prefix = "" if len(resources) == 1 else f'{resource.kind.lower()} "{resource.name}": '
        failures.error(exc, prefix=f"Error: {prefix}")
        codes.append(errors.HostError.exit_code if image else exc.exit_code)
    return failures.code_of_several(codes)


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
