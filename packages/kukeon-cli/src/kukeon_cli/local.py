"""What runs in this process instead of in kukeond: a whole client, preparing a host, and taking kukeon off it again.

The only module that may name the runner, which is an optional part (`kukeon-cli[host]`) and imported where it is used.
"""

from __future__ import annotations

import asyncio
import importlib.util
import logging
import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, cast

from kukeon_api import errors

if TYPE_CHECKING:
    import enum
    from collections.abc import Callable, Iterator, Sequence
    from contextlib import AbstractAsyncContextManager

    from kukeon_cli.server import Server
    from kukeon_runner import Controller, Options
    from kukeon_runner.options import ContainerdWish
    from kukeon_sdk.client import Client


@dataclass(frozen=True)
class Row:
    """One thing on the host and what became of it."""

    label: str
    outcome: str
    detail: str = ""


def available() -> bool:
    """Tell whether the runner is installed here."""
    return importlib.util.find_spec("kukeon_runner") is not None


def client(server: Server) -> Client:
    """Return a client that does in this process what the kukeond of `server` would do.

    Nothing is opened before the first call. Reading takes no lock, needs neither kukeond nor containerd, and makes no
    file; the first change takes the run path for as long as the client is open, and raises `RunPathLocked` while a
    kukeond holds it. Raises `Unsupported` when the runner is not installed.
    """
    _require()
    from kukeon_cli import inprocess

    _show_warnings()
    options = _options(server, _group(server))
    return inprocess.InProcessClient(lambda exclusive: _open(options, exclusive=exclusive), server.run_path)


def _open(options: Options, *, exclusive: bool) -> AbstractAsyncContextManager[Controller]:
    import kukeon_runner
    from kukeon_runner import instance

    if instance.find_instance(options.run_path) is None:
        # Nobody ran `kuke init` here. It may well be meant, or be a slip of the run path.
        _note(f"there is no kukeon at {options.run_path!r}" + (" yet: setting one up" if exclusive else ""))
    return kukeon_runner.open_controller(options, exclusive=exclusive)


def bootstrap(server: Server, gid: int, *, force_regenerate_cni: bool = False) -> list[Row]:
    """Make what the host needs before the first cell, readable for group `gid`, and report it row by row.

    Raises `RunPathLocked` while a kukeond runs, `InstanceMismatch` when the run path was made with other settings, and
    whatever the host refuses.
    """
    _require()
    return asyncio.run(_bootstrap(_options(server, gid, force_regenerate_cni=force_regenerate_cni)))


async def _bootstrap(options: Options) -> list[Row]:
    import kukeon_runner
    from kukeon_runner import bootstrap as bootstrapping

    async with kukeon_runner.open_controller(options) as controller:
        report = await bootstrapping.bootstrap(controller.runner)
        rows = [Row(row.label, str(row.outcome), row.detail) for row in report.rows]
        if options.force_regenerate_cni:
            rows += await _regenerate(controller)
    return rows


async def _regenerate(controller: Controller) -> list[Row]:
    """Write the CNI description of every space anew, with its bridge and its share of the firewall."""
    from kukeon_api import model

    runner = controller.runner
    rows = []
    for doc in runner.context.store.docs(model.SpaceDoc):
        ref = model.ref_of(doc)
        path = Path(runner.context.layout.conflist(ref))
        await asyncio.to_thread(path.unlink, missing_ok=True)
        await runner.spaces.converge(doc, update=False)
        rows.append(Row(f'network "{runner.context.layout.network(ref)}"', "regenerated", str(path)))
    return rows


def uninstall(server: Server, told: Callable[[Row], object]) -> None:
    """Remove every cell, network, cgroup and file of the instance; `told` gets a row for each thing when it is done.

    Works without kukeond and without containerd. Raises `RunPathLocked` while a kukeond runs, and whatever keeps a
    realm from going.
    """
    _require()
    asyncio.run(_uninstall(_options(server, 0), told))


async def _uninstall(options: Options, told: Callable[[Row], object]) -> None:
    import kukeon_runner

    await kukeon_runner.uninstall(options, lambda row: told(Row(row.label, row.outcome)))


def purge_system(server: Server) -> list[str]:
    """Remove the realm that is kukeond's own, and return the paths of what was there.

    Raises `RunPathLocked` while a kukeond runs, or another kuke changes something.
    """
    _require()
    from kukeon_api import model
    from kukeon_runner import flock, instance
    from kukeon_runner.layout import Layout

    found = instance.find_instance(server.run_path)
    if found is None:
        return []
    path = Path(Layout(found).realm_dir(model.Ref(model.SYSTEM_REALM)))
    with flock.hold_run_path(found.run_path):
        try:
            shutil.rmtree(path)
        except FileNotFoundError:
            return []
        except OSError as exc:
            raise errors.HostError(f"cannot remove {str(path)!r}: {exc.strerror}") from exc
    return [str(path)]


