"""Ctrl-C while kukeond works: kuke ends, kukeond does not."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


EXIT_CODE = 130
"""128 + SIGINT, as shells report it."""


class Interrupted(KeyboardInterrupt):
    """Ctrl-C, and what to know about it."""

    def __init__(self, hint: str) -> None:
        super().__init__()
        self.hint = hint


@contextmanager
def waiting(hint: str) -> Iterator[None]:
    """Have a Ctrl-C in the block say `hint`."""
    try:
        yield
    except Interrupted:
        raise  # whoever did the work knows better what became of it
    except KeyboardInterrupt as exc:
        raise Interrupted(hint) from exc


@contextmanager
def kukeond_goes_on(look: str) -> Iterator[None]:
    """Have a Ctrl-C in the block say that kukeond goes on with what it was asked for, and that `look` shows it."""
    with waiting(f"kukeond goes on with what it has begun; see how far it is: {look}"):
        yield
