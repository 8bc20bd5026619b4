"""Options that many commands share. Imports click only: `kuke --help` needs this module."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import click

from kukeon_cli import global_options, usage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]

FORMATS = ("table", "wide", "yaml", "json", "name")


def variables(ctx: click.Context, param: click.Parameter) -> tuple[str, ...]:
    """Return the environment variables that stand in for `param`: those declared, and the one made from its name.

    Every option of a command has one of its own, KUKE_<COMMAND>_<OPTION>, like KUKE_GET_CELL_REALM. This is the one
    place that knows; help texts, the reference and the tests ask it.
    """
    declared = [param.envvar] if isinstance(param.envvar, str) else list(param.envvar or ())
    helps = ctx.help_option_names
    named = isinstance(param, click.Option) and param.allow_from_autoenv and not set(param.opts) & set(helps)
    if named and ctx.auto_envvar_prefix and param.name:
        declared.append(f"{ctx.auto_envvar_prefix}_{param.name.upper()}")
    return tuple(dict.fromkeys(declared))


if TYPE_CHECKING:
    _Text = click.ParamType[str]
else:
    _Text = click.ParamType


class Words(_Text):
    """Text for `flag`, of which an environment variable may hold several, separated and quoted as in a shell."""

    name = "text"

    def __init__(self, flag: str) -> None:
        self.flag = flag

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        return str(value)

    def split_envvar_value(self, rv: str) -> list[str]:
        import shlex

        try:
            return shlex.split(rv)
        except ValueError as exc:
            # The variable's value may be secret.
            why = str(exc)
            raise click.UsageError(
                f"cannot split the environment variable for {self.flag} into words: {why[:1].lower()}{why[1:]}"
            ) from exc


def _or_table(ctx: click.Context, param: click.Parameter, value: str | None) -> str:
    """Return the format said here, or between the group and the command: `kuke delete -o json cell web`."""
    outer = ctx.parent.params.get("output") if ctx.parent is not None else None
    return value or outer or FORMATS[0]


def output(*envvars: str, group: bool = False) -> Decorator:
    """Add `-o/--output`, which arrives as `output`, and `--no-headers`, which the session keeps.

    `envvars` are environment variables beside the command's own. What is said to a `group` holds for its commands.
    """

    def add(function: Callable[..., Any]) -> Callable[..., Any]:
        function = click.option(
            "--no-headers",
            is_flag=True,
            expose_value=False,
            callback=global_options.remember,
            allow_from_autoenv=False,
            help="Leave the header out of tables.",
        )(function)
        return click.option(
            "-o",
            "--output",
            type=click.Choice(FORMATS),
            default=None,
            callback=None if group else _or_table,
            envvar=list(envvars) or None,
            help="How to print the result.  [default: table]",
        )(function)

    return add


def ignore_disk_pressure(function: Callable[..., Any]) -> Callable[..., Any]:
    """The flag of what makes cells that a disk which is nearly full does not matter."""
    return click.option("--ignore-disk-pressure", is_flag=True, help="Make the cell although the disk is nearly full.")(
        function
    )


def selector(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add `-l/--selector`, which arrives as `selector`: a text, None where unset."""
    return click.option(
        "-l",
        "--selector",
        metavar="SELECTOR",
        default=None,
        allow_from_autoenv=False,
        help="Those whose labels match, like 'app=web,tier!=test,!old' or 'env in (a,b)'.",
    )(function)


# What docker and podman call the policies.
_PULL_WORDS = {"always": "Always", "missing": "IfNotPresent", "never": "Never"}


