"""Names for the shell to complete: asked of kukeond, quickly or not at all."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import click

    from kukeon_api.model import Kind
    from kukeon_sdk.client import Client

_TIMEOUT_S = 2.0


def complete(ctx: click.Context, kind: str, incomplete: str) -> list[str]:
    """Return the names of `kind` that begin with `incomplete`, within the scope flags typed so far."""
    from kukeon_api import errors
    from kukeon_cli.session import Session

    session = Session()
    for name in ("host", "run_path", "configuration"):
        for level in (ctx, *_parents(ctx)):
            if level.params.get(name):
                session.flags[name] = level.params[name]
    try:
        return sorted({name for name in _names(session.client, kind, ctx) if name.startswith(incomplete)})
    except errors.KukeonError:
        # The shell shows whatever is printed here in the middle of the user's line.
        return []
    finally:
        session.close()


def _parents(ctx: click.Context) -> list[click.Context]:
    return [] if ctx.parent is None else [ctx.parent, *_parents(ctx.parent)]


def _names(client: Client, kind: str, ctx: click.Context) -> list[str]:
    given = {level: ctx.params.get(level) or "" for level in ("realm", "space", "stack", "cell")}
    capital: Kind = kind.capitalize()  # type: ignore[assignment]
    match capital:
        case "Realm":
            return [doc.metadata.name for doc in client.list_realms(timeout=_TIMEOUT_S)]
        case "Space":
            return [doc.metadata.name for doc in client.list_spaces(given["realm"], timeout=_TIMEOUT_S)]
        case "Stack":
            docs = client.list_stacks(given["realm"], given["space"], timeout=_TIMEOUT_S)
            return [doc.metadata.name for doc in docs]
        case _:
            cells = client.list_cells(given["realm"], given["space"], given["stack"], timeout=_TIMEOUT_S)
            if capital == "Cell":
                return [cell.metadata.name for cell in cells]
            chosen = [cell for cell in cells if given["cell"] in ("", cell.metadata.name)]
            return [spec.id for cell in chosen for spec in cell.spec.containers]
