"""Errors become `Error: ...`, `hint: ...` and an exit code; a traceback only what is our own fault, with --verbose."""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING

import click

from kukeon_api import errors
from kukeon_cli import interruption, streams, usage
from kukeon_cli.terminal import printable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kukeon_api.errors import KukeonError

USAGE = 2
BROKEN_PIPE = 141
"""128 + SIGPIPE: what a program gets whose reader went away."""
PARTIAL = 9
"""Some of several failed."""

MOST_PROBLEMS = 20
"""What fits on a screen below the line that says what they are about."""


def report(exc: BaseException, *, verbose: bool = False, option: str | None = "") -> int:
    """Tell people about `exc` on stderr and return the exit code it means.

    `option` is what to add to `kuke` to manage the kukeond meant, None when it is none of this host: what to do about
    one that is away differs.
    """
    if isinstance(exc, BrokenPipeError):
        return BROKEN_PIPE
    if isinstance(exc, (KeyboardInterrupt, click.Abort)):
        _say("interrupted")
        if isinstance(exc, interruption.Interrupted):
            _say(f"hint: {exc.hint}")
        return interruption.EXIT_CODE
    if isinstance(exc, SystemExit):
        return exc.code if isinstance(exc.code, int) else int(exc.code is not None)
    if isinstance(exc, click.ClickException):
        return _usage(exc)

    if isinstance(exc, errors.KukeonError):
        error(exc, hint=hint_for(exc, option), all_problems=verbose)
        return exc.exit_code
    return _unexpected(exc, verbose=verbose)


def error(
    exc: KukeonError,
    prefix: str = "Error: ",
    hint: str | None = None,
    more: str = "",
    *,
    all_problems: bool = False,
) -> None:
    """Print one error of ours: its message, its problems, a line of `more`, its hint (or the one given).

    Problems beyond `MOST_PROBLEMS` are only counted, unless `all_problems` are wanted.
    """
    lines = exc.message.splitlines() or [type(exc).__name__]
    _say(f"{prefix}{lines[0]}")
    # The problems are part of some messages; they are printed once.
    extra = [line for line in (str(problem) for problem in exc.problems) if line not in exc.message]
    for line in lines[1:]:
        _say(f"  {line.strip()}" if exc.problems else line)
    most = len(extra) if all_problems else MOST_PROBLEMS
    for line in extra[:most]:
        _say(f"  {line.strip()}")
    if extra[most:]:
        _say(f"  and {len(extra) - most} more; --verbose tells all of them")
    if more:
        _say(f"  {more}")
    hint = exc.hint if hint is None else hint
    if hint:
        _say(f"hint: {hint}")


def hint_for(exc: KukeonError, option: str | None) -> str:
    """Return the hint of `exc`; for a kukeond that is away, with the `option` that makes it the one meant."""
    if not option and option is not None:
        return exc.hint
    managed = ("kuke daemon", "kuke init")
    if not isinstance(exc, (errors.Unavailable, errors.TimedOut)) or not any(word in exc.hint for word in managed):
        return exc.hint
    if option is None:
        from kukeon_cli import instances

        there = "`kuke daemon start` and `kuke daemon logs` are for where it runs"
        return f"this kuke cannot manage the kukeond behind that address: {there}; or {instances.NO_OPTION}"
    return exc.hint.replace("kuke daemon", f"kuke{option} daemon").replace("kuke init", f"kuke{option} init")


def code_of_several(codes: Sequence[int]) -> int:
    """Return the exit code of several pieces of work: 0, or `PARTIAL`, or the first one's when all of them failed."""
    failed = [code for code in codes if code]
    if not failed:
        return 0
    return failed[0] if len(failed) == len(codes) else PARTIAL


def _usage(exc: click.ClickException) -> int:
    hint = exc.hint if isinstance(exc, usage.HintedUsageError) else ""
    if isinstance(exc, click.NoSuchOption):
        # click's own suggestions are far-fetched: `--help` for `--label`.
        message = f"no such option {exc.option_name!r}"
        hint = hint or _near_option(exc)
    else:
        # A list of choices comes with a line for each.
        message = re.sub(r"\s*\n\s*", " ", exc.format_message())
    message = message[:1].lower() + message[1:].removesuffix(".") if message else "wrong usage"
    _say(f"Error: {message}")
    context = getattr(exc, "ctx", None)
    if not hint and context is not None:
        hint = f"see '{context.command_path} --help'"
    if hint:
        _say(f"hint: {hint}")
    return exc.exit_code


def _near_option(exc: click.NoSuchOption) -> str:
    from kukeon_cli import global_options, near

    if exc.ctx is None:
        return ""
    known = [each for each in exc.ctx.command.get_params(exc.ctx) if isinstance(each, click.Option)]
    usable = [each for each in known if not each.hidden or each in global_options.hidden()]
    meant = near.nearest(exc.option_name, [name for each in usable for name in each.opts])
    return f"did you mean '{meant}'?" if meant else ""


def _unexpected(exc: BaseException, *, verbose: bool) -> int:
    if isinstance(exc, OSError) and exc.filename == streams.STDOUT:
        why = exc.strerror or str(exc)
        _say(f"Error: cannot write to {streams.STDOUT}: {why[:1].lower()}{why[1:]}")
        return 1
    if isinstance(exc, OSError):
        where = f" ({exc.filename})" if exc.filename else ""
        _say(f"Error: {exc.strerror or exc}{where}")
    else:
        _say(f"Error: internal error: {type(exc).__name__}: {exc}")
    if verbose:
        _traceback(exc)
    else:
        _say("hint: repeat the command with --verbose to see where it happened")
    return 1


def _traceback(exc: BaseException) -> None:
    import traceback

    _say("".join(traceback.format_exception(exc)).rstrip())


def _say(line: str) -> None:
    try:
        print(printable(line), file=sys.stderr, flush=True)
    except (BrokenPipeError, ValueError):
        # Nobody listens on stderr any more; the exit code still tells.
        return