def image_pull_policy(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--image-pull-policy`, which arrives as in a manifest where it is one: None where unset."""

    def parse(ctx: click.Context, param: click.Parameter, value: str | None) -> str | None:
        return None if value is None else _PULL_WORDS.get(value, value)

    def offered(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
        # The words of others only to who begins to write them.
        words = (*_PULL_WORDS.values(), *(_PULL_WORDS if incomplete else ()))
        return [each for each in words if each.startswith(incomplete)]

    return click.option(
        "--image-pull-policy",
        "--pull",
        "image_pull_policy",
        metavar="POLICY",
        callback=parse,
        shell_complete=offered,
        help="When to pull the image: IfNotPresent, Always, Never.  [default: IfNotPresent]",
    )(function)


def platform(verb: str, unset: str = "the host's") -> Decorator:
    """Add `--platform`, which arrives in full: "" for what `unset` says."""

    def parse(ctx: click.Context, param: click.Parameter, value: str) -> str:
        if ctx.resilient_parsing:
            return value
        from kukeon_api import image_platform

        return image_platform.check(value)

    return click.option(
        "--platform",
        metavar="PLATFORM",
        default="",
        callback=parse,
        help=f"Which platform to {verb}, like linux/arm64, or all.  [default: {unset}]",
    )


def files(*, required: bool = True) -> Decorator:
    """Add `-f/--file`, which may be given more than once and arrives as `files`."""

    def given(ctx: click.Context, param: click.Parameter, value: tuple[str, ...]) -> tuple[str, ...]:
        if required and not value and not ctx.resilient_parsing:
            hint = f"say which manifests: {ctx.command_path} -f FILE"
            raise usage.HintedUsageError("missing option '-f' / '--file'", hint, ctx)
        return value

    return click.option(
        "-f",
        "--file",
        "files",
        multiple=True,
        callback=given,
        metavar="FILE",
        allow_from_autoenv=False,
        help="Manifest, or directory of manifests, or - for standard input; may be given more than once."
        + ("  [required]" if required else ""),
        type=click.Path(),
    )


def removal(verb: str, noun: str, *, parent: bool) -> Decorator:
    """Add `--cascade` and `--force` of `delete` and `purge`, which arrive under these names.

    Where nothing is inside (`parent` False) they are refused in words instead of being accepted without a meaning. The
    variables KUKE_<VERB>_CASCADE and KUKE_<VERB>_FORCE then say nothing about the command.
    """
    upper = verb.upper()

    def refuse(ctx: click.Context, param: click.Parameter, value: bool) -> bool:
        if value and not ctx.resilient_parsing:
            raise click.UsageError(f"--{param.name} is for what has resources inside; a {noun} has none", ctx=ctx)
        return False

    def add(function: Callable[..., Any]) -> Callable[..., Any]:
        for name, text in (
            ("force", f"{verb.capitalize()} the {noun} whatever is in it."),
            ("cascade", f"{verb.capitalize()} what is in the {noun} first."),
        ):
            function = click.option(
                f"--{name}",
                is_flag=True,
                envvar=f"KUKE_{upper}_{name.upper()}" if parent else None,
                allow_from_autoenv=parent,
                hidden=not parent,
                callback=None if parent else refuse,
                help=text,
            )(function)
        return function

    return add


def seconds(flag: str, *, default: str, text: str, variable: str) -> Decorator:
    """Add a duration like `30s`, which arrives as the flag's name and `_s`."""

    def parse(ctx: click.Context, param: click.Parameter, value: str) -> float:
        if ctx.resilient_parsing:
            return 0.0
        from kukeon_api import duration, errors

        try:
            found = duration.parse(value)
        except errors.Invalid as exc:
            raise type(exc)(f"{exc.message} ({flag})", kind=exc.kind, hint=exc.hint) from exc
        if found < 0:
            raise errors.Invalid(f"cannot use {value!r} for {flag}: it is negative")
        return found

    return click.option(
        flag,
        flag.removeprefix("--") + "_s",
        default=default,
        envvar=variable,
        allow_from_autoenv=False,
        callback=parse,
        metavar="DURATION",
        help=f"{text}  [default: {default}]",
    )


def scope(*kinds: str, filters: bool = False) -> Decorator:
    """Add `--realm`, `--space`, ...; the values arrive under these names, None where unset.

    `filters`: unset means all, not `default`.
    """

    def add(function: Callable[..., Any]) -> Callable[..., Any]:
        for kind in reversed(kinds):
            unset = "all" if filters else ("required" if kind == "cell" else "default")
            function = click.option(
                f"--{kind}",
                metavar="NAME",
                default=None,
                help=_scope_help(kind, unset),
                shell_complete=completion(kind, everywhere=filters),
            )(function)
        return function

    return add


def _scope_help(kind: str, unset: str) -> str:
    if unset == "all":
        return f"Only in this {kind}.  [default: all]"
    return f"The {kind} it is in." if unset == "required" else f"The {kind} it is in.  [default: {unset}]"


def name(
    kind: str,
    *,
    required: bool = True,
    many: bool = False,
    variable: str | None = None,
    complete: bool = True,
    parameter: str = "",
    shown: str = "NAME",
) -> Decorator:
    """Add the positional name, or names, of a `kind`; they arrive as `name`, or `names`, or `parameter`."""
    shown = f"{shown}..." if many else shown
    return click.argument(
        parameter or ("names" if many else "name"),
        metavar=shown if required else f"[{shown}]",
        required=required,
        nargs=-1 if many else 1,
        type=Words("names") if many else None,
        envvar=variable,
        shell_complete=completion(kind) if complete else None,
    )


def completion(kind: str, *, everywhere: bool = False) -> Callable[[click.Context, click.Parameter, str], list[Any]]:
    """Return a completer for names of `kind`; it asks kukeond and says nothing when that fails.

    With `everywhere` a parent that is not stated may be any, else it is `default`.
    """

    def complete(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[Any]:
        from kukeon_cli import completion as names

        return list(names.complete(ctx, kind, incomplete, everywhere=everywhere))

    return complete


def container(text: str) -> Decorator:
    """Add `-c/--container`, a container of the cell that the command names."""

    def complete(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[Any]:
        from kukeon_cli import completion as names

        return list(names.complete(ctx, "container of the cell", incomplete))

    return click.option("-c", "--container", metavar="NAME", help=text, shell_complete=complete)


def names_given(values: Iterable[str]) -> tuple[str, ...]:
    """Return `values` trimmed, in order, each once."""
    return tuple(dict.fromkeys(value.strip() for value in values))


def refs_given(values: Iterable[str]) -> tuple[str, ...]:
    """Return references of images as `names_given` does, also those that `-o name` printed: `image/docker.io/...`."""

    def ref(value: str) -> str:
        full = value.removeprefix("image/")
        # Only a registry, with which what is printed begins, looks like a host.
        return full if re.match(r"[^/]*[.:][^/]*/|localhost/", full) else value

    return names_given(ref(value.strip()) for value in values)


def server_configuration(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--server-configuration`, kukeond's settings file."""
    return click.option(
        "--server-configuration",
        metavar="FILE",
        default=None,
        envvar="KUKEOND_CONFIGURATION",
        help="Settings file of kukeond.  [default: /etc/kukeon/kukeond.yaml, or kukeond.yaml in another run path]",
    )(function)
