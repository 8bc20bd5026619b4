"""The same work on several names: each is done, a failure stops none of the others, the exit code tells."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from kukeon_api import errors
from kukeon_cli import failures, interruption, terminal

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

Item = TypeVar("Item")
Done = TypeVar("Done")


def each(
    items: Sequence[Item], work: Callable[[Item], Done], doing: Callable[[Item], str], look: str
) -> tuple[list[tuple[Item, Done]], int]:
    """Do `work` on each item and return what was done, with the exit code of it all, see `tried`.

    `doing` names the work while it takes long, `look` is the command that shows how far it is.
    """

    def shown(item: Item) -> Done:
        with interruption.kukeond_goes_on(look), terminal.Progress(doing(item)):
            return work(item)

    return tried(items, shown)


def tried(items: Sequence[Item], work: Callable[[Item], Done]) -> tuple[list[tuple[Item, Done]], int]:
    """Do `work`, which says itself how far it is, on each item, and return what was done, with the exit code of it all.

    With several items an error is printed and the next one is tried; the error of a single one is raised.
    """
    done: list[tuple[Item, Done]] = []
    codes = []
    told: set[str] = set()
    for item in items:
        try:
            done.append((item, work(item)))
        except errors.KukeonError as exc:
            if len(items) == 1:
                raise
            failures.error(exc, hint="" if exc.hint in told else exc.hint)
            told.add(exc.hint)
            codes.append(exc.exit_code)
        else:
            codes.append(0)
    return done, failures.code_of_several(codes)


def one_or_many(values: Sequence[object], asked: int) -> object:
    """Return what programs get: the result itself when one was asked for, else the list of results."""
    return values[0] if asked == 1 and values else list(values)
