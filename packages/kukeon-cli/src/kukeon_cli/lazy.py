"""Commands that are imported when they are used.

A group knows its commands from a table of names and one-line helps, so that `kuke --help` and the parsing of every
command line import exactly one command module, or none.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from kukeon_cli import global_options, options, usage

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from click.shell_completion import CompletionItem


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
        own = super().get_params(ctx)
        # An option of its own keeps its name: `daemon stop --timeout` is not how long to wait for an answer.
        taken = {name for parameter in own for name in parameter.opts}
        return [*own, *(option for option in global_options.hidden() if taken.isdisjoint(option.opts))]

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        _write_options(self, ctx, formatter)


def _write_options(command: click.Command, ctx: click.Context, formatter: click.HelpFormatter) -> None:
    """Write what the options and arguments are for, and which environment variables stand in for them."""
    shown = []
    arguments = []
    for param in command.get_params(ctx):
        if isinstance(param, click.Argument):
            variables = options.variables(ctx, param)
            if variables:
                arguments.append((param.metavar or param.human_readable_name, f"[env: {', '.join(variables)}]"))
            continue
        record = param.get_help_record(ctx)
        if record is not None:
            shown.append((record[0], with_variables(record[1], options.variables(ctx, param))))
    for title, rows in (("Arguments", arguments), ("Options", shown)):
        if rows:
            with formatter.section(title):
                formatter.write_dl(rows)


def with_variables(text: str, variables: Sequence[str]) -> str:
    """Return the help text of an option with the environment variables that stand in for it."""
    if not variables or "[env: " in text:
        return text
    names = ", ".join(variables)
    if "  [default: " in text:
        return text.replace("  [default: ", f"  [env: {names}; default: ")
    return f"{text}  [env: {names}]"


class LazyGroup(click.Group):
    """A group over a table of entries; bare, it prints its help and succeeds.

    `instead` has hints for words that people try here and that are no commands, `later` those that nothing makes work
    yet, with what they stand for.
    """

    def __init__(
        self,
        *args: Any,
        entries: Sequence[Entry] = (),
        instead: Mapping[str, str] = {},
        later: Mapping[str, str] = {},
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self.entries = tuple(entries)
        self.instead = dict(instead)
        self.later = dict(later)
        self._by_name = {name: entry for entry in self.entries for name in (entry.name, *entry.aliases)}

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        own = super().get_params(ctx)
        return own if ctx.parent is None else [*own, *global_options.hidden()]

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        _write_options(self, ctx, formatter)
        self.format_commands(ctx, formatter)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        # Words are left when one of them is no command of ours: nothing can follow it.
        return [] if ctx._protected_args or ctx.args else super().shell_complete(ctx, incomplete)

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
        entry, name = self.named(args[0])
        if entry is not None and name:
            return entry.name, entry.load(), [name, *args[1:]]
        if entry is None and not ctx.resilient_parsing:
            if args[0] in self.later:
                from kukeon_api import errors

                doing = self.later[args[0]] if ctx.parent is None else f"{ctx.info_name} {self.later[args[0]]}"
                raise errors.NotSupportedYet(f"cannot {doing}: not supported yet")
            raise self._unknown(ctx, args[0])
        if entry is None:
            return None, None, args[1:]
        # The canonical name, so that `KUKE_GET_CELL_REALM` works for `kuke g ce` too.
        return entry.name, entry.load(), args[1:]

    def named(self, word: str) -> tuple[Entry | None, str]:
        """Return the entry that `word` means and, where it is KIND/NAME, as `-o name` prints it, the name; else ""."""
        if word in self._by_name or "cell" not in self._by_name:
            return self._by_name.get(word), ""
        kind, _, name = word.partition("/")
        return (self._by_name.get(kind), name) if name else (None, "")

    def _unknown(self, ctx: click.Context, name: str) -> click.UsageError:
        from kukeon_cli import near

        meant = near.nearest(name, self._by_name)
        hint = self.instead.get(name, "")
        if not hint and meant:
            hint = f"did you mean '{ctx.command_path} {self._by_name[meant].name}'?"
        elif not hint and ctx.parent is not None and "cell" in self._by_name and not name.startswith("-"):
            hint = f"say what it is, like: {ctx.command_path} cell {name}"
        return usage.HintedUsageError(f"no such command {name!r}", hint, ctx)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(", ".join((entry.name, *entry.aliases)), entry.help) for entry in self.entries])
