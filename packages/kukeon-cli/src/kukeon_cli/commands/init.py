"""`kuke init`: a host becomes ready for cells, with a group of people who may use it. Repeatable."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import click

from kukeon_cli import lazy, options

if TYPE_CHECKING:
    from collections.abc import Callable

    from kukeon_api.errors import KukeonError
    from kukeon_cli.output import Output
    from kukeon_cli.server import Server
    from kukeon_cli.session import Session
    from kukeon_sdk.client import Client


SECTIONS = ("Host", "Default hierarchy", "Daemon")
"""In the order in which they are told, whatever is looked at first."""


@dataclass
class Report:
    """What init found and did, section by section."""

    server: Server
    rows: dict[str, list[tuple[str, str]]] = field(default_factory=lambda: {section: [] for section in SECTIONS})
    hints: list[str] = field(default_factory=list)
    ready: bool = False

    def add(self, section: str, label: str, outcome: str) -> None:
        self.rows.setdefault(section, []).append((label, outcome))

    @property
    def changed(self) -> bool:
        return any(outcome.startswith("created") for rows in self.rows.values() for _, outcome in rows)

    def value(self) -> dict[str, Any]:
        """Return the report for programs."""
        return {
            "initialized": self.changed,
            "runPath": self.server.run_path,
            "address": self.server.address,
            "ready": self.ready,
            "actions": [
                {"section": section, "name": label, "outcome": outcome}
                for section, rows in self.rows.items()
                for label, outcome in rows
            ],
            "hints": self.hints,
        }

    def lines(self) -> list[str]:
        """Return the report for people."""
        suffix = self.server.setting("containerd_namespace_suffix") or "kukeon.io"
        lines = [
            "Initialized Kukeon runtime" if self.changed else "Kukeon runtime already initialized",
            f"Realm: default (namespace: default.{suffix})",
            f"Run path: {self.server.run_path}",
            "Actions:",
        ]
        for section, rows in self.rows.items():
            if not rows:
                continue
            lines.append(f"  {section}:")
            lines += [f"    - {label}: {outcome}" for label, outcome in rows]
        if self.ready:
            lines.append(f"kukeond is ready ({self.server.address})")
        return lines


def init(
    server: Server,
    dial: Callable[[str], Client],
    *,
    account: bool,
    wait: bool,
    progress: Callable[[str], None],
    force_regenerate_cni: bool = False,
) -> Report:
    """Prepare the host and start kukeond unless it runs; `progress` is told what is being done."""
    from kukeon_cli import readiness
    from kukeon_cli import service as services

    report = Report(server)
    _check_settings(server)
    running = readiness.ping(dial, server.address) is not None
    if not running and services.of(server).pid() is not None:
        progress("waiting for kukeond, which is starting")
        services.of(server).wake()
        readiness.wait(dial, server, services.of(server))
        running = True
    if running and force_regenerate_cni:
        raise _busy(server)
    gid = _account(report, account=account, progress=progress)
    if running:
        _observe(report, dial)
    else:
        progress("preparing the host")
        _prepare(report, gid, force_regenerate_cni=force_regenerate_cni)
    # Written last: settings that the host did not take are not to be met again by the next try.
    server = report.server = _settings(report, gid)
    _unit(report, progress)
    service = services.of(server)
    if running:
        report.add("Daemon", "kukeond", "already running")
        report.ready = True
        _check_group(report, gid)
        return report
    progress("starting kukeond")
    since = readiness.size_of(server.log)
    service.start()
    report.add("Daemon", "kukeond", "started")
    if wait:
        answer = readiness.wait(dial, server, service, log_start=since)
        report.ready = True
        report.hints += [warning for warning in answer.warnings]
    return report


def _account(report: Report, *, account: bool, progress: Callable[[str], None]) -> int:
    """Have the group and the user where they are wanted, and return the group that kukeond's socket is to have."""
    from kukeon_cli import accounts

    if not account:
        return 0
    progress("making the group and the user")
    for made in (accounts.ensure_group(), accounts.ensure_user()):
        number = "gid" if made.kind == "group" else "uid"
        outcome = "created" if made.created else "already existed"
        report.add("Accounts", f'{made.kind} "{made.name}"', f"{outcome} ({number} {made.number})")
        if made.created and not report.server.default:
            report.hints.append(
                f"all kukeons of this host share {made.kind} {made.name}; uninstalling this one leaves it"
            )
    return accounts.group_gid() or 0


