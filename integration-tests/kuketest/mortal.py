"""kukeond that kills itself at a chosen moment: `python mortal.py DIRECTORY ARGUMENTS...`.

A launcher of the tests' own around the real program; nothing of it is in the product. What kukeond does is counted in
acts: the steps of plans, the writes of documents and their removals. While DIRECTORY has a file `order`, each act is
noted in `acts`, and the act that the order names ends with SIGKILL, as nothing that is caught could do.
"""

import asyncio
import contextlib
import json
import os
import signal
import sys
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

BEFORE, DURING, AFTER = "before", "during", "after"

DURING_S = 0.004
"""How long an act goes on before it is cut off: most take longer."""


@dataclass(frozen=True)
class Order:
    """To die at the `number`-th act called `act`; with number 0 never, only noting what is done."""

    act: str = ""
    number: int = 0
    when: str = BEFORE

    def __str__(self) -> str:
        return f"{self.when} {self.act} {self.number}"


class Deathbed:
    """The orders of a directory, given and read."""

    def __init__(self, directory: Path) -> None:
        self._order = directory / "order"
        self._acts = directory / "acts"

    def order(self, order: Order) -> None:
        """Have everything from now on counted, and `order` obeyed."""
        self._acts.write_text("")
        fresh = self._order.with_name("order.new")
        fresh.write_text(json.dumps([order.act, order.number, order.when]))
        fresh.rename(self._order)

    def lift(self) -> list[str]:
        """Take the order back and return the acts that were begun under it."""
        self._order.unlink(missing_ok=True)
        return self._acts.read_text().split("\n")[:-1]

    def read(self) -> Order | None:
        with contextlib.suppress(FileNotFoundError):
            act, number, when = json.loads(self._order.read_text())
            return Order(act, number, when)
        return None

    def note(self, act: str) -> None:
        with self._acts.open("a") as acts:
            acts.write(f"{act}\n")


class Mortality:
    """Counts the acts of this process and obeys the orders."""

    def __init__(self, bed: Deathbed) -> None:
        self._bed = bed
        self._counted: Counter[str] = Counter()
        self._under: Order | None = None
        self._lock = threading.Lock()

    def begin(self, act: str) -> str:
        """Count an act; when it is the one, die now or return when."""
        with self._lock:
            order = self._bed.read()
            if order != self._under:
                self._under = order
                self._counted.clear()
            if order is None:
                return ""
            self._counted[act] += 1
            self._bed.note(act)
            if (order.act, order.number) != (act, self._counted[act]):
                return ""
        if order.when == BEFORE:
            die()
        return order.when


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def install(mortality: Mortality) -> None:
    """Put the counting around what kukeond does to the host and to the store."""
    from kukeon_runner import execute, store

    act = execute._act

    async def counted(step: Any, *arguments: Any) -> Any:
        when = mortality.begin(type(step).__name__)
        if when == DURING:
            asyncio.get_running_loop().call_later(DURING_S, die)
        result = await act(step, *arguments)
        if when == AFTER:
            die()
        return result

    execute._act = counted

    def around(name: str, method: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*arguments: Any, **more: Any) -> Any:
            when = mortality.begin(name)
            result = method(*arguments, **more)
            if when:
                die()
            return result

        return counted

    for name, said in (("save", "save"), ("delete", "forget")):
        setattr(store.Store, name, around(said, getattr(store.Store, name)))


if __name__ == "__main__":
    from kukeon_daemon.__main__ import main

    os.environ["GRPC_ENABLE_FORK_SUPPORT"] = "0"  # the runner imports gRPC, before kukeond says so itself
    install(Mortality(Deathbed(Path(sys.argv[1]))))
    sys.exit(main(sys.argv[2:]))
