"""The contract of logs, for a kukeon whose containers' own programs run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from kukeon_api import errors, model
from kukeon_sdk.testing.contract.place import WAIT_S, Placed, raises_kind

if TYPE_CHECKING:
    from kukeon_sdk.client import Client
    from kukeon_sdk.testing.contract.place import Place

STAYS = "trap 'exit 0' TERM; {}; sleep 3600 & wait $!"


class Logs(Placed):
    """What containers write can be read, in parts, and followed."""

    def talk(self, client: Client, place: Place, script: str, lines: int) -> model.ContainerDoc:
        """Have a container that runs `script`, and wait until it has written so many lines."""
        spec = place.container("web", command="/bin/sh", args=("-c", STAYS.format(script)))
        client.create_cell(place.cell_doc("web", spec), timeout=WAIT_S)
        with client.logs(place.container_doc(), follow=True, timeout=WAIT_S) as entries:
            for _ in range(lines):
                next(entries)
        return place.container_doc()

    def test_what_was_written_where_and_when(self, client: Client, place: Place) -> None:
        box = self.talk(client, place, "echo one; echo two >&2", 2)
        entries = list(client.logs(box, timeout=WAIT_S))
        assert sorted((str(each.stream), each.data) for each in entries) == [("stderr", b"two"), ("stdout", b"one")]
        assert all(each.at is not None and not each.partial for each in entries)

    def test_the_last_lines_and_the_late_ones(self, client: Client, place: Place) -> None:
        box = self.talk(client, place, "seq 5", 5)

        def told(tail: int = -1, since: str = "") -> list[bytes]:
            return [each.data for each in client.logs(box, tail=tail, since=since, timeout=WAIT_S)]

        assert told() == [b"1", b"2", b"3", b"4", b"5"]
        assert told(tail=2) == [b"4", b"5"]
        assert told(tail=0) == []
        assert told(tail=99) == told()
        assert told(since="1h") == told()
        assert told(since="2999-01-01T00:00:00Z") == []
        with pytest.raises(errors.Invalid, match="'soon'"):
            told(since="soon")

    def test_following_goes_over_runs_and_ends_with_the_container(self, client: Client, place: Place) -> None:
        box = self.talk(client, place, "seq 2", 2)
        with pytest.raises(errors.Conflict, match="previous run"):
            list(client.logs(box, previous=True, timeout=WAIT_S))
        with client.logs(box, follow=True, timeout=WAIT_S) as entries:
            assert [next(entries).data for _ in range(2)] == [b"1", b"2"]
            client.restart_cell(place.reference(), timeout=WAIT_S)
            assert [next(entries).data for _ in range(2)] == [b"1", b"2"]
            assert [each.data for each in client.logs(box, previous=True, timeout=WAIT_S)] == [b"1", b"2"]
            assert [each.data for each in client.logs(box, previous=True, tail=1, timeout=WAIT_S)] == [b"2"]
            client.delete_cell(place.reference(), timeout=WAIT_S)
            assert list(entries) == []

    def test_what_cannot_be_read(self, client: Client, place: Place) -> None:
        with raises_kind("CellNotFound"):
            list(client.logs(place.container_doc(), timeout=WAIT_S))
        client.create_cell(place.cell_doc(), no_start=True, timeout=WAIT_S)
        with raises_kind("ContainerNotFound"):
            list(client.logs(place.container_doc("absent"), timeout=WAIT_S))
        with pytest.raises(errors.Conflict, match="has not written a log yet"):
            list(client.logs(place.container_doc(), timeout=WAIT_S))
        with pytest.raises(errors.Invalid, match="cannot follow the previous run"):
            list(client.logs(place.container_doc(), previous=True, follow=True, timeout=WAIT_S))
