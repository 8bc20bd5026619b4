"""`kuke wait`: until resources are in a state, there, gone, or ended."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from kukeon_cli import lazy, options

if TYPE_CHECKING:
    from kukeon_cli.conditions import Look
    from kukeon_cli.output import Output
    from kukeon_cli.resources import Scope
    from kukeon_cli.session import Session
    from kukeon_sdk.client import Client


def wait(
    client: Client, texts: tuple[str, ...], scope: Scope, condition: str, out: Output, *, timeout_s: float
) -> None:
    """Wait for a condition of the resources named `KIND/NAME`, and say how they are then.

    Raises `Invalid` for what is none of either, the `NotFound` of a resource, `TimedOut`.
    """
    from kukeon_cli import conditions, kinds

    refs = [scope.at(*kinds.named(text)) for text in options.names_given(texts)]
    wanted = conditions.Condition.parse(condition, [ref.kind for ref in refs])
    found = conditions.wait(client, refs, wanted, timeout_s)
    value = [
        {"kind": ref.kind, "ref": str(ref), "state": found[ref].state, "exists": found[ref].state is not None}
        for ref in refs
    ]
    names = [f"{ref.kind.lower()}/{ref.name}" for ref in refs]
    out.result(value, [_line(ref.kind, ref.name, found[ref]) for ref in refs], names)


def _line(kind: str, name: str, look: Look) -> str:
    return f'{kind} "{name}" is {look.state or "gone"}'


def complete_named(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[Any]:
    """Offer kinds, then names of the one that was typed."""
    from kukeon_cli import completion

    kind, separator, name = incomplete.partition("/")
    if not separator:
        words = ("realm/", "space/", "stack/", "cell/", "container/")
        return [word for word in words if word.startswith(incomplete)]
    return [f"{kind}/{each}" for each in completion.complete(ctx, kind, name)]


@click.command("wait", cls=lazy.Command)
@click.argument(
    "names",
    metavar="KIND/NAME...",
    nargs=-1,
    required=True,
    type=options.Words("names"),
    envvar="KUKE_WAIT_NAMES",
    shell_complete=complete_named,
)
@click.option(
    "--for",
    "condition",
    metavar="CONDITION",
    required=True,
    help="What to wait for: state=STATE[,STATE...], created, deleted or ended.",
)
@options.seconds(
    "--timeout", default="30s", text="How long to wait for it; 0 is as long as it takes.", variable="KUKE_WAIT_TIMEOUT"
)
@options.scope("realm", "space", "stack", "cell")
@options.output()
@click.pass_obj
def command(
    session: Session, /, names: tuple[str, ...], condition: str, timeout_s: float, output: str, **given: str | None
) -> None:
    """Wait until resources are in a state.

    With several, until all of them have been. The exit code is 8 when that takes too long, and 3 when a resource that
    is waited for in a state is not there. A program that has ended, or is gone, has `ended`.

    \b
        kuke wait cell/web --for=state=Ready --timeout 1m
        kuke wait cell/job --for=ended --timeout 0
        kuke wait container/db --cell web --for=state=Exited,Error
    """
    from kukeon_cli import resources

    wait(session.client, names, resources.Scope(**given), condition, session.output(output), timeout_s=timeout_s)
