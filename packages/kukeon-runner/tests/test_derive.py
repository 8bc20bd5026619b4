"""States: what people are told of what was seen."""

from __future__ import annotations

import datetime as dt
from typing import Any

import msgspec
import pytest

from kukeon_api import endings, model, restarts
from kukeon_runner import derive, observed, wanted
from kukeon_runner.instance import Instance
from kukeon_runner.layout import Layout
from kukeon_runner.observed import TaskStatus
from kukeon_runner.testing.cells import cell, container

CellState, ContainerState = model.CellState, model.ContainerState
THEN = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
NOW = THEN + dt.timedelta(hours=1)
ENDED = THEN + dt.timedelta(minutes=5)
BEGUN = cell("hello", container("a"), container("b"))
DOC = msgspec.structs.replace(BEGUN, status=model.CellStatus(state=CellState.READY))
LAYOUT = Layout(Instance("0badcafe", "/k", "kukeon.io", "/kukeon", "10.88.0.0/16"))
ABLE = observed.Abilities("x86_64", "6.1")
SITE = wanted.Site.of(LAYOUT, model.ref_of(DOC), "default.kukeon.io", cgroup_files=True, nofile=1024, host=ABLE)

ABSENT = None
UNRECORDED = observed.Container(recorded=False, snapshot=True)
IDLE = observed.Container(recorded=True)


def task(status: TaskStatus, code: int | None = None) -> observed.Container:
    ended = None if code is None else observed.Exit(code, ENDED)
    return observed.Container(recorded=True, task=observed.Task(status, 1, ended))


RUNS = task(TaskStatus.RUNNING)
ENDED_WELL = task(TaskStatus.STOPPED, 0)
ENDED_BADLY = task(TaskStatus.STOPPED, 3)


def seen(
    a: observed.Container | None,
    b: observed.Container | None,
    root: observed.Container | None = RUNS,
    **fields: Any,
) -> observed.Cell:
    by_name = {"root": root, "a": a, "b": b}
    containers = {f"default_default_hello_{name}": each for name, each in by_name.items() if each is not None}
    return observed.Cell(**{"cgroup": True, "pinned": True, "shm": True} | fields, containers=containers)


def with_status(**fields: Any) -> model.CellDoc:
    return msgspec.structs.replace(DOC, status=msgspec.structs.replace(DOC.status, **fields))


def status_of(before: model.CellDoc, found: observed.Cell, **exits: observed.Exit) -> model.CellStatus:
    by_id = {f"default_default_hello_{name}": each for name, each in exits.items()}
    return derive.cell(before, SITE, found, by_id, NOW)


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (ABSENT, ContainerState.NOT_CREATED),
        (UNRECORDED, ContainerState.NOT_CREATED),
        (IDLE, ContainerState.STOPPED),
        (task(TaskStatus.CREATED), ContainerState.PENDING),
        (RUNS, ContainerState.READY),
        (task(TaskStatus.PAUSED), ContainerState.PAUSED),
        (task(TaskStatus.PAUSING), ContainerState.PAUSING),
        (task(TaskStatus.UNKNOWN), ContainerState.UNKNOWN),
        (ENDED_WELL, ContainerState.EXITED),
        (ENDED_BADLY, ContainerState.ERROR),
        (task(TaskStatus.STOPPED), ContainerState.EXITED),
    ],
)
def test_states_of_a_container(found: observed.Container | None, expected: model.ContainerState) -> None:
    assert status_of(DOC, seen(found, RUNS)).containers[0].state is expected


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        (RUNS, RUNS, CellState.READY),
        (RUNS, ENDED_WELL, CellState.READY),
        (RUNS, IDLE, CellState.READY),
        (RUNS, ABSENT, CellState.READY),
        (RUNS, task(TaskStatus.UNKNOWN), CellState.READY),
        (task(TaskStatus.PAUSED), ENDED_WELL, CellState.READY),
        (task(TaskStatus.CREATED), ENDED_WELL, CellState.READY),
        (RUNS, ENDED_BADLY, CellState.DEGRADED),
        (task(TaskStatus.PAUSING), ENDED_BADLY, CellState.DEGRADED),
        (ENDED_WELL, task(TaskStatus.UNKNOWN), CellState.UNKNOWN),
        (ENDED_BADLY, task(TaskStatus.UNKNOWN), CellState.UNKNOWN),
        (ENDED_BADLY, ENDED_WELL, CellState.ERROR),
        (ENDED_BADLY, IDLE, CellState.ERROR),
        (ENDED_WELL, ENDED_WELL, CellState.EXITED),
        (ENDED_WELL, IDLE, CellState.STOPPED),
        (IDLE, IDLE, CellState.STOPPED),
        (ABSENT, ABSENT, CellState.STOPPED),
    ],
)
def test_states_of_a_cell(
    a: observed.Container | None, b: observed.Container | None, expected: model.CellState
) -> None:
    assert status_of(DOC, seen(a, b)).state is expected


