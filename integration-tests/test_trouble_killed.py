"""kukeond is killed at every step of what it does to a cell: the next one finishes it, and leaves and loses nothing."""

import itertools
import os
import signal
import socket
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from kuketest import manifests, mortal, remains, traces
from kuketest.instance import Instance
from kuketest.mortal import Order
from kuketest.waiting import until
from kuketest.web import wait_page

CELL = "web"
PEER = "peer"
SECRET = "hush"
WRITES = ("save", "forget")
"""Acts that are over too soon to be cut off in the middle; how they are done is tested with the store."""


class MortalInstance(Instance):
    """An instance whose kukeond dies when it is told to."""

    @property
    def deathbed(self) -> mortal.Deathbed:
        return mortal.Deathbed(self.home)

    def serve_command(self, *more: str) -> list[str]:
        return [str(self.programs / "python"), mortal.__file__, str(self.home), *super().serve_command(*more)[1:]]


@dataclass(frozen=True)
class Verb:
    """What is asked of kukeond, of a cell in which state, and in which states it may be found afterwards."""

    arguments: tuple[str, ...]
    before: str
    after: tuple[str, ...]


VERBS = {
    "stop": Verb(("stop", "cell", CELL), "running", ("stopped",)),
    "start": Verb(("start", "cell", CELL), "stopped", ("running",)),
    "restart": Verb(("restart", "cell", CELL), "running", ("running",)),
    # What a kill leaves to look at may be taken away by whoever finishes it.
    "kill": Verb(("kill", "cell", CELL), "running", ("killed", "stopped")),
    "delete": Verb(("delete", "cell", CELL), "running", ("absent",)),
    "purge": Verb(("purge", "cell", CELL), "running", ("absent",)),
    "apply": Verb(("apply", "-f", "cell.json"), "absent", ("running",)),
    "change": Verb(("apply", "-f", "changed.json"), "running", ("changed",)),
    "start container": Verb(("start", "container", "screen", "--cell", CELL), "halved", ("running",)),
    "restart container": Verb(("restart", "container", "screen", "--cell", CELL), "running", ("running",)),
}


