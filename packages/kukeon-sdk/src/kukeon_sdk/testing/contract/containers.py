"""The contract of containers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kukeon_api import errors, model
from kukeon_sdk.testing.contract.place import WAIT_S, Placed, raises_kind

if TYPE_CHECKING:
    from kukeon_sdk.client import Client
    from kukeon_sdk.testing.contract.place import Place

READY, STOPPED = model.ContainerState.READY, model.ContainerState.STOPPED


class Containers(Placed):
    """Containers one by one."""

    def test_get_container(self, client: Client, place: Place) -> None:
        client.create_cell(place.cell_doc(), timeout=WAIT_S)
        found = client.get_container(place.container_doc(), timeout=WAIT_S)
        assert (found.cell_metadata_exists, found.container_exists) == (True, True)
        assert found.container.metadata.name == "web"
        assert found.container.spec.image == place.image
        assert found.container.spec.cell_id == "web"
        assert found.container.status is not None
        assert found.container.status.state is READY

    def test_create_container_tells_what_was_there_and_what_it_made(self, client: Client, place: Place) -> None:
        client.create_cell(place.cell_doc(), timeout=WAIT_S)
        doc = place.new_container_doc("side", env=("A=1",))
        first = client.create_container(doc, timeout=WAIT_S)
        assert first.container_created
        assert first.started
        assert (first.cell_metadata_exists_pre, first.cell_metadata_exists_post) == (True, True)
        assert (first.container_exists_pre, first.container_exists_post) == (False, True)
        assert first.container.spec.env == ("A=1",)
        second = client.create_container(doc, timeout=WAIT_S)
        assert not second.container_created
        assert not second.started
        assert (second.container_exists_pre, second.container_exists_post) == (True, True)
        states = {each.name: each.state for each in place.cell().status.containers}
        assert states == {"web": READY, "side": READY}
        assert place.cell().metadata.generation == 2

    def test_creating_a_container_leaves_its_siblings_running(self, client: Client, place: Place) -> None:
        client.create_cell(place.cell_doc(), timeout=WAIT_S)
        before = place.cell().status.containers[0].start_time
        client.create_container(place.new_container_doc("side"), timeout=WAIT_S)
        assert place.cell().status.containers[0].start_time == before

    def test_a_container_that_exists_keeps_its_spec(self, client: Client, place: Place) -> None:
        client.create_cell(place.cell_doc(), timeout=WAIT_S)
        again = client.create_container(place.new_container_doc("web", env=("A=1",)), timeout=WAIT_S)
        assert not again.container_created
        assert again.container.spec.env == ()

    def test_creating_needs_a_cell(self, client: Client, place: Place) -> None:
        with raises_kind("CellNotFound"):
            client.create_container(place.new_container_doc("side", cell="absent"), timeout=WAIT_S)

    def test_delete_container(self, client: Client, place: Place) -> None:
        client.create_cell(place.cell_doc("web", place.container("web"), place.container("side")), timeout=WAIT_S)
        gone = client.delete_container(place.container_doc("side"), timeout=WAIT_S)
        assert (gone.cell_metadata_exists, gone.container_exists) == (True, True)
        assert gone.container.metadata.name == "side"
        assert "container" in gone.deleted
        with raises_kind("ContainerNotFound"):
            client.get_container(place.container_doc("side"), timeout=WAIT_S)
        assert [each.id for each in place.cell().spec.containers] == ["web"]
        assert place.state() is model.CellState.READY

    def test_stop_start_kill_restart(self, client: Client, place: Place) -> None:
        client.create_cell(place.cell_doc("web", place.container("web"), place.container("side")), timeout=WAIT_S)
        doc = place.container_doc("side")

        def state(container: model.ContainerDoc) -> model.ContainerState | None:
            return container.status.state if container.status else None

        stopped = client.stop_container(doc, timeout=WAIT_S)
        assert stopped.stopped
        assert state(stopped.container) is STOPPED
        assert not client.stop_container(doc, timeout=WAIT_S).stopped
        assert place.state() is model.CellState.READY
        started = client.start_container(doc, timeout=WAIT_S)
        assert started.started
        assert state(started.container) is READY
        assert not client.start_container(doc, timeout=WAIT_S).started
        killed = client.kill_container(doc, timeout=WAIT_S)
        assert killed.killed
        assert state(killed.container) is STOPPED
        assert not client.kill_container(doc, timeout=WAIT_S).killed
        client.start_container(doc, timeout=WAIT_S)
        again = client.restart_container(doc, timeout=WAIT_S)
        assert again.restarted
        assert state(again.container) is READY

    def test_a_container_that_is_absent_or_whose_cell_is(self, client: Client, place: Place) -> None:
        client.create_cell(place.cell_doc(), no_start=True, timeout=WAIT_S)
        for verb in (
            client.get_container,
            client.start_container,
            client.stop_container,
            client.kill_container,
            client.restart_container,
            client.delete_container,
            client.log_container,
            client.attach_container,
        ):
            with raises_kind("ContainerNotFound"):
                verb(place.container_doc("absent"), timeout=WAIT_S)
            with raises_kind("CellNotFound"):
                verb(place.container_doc("web", cell="absent"), timeout=WAIT_S)

    def test_the_root_container_lives_with_its_cell(self, client: Client, place: Place) -> None:
        doc = place.cell_doc("web", place.container("base", root=True), place.container("web"))
        client.create_cell(doc, timeout=WAIT_S)
        for verb in (
            client.start_container,
            client.stop_container,
            client.kill_container,
            client.restart_container,
            client.delete_container,
            client.purge_container,
        ):
            with raises_kind("RootContainerRefused") as caught:
                verb(place.container_doc("base"), timeout=WAIT_S)
            # It is about how things are, not about what was said.
            assert isinstance(caught.value, errors.Conflict)
            assert caught.value.hint
            assert str(caught.value).startswith(f"cannot {verb.__name__.partition('_')[0]} container ")
        assert place.state() is model.CellState.READY
        assert len(place.cell().spec.containers) == 2

    def test_lists_are_in_the_order_of_the_manifests_and_filtered(self, client: Client, place: Place) -> None:
        client.create_cell(
            place.cell_doc("one", place.container("web"), place.container("api")), no_start=True, timeout=WAIT_S
        )
        client.create_cell(place.cell_doc("two", place.container("db")), no_start=True, timeout=WAIT_S)

        def ids(*within: str) -> list[str]:
            return [spec.id for spec in client.list_containers(*within, timeout=WAIT_S)]

        assert ids(place.realm) == ["web", "api", "db"]
        assert ids(place.realm, place.space, place.stack, "two") == ["db"]
        assert ids(place.realm, "", "", "one") == ["web", "api"]
        assert ids(place.realm, "", "", "absent") == []
        assert set(ids()) >= {"web", "api", "db"}
        found = client.list_containers(place.realm, timeout=WAIT_S)[0]
        assert (found.realm_id, found.space_id, found.stack_id, found.cell_id) == (
            *(place.realm, place.space, place.stack),
            "one",
        )

    def test_where_the_output_is(self, client: Client, place: Place) -> None:
        client.create_cell(place.cell_doc(), timeout=WAIT_S)
        found = client.log_container(place.container_doc(), timeout=WAIT_S)
        (path,) = (each for each in (found.host_log_path, found.host_capture_path) if each)
        assert path.startswith("/")
        assert "/web/" in path

    def test_attaching_needs_a_terminal(self, client: Client, place: Place) -> None:
        client.create_cell(place.cell_doc(), timeout=WAIT_S)
        with raises_kind("AttachNotSupported") as caught:
            client.attach_container(place.container_doc(), timeout=WAIT_S)
        assert caught.value.hint
