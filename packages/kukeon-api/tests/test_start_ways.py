"""What is said of a container that does not run, the same whoever says it."""

from __future__ import annotations

import pytest

from kukeon_api import model, scope, start_ways

State = model.ContainerState


def cell(*found: tuple[str, State, bool]) -> model.CellDoc:
    return model.CellDoc(
        metadata=model.Metadata(name="web"),
        spec=model.CellSpec(
            realm_id="default",
            space_id="blue",
            stack_id="default",
            containers=tuple(model.ContainerSpec(id=name, image="i", root=root) for name, _, root in found),
        ),
        status=model.CellStatus(
            containers=tuple(model.ContainerStatus(name=name, state=state) for name, state, _ in found)
        ),
    )


@pytest.mark.parametrize(
    ("found", "start"),
    [
        ([("a", State.STOPPED, False)], "cell web"),
        ([("a", State.ERROR, False), ("b", State.EXITED, False)], "cell web"),
        ([("a", State.EXITED, False), ("b", State.READY, False)], "container a --cell web"),
        ([("a", State.EXITED, True), ("b", State.READY, False)], "cell web"),
    ],
)
def test_the_next_command(found: list[tuple[str, State, bool]], start: str) -> None:
    ref = model.Ref("default", "blue", "default", "web", "a")
    error = start_ways.not_running(cell(*found), ref, "attach to")
    state = found[0][1]
    assert str(error) == f"cannot attach to container 'default/blue/default/web/a': it does not run (it is {state})"
    assert error.hint == (
        f"start it: kuke start {start} --space blue; what it wrote: kuke log web --space blue --container a"
    )


def test_one_that_is_stored_as_running_has_just_ended() -> None:
    ref = model.Ref("default", "default", "default", "web", "a")
    error = start_ways.not_running(cell(("a", State.READY, False)), ref, "run 'sh' in")
    assert str(error) == "cannot run 'sh' in container 'default/default/default/web/a': it does not run"


@pytest.mark.parametrize(
    ("parts", "flags"),
    [
        (("default", "default", "default", "web", "main"), ""),
        (("default", "blue", "default", "web"), " --space blue"),
        (("r", "s", "t", "web"), " --realm r --space s --stack t"),
        (("r", "s"), " --realm r"),
        (("r",), ""),
    ],
)
def test_the_flags_that_lead_somewhere(parts: tuple[str, ...], flags: str) -> None:
    assert scope.flags(model.Ref(*parts)) == flags