def test_a_cell_is_pending_until_whoever_brings_it_up_is_done() -> None:
    assert status_of(BEGUN, seen(RUNS, RUNS)).state is CellState.PENDING
    stopped = msgspec.structs.replace(BEGUN.status, desired=model.DesiredState.STOPPED)
    assert status_of(msgspec.structs.replace(BEGUN, status=stopped), seen(IDLE, IDLE)).state is CellState.STOPPED


@pytest.mark.parametrize("root", [RUNS, IDLE, ABSENT, ENDED_BADLY])
def test_the_root_container_does_not_count_beside_workloads(root: observed.Container | None) -> None:
    assert status_of(DOC, seen(RUNS, RUNS, root)).state is CellState.READY
    assert status_of(DOC, seen(ENDED_WELL, ENDED_WELL, root)).state is CellState.EXITED


@pytest.mark.parametrize(
    ("root", "expected"),
    [
        (RUNS, CellState.READY),
        (ENDED_WELL, CellState.EXITED),
        (ENDED_BADLY, CellState.ERROR),
        (IDLE, CellState.STOPPED),
        (task(TaskStatus.UNKNOWN), CellState.UNKNOWN),
    ],
)
def test_the_users_own_root_container_alone_is_the_cell(root: observed.Container, expected: model.CellState) -> None:
    doc = msgspec.structs.replace(cell("hello", container("main", root=True)), status=DOC.status)
    assert derive.cell(doc, SITE, seen(ABSENT, ABSENT, root), {}, NOW).state is expected


def test_a_cell_without_its_cgroup_is_unknown_until_it_is_there_again() -> None:
    lost = status_of(DOC, seen(RUNS, RUNS, cgroup=False))
    assert (lost.state, lost.cgroup_ready) == (CellState.UNKNOWN, False)
    again = derive.cell(msgspec.structs.replace(DOC, status=lost), SITE, seen(RUNS, RUNS), {}, NOW)
    assert (again.state, again.cgroup_ready, again.cgroup_path) == (CellState.READY, True, SITE.cgroup)


@pytest.mark.parametrize("a", [ABSENT, IDLE, ENDED_WELL, ENDED_BADLY, task(TaskStatus.UNKNOWN)])
def test_a_cell_that_is_wanted_down_is_stopped_whatever_its_codes(a: observed.Container | None) -> None:
    status = status_of(with_status(desired=model.DesiredState.STOPPED), seen(a, ENDED_BADLY))
    assert status.state is CellState.STOPPED
    assert (status.reason, status.message) == ("", "")
    assert ContainerState.ERROR not in {each.state for each in status.containers}


def test_what_still_runs_in_a_cell_that_is_wanted_down_shows() -> None:
    status = status_of(with_status(desired=model.DesiredState.STOPPED), seen(RUNS, ENDED_BADLY))
    assert status.state is CellState.READY


class TestFailure:
    """A cell that could not be brought up says why until it is up."""

    BEFORE = with_status(state=CellState.FAILED, reason="CreateCellFailed", message="no such image")

    @pytest.mark.parametrize("a", [ABSENT, IDLE, ENDED_WELL, ENDED_BADLY])
    @pytest.mark.parametrize("cgroup", [True, False])
    def test_sticks(self, a: observed.Container | None, cgroup: bool) -> None:
        status = status_of(self.BEFORE, seen(a, ABSENT, ABSENT, cgroup=cgroup))
        assert (status.state, status.reason, status.message) == (CellState.FAILED, "CreateCellFailed", "no such image")

    def test_ends_when_something_runs(self) -> None:
        status = status_of(self.BEFORE, seen(RUNS, RUNS))
        assert (status.state, status.reason, status.message) == (CellState.READY, "", "")


