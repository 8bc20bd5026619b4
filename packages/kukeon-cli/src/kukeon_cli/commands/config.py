"""`kuke config`: what the settings are, and where each of them comes from. Reads only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from kukeon_cli import lazy, options, tree

if TYPE_CHECKING:
    from kukeon_cli.output import Output
    from kukeon_cli.session import Session
    from kukeon_cli.settings import Global, Setting, Settings


_SWITCHES = frozenset({"no_daemon", "verbose"})


def view(found: Settings, out: Output, *, show_origin: bool) -> None:
    """Print every setting that holds, with `show_origin` also what says so."""
    from kukeon_cli import settings
    from kukeon_cli.output import Column

    rows: list[dict[str, str]] = []
    value: dict[str, Any] = {}
    for each in settings.GLOBALS:
        setting = found.values[each.name]
        key = each.key or _camel(each.name)
        origin = _origin(each, setting)
        rows.append({"name": key, "value": setting.value, "origin": origin})
        plain = setting.value == "true" if each.name in _SWITCHES else setting.value
        value[key] = {"value": plain, "origin": origin} if show_origin else plain
    columns = [Column[dict[str, str]]("SETTING", lambda row: row["name"]), Column("VALUE", lambda row: row["value"])]
    if show_origin:
        columns.append(Column("ORIGIN", lambda row: row["origin"]))
    if out.for_people:
        out.rows(rows, columns)
    else:
        out.result(value, (), [f"setting/{row['name']}" for row in rows])


def _origin(each: Global, setting: Setting) -> str:
    """Return what a setting comes from, with the name that a person would change: `--host`, `KUKEON_HOST`, a file."""
    from kukeon_cli import settings

    level, _, by = setting.source.partition(", ")
    match level:
        case settings.FLAG:
            said = by.removeprefix("by ") if by.startswith("by --") else each.flag
            name = f"flag {'--run-path' if by == 'by the run path' else said}"
        case settings.ENVIRONMENT:
            name = f"environment {'KUKEON_RUN_PATH' if by else each.variable}"
        case settings.DEFAULT:
            return "as the run path was made, else default" if each.recorded else "default"
        case _:
            name = f"file {level}, by the run path" if by else f"file {level}"
    return name


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)


@click.command("view", cls=lazy.Command)
@click.option("--show-origin", is_flag=True, help="Also print which flag, variable or file says so.")
@options.output()
@click.pass_obj
def view_command(session: Session, show_origin: bool, output: str) -> None:
    """Print every setting that holds.

    A flag wins over an environment variable, that over the settings file, and that over the default; a variable counts
    as soon as it is there, even when it is empty.
    """
    view(session.settings, session.output(output), show_origin=show_origin)


@click.command("path", cls=lazy.Command)
@options.output()
@click.pass_obj
def path_command(session: Session, output: str) -> None:
    """Print where the settings file is.

    There need not be one: nothing is ever written to it.
    """
    from kukeon_cli import settings

    path, setting = settings.settings_file(session.flags, session.environ)
    value = {"path": str(path or ""), "origin": setting.source, "exists": path is not None and path.exists()}
    session.output(output).result(value, [str(path)] if path else [], [str(path)] if path else [])


group = lazy.LazyGroup("config", entries=tree.CONFIG, help="Show the settings of kuke.")
