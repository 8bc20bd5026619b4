"""The contract of programs that run in containers beside their own."""

from __future__ import annotations

import re
import signal
from typing import TYPE_CHECKING

import pytest

from kukeon_api import errors, model
from kukeon_sdk.testing.contract.place import WAIT_S, Placed, raises_kind

if TYPE_CHECKING:
    from kukeon_sdk.client import Client
    from kukeon_sdk.sessions import ExecSession
    from kukeon_sdk.testing.contract.place import Place


class Programs(Placed):
    """Exec: what goes in and comes out, and how it ends."""

    @pytest.fixture
    def box(self, client: Client, place: Place) -> model.ContainerDoc:
        """A container that runs."""
        client.create_cell(place.cell_doc(), timeout=WAIT_S)
        return place.container_doc()

    def test_its_streams_are_apart_and_its_code_is_told(self, client: Client, box: model.ContainerDoc) -> None:
        session = client.exec(box, ["sh", "-c", "echo out; echo err >&2; exit 7"], timeout=WAIT_S)
        assert session.pid > 0
        assert session.communicate() == (model.ExitStatus(code=7), b"out\n", b"err\n")
        assert session.wait().code == 7
        session.close()
        assert session.wait().code == 7

    def test_input_arrives_until_its_end(self, client: Client, box: model.ContainerDoc) -> None:
        with client.exec(box, ["cat"], timeout=WAIT_S) as session:
            for word in (b"one ", b"two"):
                session.write(word)
                assert _read(session, len(word)) == word
            session.close_stdin()
            session.close_stdin()
            assert session.wait().code == 0
            assert session.read() is None
            with pytest.raises(errors.Conflict):
                session.write(b"late")

    def test_much_comes_through_whole(self, client: Client, box: model.ContainerDoc) -> None:
        data = bytes(range(256)) * 8192  # 2 MiB: more than is held anywhere on the way
        done = client.exec(box, ["cat"], timeout=WAIT_S).communicate(data)
        assert done.status.code == 0
        assert done.stdout == data

    def test_its_environment(self, client: Client, box: model.ContainerDoc) -> None:
        done = client.exec(box, ["sh", "-c", "echo $A-$B"], env=["A=one", "B=two words"], timeout=WAIT_S).communicate()
        assert done.stdout == b"one-two words\n"

    def test_a_terminal_has_one_stream(self, client: Client, box: model.ContainerDoc) -> None:
        session = client.exec(box, ["sh", "-c", "echo out; echo err >&2"], tty=True, timeout=WAIT_S)
        done = session.communicate()
        assert (done.stdout, done.stderr) == (b"out\r\nerr\r\n", b"")

    def test_a_terminal_has_a_size_that_changes(self, client: Client, box: model.ContainerDoc) -> None:
        script = ["sh", "-c", "stty size; read line; stty size"]
        with client.exec(box, script, tty=True, rows=24, columns=80, timeout=WAIT_S) as session:
            assert _until(session, rb"24 80\r\n")
            session.resize(30, 100)
            session.write(b"\r")
            assert _until(session, rb"30 100\r\n")
            assert session.wait().code == 0

    def test_a_signal_ends_it(self, client: Client, box: model.ContainerDoc) -> None:
        with client.exec(box, ["sleep", "1000"], timeout=WAIT_S) as session:
            session.signal(signal.SIGTERM)
            assert session.wait() == model.ExitStatus(code=143, signal="SIGTERM")
            session.signal(signal.SIGKILL)  # has nowhere to go

    def test_leaving_it_is_no_trouble(self, client: Client, box: model.ContainerDoc) -> None:
        with client.exec(box, ["yes"], timeout=WAIT_S) as session:
            assert session.read() is not None
        with pytest.raises(errors.Conflict, match="closed"):
            session.read()
        assert client.exec(box, ["true"], timeout=WAIT_S).wait().code == 0

    def test_one_may_wait_for_a_while(self, client: Client, box: model.ContainerDoc) -> None:
        with client.exec(box, ["cat"], timeout=WAIT_S) as session:
            with pytest.raises(errors.TimedOut):
                session.wait(timeout=0.05)
            session.close_stdin()
            assert session.wait(timeout=WAIT_S).code == 0

    def test_the_whole_may_last_for_a_while(self, client: Client, box: model.ContainerDoc) -> None:
        # On a busy machine the time may be over before the program runs.
        with pytest.raises(errors.TimedOut), client.exec(box, ["sleep", "1000"], timeout=1) as session:
            session.wait()

    def test_what_cannot_run_is_told(self, client: Client, place: Place, box: model.ContainerDoc) -> None:
        with pytest.raises(errors.Invalid, match="no-such-program"):
            client.exec(box, ["no-such-program"], timeout=WAIT_S)
        with pytest.raises(errors.Invalid, match="the command is empty"):
            client.exec(box, [], timeout=WAIT_S)
        with pytest.raises(errors.Invalid, match="no variable"):
            client.exec(box, ["true"], env=["=x"], timeout=WAIT_S)
        with raises_kind("ContainerNotFound"):
            client.exec(place.container_doc("absent"), ["true"], timeout=WAIT_S)
        with raises_kind("CellNotFound"):
            client.exec(place.container_doc("web", "absent"), ["true"], timeout=WAIT_S)

    def test_a_container_that_is_stopped_runs_nothing(self, client: Client, place: Place) -> None:
        client.create_cell(place.cell_doc(), no_start=True, timeout=WAIT_S)
        with pytest.raises(errors.Conflict, match="does not run"):
            client.exec(place.container_doc(), ["true"], timeout=WAIT_S)

    def test_what_makes_no_sense_ends_the_session(self, client: Client, box: model.ContainerDoc) -> None:
        with client.exec(box, ["sleep", "1000"], timeout=WAIT_S) as session:
            session.signal(4711)
            with pytest.raises(errors.Invalid, match="4711"):
                session.wait()


def _read(session: ExecSession, size: int) -> bytes:
    found = b""
    while len(found) < size and (piece := session.read(timeout=WAIT_S)) is not None:
        found += piece.data
    return found


def _until(session: ExecSession, pattern: bytes) -> bool:
    found = b""
    while not re.search(pattern, found):
        piece = session.read(timeout=WAIT_S)
        if piece is None:
            return False
        found += piece.data
    return True
