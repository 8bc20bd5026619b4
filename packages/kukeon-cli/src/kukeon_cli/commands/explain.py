"""`kuke explain`: what may stand in a manifest or a settings file, field by field, and its JSON Schema."""

from __future__ import annotations

import dataclasses
import textwrap
from typing import TYPE_CHECKING, Any

import click

from kukeon_cli import lazy, options

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kukeon_api.schema import Explanation
    from kukeon_cli.output import Output
    from kukeon_cli.session import Session

_WIDTH = 100
_DEEPEST = 12
"""No kind is as deep; a schema that contains itself would never end."""


def kinds(out: Output) -> None:
    """Print every kind with its first sentence."""
    from kukeon_api import schema

    found = [schema.explain(kind) for kind in schema.TYPES]
    width = max(len(each.path) for each in found)
    value = [{"kind": each.path, "description": each.description} for each in found]
    lines = [f"{each.path:{width}}  {_first_sentence(each.description)}" for each in found]
    out.result(value, [*lines, "", "See more: kuke explain KIND[.FIELD]..."], [each.path for each in found])


def explain(path: str, out: Output, *, recursive: bool) -> None:
    """Print a kind or a field; for programs a kind is its JSON Schema.

    Raises `UnknownKind`, and `Invalid` for a field that is none, with a suggestion.
    """
    from kukeon_api import schema

    found = schema.explain(path)
    value = schema.json_schema(found.path) if "." not in found.path else _value(found)
    fields = list(_fields(found, recursive=recursive))
    lines = [*_head(found), *(["", "FIELDS"] if fields else [])]
    for depth, field in fields:
        lines += _field(field, depth, brief=recursive)
    out.result(value, lines, [field.path for _, field in fields] or [found.path])


def _fields(found: Explanation, *, recursive: bool, depth: int = 0) -> Iterator[tuple[int, Explanation]]:
    from kukeon_api import schema

    for field in found.fields:
        yield depth, field
        if recursive and depth < _DEEPEST:
            yield from _fields(schema.explain(field.path), recursive=True, depth=depth + 1)


def _head(found: Explanation) -> list[str]:
    word = "KIND" if "." not in found.path else "FIELD"
    head = [f"{word}  {found.path} <{found.type}>{_marks(found)}"]
    more = [found.description] if found.description else []
    if found.values:
        more.append(f"One of: {', '.join(found.values)}.")
    if found.default:
        more.append(f"Default: {found.default}.")
    for text in more:
        head += ["", *textwrap.wrap(text, _WIDTH, initial_indent="  ", subsequent_indent="  ")]
    return head


def _field(field: Explanation, depth: int, *, brief: bool) -> list[str]:
    indent = "  " * (depth + 1)
    lines = [f"{indent}{field.name} <{field.type}>{_marks(field)}"]
    if not brief and field.description:
        deeper = f"{indent}  "
        lines += textwrap.wrap(
            _first_sentence(field.description), _WIDTH, initial_indent=deeper, subsequent_indent=deeper
        )
    return lines


def _marks(found: Explanation) -> str:
    marks = [
        word
        for word, holds in (
            ("required", found.required and "." in found.path),
            ("set by kukeon", found.set_by_server),
            ("not supported yet", not found.supported),
        )
        if holds
    ]
    return f"  ({', '.join(marks)})" if marks else ""


def _first_sentence(text: str) -> str:
    """Return what comes before the first full stop that ends a sentence."""
    return text.replace("\n", " ").split(". ")[0].rstrip(".") + "." if text else ""


def _value(found: Explanation) -> dict[str, Any]:
    """Return an explanation for programs, without what does not apply."""
    plain = dataclasses.asdict(found)
    renamed = {"set_by_server": "setByServer"}
    fields = [_value(field) for field in found.fields]
    kept = {renamed.get(key, key): item for key, item in plain.items() if key != "fields" and item not in ("", ())}
    return {**kept, "fields": fields} if fields else kept


def complete(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """Return the kinds, or the fields of what is typed so far."""
    from kukeon_api import errors, schema

    above, dot, _ = incomplete.rpartition(".")
    try:
        known = [field.path for field in schema.explain(above).fields] if dot else list(schema.TYPES)
    except errors.KukeonError:
        return []
    # The case that is being typed is kept: the shell compares with it.
    typed = len(above)
    paths = [above + path[typed:] for path in known] if dot else [*known, *(path.lower() for path in known)]
    return [path for path in paths if path.startswith(incomplete)]


@click.command("explain", cls=lazy.Command)
@click.argument("path", metavar="[KIND[.FIELD]...]", required=False, shell_complete=complete)
@click.option("--recursive", is_flag=True, help="Also print the fields of fields.")
@options.output()
@click.pass_obj
def command(session: Session, path: str | None, recursive: bool, output: str) -> None:
    """Describe a kind of manifest and its fields.

    Without KIND all kinds are listed. With -o json or -o yaml a whole kind is printed as its JSON Schema (2020-12),
    which editors understand; a field as its description.
    """
    out = session.output(output)
    if path is None:
        kinds(out)
    else:
        explain(path, out, recursive=recursive)
