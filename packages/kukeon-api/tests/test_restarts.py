"""Who is started again, and when: pure decisions."""

from __future__ import annotations

import datetime as dt
from typing import Any

import msgspec
import pytest

from kukeon_api import endings, model, restarts

NOW = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
S = model.ContainerState


def container(name: str, **fields: Any) -> model.ContainerSpec:
    return model.ContainerSpec(id=name, image="busybox", **fields)


def cell(name: str, *containers: model.ContainerSpec) -> model.CellDoc:
    spec = model.CellSpec(realm_id="default", space_id="default", stack_id="default", containers=containers)
    return model.CellDoc(metadata=model.Metadata(name=name), spec=spec)


def after(seconds: float) -> dt.datetime:
    return NOW + dt.timedelta(seconds=seconds)


def of(policy: str, state: S, **fields: Any) -> model.ContainerStatus:
    """The status of a container after it was looked at."""
    settings = {each: fields.pop(each) for each in ("restart_backoff_seconds", "restart_max_retries") if each in fields}
    desired = fields.pop("desired", model.DesiredState.RUNNING)
    status = model.ContainerStatus(**{"name": "web", "state": state, "start_time": NOW, "finish_time": NOW} | fields)
    doc = cell("hello", container("web", restart_policy=policy, **settings))
    cell_status = model.CellStatus(desired=desired, state=model.CellState.ERROR, containers=(status,))
    return restarts.scheduled(doc, cell_status, NOW, lambda: 0.0).containers[0]


@pytest.mark.parametrize(
    ("policy", "state", "comes_back"),
    [
        ("", S.ERROR, False),
        ("no", S.ERROR, False),
        ("on-failure", S.ERROR, True),
        ("on-failure", S.EXITED, False),
        ("always", S.ERROR, True),
        ("always", S.EXITED, True),
        ("unless-stopped", S.EXITED, True),
        ("always", S.READY, False),
        ("always", S.STOPPED, False),
        ("always", S.UNKNOWN, False),
    ],
)
def test_policies(policy: str, state: S, comes_back: bool) -> None:
    assert (of(policy, state).next_restart is not None) is comes_back


@pytest.mark.parametrize("policy", ["always", "unless-stopped", "on-failure"])
def test_what_a_person_ended_stays_down(policy: str) -> None:
    assert of(policy, S.ERROR, reason=endings.ASKED_TO_END).next_restart is None
    assert of(policy, S.ERROR, desired=model.DesiredState.STOPPED, next_restart=NOW).next_restart is None


def test_the_first_start_comes_at_once_and_each_further_one_later() -> None:
    pauses = []
    for attempts in range(12):
        due = of("always", S.ERROR, restart_attempts=attempts).next_restart
        assert due is not None
        pauses.append((due - NOW).total_seconds())
    assert pauses == [0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]


def test_the_pause_can_be_chosen() -> None:
    assert of("always", S.ERROR, restart_attempts=1, restart_backoff_seconds=30).next_restart == after(30)
    assert of("always", S.ERROR, restart_attempts=9, restart_backoff_seconds=0).next_restart == NOW


def test_chance_adds_a_little_to_a_pause() -> None:
    doc = cell("hello", container("web", restart_policy="always"))
    status = model.ContainerStatus(name="web", state=S.ERROR, start_time=NOW, finish_time=NOW, restart_attempts=5)
    late = restarts.scheduled(doc, model.CellStatus(containers=(status,)), NOW, lambda: 1.0).containers[0]
    assert late.next_restart == after(16 * 1.1)


def test_a_time_that_is_set_stays() -> None:
    assert of("always", S.ERROR, restart_attempts=8, next_restart=after(77)).next_restart == after(77)


def test_unless_the_clock_was_set_back() -> None:
    later = {"start_time": after(6999), "finish_time": after(7000), "restart_time": after(6999)}
    again = of("always", S.ERROR, restart_attempts=8, next_restart=after(7077), **later)
    assert (again.next_restart, again.restart_attempts) == (after(128), 8)


@pytest.mark.parametrize("state", [S.STOPPED, S.NOT_CREATED])
def test_a_start_that_came_to_nothing_is_tried_again_whatever_it_left(state: S) -> None:
    assert of("always", state).next_restart is None
    for policy in ("always", "on-failure"):
        assert of(policy, state, reason=restarts.RESTART_FAILED, restart_attempts=1).next_restart == after(1)
    assert of("always", S.READY, reason=restarts.RESTART_FAILED).next_restart is None


def test_whoever_ran_for_a_while_starts_anew() -> None:
    ran = of("always", S.ERROR, restart_attempts=7, start_time=after(-61), finish_time=NOW)
    assert (ran.restart_attempts, ran.next_restart) == (0, NOW)
    # But not when the start since then came to nothing: the times are those of the run before.
    failed = of("always", S.ERROR, restart_attempts=7, start_time=after(-99), finish_time=after(-30), restart_time=NOW)
    assert (failed.restart_attempts, failed.next_restart) == (7, after(64))