@pytest.mark.parametrize(
    ("code", "words"), [(3, "exited with code 3"), (137, "was ended by SIGKILL"), (143, "was ended by SIGTERM")]
)
def test_an_error_names_the_container_and_how_it_ended(code: int, words: str) -> None:
    status = status_of(DOC, seen(ENDED_WELL, task(TaskStatus.STOPPED, code)))
    assert (status.reason, status.message) == ("WorkloadFailed", f"container 'b' {words}")


class TestCarryingOn:
    """What a runtime cannot tell survives every look."""

    def test_when_it_was_created_and_started(self) -> None:
        first = status_of(DOC, seen(RUNS, RUNS))
        a = first.containers[0]
        assert (a.name, a.id, a.created_at, a.start_time) == ("a", "default_default_hello_a", NOW, NOW)
        later = derive.cell(
            msgspec.structs.replace(DOC, status=first), SITE, seen(RUNS, RUNS), {}, NOW + dt.timedelta(hours=1)
        )
        assert later.containers == first.containers

    def test_a_container_that_ended_and_runs_again_started_now(self) -> None:
        running = model.ContainerStatus(name="a", state=ContainerState.READY, created_at=THEN, start_time=THEN)
        before = with_status(containers=(running,))
        assert status_of(before, seen(RUNS, RUNS)).containers[0].start_time == THEN
        # The verb that starts it again ended it before, and nobody looked in between.
        again = status_of(before, seen(RUNS, RUNS), a=observed.Exit(0, ENDED)).containers[0]
        assert (again.start_time, again.created_at, again.exit_code) == (NOW, THEN, None)

    def test_a_life_too_short_to_be_seen_has_its_start_as_well(self) -> None:
        blamed = {"oom_killed": True, "reason": derive.OOM_KILLED, "message": "it used more memory than it may"}
        old = model.ContainerStatus(name="a", state=ContainerState.READY, start_time=THEN, **blamed)  # type: ignore[arg-type]
        began = ENDED - dt.timedelta(milliseconds=5)
        starts = {"default_default_hello_a": began, "default_default_hello_b": began}
        status = derive.cell(with_status(containers=(old,)), SITE, seen(ENDED_BADLY, RUNS), {}, NOW, starts)
        a, b = status.containers
        assert (a.state, a.start_time, a.finish_time) == (ContainerState.ERROR, began, ENDED)
        assert (a.oom_killed, a.reason, a.message) == (False, "", "")  # that was the run before
        assert (b.state, b.start_time) == (ContainerState.READY, began)
        assert (a.created_at, b.created_at) == (began, began)

    def test_code_signal_and_time_of_an_exit_move_together(self) -> None:
        status = status_of(DOC, seen(task(TaskStatus.STOPPED, 139), ENDED_WELL))
        a, b = status.containers
        assert (a.exit_code, a.exit_signal, a.finish_time) == (139, "SIGSEGV", ENDED)
        assert (b.exit_code, b.exit_signal, b.finish_time) == (0, "", ENDED)

    def test_the_exit_of_a_deleted_task_comes_from_its_deletion(self) -> None:
        down = with_status(desired=model.DesiredState.STOPPED)
        stopped = status_of(down, seen(IDLE, IDLE), a=observed.Exit(143, ENDED))
        a, b = stopped.containers
        assert (a.state, a.exit_code, a.exit_signal, a.finish_time) == (ContainerState.STOPPED, 143, "SIGTERM", ENDED)
        assert (b.exit_code, b.finish_time) == (None, None)
        later = derive.cell(msgspec.structs.replace(down, status=stopped), SITE, seen(IDLE, IDLE), {}, NOW)
        assert later.containers == stopped.containers

    def test_an_exit_without_a_time_is_timed_once(self) -> None:
        timeless = observed.Container(recorded=True, task=observed.Task(TaskStatus.STOPPED, 1, observed.Exit(1, None)))
        first = status_of(DOC, seen(timeless, RUNS))
        assert first.containers[0].finish_time == NOW
        later = derive.cell(
            msgspec.structs.replace(DOC, status=first), SITE, seen(timeless, RUNS), {}, NOW + dt.timedelta(hours=1)
        )
        assert later.containers[0].finish_time == NOW

    def test_a_running_container_has_no_exit(self) -> None:
        ended = model.ContainerStatus(
            name="a",
            state=ContainerState.ERROR,
            exit_code=137,
            exit_signal="SIGKILL",
            finish_time=ENDED,
            reason="x",
            message="y",
        )
        a = status_of(with_status(containers=(ended,)), seen(RUNS, RUNS)).containers[0]
        assert (a.exit_code, a.exit_signal, a.finish_time, a.reason, a.message) == (None, "", None, "", "")
        assert a.start_time == NOW

    def test_a_container_that_left_the_manifest_leaves_the_status(self) -> None:
        before = with_status(containers=(model.ContainerStatus(name="old"),))
        assert [each.name for each in status_of(before, seen(RUNS, RUNS)).containers] == ["a", "b"]

    def test_a_cell_was_ready_once(self) -> None:
        ready = status_of(DOC, seen(RUNS, RUNS))
        assert ready.ready_observed
        assert status_of(msgspec.structs.replace(DOC, status=ready), seen(IDLE, IDLE)).ready_observed
        assert not status_of(DOC, seen(IDLE, IDLE)).ready_observed

    def test_the_bridge_stays_when_the_address_goes(self) -> None:
        before = with_status(network=model.CellNetworkStatus(bridge_name="k-1"))
        up = status_of(before, seen(RUNS, RUNS, address=observed.Address("10.88.0.2/24", "10.88.0.1")))
        assert up.network == model.CellNetworkStatus(bridge_name="k-1", address="10.88.0.2/24", gateway="10.88.0.1")
        down = status_of(msgspec.structs.replace(DOC, status=up), seen(IDLE, IDLE))
        assert down.network == model.CellNetworkStatus(bridge_name="k-1")

    def test_what_generation_was_looked_at(self) -> None:
        doc = msgspec.structs.replace(DOC, metadata=msgspec.structs.replace(DOC.metadata, generation=7))
        assert derive.cell(doc, SITE, seen(RUNS, RUNS), {}, NOW).observed_generation == 7


