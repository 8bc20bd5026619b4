"""`kuke apply`: make resources be what manifests say."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from kukeon_cli import lazy, options

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from kukeon_api import manifest, model
    from kukeon_cli.manifests import Source
    from kukeon_cli.output import Output
    from kukeon_cli.session import Session
    from kukeon_sdk.client import Client

DIFFERENT = 10
"""The exit code of `diff` and of `apply --dry-run --exit-code` when something would change."""


_CONTAINER_CHANGE = re.compile(r'container "([^"]*)" (?:added|removed|updated: (.*))')
_REORDERED = "containers reordered"


@dataclass(frozen=True)
class Wish:
    """How to apply: only say what would be done, what else to remove, how long to wait for cells (None: not at all).

    `exit_code`: a dry run ends with `DIFFERENT` when something would change.
    """

    dry_run: bool = False
    exit_code: bool = False
    prune: str = ""
    wait_s: float | None = None


def apply(client: Client, sources: Sequence[Source], out: Output, wish: Wish = Wish()) -> int:
    """Apply all sources as one and print what became of each resource; return the exit code.

    Raises `Invalid` with every problem, and then nothing was changed.
    """
    from kukeon_cli import waiting

    def lines(result: model.ApplyDocumentsResult) -> Iterator[str]:
        return _lines(result, dry_run=wish.dry_run)

    result, documents = send(client, sources, wish)
    out.result(result, lines(result), [f"{found.kind.lower()}/{found.name}" for found in result.resources])
    out.stream.flush()
    code = report(result, documents)
    if wish.wait_s is not None:
        cells = waiting.cells_of(result, documents)
        code = waiting.until_ready(client, cells, wish.wait_s) or code
    if not code and wish.exit_code and changes(result):
        return DIFFERENT
    return code


def send(
    client: Client, sources: Sequence[Source], wish: Wish
) -> tuple[model.ApplyDocumentsResult, list[manifest.Document]]:
    """Return kukeond's answer to the sources, and the documents in them."""
    from contextlib import nullcontext

    from kukeon_cli import interruption, manifests, prefetch, terminal

    documents = manifests.parse(sources)
    joined = manifests.join(sources)
    if not wish.dry_run:
        prefetch.missing(client, [each.doc for each in documents])
    noun = "resource" if len(documents) == 1 else "resources"
    doing = "comparing" if wish.dry_run else "applying"
    with (
        nullcontext() if wish.dry_run else interruption.kukeond_goes_on("kuke get cells"),
        terminal.Progress(f"{doing} {len(documents)} {noun}"),
        joined.naming_problems(),
    ):
        return client.apply_documents(joined.raw, wish.dry_run, wish.prune), documents


def changes(result: model.ApplyDocumentsResult) -> list[model.ApplyResourceResult]:
    """Return what is not as it was."""
    from kukeon_api import model

    same = (model.ApplyAction.UNCHANGED, model.ApplyAction.FAILED)
    return [resource for resource in result.resources if resource.action not in same]


def _lines(result: model.ApplyDocumentsResult, *, dry_run: bool) -> Iterator[str]:
    for resource in result.resources:
        yield f'{resource.kind} "{resource.name}": {resource.action}' + (" (dry run)" if dry_run else "")
        yield from changed(resource)


def changed(resource: model.ApplyResourceResult) -> Iterator[str]:
    """Yield a line for each change of a resource: the field's path, what it was and what it is now.

    What has no fields to tell (a container that was added, a cgroup that was restored) is told as kukeond tells it.
    """
    from kukeon_api import model

    left = {} if resource.action is model.ApplyAction.FAILED else dict(resource.details)
    if resource.action is model.ApplyAction.PRUNED and "ref" in left:
        # Pruning goes through all scopes, so the name alone does not say which one it was.
        yield f"  - {left.pop('ref')}"
    for change in resource.changes:
        yield from (f"  - {line}" for line in _told(change, left))
    yield from (f"  - {path}: {text}" for path, text in sorted(left.items()))


def _told(change: str, left: dict[str, str]) -> list[str]:
    """Return a line for each field that `change` is about, taken out of `left`; the change itself where there is none.

    Their order is that of the change and else of their paths: `left` came over the wire, which keeps none.
    """
    container = _CONTAINER_CHANGE.fullmatch(change)
    if container is not None:
        whole = f"spec.containers[{container[1]}]"
        left.pop(whole, None)
        stated = {f"{whole}.{path}": at for at, path in enumerate((container[2] or "").split(", "))}
    else:
        whole, stated = "spec.containers" if change == _REORDERED else change, {}
        text = left.pop(whole, "")
        if text:
            return [whole if text == whole else f"{whole}: {text}"]
    own = [path for path in left if path.startswith(f"{whole}.")]
    own.sort(key=lambda path: (stated.get(path, len(stated)), path))
    return [f"{path}: {left.pop(path)}" for path in own] or [change]


def report(result: model.ApplyDocumentsResult, documents: Sequence[manifest.Document]) -> int:
    """Print the errors of the resources that failed on stderr and return the exit code of the whole."""
    from kukeon_api import model
    from kukeon_cli import reports

    outcomes: list[reports.Failure | None] = []
    for each in result.resources:
        if each.action is model.ApplyAction.FAILED:
            outcomes.append(reports.failure(each.kind, each.name, each.error, each.details))
        else:
            outcomes.append(None)
    return reports.report(outcomes)


def prune_selector(prune: bool, selector: str | None) -> str:
    """Return the selector of what may be pruned, "" when nothing may; raises `click.UsageError`, and `Invalid`."""
    from kukeon_cli import selection

    if prune != (selector is not None):
        missing = (
            "--prune needs -l/--selector, which says what may be removed" if prune else "-l/--selector is for --prune"
        )
        raise click.UsageError(missing)
    if selector is None:
        return ""
    selection.parse(selector)
    return selector


@click.command("apply", cls=lazy.Command)
@options.files()
@click.option("--dry-run", is_flag=True, help="Say what would be done and do nothing.")
@click.option("--exit-code", is_flag=True, help="With --dry-run: end with code 10 when something would change.")
@click.option(
    "--prune", is_flag=True, allow_from_autoenv=False, help="Remove what -l selects and no manifest describes."
)
@options.selector
@click.option("--wait", is_flag=True, help="Wait until the cells are ready or have ended well.")
@options.seconds("--timeout", default="5m", text="With --wait: how long at most.", variable="KUKE_APPLY_TIMEOUT")
@options.output()
@click.pass_obj
def command(
    session: Session,
    files: tuple[str, ...],
    dry_run: bool,
    exit_code: bool,
    prune: bool,
    selector: str | None,
    wait: bool,
    timeout_s: float,
    output: str,
) -> int:
    """Make resources be what a manifest says.

    All documents of all files are checked first; when anything is wrong nothing is changed. Parents are made before
    what is in them, whatever the order of the documents. What cannot be changed in place is made anew.

    With --wait it ends with an error as soon as a cell fails, and with code 8 when the time is over.

    \b
        kuke apply -f shop.yaml
        kuke apply -f shop/ --dry-run
        kuke apply -f shop/ --prune -l app=shop --wait --timeout 1m
        generate | kuke apply -f -
    """
    from kukeon_cli import manifests

    if exit_code and not dry_run:
        raise click.UsageError("--exit-code is for --dry-run")
    if wait and dry_run:
        raise click.UsageError("give --wait or --dry-run, not both: a dry run changes nothing to wait for")
    wish = Wish(dry_run, exit_code, prune_selector(prune, selector), timeout_s if wait else None)
    return apply(session.client, manifests.read(files), session.output(output), wish)
