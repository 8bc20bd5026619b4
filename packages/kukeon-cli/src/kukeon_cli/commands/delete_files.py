"""`kuke delete -f`: everything that manifests describe."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from kukeon_api import model
    from kukeon_cli.manifests import Source
    from kukeon_cli.output import Output
    from kukeon_cli.removing import Switches
    from kukeon_sdk.client import Client


def delete(client: Client, sources: Sequence[Source], switches: Switches, out: Output) -> int:
    """Delete what all sources describe and print what became of each resource; return the exit code.

    What is not there counts as deleted. Raises `Invalid` with every problem, and then nothing was changed.
    """
    from kukeon_api import model
    from kukeon_cli import interruption, manifests, reports, terminal

    documents = manifests.parse(sources)
    joined = manifests.join(sources)
    noun = "resource" if len(documents) == 1 else "resources"
    with (
        interruption.kukeond_goes_on("kuke get cells"),
        terminal.Progress(f"deleting {len(documents)} {noun}"),
        joined.naming_problems(),
    ):
        result = client.delete_documents(joined.raw, switches.cascade, switches.force)
    out.result(result, _lines(result), [f"{found.kind.lower()}/{found.name}" for found in result.resources])
    out.stream.flush()
    failed = [each if each.action is model.DeleteAction.FAILED else None for each in result.resources]
    return reports.report(
        [None if each is None else reports.failure(each.kind, each.name, each.error, each.details) for each in failed]
    )


def _lines(result: model.DeleteDocumentsResult) -> Iterator[str]:
    for resource in result.resources:
        yield f'{resource.kind} "{resource.name}": {resource.action}'
        kinds = Counter(path.partition(":")[0].partition("/")[0] for path in resource.cascaded)
        yield from (f"  - {count} {kind}(s) deleted (cascade)" for kind, count in kinds.items())
