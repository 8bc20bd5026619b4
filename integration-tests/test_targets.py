"""Whom attach, exec and log may mean: what is missing, stopped, ambiguous or has no terminal, each with what to do."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from kuketest import manifests
from kuketest.instance import Instance
from kuketest.pseudo_terminal import terminal
from kuketest.waiting import until

WAITS = "trap 'exit 0' TERM; echo said; sleep 3600 & wait $!"


def container(name: str, *, attachable: bool = False) -> dict[str, object]:
    return manifests.container(name, WAITS) | {"attachable": attachable}


@pytest.fixture(scope="module")
def peopled(new_instance: Callable[..., Instance], image_archive: Path) -> Iterator[Instance]:
    """Cells of each kind: `pair` has terminals a and b, and c without one; `plain` has none; `down` is stopped."""
    instance = new_instance()
    instance.start()
    instance.kuke("image", "load", str(image_archive))
    cells = {
        "pair": (container("a", attachable=True), container("b", attachable=True), container("c")),
        "plain": (container("main"),),
        "down": (container("main"),),
        "dark": (container("main", attachable=True),),
    }
    instance.apply(manifests.many(*(manifests.cell(name, *made) for name, made in cells.items())))
    for cell in ("down", "dark"):
        until(lambda cell=cell: "said" in instance.kuke("log", cell).out, f"the word of {cell}")
        instance.kuke("stop", "cell", cell)
    yield instance
    instance.kuke("delete", "cell", *cells)


TRUE = ("--", "true")


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("attach", "pai"), 3, ["cannot find cell", "did you mean 'pair'"]),
        (("attach", "pair"), 2, ["a, b have terminals", "hint: name one: kuke attach pair -c a"]),
        (("attach", "pair", "-c", "x"), 3, ["cannot find container 'x'", "can be attached to a, b"]),
        (("attach", "pair", "-c", "c"), 7, ["has no terminal", "attached to a, b"]),
        (("attach", "plain"), 7, ["none of its containers has a terminal", "kuke log plain"]),
        (
            ("attach", "dark"),
            5,
            ["does not run", "hint: start it: kuke start cell dark;", "kuke log dark"],
        ),
        (("exec", "pai", *TRUE), 3, ["cannot find cell", "did you mean 'pair'"]),
        (("exec", "pair", *TRUE), 2, ["it has a, b, c", "hint: name one: kuke exec pair -c a -- COMMAND"]),
        (("exec", "pair", "-c", "x", *TRUE), 3, ["cannot find container 'x'", "it has a, b, c"]),
        (("exec", "down", *TRUE), 5, ["is Stopped", "hint: start it: kuke start cell down"]),
        (("exec", "plain", *TRUE), 0, []),
        (("log", "pai"), 3, ["cannot find cell", "did you mean 'pair'"]),
        (("log", "pair"), 2, ["it has a, b, c", "hint: name one: kuke log pair -c a"]),
        (("log", "pair", "-c", "x"), 3, ["cannot find container", "it has a, b, c"]),
        (("log", "down"), 0, ["said"]),
        (("log", "dark"), 0, ["said"]),
        (("log", "plain"), 0, ["said"]),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_what_is_said_of_whom_is_meant(
    peopled: Instance, arguments: tuple[str, ...], code: int, words: list[str]
) -> None:
    command = [str(peopled.programs / "kuke"), *arguments]
    with terminal(command, peopled.environment(), str(peopled.home)) as at:
        assert at.ends() == code, at.seen
        said = at.seen.decode().replace("\r\n", "\n")
    for each in words:
        assert each in said
