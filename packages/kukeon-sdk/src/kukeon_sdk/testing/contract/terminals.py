"""The contract of terminals, for a kukeon whose containers' own programs run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from kukeon_api import errors, model
from kukeon_sdk.testing.contract.place import WAIT_S, Placed, raises_kind

if TYPE_CHECKING:
    from kukeon_sdk.client import Client
    from kukeon_sdk.sessions import AttachSession
    from kukeon_sdk.testing.contract.place import Place


class Terminals(Placed):
    """Attach: what is typed arrives, what is shown is shown to everybody, and leaving ends nothing."""

    def screen(self, client: Client, place: Place, *command: str) -> model.ContainerDoc:
        """Have a container whose program has a terminal."""
        spec = place.container("web", command=command[0], args=command[1:], attachable=True)
        client.create_cell(place.cell_doc("web", spec), timeout=WAIT_S)
        return place.container_doc()

    def test_what_is_typed_arrives_and_late_ones_see_it(self, client: Client, place: Place) -> None:
        box = self.screen(client, place, "cat")
        shown = b"hello\r\nhello\r\n"  # what is typed, and what `cat` makes of it
        with client.attach(box, timeout=WAIT_S) as first:
            first.write(b"hello\r")
            _sees(first, shown)
            with client.attach(box, timeout=WAIT_S) as late:
                _sees(late, shown)
                late.write(b"you\r")
                _sees(late, b"you\r\nyou\r\n")
            _sees(first, b"you\r\nyou\r\n")
            with client.attach(box, position=first.position, timeout=WAIT_S) as again:
                first.write(b"!\r")
                _sees(again, b"!\r\n!\r\n")
        assert place.state() is model.CellState.READY
        assert b"".join(each.data for each in client.logs(box, timeout=WAIT_S)).startswith(shown)
        client.kill_cell(place.reference(), timeout=WAIT_S)

    def test_its_size_and_its_end(self, client: Client, place: Place) -> None:
        box = self.screen(client, place, "/bin/sh", "-c", "read a; stty size; read a; stty size; read a; exit 4")
        with client.attach(box, rows=24, columns=80, timeout=WAIT_S) as session:
            session.write(b"\r")
            _sees(session, b"\r\n24 80\r\n")
            assert client.resize_terminal(box, 30, 100, timeout=WAIT_S).resized
            session.write(b"\r")
            _sees(session, b"\r\n30 100\r\n")
            assert session.ended is None
            session.write(b"\r")
            assert b"".join(session) == b"\r\n"
            assert session.ended == model.AttachEnded(code=4)

    def test_what_is_typed_right_before_leaving_arrives(self, client: Client, place: Place) -> None:
        box = self.screen(client, place, "/bin/sh", "-c", "read a; exit 6")
        with client.attach(box, timeout=WAIT_S) as watching:
            with client.attach(box, timeout=WAIT_S) as hasty:
                hasty.write(b"\r")
            with raises_kind("Conflict"):
                hasty.read()
            assert b"".join(watching) == b"\r\n"
            assert watching.ended == model.AttachEnded(code=6)

    def test_what_has_no_terminal(self, client: Client, place: Place) -> None:
        client.create_cell(place.cell_doc(), timeout=WAIT_S)
        for verb in (
            lambda: client.attach(place.container_doc(), timeout=WAIT_S),
            lambda: client.resize_terminal(place.container_doc(), 24, 80, timeout=WAIT_S),
        ):
            with raises_kind("AttachNotSupported") as caught:
                verb()
            assert caught.value.hint

    def test_what_is_not_there_or_does_not_run(self, client: Client, place: Place) -> None:
        with raises_kind("CellNotFound"):
            client.attach(place.container_doc(), timeout=WAIT_S)
        spec = place.container("web", attachable=True)
        client.create_cell(place.cell_doc("web", spec), no_start=True, timeout=WAIT_S)
        with pytest.raises(errors.Conflict, match="does not run"):
            client.attach(place.container_doc(), timeout=WAIT_S)
        with pytest.raises(errors.Conflict, match="does not run"):
            client.attach_container(place.container_doc(), timeout=WAIT_S)
        with pytest.raises(errors.Invalid, match="65536"):
            client.attach(place.container_doc(), rows=65536, columns=80, timeout=WAIT_S)


def _sees(session: AttachSession, text: bytes) -> None:
    seen = b""
    while len(seen) < len(text):
        seen += session.read(timeout=WAIT_S)
    assert seen == text
