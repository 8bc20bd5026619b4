"""This terminal as that of a container: by its socket where that can be reached, else through kukeond."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kukeon_api.model import Ref
    from kukeon_cli.session import Session
    from kukeon_sdk.interaction import Connect, Over, Terminal

RESIZE_TIMEOUT_S = 5.0


def attach(session: Session, container: Ref, announcement: str) -> Over:
    """Be the terminal of `container` until its program ends or somebody leaves it, and return which.

    `announcement` is told on stderr once there is a connection. Raises `ContainerNotFound`, `AttachNotSupported`,
    `TaskNotRunning`, and what `Client.attach` raises when neither way leads to the terminal.
    """
    from kukeon_cli import resources
    from kukeon_sdk import interaction

    client = session.client
    document = resources.container_document(container)
    path = client.attach_container(document).host_socket_path
    connect = interaction.through(client, document)
    # Elsewhere the same path may be another's terminal.
    if session.is_on_this_host:
        connect = interaction.first_of(interaction.at_socket(path), connect)
    return interaction.interact(
        _announced(connect, announcement),
        sys.stdin.fileno(),
        sys.stdout.fileno(),
        lambda rows, columns: client.resize_terminal(document, rows, columns, timeout=RESIZE_TIMEOUT_S),
    )


def left(container: Ref) -> str:
    """Return what to say to whoever left the terminal of `container`; the cursor stands where the program had it."""
    from kukeon_cli import resources

    back = f"kuke attach {container.cell}{resources.scope_flags(container)}"
    return f"\r\nLeft {container}; it goes on. Back to it: {back}"


def _announced(connect: Connect, announcement: str) -> Connect:
    told = False

    def connected(position: int | None = None, /) -> Terminal:
        nonlocal told
        terminal = connect(position)
        if not told:
            told = True
            sys.stdout.flush()
            print(announcement, file=sys.stderr, flush=True)
        return terminal

    return connected