def _check_settings(server: Server) -> None:
    """Raise `Conflict` when a settings file is there and says something else than this command line.

    What kukeond does would depend on who starts it.
    """
    from kukeon_api import errors

    if server.file is None:
        return
    contradictions = [
        f"{name} is {getattr(server.file.spec, name)!r} in it, {value!r} was asked for"
        for name, value in server.stated.items()
        if getattr(server.file.spec, name) is not None and str(getattr(server.file.spec, name)) != value
    ]
    if contradictions:
        raise errors.Conflict(
            f"cannot initialise with other settings than in {str(server.configuration)!r}: {'; '.join(contradictions)}",
            hint="edit that file, or leave the option or environment variable away",
        )


def _settings(report: Report, gid: int) -> Server:
    """Have kukeond's settings file, saying what this command line says; return the server as it is then."""
    import dataclasses

    from kukeon_api import manifest, model, settings_rules
    from kukeon_cli import configuration

    server = report.server
    path = server.configuration
    created = False
    if server.file is None:
        values: dict[str, Any] = dict(server.stated)
        values |= {name: values.get(name) or default for name, default in settings_rules.DEFAULTS.items()}
        values |= {"socket": server.socket, "run_path": server.run_path}
        if values["log_max_files"].isdecimal():
            values["log_max_files"] = int(values["log_max_files"])
        text = configuration.server_text(model.ServerConfigurationSpec(**values, socket_gid=gid or None))
        manifest.parse_server_configuration(text, source="the options of init")
        created = configuration.write_server(path, text)
    report.add("Host", f'settings "{path}"', "created" if created else "already existed")
    return dataclasses.replace(server, file=configuration.read_server(path))


def _busy(server: Server) -> KukeonError:
    from kukeon_api import errors

    return errors.Conflict(
        "cannot write the descriptions of networks anew: kukeond runs, and uses them",
        hint=f"stop it first: sudo kuke{server.option} daemon stop",
    )


def _prepare(report: Report, gid: int, *, force_regenerate_cni: bool) -> None:
    """Do in this process what kukeond would do at its start, to be able to report it."""
    from kukeon_cli import local

    if not local.available() and not force_regenerate_cni:
        report.add("Host", "directories, cgroups, default hierarchy", "left to kukeond")
        return
    for row in local.bootstrap(report.server, gid, force_regenerate_cni=force_regenerate_cni):
        hierarchy = row.label.startswith(("realm", "space", "stack", "network", "containerd namespace"))
        detail = f" ({row.detail})" if row.detail else ""
        report.add("Default hierarchy" if hierarchy else "Host", row.label, f"{row.outcome}{detail}")


def _observe(report: Report, dial: Callable[[str], Client]) -> None:
    """Ask the running kukeond for what `_prepare` would make."""
    from kukeon_api import model

    place = {"realm_id": "default", "space_id": "default"}
    metadata = model.Metadata(name="default")
    client = dial(report.server.address)
    try:
        realm = client.get_realm(model.RealmDoc(metadata=metadata))
        space = client.get_space(model.SpaceDoc(metadata=metadata, spec=model.SpaceSpec(realm_id="default")))
        stack = client.get_stack(model.StackDoc(metadata=metadata, spec=model.StackSpec(**place)))
    finally:
        client.close()
    for label, there in (
        ('realm "default"', realm.metadata_exists),
        ("containerd namespace", realm.containerd_namespace_exists),
        ("realm cgroup", realm.cgroup_exists),
        ('space "default"', space.metadata_exists),
        ("network", space.cni_network_exists),
        ("space cgroup", space.cgroup_exists),
        ('stack "default"', stack.metadata_exists),
        ("stack cgroup", stack.cgroup_exists),
    ):
        report.add("Default hierarchy", label, "already existed" if there else "missing (was previously present)")


