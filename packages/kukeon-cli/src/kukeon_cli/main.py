"""kuke: the entry point, the root group and what happens to whatever goes wrong below."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

import kukeon_cli
from kukeon_cli import lazy, options, tree
from kukeon_cli.session import Session

if TYPE_CHECKING:
    from collections.abc import Sequence

SETTINGS = {"help_option_names": ["-h", "--help"], "max_content_width": 100}

HELP = """Run groups of containers on this host.

A cell is a group of containers that share a network; cells live in stacks, stacks in spaces (networks), spaces in
realms (tenants). Start with `kuke init`, then `kuke apply -f FILE`.
"""

cli = lazy.LazyGroup(
    "kuke",
    entries=tree.ROOT,
    help=HELP,
    params=list(options.root_globals()),
    context_settings=SETTINGS,
    epilog="Global options may also follow the command.",
)
click.version_option(kukeon_cli.__version__, "--version", message="%(version)s")(cli)


def run(arguments: Sequence[str], session: Session | None = None) -> int:
    """Run one command line and return its exit code; whatever fails is reported on stderr."""
    session = session or Session()
    try:
        result = cli.main(
            list(arguments), prog_name="kuke", standalone_mode=False, obj=session, auto_envvar_prefix="KUKE"
        )
        sys.stdout.flush()
    except BaseException as exc:
        from kukeon_cli import failures

        return failures.report(exc, verbose=session.verbose)
    finally:
        session.close()
    return result if isinstance(result, int) else 0


def main() -> int:
    """Run `kuke` with this process's arguments."""
    return run(sys.argv[1:])
