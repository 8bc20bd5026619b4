"""`kuke autocomplete`: what a shell needs to complete our commands, flags and names."""

from __future__ import annotations

import click

from kukeon_cli import lazy


@click.command("autocomplete", cls=lazy.Command)
@click.argument("shell", metavar="bash|zsh|fish", type=click.Choice(["bash", "zsh", "fish"]))
def command(shell: str) -> None:
    """Print a completion script for a shell.

    \b
    bash:  source <(kuke autocomplete bash)
    zsh:   source <(kuke autocomplete zsh)
    fish:  kuke autocomplete fish | source

    The names of resources are asked of kukeond, for two seconds at most, as KUKEON_HOST and the flags of the line say.
    """
    from importlib import resources

    script = resources.files("kukeon_cli").joinpath("completions", f"kuke.{shell}")
    click.echo(script.read_text("utf-8"), nl=False)
