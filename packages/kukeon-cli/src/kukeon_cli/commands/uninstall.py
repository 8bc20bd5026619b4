"""`kuke uninstall`: everything that kukeon made on this host goes away."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from kukeon_cli import lazy, options

if TYPE_CHECKING:
    from collections.abc import Callable

    from kukeon_cli.local import Row
    from kukeon_cli.output import Output
    from kukeon_cli.server import Server
    from kukeon_cli.service import Service
    from kukeon_cli.session import Session

_STOP_TIMEOUT_S = 30.0
_NOBODY = "uninstall aborted: nobody answered"
_YES = "pass -y to go on without asking"


def uninstall(server: Server, service: Service, rows: list[Row], *, progress: Callable[[str], None]) -> None:
    """Stop kukeond and remove what is there, one thing after the other, each reported in `rows` when it is done.

    So `rows` tells how far it came when something refuses to go; the rest is left alone then. Accounts and unit belong
    to the host's main instance; another one takes only what is its own. The settings file in /etc stays.
    """
    from kukeon_cli import accounts, local
    from kukeon_cli import service as services

    progress("stopping kukeond")
    running = service.pid()
    if running is None:
        rows.append(local.Row("kukeond", "absent"))
    else:
        forced = service.stop(_STOP_TIMEOUT_S)
        rows.append(local.Row("kukeond", f"{'force-killed' if forced else 'stopped'} (pid {running})"))
    progress("removing cells, networks and files")

    def told(row: Row) -> None:
        rows.append(row)
        progress(f"removed {row.label}")

    local.uninstall(server, told)
    if server.default:
        if services.SYSTEMD_RUNTIME.is_dir():
            rows.append(local.Row(f'systemd unit "{services.UNIT}"', services.remove_unit()))
        # userdel takes the group of that name along when nobody else is in it, login.defs(5).
        grouped = accounts.group_gid() is not None
        rows.append(local.Row(f'user "{accounts.USER}"', accounts.remove_user()))
        gone = accounts.remove_group()
        rows.append(local.Row(f'group "{accounts.GROUP}"', "removed" if grouped else gone))
    elif server.setting("socket_gid") and server.setting("socket_gid") == accounts.group_gid():
        rows.append(local.Row(f'group and user "{accounts.GROUP}"', "kept: all kukeons of this host share them"))
    if server.configuration.exists():
        rows.append(local.Row(f'settings "{server.configuration}"', "kept"))


def confirm(server: Server) -> None:
    """Ask whether all this is meant; anything but a clear yes raises `Aborted`."""
    from kukeon_api import errors

    if sys.stdin is None:
        raise errors.Aborted(_NOBODY, hint=_YES)
    click.echo(f"This deletes every realm, cell, image and network of the kukeon at {server.run_path},", err=True)
    what = " with the group and user kukeon" if server.default else ""
    click.echo(f"and the directory itself{what}.", err=True)
    while True:
        try:
            answer = click.prompt(
                f"Remove the kukeon at {server.run_path}? (yes/no)", default="no", show_default=False, err=True
            )
        except click.Abort as exc:
            raise errors.Aborted(_NOBODY, hint=_YES) from exc
        match answer.strip().lower():
            case "yes" | "y":
                return
            case "no" | "n" | "":
                raise errors.Aborted("uninstall aborted")


@click.command("uninstall", cls=lazy.Command)
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@options.server_configuration
@options.output()
@click.pass_obj
def command(session: Session, /, yes: bool, output: str, **given: Any) -> None:
    """Remove everything that kukeon made on this host.

    All cells end, and all realms, images, networks and logs are deleted. The programs themselves stay. With --run-path
    it is the kukeon of that directory and nothing of any other.
    """
    from kukeon_cli import privilege, terminal
    from kukeon_cli import service as services

    privilege.require_root("uninstall", session)
    resolved = session.server(given, purpose="uninstall the kukeon", takes_host=False)
    if not yes:
        confirm(resolved)
    rows: list[Row] = []
    try:
        with terminal.Progress("looking at the host") as progress:
            uninstall(resolved, services.of(resolved), rows, progress=progress.update)
    finally:
        _print(resolved, rows, session.output(output))


def _print(server: Server, rows: list[Row], out: Output) -> None:
    value = [{"name": row.label, "outcome": row.outcome} for row in rows]
    lines = [f"  - {row.label}: {row.outcome}" for row in rows]
    out.result(value, [f"kuke uninstall: the kukeon at {server.run_path}", *lines], ["daemon/kukeond"])