class TestEndsThatNobodySaw:
    """A task that vanished is told apart from one that was ended by a verb, and from a reboot."""

    RAN = model.ContainerStatus(name="a", state=ContainerState.READY, start_time=THEN)

    def test_a_shim_that_went_takes_its_task_along(self) -> None:
        status = status_of(with_status(containers=(self.RAN,)), seen(IDLE, RUNS))
        a = status.containers[0]
        assert (a.state, a.reason, a.exit_code, a.finish_time) == (ContainerState.ERROR, derive.SHIM_LOST, None, NOW)
        assert status.state is CellState.DEGRADED
        later = derive.cell(
            msgspec.structs.replace(DOC, status=status), SITE, seen(IDLE, IDLE), {}, NOW + dt.timedelta(hours=1)
        )
        assert later.containers[0] == a
        assert (later.state, later.reason) == (CellState.ERROR, "WorkloadFailed")
        assert later.message == "container 'a' was lost: its shim ended with it"

    @pytest.mark.parametrize(
        ("before", "fields", "cell_status"),
        [
            (RAN, {"pinned": False}, {}),
            (RAN, {}, {"desired": model.DesiredState.STOPPED}),
            (msgspec.structs.replace(RAN, reason=endings.ASKED_TO_END), {}, {}),
            (msgspec.structs.replace(RAN, state=ContainerState.STOPPED), {}, {}),
            (msgspec.structs.replace(RAN, start_time=None), {}, {}),
        ],
    )
    def test_but_not_a_reboot_nor_a_verb_nor_one_that_did_not_run(
        self, before: model.ContainerStatus, fields: dict[str, Any], cell_status: dict[str, Any]
    ) -> None:
        status = status_of(with_status(containers=(before,), **cell_status), seen(IDLE, RUNS, **fields))
        assert status.containers[0].state is ContainerState.STOPPED
        assert status.containers[0].finish_time is None

    def test_a_lost_container_that_runs_again_is_lost_no_more(self) -> None:
        lost = status_of(with_status(containers=(self.RAN,)), seen(IDLE, RUNS))
        a = status_of(msgspec.structs.replace(DOC, status=lost), seen(RUNS, RUNS)).containers[0]
        assert (a.state, a.reason, a.message, a.start_time) == (ContainerState.READY, "", "", NOW)