class World:
    """An instance, a cell with some of everything, and how each of its states looks from outside."""

    def __init__(self, instance: MortalInstance) -> None:
        self.instance = instance
        self.port = free_port()
        (instance.home / "secret").write_text(SECRET)
        (instance.home / "volume").mkdir()
        (instance.home / "volume" / "kept").write_text("kept")
        (instance.home / "cell.json").write_text(self._manifest())
        (instance.home / "changed.json").write_text(self._manifest(changed=True))
        instance.apply(manifests.sleeper(PEER))
        self.looks: dict[str, dict[str, Counter[str]]] = {}

    def _manifest(self, *, changed: bool = False) -> str:
        secret = str(self.instance.home / "secret")
        web = manifests.container("web", f"echo run | tee -a /runs >>/volume/runs\n{manifests.SERVER}") | {
            "ports": [f"127.0.0.1:{self.port}:8080"],
            "secrets": [
                {"name": "FILE", "fromFile": secret, "mountPath": "/run/secret"},
                {"name": "VARIABLE", "fromFile": secret},
            ],
            "volumes": [{"source": str(self.instance.home / "volume"), "target": "/volume"}],
        }
        if changed:  # one goes, one comes, and the one that serves notices nothing
            return manifests.cell(CELL, web, manifests.container("more", "trap 'exit 0' TERM; sleep 3600 & wait $!"))
        screen = manifests.container("screen", "trap 'exit 3' TERM; echo shown; sleep 3600 & wait $!")
        return manifests.cell(CELL, web, screen | {"attachable": True})

    def learn(self) -> None:
        """Note how each state looks when nothing goes wrong."""
        for state, arguments in (
            ("running", ("apply", "-f", "cell.json")),
            # kuketty stays, once it was needed.
            ("absent", ("delete", "cell", CELL)),
            ("running", ("apply", "-f", "cell.json")),
            ("changed", ("apply", "-f", "changed.json")),
            ("running", ("apply", "-f", "cell.json")),
            ("halved", ("stop", "container", "screen", "--cell", CELL)),
            ("running", ("start", "container", "screen", "--cell", CELL)),
            ("killed", ("kill", "cell", CELL)),
            ("running", ("start", "cell", CELL)),
            ("stopped", ("stop", "cell", CELL)),
        ):
            self.instance.kuke(*arguments)
            self.looks[state] = remains.of(self.instance)
        self.have("absent")

    @property
    def runs(self) -> int:
        """How often the program has run since the cell was made, as it notes in the volume."""
        try:
            return len((self.instance.home / "volume" / "runs").read_text().split())
        except FileNotFoundError:
            return 0

    def have(self, state: str) -> None:
        """Have the cell in `state`, which it is in or near."""
        if state == "absent":
            self.instance.kuke("delete", "cell", CELL, code=None)
            (self.instance.home / "volume" / "runs").unlink(missing_ok=True)
        elif state == "stopped":
            self.have("running")
            self.instance.kuke("stop", "cell", CELL)
        elif state == "halved":
            self.have("running")
            self.instance.kuke("stop", "container", "screen", "--cell", CELL)
        elif self.instance.kuke("get", "cell", CELL, code=None).code:
            self.have("absent")  # a new cell counts its runs from the first
            self.instance.kuke("apply", "-f", "cell.json")
        elif self.instance.state(CELL) != "Ready":
            self.instance.kuke("start", "cell", CELL)
        elif not self.is_in(("running",)):
            self.instance.kuke("apply", "-f", "cell.json")
        self.instance.remember_shims()

    def is_in(self, states: tuple[str, ...]) -> bool:
        now = remains.of(self.instance)
        return any(not remains.differences(now, self.looks[state]) for state in states)

    def settle(self, states: tuple[str, ...]) -> None:
        """Wait until the cell looks as in one of `states`."""
        try:
            until(lambda: self.is_in(states), f"{CELL} to be {' or '.join(states)}", 20)
        except AssertionError:
            now = remains.of(self.instance)
            told = {state: remains.differences(now, self.looks[state]) for state in states}
            cell = self.instance.kuke("get", "cell", CELL, "-o", "json", code=None)
            raise AssertionError(f"{told}\n{cell}\n{self.instance.log_tail()}") from None

    def check_running(self) -> None:
        """Everything of a running cell works: page, port, secrets, volume, terminal, what was written before."""
        kuke = self.instance.kuke
        assert self.instance.state(CELL) == "Ready"
        assert wait_page(self.instance.address(CELL)) == f"page of {CELL}\n"
        inside = kuke("exec", CELL, "-c", "web", "--", "sh", "-c",
                      "cat /run/secret /volume/kept; echo $VARIABLE; grep -c . /runs")  # fmt: skip
        assert inside.out.split() == [f"{SECRET}kept{SECRET}", str(self.runs)]
        until(lambda: "shown" in kuke("log", CELL, "-c", "screen").out, "the terminal to show something")


@pytest.fixture(scope="module")
def world(image_archive: Path) -> Iterator[World]:
    instance = MortalInstance.make()
    instance.start()
    instance.kuke("image", "load", str(image_archive))
    world = World(instance)
    world.learn()
    yield world
    if instance.daemon is None:
        instance.start()
    instance.kuke("delete", "cell", CELL, code=None)
    instance.kuke("delete", "cell", PEER)
    instance.leave_nothing()


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def acts_of(world: World, verb: Verb) -> list[str]:
    """What kukeond does for the verb when nothing goes wrong."""
    world.have("absent")
    world.have(verb.before)
    world.instance.deathbed.order(Order())
    world.instance.kuke(*verb.arguments)
    return world.instance.deathbed.lift()


