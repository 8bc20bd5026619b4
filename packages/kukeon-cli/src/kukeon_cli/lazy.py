"""Commands that are imported when they are used.

A group knows its commands from a table of names and one-line helps, so that `kuke --help` and the parsing of every
command line import exactly one command module, or none.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from kukeon_cli import options

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True)
class Entry:
    """One line of a group's table: what a command is called, what it does, and where it is (`module:attribute`)."""

    name: str
    where: str
    help: str
    aliases: tuple[str, ...] = ()

    def load(self) -> click.Command:
        module, _, attribute = self.where.partition(":")
        command = getattr(importlib.import_module(module), attribute)
        assert isinstance(command, click.Command)
        return command


class Command(click.Command):
    """A command that takes the global options after its own name as well."""

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        return [*super().get_params(ctx), *options.hidden_globals()]


class LazyGroup(click.Group):
    """A group over a table of entries; bare, it prints its help and succeeds."""

    def __init__(self, *args: Any, entries: Sequence[Entry] = (), **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.entries = tuple(entries)
        self._by_name = {name: entry for entry in self.entries for name in (entry.name, *entry.aliases)}

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        own = super().get_params(ctx)
        return own if ctx.parent is None else [*own, *options.hidden_globals()]

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [entry.name for entry in self.entries]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        entry = self._by_name.get(cmd_name)
        return entry.load() if entry else None

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if not args and not ctx.resilient_parsing:
            click.echo(ctx.get_help(), color=ctx.color)
            ctx.exit()
        return super().parse_args(ctx, args)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        entry = self._by_name.get(args[0])
        if entry is None and not ctx.resilient_parsing:
            raise self._unknown(ctx, args[0])
        if entry is None:
            return None, None, args[1:]
        # The canonical name, so that `KUKE_GET_CELL_REALM` works for `kuke g ce` too.
        return entry.name, entry.load(), args[1:]

    def _unknown(self, ctx: click.Context, name: str) -> click.UsageError:
        import difflib

        near = difflib.get_close_matches(name, self._by_name, n=1)
        error = click.UsageError(f"no such command {name!r}", ctx=ctx)
        if near:
            error.hint = f"did you mean '{ctx.command_path} {self._by_name[near[0]].name}'?"  # type: ignore[attr-defined]
        return error

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(", ".join((entry.name, *entry.aliases)), entry.help) for entry in self.entries])
