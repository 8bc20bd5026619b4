"""What the shell offers: names asked of kukeond, quickly or not at all.

The hidden `kuke __complete` answers the scripts of `kuke autocomplete`, and as the programs do that shells and tools
know from Go (cobra): a line for each word, then `:` and a number that says what the shell may add to them.
"""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import click
    from click.shell_completion import CompletionItem

    from kukeon_cli.session import Session
    from kukeon_sdk.client import Client

TIMEOUT_S = 2.0
COMMANDS = ("__complete", "__completeNoDesc")

_WORD = re.compile(r"[-A-Za-z0-9_.:/@+]+")

# ShellCompDirective of cobra: nothing but our words; the shell's own completion of files.
_NO_FILES, _FILES = 4, 0


def complete(ctx: click.Context, kind: str, incomplete: str, *, everywhere: bool = False) -> list[str]:
    """Return the names of `kind` that begin with `incomplete`, where the command with the flags so far would look.

    A parent that is not stated is `default`, or with `everywhere` any. Of kind "container of the cell" are those of the
    cell that the command itself is about.
    """
    import contextlib
    import os

    session: Session | None = ctx.obj
    if session is None:
        return []
    # The shell shows whatever is printed in the middle of the user's line, and an error is no reason to ring.
    with open(os.devnull, "w") as nowhere, contextlib.redirect_stderr(nowhere):
        try:
            known = _names(session.client, kind, ctx, "" if everywhere else "default")
        except Exception:
            return []
    given = {value for name in ("name", "names", "ref", "refs") for value in _many(ctx.params.get(name))}
    # What is odd is not worth offering: the shell would obey it, or break a word in two.
    return sorted(
        {name for name in known if name.startswith(incomplete) and name not in given and _WORD.fullmatch(name)}
    )


def _many(value: Any) -> Iterable[str]:
    if value is None:
        return ()
    return (value,) if isinstance(value, str) else tuple(value)


def _names(client: Client, kind: str, ctx: click.Context, unset: str) -> Iterable[str]:
    realm, space, stack = (ctx.params.get(level) or unset for level in ("realm", "space", "stack"))
    of_cell = ctx.params.get("cell") or ""
    match kind:
        case "realm":
            return [doc.metadata.name for doc in client.list_realms(timeout=TIMEOUT_S)]
        case "space":
            return [doc.metadata.name for doc in client.list_spaces(realm, timeout=TIMEOUT_S)]
        case "stack":
            return [doc.metadata.name for doc in client.list_stacks(realm, space, timeout=TIMEOUT_S)]
        case "image":
            return _images(client, realm or "default")
    cells = client.list_cells(realm, space, stack, timeout=TIMEOUT_S)
    if kind == "cell":
        return [cell.metadata.name for cell in cells]
    if kind == "container of the cell":
        # With an option that still lacks its value, click leaves what stands before it where it is.
        of_cell = ctx.params.get("name") or next(iter(ctx.args), "")
        if not of_cell:
            return []
    chosen = [cell for cell in cells if of_cell in ("", cell.metadata.name)]
    return [spec.id for cell in chosen for spec in cell.spec.containers]


def _images(client: Client, realm: str) -> list[str]:
    """Return the images of a realm as people write them, and in full."""
    names = [image.name for image in client.list_images(realm, timeout=TIMEOUT_S).images]
    return [*names, *(name.removeprefix("docker.io/").removeprefix("library/") for name in names)]


def run(root: click.Command, arguments: Sequence[str], session: Session) -> int:
    """Do `kuke __complete WORD...`: print how a line may go on at its last word; return the exit code, 0."""
    command, *words = arguments
    *before, incomplete = words or [""]
    # `--realm=d` is one word here; what is looked for is a value, and what is printed the whole word.
    flag, separator, value = incomplete.partition("=")
    prefix = ""
    if separator and flag.startswith("--"):
        before, incomplete, prefix = [*before, flag], value, f"{flag}="
    directive = _NO_FILES
    for item in _items(root, before, incomplete, session):
        if item.type in ("file", "dir"):
            directive = _FILES
            continue
        text = f"\t{item.help}" if item.help and command == COMMANDS[0] else ""
        print(f"{prefix}{item.value}{text}")
    print(f":{directive}")
    name = "ShellCompDirectiveNoFileComp" if directive == _NO_FILES else "ShellCompDirectiveDefault"
    print(f"Completion ended with directive: {name}", file=sys.stderr)
    return 0


def _items(root: click.Command, before: list[str], incomplete: str, session: Session) -> list[CompletionItem]:
    from click import shell_completion

    # What the context of a line that is completed has in common with that of a line that runs.
    context = {"obj": session, "auto_envvar_prefix": "KUKE"}
    completer = shell_completion.ShellComplete(root, context, "kuke", "")
    try:
        return completer.get_completions(before, incomplete)
    except Exception:
        return []
