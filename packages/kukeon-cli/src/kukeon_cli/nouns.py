"""A group of commands in which one noun may be left out: `kuke start web` is `kuke start cell web`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from kukeon_cli import lazy

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem


class NounGroup(lazy.LazyGroup):
    """A group whose first command is meant where the line names none.

    A resource that is called like a noun needs the noun: `kuke start cell cell`.
    """

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if args[:1] and args[0] in ctx.help_option_names:
            return super().parse_args(ctx, args)
        if not args and ctx.resilient_parsing:
            return super().parse_args(ctx, args)
        at = self._first_word(ctx, args)
        noun, name = self.named(args[at]) if at is not None else (None, "")
        if noun is not None and at is not None:
            return super().parse_args(ctx, [noun.name, *args[:at], *([name] if name else []), *args[at + 1 :]])
        return super().parse_args(ctx, [self.entries[0].name, *args])

    def _first_word(self, ctx: click.Context, args: list[str]) -> int | None:
        """Return where the first word is that is no option and no option's value, None when there is none."""
        takes_value = set()
        for entry in self.entries:
            for param in entry.load().get_params(ctx):
                if isinstance(param, click.Option) and not param.is_flag:
                    takes_value |= {*param.opts}
        skip = False
        for number, word in enumerate(args):
            if skip:
                skip = False
            elif word == "--":
                return None
            elif len(word) > 1 and word.startswith("-"):
                skip = word in takes_value
            else:
                return number
        return None

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Offer the nouns, and what may follow the one that may be left out."""
        found = super().shell_complete(ctx, incomplete)
        command = self.entries[0].load()
        with command.make_context(self.entries[0].name, [], parent=ctx, resilient_parsing=True) as inner:
            if incomplete.startswith("-"):
                return [*found, *command.shell_complete(inner, incomplete)]
            for param in command.get_params(inner):
                if isinstance(param, click.Argument):
                    found += param.shell_complete(inner, incomplete)
        return found

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        super().format_commands(ctx, formatter)
        noun = self.entries[0].name
        with formatter.section("The noun may be left out"):
            formatter.write_text(f"`{ctx.command_path} NAME` is `{ctx.command_path} {noun} NAME`.")