class Finding(Protocol):
    """How it is with one cgroup controller."""

    @property
    def controller(self) -> str: ...
    @property
    def status(self) -> enum.StrEnum: ...
    @property
    def detail(self) -> str: ...


class Diagnosis(Protocol):
    """What the doctor of the runner returns; see `kukeon_runner.doctor`."""

    @property
    def mode(self) -> str: ...
    @property
    def target(self) -> str: ...
    @property
    def findings(self) -> Sequence[Finding]: ...
    @property
    def troubles(self) -> Sequence[Finding]: ...
    @property
    def drained(self) -> bool: ...
    @property
    def well(self) -> bool: ...
    @property
    def fix(self) -> str: ...
    @property
    def notes(self) -> Sequence[str]: ...


class Doctor(Protocol):
    """Examines cgroups."""

    def examine(self, group: str = "", *, probe: bool = True, everything: bool = False) -> Diagnosis: ...


def doctor(root: Path) -> Doctor:
    """Return what examines the cgroups below `root`. Raises `Unsupported` when the runner is not installed."""
    _require()
    from kukeon_runner import doctor as doctoring

    return doctoring.Doctor(root)


def remedy(status: enum.StrEnum) -> str:
    """Return what to do about a status of the doctor."""
    from kukeon_runner import doctor as doctoring

    return doctoring.REMEDIES[doctoring.Status(status)]


def _options(server: Server, gid: int, *, force_regenerate_cni: bool = False) -> Options:
    from kukeon_api import settings_rules
    from kukeon_runner import Options
    from kukeon_runner.options import DEFAULT_DISK, DEFAULT_REGISTRY_CONFIG_DIR, DiskLimits, LogLimits

    disk = DiskLimits(
        _stated(server.setting("disk_pressure_warn_percent"), DEFAULT_DISK.warn_percent),
        _stated(server.setting("disk_pressure_block_percent"), DEFAULT_DISK.block_percent),
    )
    size, files = server.setting("log_max_size"), int(server.setting("log_max_files") or LogLimits.max_files)
    # What is not stated is taken from the record of the run path, or is the default.
    return Options(
        run_path=server.run_path,
        containerd=cast("ContainerdWish", server.setting("containerd") or "auto"),
        containerd_socket=server.setting("containerd_socket") or "",
        namespace_suffix=server.setting("containerd_namespace_suffix") or "",
        cgroup_root=server.setting("cgroup_root") or "",
        pod_subnet=server.setting("pod_subnet_cidr") or "",
        group_gid=gid,
        logs=LogLimits(settings_rules.log_size(size) if size else LogLimits.max_bytes, files),
        default_memory_limit_bytes=server.setting("default_memory_limit_bytes") or 0,
        disk=disk,
        registry_config_dir=server.setting("registry_config_dir") or DEFAULT_REGISTRY_CONFIG_DIR,
        force_regenerate_cni=force_regenerate_cni,
    )


def _stated(value: int | None, default: int) -> int:
    return default if value is None else value


def _group(server: Server) -> int:
    """Return the group that may read what is written, as kukeond has it; 0 for root alone."""
    stated = os.environ.get("KUKEOND_SOCKET_GID", "")
    if stated.isdecimal():
        return int(stated)
    return (server.file.spec.socket_gid if server.file is not None else None) or 0


def _require() -> None:
    if not available():
        raise errors.Unsupported(
            "cannot work on this host: the part of kuke that does is not installed",
            hint="pip install 'kukeon-cli[host]'",
        )
    # Set before gRPC is imported: its fork handlers are of no use here and not safe beside its threads.
    os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")


def _note(text: str) -> None:
    """Tell people something on stderr that is no trouble."""
    from kukeon_cli import terminal

    print(f"note: {terminal.printable(text)}", file=sys.stderr)


class _Warnings(logging.Handler):
    """Tells people what kukeond would write to its log, when it is worth a warning."""

    def emit(self, record: logging.LogRecord) -> None:
        from kukeon_cli import terminal

        print(f"warning: {terminal.printable(record.getMessage())}", file=sys.stderr)


def _show_warnings() -> None:
    """Have the runner's warnings on stderr, unless --verbose shows all of its records already."""
    log = logging.getLogger("kukeon_runner")
    if not logging.getLogger().handlers and not any(_ours(log)):
        log.addHandler(_Warnings(logging.WARNING))
        log.propagate = False


def _ours(log: logging.Logger) -> Iterator[bool]:
    return (isinstance(handler, _Warnings) for handler in log.handlers)
