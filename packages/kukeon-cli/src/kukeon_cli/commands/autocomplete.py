"""`kuke autocomplete`: what a shell needs to complete our commands, flags and names."""

from __future__ import annotations

import click

from kukeon_cli import lazy


@click.command("autocomplete", cls=lazy.Command)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def command(ctx: click.Context, shell: str) -> None:
    """Print a completion script for a shell.

    \b
    bash:  source <(kuke autocomplete bash)
    zsh:   source <(kuke autocomplete zsh)
    fish:  kuke autocomplete fish | source
    """
    from click import shell_completion

    from kukeon_cli import main

    found = shell_completion.get_completion_class(shell)
    assert found is not None
    click.echo(found(ctx.find_root().command, {}, "kuke", main.COMPLETION).source())
