"""What makes the terminals of a cell right, beyond the types of their fields."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kukeon_api import model
from kukeon_api.errors import Problem

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_TYPED_BYTES = 64 * 1024
"""Of all that is typed into a fresh terminal: what is longer belongs into a file of the image."""


def container(spec: model.ContainerSpec) -> Iterator[Problem]:
    """Yield what is wrong with the terminal of one container, with paths below its own."""
    if spec.tty is None or spec.tty == model.ContainerTty():
        return
    if not spec.attachable:
        yield Problem(
            path="tty",
            message="is for a container with a terminal, and this one has none",
            suggestion="say attachable: true",
        )
    # Typed keys are commands: one that is not to be seen would be a trap.
    if any((ord(character) < 32 and character != "\x1b") or ord(character) == 127 for character in spec.tty.prompt):
        yield Problem(path="tty.prompt", message="must be one line without control characters but escape")
    typed = sum(len(stage.script.encode("utf-8", "surrogatepass")) for stage in spec.tty.on_init)
    if typed > MAX_TYPED_BYTES:
        yield Problem(path="tty.onInit", message=f"has {typed} bytes to type: {MAX_TYPED_BYTES} at most")
    for index, stage in enumerate(spec.tty.on_init):
        if "\0" in stage.script:
            yield Problem(path=f"tty.onInit[{index}].script", message="must not contain a null character")


def cell(spec: model.CellSpec) -> Iterator[Problem]:
    """Yield what is wrong with the choice of the container that `kuke attach` picks."""
    default = spec.tty.default if spec.tty is not None else ""
    if not default:
        return
    attachable = sorted(each.id for each in spec.containers if each.attachable)
    if default in attachable:
        return
    there = any(each.id == default for each in spec.containers)
    yield Problem(
        path="spec.tty.default",
        message=f"container {default!r} is not attachable" if there else f"there is no container {default!r}",
        suggestion=f"one of {', '.join(attachable)}" if attachable else "say attachable: true for a container",
    )
