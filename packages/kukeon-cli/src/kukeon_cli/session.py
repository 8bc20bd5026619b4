"""One invocation of kuke: the flags given, the settings they lead to, and the client made when it is needed.

The one place that decides whether commands ask kukeond or work in this process; they see a `Client` either way.
"""

from __future__ import annotations

import functools
import os
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from kukeon_cli.output import Output
    from kukeon_cli.server import Server
    from kukeon_cli.settings import Settings
    from kukeon_sdk.client import Client


class Session:
    """What all commands of one invocation share. Nothing is read or dialled before a command asks for it."""

    def __init__(
        self,
        environ: Mapping[str, str] | None = None,
        dial: Callable[[str], Client] | None = None,
        inside: Callable[[Server], Client] | None = None,
    ) -> None:
        """`dial` and `inside` make the clients, of a kukeond and of this process; unset they are the real ones."""
        self.environ: Mapping[str, str] = os.environ if environ is None else environ
        self.flags: dict[str, Any] = {}
        self._dial = dial
        self._inside = inside
        self._client: Client | None = None

    @functools.cached_property
    def settings(self) -> Settings:
        """The global settings; raises `Invalid` for a settings file that is none."""
        from kukeon_cli import settings

        found = settings.resolve(self.flags, self.environ)
        if found.verbose:
            settings.start_logging(found, sys.stderr)
        return found

    def start_logging(self) -> None:
        """With --verbose send log records to stderr, for commands that have no use for the settings themselves."""
        if self.verbose:
            assert self.settings.verbose

    @property
    def verbose(self) -> bool:
        """Whether diagnostics are wanted; does not read the settings file, so it is safe after an error in it."""
        from kukeon_cli import settings

        return settings.is_verbose(self.flags, self.environ)

    @property
    def option(self) -> str | None:
        """What to add to `kuke` to manage the kukeond that is talked to; None when it is none of this host."""
        found: Settings | None = self.__dict__.get("settings")
        if found is None:
            return ""
        from kukeon_cli import instances

        return instances.option(found, self.environ)

    def dial(self, address: str) -> Client:
        """Return a new client of the kukeond at `address`; the caller closes it."""
        if self._dial is not None:
            return self._dial(address)
        from kukeon_sdk import client

        return client.dial(address)

    @functools.cached_property
    def daemon(self) -> Client:
        """The client of the kukeond that the settings name, for what is about kukeond itself; `close` closes it."""
        return self.dial(self.settings.host.value)

    @property
    def client(self) -> Client:
        """What commands on resources work through: kukeond, or with --no-daemon or --run-path this process.

        Calls that a command gives no time of their own take as long as is usual for their kind, or --timeout.
        """
        if self._client is None:
            from kukeon_cli import deadlines

            made = self.inside() if self.settings.in_process else self.daemon
            self._client = deadlines.Deadlines(made, self.settings.timeout_s)
        return self._client

    @functools.cached_property
    def is_on_this_host(self) -> bool:
        """Whether what commands work through sees the same files as we do; asks kukeond."""
        from kukeon_cli import log_files

        return self.settings.in_process or log_files.on_this_host(self.client, self.settings.host.value)

    @property
    def can_work_inside(self) -> bool:
        """Whether `inside` has what it needs, the runner."""
        from kukeon_cli import local

        return self._inside is not None or local.available()

    def inside(self, run_path: str | None = None) -> Client:
        """Return a new client that works in this process; the caller closes it. Raises `Unsupported` without runner.

        Its run path is that of the settings, unless another one is given. Raises `Invalid` when the settings name the
        address of another kukeond than that of their run path: whoever means the one would work on the other.
        """
        from kukeon_cli import settings

        given = {
            settings.FIELDS[name]: setting.value
            for name, setting in self.settings.values.items()
            if settings.GLOBAL[name].recorded and setting.source != settings.DEFAULT
        }
        if run_path is None:
            server = self.server(given, purpose="work without kukeond", takes_host=False)
        else:
            from kukeon_cli import server as servers

            server = servers.resolve({"run_path": run_path}, {}, self.environ)
        if self._inside is not None:
            return self._inside(server)
        from kukeon_cli import local

        return local.client(server)

    def require_daemon(self, command: str) -> None:
        """Raise `Invalid` when --no-daemon was given for `command`, which is about kukeond itself.

        One in the environment is for the commands that it means something to.
        """
        if self.flags.get("no_daemon"):
            from kukeon_api import errors

            raise errors.Invalid(
                f"cannot use --no-daemon with 'kuke {command}': it is about kukeond", hint="leave --no-daemon away"
            )

    def server(self, given: Mapping[str, str | None], *, purpose: str, takes_host: bool = True) -> Server:
        """Return the kukeond of this host that the command line means, for `purpose`, like `start kukeond`.

        `given` are the command's own options, see `server.resolve`. With `takes_host` a --host beside a run path is
        where that one is to listen. Raises `Invalid` when the address stated is that of another kukeond.
        """
        from kukeon_cli import instances

        return instances.meant(self, given, purpose=purpose, takes_host=takes_host)

    def output(self, form: str) -> Output:
        """Return where results go, in the format asked for."""
        from kukeon_cli.output import Format, Output

        return Output(Format(form), sys.stdout, headers=not self.flags.get("no_headers"))

    def close(self) -> None:
        """Drop the connection, and what works in this process."""
        if self._client is not None:
            self._client.close()
            self._client = None
        daemon = self.__dict__.pop("daemon", None)
        if daemon is not None:
            daemon.close()
