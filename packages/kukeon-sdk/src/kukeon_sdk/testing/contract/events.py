"""The contract of events."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from kukeon_api import errors, model
from kukeon_sdk.testing.contract.place import WAIT_S, Placed

if TYPE_CHECKING:
    from collections.abc import Iterable

    from kukeon_sdk.client import Client
    from kukeon_sdk.testing.contract.place import Place

E = model.EventType


class Events(Placed):
    """What happens is told in order, once, to whoever asks where they left off."""

    def test_events_tell_the_life_of_a_cell(self, client: Client, place: Place) -> None:
        client.create_cell(place.cell_doc(), timeout=WAIT_S)
        client.kill_container(place.container_doc(), timeout=WAIT_S)
        client.start_cell(place.reference(), timeout=WAIT_S)
        client.delete_cell(place.reference(), timeout=WAIT_S)
        events = list(client.events(place.realm, timeout=WAIT_S))
        cell = "/".join((place.realm, place.space, place.stack, "web"))
        assert [each.ref for each in events if each.type is E.CREATED] == [
            place.realm,
            f"{place.realm}/{place.space}",
            f"{place.realm}/{place.space}/{place.stack}",
            cell,
            f"{cell}/web",
        ]
        own = [each for each in events if each.ref == f"{cell}/web"]
        assert _in_order([E.CREATED, E.STARTED, E.KILLED, E.STARTED], (each.type for each in own))
        assert all(each.kind == "Container" for each in own)
        killed = next(each for each in own if each.type is E.KILLED)
        assert (killed.exit_code, killed.exit_signal, killed.state) == (137, "SIGKILL", "Stopped")
        assert events[-1].ref == cell
        assert events[-1].type is E.DELETED
        assert events[0].at <= events[-1].at
        assert len({each.cursor for each in events}) == len(events)

    def test_whoever_comes_back_gets_what_came_since(self, client: Client, place: Place) -> None:
        client.create_cell(place.cell_doc(), no_start=True, timeout=WAIT_S)
        known = list(client.events(place.realm, timeout=WAIT_S))
        for number, each in enumerate(known):
            assert list(client.events(place.realm, since=each.cursor, timeout=WAIT_S)) == known[number + 1 :]
        client.delete_cell(place.reference(), timeout=WAIT_S)
        missed = list(client.events(place.realm, since=known[-1].cursor, timeout=WAIT_S))
        assert E.DELETED in [each.type for each in missed]
        assert list(client.events(place.realm, timeout=WAIT_S)) == known + missed

    def test_events_by_place_and_kind(self, client: Client, place: Place) -> None:
        for name in ("one", "two"):
            client.create_cell(place.cell_doc(name), no_start=True, timeout=WAIT_S)

        def created(*within: str, kinds: tuple[str, ...] = ()) -> list[str]:
            events = client.events(*within, kinds=kinds, timeout=WAIT_S)
            return [each.ref.rpartition("/")[2] for each in events if each.type is E.CREATED]

        assert created(place.realm, place.space, place.stack, "two") == ["two", "web"]
        assert created(place.realm, kinds=("Cell",)) == ["one", "two"]
        assert created(place.realm, kinds=("Space", "Stack")) == [place.space, place.stack]
        assert created(place.realm, "elsewhere") == []
        assert {"one", "two"} <= set(created(kinds=("Cell",)))

    def test_following_goes_on_without_a_gap(self, client: Client, place: Place) -> None:
        client.create_cell(place.cell_doc("one"), no_start=True, timeout=WAIT_S)
        known = list(client.events(place.realm, kinds=("Cell",), timeout=WAIT_S))
        with client.events(
            place.realm, kinds=("Cell",), since=known[0].cursor, follow=True, timeout=WAIT_S
        ) as following:
            assert [next(following) for _ in known[1:]] == known[1:]
            for name in ("two", "three"):
                client.create_cell(place.cell_doc(name), no_start=True, timeout=WAIT_S)
            created: list[str] = []
            while len(created) < 2:
                event = next(following)
                created += [event.ref.rpartition("/")[2]] if event.type is E.CREATED else []
            assert created == ["two", "three"]

    def test_closing_ends_following(self, client: Client, place: Place) -> None:
        seen: list[list[model.Event]] = []
        following = client.events(place.realm, "nothing-happens-here", follow=True, timeout=WAIT_S)
        reading = threading.Thread(target=lambda: seen.append(list(following)))
        reading.start()
        following.close()
        reading.join(WAIT_S)
        following.close()
        assert seen == [[]]
        assert list(following) == []

    def test_a_cursor_of_another_kukeond_means_to_look_again(self, client: Client, place: Place) -> None:
        first, *rest = client.events(place.realm, since="0badcafe-7", timeout=WAIT_S)
        assert first.type is E.RESYNC
        assert first.message
        assert E.CREATED in [each.type for each in rest]
        assert E.RESYNC not in [each.type for each in client.events(since=first.cursor, timeout=WAIT_S)]

    def test_what_is_no_cursor_and_no_kind(self, client: Client) -> None:
        with pytest.raises(errors.Invalid, match="no cursor"):
            list(client.events(since="yesterday", timeout=WAIT_S))
        with pytest.raises(errors.Invalid, match="'Pod'"):
            list(client.events(kinds=["Pod"], timeout=WAIT_S))

    def test_following_for_a_while(self, client: Client, place: Place) -> None:
        following = client.events(place.realm, "nothing-happens-here", follow=True, timeout=0.2)
        with pytest.raises(errors.TimedOut):
            next(following)


def _in_order(wanted: list[model.EventType], found: Iterable[model.EventType]) -> bool:
    left = iter(found)
    return all(each in left for each in wanted)