class TestSingleContainersThatWereAskedToEnd:
    ASKED = model.ContainerStatus(name="a", state=ContainerState.READY, start_time=THEN, reason=endings.ASKED_TO_END)

    @pytest.mark.parametrize("a", [IDLE, ENDED_WELL, ENDED_BADLY, task(TaskStatus.STOPPED, 137)])
    def test_are_stopped_whatever_their_code(self, a: observed.Container) -> None:
        status = status_of(with_status(containers=(self.ASKED,)), seen(a, RUNS))
        assert (status.containers[0].state, status.state) == (ContainerState.STOPPED, CellState.READY)
        again = status_of(msgspec.structs.replace(DOC, status=status), seen(a, RUNS))
        assert again.containers == status.containers

    def test_until_they_run_again(self) -> None:
        running = status_of(with_status(containers=(self.ASKED,)), seen(RUNS, RUNS))
        assert running.containers[0].reason == ""
        ended = status_of(msgspec.structs.replace(DOC, status=running), seen(ENDED_BADLY, RUNS))
        assert ended.containers[0].state is ContainerState.ERROR


class TestWhatWasBegun:
    """A look leaves a container that is to be started as it is stored, until it runs or nobody wants it any more."""

    WEB = model.ContainerStatus(name="a", state=ContainerState.PENDING, start_time=THEN)

    @pytest.mark.parametrize("found", [ABSENT, UNRECORDED, IDLE, ENDED_WELL, ENDED_BADLY])
    def test_it_stays_pending(self, found: observed.Container | None) -> None:
        status = status_of(with_status(containers=(self.WEB,)), seen(found, RUNS))
        assert (status.state, status.containers[0].state) == (CellState.READY, ContainerState.PENDING)
        assert status.containers[0].reason == "", "nothing was lost"

    def test_it_runs(self) -> None:
        status = status_of(with_status(containers=(self.WEB,)), seen(RUNS, RUNS))
        assert status.containers[0].state is ContainerState.READY

    def test_how_it_ended_is_kept(self) -> None:
        ended = derive.ended(self.WEB, observed.Exit(3, ENDED), asked=False)
        assert (ended.state, ended.exit_code, ended.finish_time) == (ContainerState.PENDING, 3, ENDED)
        status = status_of(with_status(containers=(ended,)), seen(IDLE, RUNS))
        assert (status.containers[0].state, status.containers[0].exit_code) == (ContainerState.PENDING, 3)

    def test_nobody_wants_it(self) -> None:
        asked = msgspec.structs.replace(self.WEB, reason=endings.ASKED_TO_END)
        assert status_of(with_status(containers=(asked,)), seen(IDLE, RUNS)).containers[0].state is (
            ContainerState.STOPPED
        )
        down = with_status(containers=(self.WEB,), desired=model.DesiredState.STOPPED)
        assert status_of(down, seen(IDLE, IDLE)).containers[0].state is ContainerState.STOPPED

    def test_a_cell_says_which_image_it_waits_for(self) -> None:
        lacking = msgspec.structs.replace(self.WEB, reason=restarts.IMAGE_PULL_FAILED, message="no such tag")
        doc = with_status(containers=(lacking,), state=CellState.PENDING)
        status = status_of(doc, seen(ABSENT, ABSENT, ABSENT))
        assert (status.state, status.reason) == (CellState.PENDING, restarts.IMAGE_PULL_FAILED)
        assert status.message == "container 'a': no such tag"
        wordy = msgspec.structs.replace(lacking, message="ü" * 128)
        told = status_of(with_status(containers=(wordy,), state=CellState.PENDING), seen(ABSENT, ABSENT, ABSENT))
        assert len(told.message.encode()) <= derive.MESSAGE_LIMIT_BYTES
        down = msgspec.structs.replace(
            doc, status=msgspec.structs.replace(doc.status, desired=model.DesiredState.STOPPED)
        )
        stopped = status_of(down, seen(ABSENT, ABSENT, ABSENT))
        assert (stopped.state, stopped.reason, stopped.containers[0].reason) == (CellState.STOPPED, "", "")