def _unit(report: Report, progress: Callable[[str], None]) -> None:
    """Have the systemd unit of the host's main instance, where systemd runs."""
    from kukeon_cli import service as services

    if not report.server.default or not services.SYSTEMD_RUNTIME.is_dir():
        return
    progress("installing the systemd unit")
    outcome = services.install_unit(report.server)
    report.add("Daemon", f'systemd unit "{services.UNIT}"', outcome)


def _check_group(report: Report, gid: int) -> None:
    """Say so when the group cannot use the socket of the kukeond that runs already."""
    from pathlib import Path

    if gid and Path(report.server.socket).stat().st_gid != gid:
        restart = f"sudo kuke{report.server.option} daemon restart"
        report.hints.append(f"kukeond does not let the group in yet; have it look at its settings again: {restart}")


@click.command("init", cls=lazy.Command)
@click.option(
    "--containerd",
    type=click.Choice(["auto", "system", "embedded"]),
    help="Which containerd to use; decided once.  [default: auto]",
)
@click.option("--containerd-socket", metavar="PATH", help="Socket of the host's containerd.")
@click.option("--socket", metavar="PATH", help="Where kukeond is to listen.  [default: by the run path]")
@click.option(
    "--containerd-namespace-suffix",
    metavar="NAME",
    help="What follows a realm's name in containerd.  [default: kukeon.io]",
)
@click.option("--cgroup-root", metavar="PATH", help="cgroup of everything of ours.  [default: /kukeon]")
@click.option("--pod-subnet-cidr", metavar="CIDR", help="Network that spaces get theirs from.  [default: 10.88.0.0/16]")
@options.server_configuration
@click.option(
    "--account/--no-account",
    default=None,
    help="Have the group and user kukeon, whose members may use kuke.  [default: only for the default run path]",
)
@click.option("--no-wait", is_flag=True, help="Do not wait until kukeond answers.")
@click.option(
    "--force-regenerate-cni", is_flag=True, help="Write the CNI descriptions of all networks anew; kukeond is stopped."
)
@click.option("--realm", type=click.Choice(["default"]), help="Name of the first realm; there is no choice.")
@click.option("--space", type=click.Choice(["default"]), help="Name of the first space; there is no choice.")
@click.option("--kukeond-image", metavar="REF", help="Refused: kukeond is a process of this host and has no image.")
@options.output()
@click.pass_obj
def command(
    session: Session,
    /,
    account: bool | None,
    no_wait: bool,
    force_regenerate_cni: bool,
    realm: str | None,
    space: str | None,
    kukeond_image: str | None,
    output: str,
    **given: str | None,
) -> None:
    """Prepare this host and start kukeond.

    Makes the group and user kukeon, kukeond's settings file and systemd unit, and starts it. Everything that is there
    already is left as it is. With --run-path it is one more kukeon beside the host's main one: it gets its settings
    and its socket in that directory, and no unit, group or user.
    """
    import sys

    from kukeon_cli import privilege, terminal

    # Nobody can ask for other names than those that kukeond itself makes; what is asked for is what comes.
    del realm, space
    session.start_logging()
    if kukeond_image:
        from kukeon_cli.commands import daemon

        raise daemon.no_image(kukeond_image)
    privilege.require_root("init", session)
    resolved = session.server(given, purpose="set up kukeon")
    with terminal.Progress("looking at the host") as progress:
        report = init(
            resolved,
            session.dial,
            account=resolved.default if account is None else account,
            wait=not no_wait,
            progress=progress.update,
            force_regenerate_cni=force_regenerate_cni,
        )
    out: Output = session.output(output)
    out.result(report.value(), report.lines(), ["daemon/kukeond"])
    for hint in report.hints:
        print(f"hint: {terminal.printable(hint)}", file=sys.stderr)