def test_failures_in_a_row_have_an_end() -> None:
    given_up = of("on-failure", S.ERROR, restart_attempts=5)
    assert (given_up.next_restart, given_up.reason) == (None, restarts.GIVEN_UP)
    assert "6 times" in given_up.message
    assert of("on-failure", S.ERROR, restart_attempts=5, restart_max_retries=6).next_restart is not None
    assert of("always", S.ERROR, restart_attempts=500).next_restart is not None
    assert of("on-failure", S.ERROR, reason=restarts.GIVEN_UP).next_restart is None


def test_a_cell_is_degraded_while_one_of_it_is_to_come_back() -> None:
    doc = cell("hello", container("web", restart_policy="always"))
    status = model.CellStatus(
        state=model.CellState.ERROR, containers=(model.ContainerStatus(name="web", state=S.ERROR),)
    )
    assert restarts.scheduled(doc, status, NOW, lambda: 0.0).state is model.CellState.DEGRADED


def test_an_attempt_is_counted_and_a_person_forgives() -> None:
    status = model.CellStatus(containers=(of("always", S.ERROR, restart_attempts=2), of("no", S.ERROR)))
    (web, other) = restarts.started(status, "web", after(4)).containers[:2]
    assert (web.restart_count, web.restart_attempts, web.restart_time, web.next_restart) == (1, 3, after(4), None)
    assert other.restart_count == 1  # same name here; by name alone
    forgiven = restarts.forgiven(msgspec.structs.replace(status, containers=(web,))).containers[0]
    assert (forgiven.restart_attempts, forgiven.restart_count) == (0, 1)


def unpulled(doc: model.CellDoc, *, again: bool = True, chance: float = 0.0) -> model.CellDoc:
    status = restarts.unpulled(doc, {"web"}, "the registry is away", NOW, lambda: chance, again=again)
    return msgspec.structs.replace(doc, status=status)


def test_pulls_wait_longer_each_time_and_have_no_end() -> None:
    doc = cell("hello", container("web", restart_policy="on-failure"), container("other"))
    pauses = []
    for _ in range(12):
        doc = unpulled(doc)
        (web, other) = doc.status.containers
        assert web.next_restart is not None
        pauses.append((web.next_restart - NOW).total_seconds())
        assert restarts.scheduled(doc, doc.status, NOW, lambda: 0.0) == doc.status
    assert pauses == [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300]
    assert (web.reason, web.message) == (restarts.IMAGE_PULL_FAILED, "the registry is away")
    assert (other.reason, other.next_restart, other.state) == ("", None, S.NOT_CREATED)
    started = restarts.started(doc.status, "web", NOW).containers[0]
    assert started.restart_attempts == 1, "pulls are no starts that failed"
    assert restarts.forgiven(doc.status).containers[0].reason == ""


@pytest.mark.parametrize(("seconds", "first"), [(None, 1), (0, 1), (20, 20)])
def test_the_pause_between_pulls_can_be_longer_but_not_nothing(seconds: int | None, first: int) -> None:
    doc = cell("hello", container("web", restart_policy="always", restart_backoff_seconds=seconds))
    assert unpulled(doc).status.containers[0].next_restart == after(first)
    assert unpulled(doc, chance=1.0).status.containers[0].next_restart == after(first * 1.1)


def test_what_is_not_to_be_pulled_again_has_no_time() -> None:
    doc = unpulled(cell("hello", container("web", restart_policy="always")))
    for status in (
        msgspec.structs.replace(doc.status, desired=model.DesiredState.STOPPED),
        msgspec.structs.replace(doc.status, state=model.CellState.FAILED),
        unpulled(doc, again=False).status,
    ):
        assert restarts.next_due(restarts.scheduled(doc, status, NOW, lambda: 0.0)) is None


def test_a_pull_waits_for_its_time() -> None:
    doc = unpulled(cell("hello", container("web", restart_policy="always")))
    assert restarts.pulled_later(doc.status, NOW)
    assert not restarts.pulled_later(doc.status, after(1))
    assert restarts.due(doc.status, after(1)) == ("web",)


@pytest.mark.parametrize(
    ("policies", "again"), [(("", "no"), False), (("no", "always"), True), (("on-failure",), True), ((), False)]
)
def test_a_cell_that_is_to_be_kept_running_has_its_pulls_tried_again(policies: tuple[str, ...], again: bool) -> None:
    containers = (container(f"c{at}", restart_policy=policy) for at, policy in enumerate(policies))
    assert restarts.pulled_again(cell("hello", *containers)) is again
