"""Flags that are known only to say in words why they are wrong. Imports click only, like `options`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Callable

    from kukeon_cli.options import Decorator


def elsewhere(flag: str, why: str, *, switch: bool = False) -> Decorator:
    """Know a `flag` that belongs to other commands, to say why it is wrong here; a `switch` takes no value."""

    def refuse(ctx: click.Context, param: click.Parameter, value: Any) -> None:
        if value not in (None, False) and not ctx.resilient_parsing:
            raise click.UsageError(f"{flag} {why}", ctx=ctx)

    return click.option(
        *flag.split("/"), is_flag=switch, hidden=True, expose_value=False, allow_from_autoenv=False, callback=refuse
    )


def later(*flags: str, instead: str = "", switch: bool = False) -> Decorator:
    """Know `flags` that nothing makes work yet: they are refused as such (exit code 7), not as typing errors.

    `instead` is what to do; a `switch` takes no value.
    """

    def refuse(ctx: click.Context, param: click.Parameter, value: Any) -> None:
        if value and not ctx.resilient_parsing:
            from kukeon_api import errors

            raise errors.NotSupportedYet(f"cannot use {param.opts[-1]}: it is not supported yet", hint=instead)

    def add(function: Callable[..., Any]) -> Callable[..., Any]:
        for flag in flags:
            function = click.option(
                *flag.split("/"),
                is_flag=switch,
                multiple=not switch,
                hidden=True,
                expose_value=False,
                allow_from_autoenv=False,
                callback=refuse,
            )(function)
        return function

    return add
