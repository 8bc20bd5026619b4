"""Flags that are known only to say in words why they are wrong. Imports click only, like `options`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from kukeon_cli import usage

if TYPE_CHECKING:
    from collections.abc import Callable

    from kukeon_cli.options import Decorator


def elsewhere(flag: str, why: str, *, switch: bool = False) -> Decorator:
    """Know a `flag` that belongs to other commands, to say why it is wrong here; a `switch` takes no value."""

    def refuse(ctx: click.Context, param: click.Parameter, value: Any) -> None:
        if value not in (None, False) and not ctx.resilient_parsing:
            raise click.UsageError(f"{flag} {why}", ctx=ctx)

    return _known(*flag.split("/"), callback=refuse, is_flag=switch)


_DESCRIBED = (
    *("--restart", "--restart-policy", "--volume", "--mount", "--publish", "--port", "--network", "--hostname"),
    *("--memory", "--cpus", "--cpu-shares", "--pids-limit", "--user", "--workdir", "--entrypoint", "--device"),
    *("--cap-add", "--cap-drop", "--security-opt", "--tmpfs"),
)
_DESCRIBED_SWITCHES = ("--privileged", "--read-only")


def described(function: Callable[..., Any]) -> Callable[..., Any]:
    """Know what else can be said of a container, here and elsewhere, to say where it is said: not on this line."""

    def refuse(ctx: click.Context, param: click.Parameter, value: Any) -> None:
        if value not in (None, False) and not ctx.resilient_parsing:
            where = "in a file (see: kuke explain cell.spec.containers), or by flags of kuke create container"
            raise usage.HintedUsageError(f"no such option {param.opts[-1]!r}", f"that is said {where}", ctx)

    for flag in (*_DESCRIBED, *_DESCRIBED_SWITCHES):
        function = _known(flag, callback=refuse, is_flag=flag in _DESCRIBED_SWITCHES)(function)
    return function


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
            function = _known(*flag.split("/"), callback=refuse, is_flag=switch, multiple=not switch)(function)
        return function

    return add


def _known(*names: str, **settings: Any) -> Decorator:
    """An option that stands in no help, and that the command itself is not given."""
    return click.option(*names, hidden=True, expose_value=False, allow_from_autoenv=False, **settings)