def die_at(world: World, name: str, order: Order) -> None:
    """Have kukeond killed as ordered in the middle of a verb; the next one must bring it to its end."""
    instance, verb = world.instance, VERBS[name]
    world.have(verb.before)
    ran = world.runs if verb.before != "absent" else 0
    instance.deathbed.order(order)
    asking = instance.spawn_kuke(*verb.arguments)
    assert instance.daemon is not None
    instance.daemon.wait(60)
    _, err = asking.communicate(timeout=60)
    assert asking.returncode == 8, err
    acts = instance.deathbed.lift()
    instance.daemon = None
    instance.start()
    nothing_done = len(acts) == 1 and order.when == mortal.BEFORE
    states = (verb.before,) if nothing_done else verb.after
    if "forget" in acts and order.when != mortal.BEFORE:
        states = ("absent",)
    try:
        world.settle(states)
    except AssertionError as error:
        raise AssertionError(f"{name}, killed {order}: {error}") from None
    if "running" in states:
        world.check_running()
        # Once by the one that was killed, once by the next: at most.
        assert world.runs <= ran + 2
    if "changed" in states or "container" in name:
        assert instance.state(CELL) == "Ready"
        assert wait_page(instance.address(CELL)) == f"page of {CELL}\n"
        assert world.runs == ran, "who was not concerned runs on"


def every_order(acts: list[str]) -> Iterator[Order]:
    for act, number in Counter(acts).items():
        for which in range(1, number + 1):
            for when in (mortal.BEFORE, mortal.DURING, mortal.AFTER):
                if when != mortal.DURING or act not in WRITES:
                    yield Order(act, which, when)


def each_kind_once(acts: list[str], known: set[str]) -> Iterator[Order]:
    """One order for each kind of act that is not `known` yet, now before it, now during it, now after it."""
    whens = itertools.cycle((mortal.AFTER, mortal.DURING, mortal.BEFORE))
    for act in dict.fromkeys(acts):
        when = next(whens)
        if act not in known:
            known.add(act)
            yield Order(act, 1, mortal.AFTER if act in WRITES else when)


@pytest.fixture(scope="module")
def known() -> set[str]:
    """Kinds of acts at which kukeond has died in an earlier story."""
    return set()


@pytest.mark.parametrize("name", ["start", "stop", "delete", "apply"])
def test_each_kind_of_step(world: World, known: set[str], name: str) -> None:
    for order in each_kind_once(acts_of(world, VERBS[name]), known):
        die_at(world, name, order)


@pytest.mark.parametrize(
    ("name", "order"),
    [
        ("restart", Order("DeleteTask", 2, mortal.AFTER)),
        ("restart", Order("CreateTask", 2, mortal.BEFORE)),
        ("kill", Order("Withdraw", 1, mortal.BEFORE)),
        ("purge", Order("StopTask", 1, mortal.AFTER)),
        ("change", Order("DeleteContainer", 1, mortal.AFTER)),
        ("change", Order("CreateTask", 1, mortal.BEFORE)),
        ("start container", Order("CreateTask", 1, mortal.BEFORE)),
        ("restart container", Order("DeleteTask", 1, mortal.AFTER)),
    ],
    ids=str,
)
def test_the_other_verbs(world: World, name: str, order: Order) -> None:
    die_at(world, name, order)


def test_a_shim_that_is_slow_to_answer_is_not_taken_for_one_that_serves_nothing(world: World) -> None:
    """As on a machine that starts and has too much to do: what runs is left alone."""
    world.have("running")
    instance, ran = world.instance, world.runs
    pids = [instance.task_pid(name, CELL) for name in ("web", "screen")]
    slow = [pid for pid, command in traces.processes(instance) if "containerd-shim" in command]
    instance.sigkill()
    for pid in slow:
        os.kill(pid, signal.SIGSTOP)
    try:
        instance.start()
    finally:
        for pid in slow:
            os.kill(pid, signal.SIGCONT)
    world.settle(("running",))
    assert [instance.task_pid(name, CELL) for name in ("web", "screen")] == pids
    assert world.runs == ran
    world.check_running()


@pytest.mark.long
@pytest.mark.parametrize("name", list(VERBS))
def test_every_step(world: World, name: str) -> None:
    for order in every_order(acts_of(world, VERBS[name])):
        die_at(world, name, order)
