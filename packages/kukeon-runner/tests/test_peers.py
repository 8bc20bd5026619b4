"""What cells of one space know of each other, and how that is kept current without much writing."""

import asyncio
import itertools

import pytest

from kukeon_api import errors, model, ports
from kukeon_runner import etc, members, peers
from kukeon_runner.firewall import Wall
from kukeon_runner.members import Census, Members, Passes
from kukeon_runner.peers import Member


def member(cell: str, number: int, stack: str = "t", *published: str) -> Member:
    ref = model.Ref("r", "s", stack, cell)
    return Member(ref, "k-one", f"/{stack}/{cell}/hosts", ports.of(published), f"10.88.0.{number}")


class TestTexts:
    def test_each_knows_itself_first_and_all_others(self) -> None:
        files = peers.texts([member("web", 2), member("db", 3)])
        assert files["/t/web/hosts"] == etc.LOOPBACK + "10.88.0.2\tweb\n10.88.0.3\tdb db.t\n"
        assert files["/t/db/hosts"] == etc.LOOPBACK + "10.88.0.3\tdb\n10.88.0.2\tweb web.t\n"

    def test_a_name_of_two_stacks_is_the_one_of_the_own_stack(self) -> None:
        files = peers.texts([member("web", 2, "a"), member("web", 3, "b"), member("x", 4, "a"), member("y", 5, "c")])
        assert "10.88.0.2\tweb web.a\n" in files["/a/x/hosts"]
        assert "10.88.0.3\tweb.b\n" in files["/a/x/hosts"]
        assert "10.88.0.2\tweb.a\n" in files["/c/y/hosts"]
        assert "10.88.0.3\tweb.b\n" in files["/c/y/hosts"]
        assert files["/b/web/hosts"].startswith(etc.LOOPBACK + "10.88.0.3\tweb\n")
        assert "10.88.0.2\tweb.a\n" in files["/b/web/hosts"]

    def test_nobody_is_alone_with_nothing(self) -> None:
        assert peers.texts([]) == {}
        assert peers.texts([member("web", 2)]) == {"/t/web/hosts": etc.hosts("web", "10.88.0.2")}


class Doors:
    def __init__(self) -> None:
        self.files: dict[str, str] = {}
        self.written: list[str] = []
        self.walls: list[Wall] = []
        self.forgotten: list[str] = []
        self.refusing = False
        self.gate = asyncio.Event()
        self.gate.set()

    async def enforce(self, wall: Wall) -> None:
        await self.gate.wait()
        if self.refusing:
            raise errors.HostError("cannot change the packet rules: no")
        self.walls.append(wall)

    async def read(self, path: str) -> str | None:
        return self.files.get(path)

    async def write(self, path: str, text: str) -> None:
        self.written.append(path)
        self.files[path] = text

    async def forget(self, address: str) -> None:
        self.forgotten.append(address)


@pytest.fixture
def doors() -> Doors:
    return Doors()


async def join(found: Members, doors: Doors, *joining: Member) -> None:
    for each in joining:
        doors.files[each.hosts] = await found.announce(each)
    await asyncio.gather(*(found.publish(each.bridge) for each in joining))


def published(doors: Doors) -> set[str]:
    return {f"{each.port.place} {each.address}" for each in doors.walls[-1].published}


class TestMembers:
    async def test_who_comes_and_goes_is_told_to_all(self, doors: Doors) -> None:
        found = Members(doors)
        web, db = member("web", 2), member("db", 3)
        await join(found, doors, web)
        await join(found, doors, db)
        assert doors.files == peers.texts([web, db])
        await found.withdraw(db.ref)
        assert doors.files[web.hosts] == etc.hosts("web", "10.88.0.2")
        assert (await found.everybody(), await found.member(db.ref)) == ((web,), None)

    async def test_only_what_changed_is_written(self, doors: Doors) -> None:
        found = Members(doors)
        await join(found, doors, member("a", 2), member("b", 3))
        doors.written.clear()
        await join(found, doors, member("a", 2))
        await found.publish("k-one")
        assert doors.written == []

    async def test_many_that_come_at_once_cost_few_writes(self, doors: Doors) -> None:
        found = Members(doors)
        await asyncio.gather(*(join(found, doors, member(f"c{number}", number)) for number in range(2, 202)))
        assert doors.files == peers.texts(await found.everybody())
        assert len(doors.written) <= 4 * 200
        # Packet rules are nobody's business where no port is published.
        assert doors.walls == []

    async def test_ports_open_and_close_and_follow_the_address(self, doors: Doors) -> None:
        found = Members(doors)
        web = member("web", 2, "t", "80:80", "0.0.0.0:53:53/udp")
        await join(found, doors, web)
        assert published(doors) == {"127.0.0.1:80/tcp 10.88.0.2", "0.0.0.0:53/udp 10.88.0.2"}
        await join(found, doors, member("web", 9, "t", "80:80"))
        assert published(doors) == {"127.0.0.1:80/tcp 10.88.0.9"}
        await found.withdraw(web.ref)
        assert published(doors) == set()
        assert doors.forgotten == ["10.88.0.9"]

    async def test_nothing_leads_to_a_cell_that_was_withdrawn_even_by_a_pass_under_way(self, doors: Doors) -> None:
        found = Members(doors)
        await join(found, doors, member("web", 2, "t", "80:80"))
        doors.gate.clear()
        opening = asyncio.create_task(join(found, doors, member("db", 3, "t", "81:81")))
        closing = asyncio.create_task(found.withdraw(model.Ref("r", "s", "t", "web")))
        await asyncio.sleep(0)
        doors.gate.set()
        await asyncio.gather(opening, closing)
        assert published(doors) == {"127.0.0.1:81/tcp 10.88.0.3"}

    async def test_a_refusal_is_told_and_made_good_by_the_next(self, doors: Doors) -> None:
        found = Members(doors)
        doors.refusing = True
        with pytest.raises(errors.HostError):
            await join(found, doors, member("web", 2, "t", "80:80"))
        doors.refusing = False
        await found.renew()
        assert published(doors) == {"127.0.0.1:80/tcp 10.88.0.2"}

    async def test_a_new_process_goes_by_what_there_is(self, doors: Doors) -> None:
        web, db = member("web", 2, "t", "80:80"), member("db", 3)
        doors.files = {web.hosts: "stale\n", db.hosts: peers.texts([web, db])[db.hosts]}
        asked = itertools.count()

        async def census() -> Census:
            next(asked)
            return Census(Wall(resolvers=("192.0.2.53",)), (web, db))

        found = Members(doors)
        found.follow(census)
        await asyncio.gather(found.in_force(), found.in_force())
        assert doors.walls[-1].resolvers == ("192.0.2.53",)
        assert published(doors) == {"127.0.0.1:80/tcp 10.88.0.2"}
        await found.renew()
        assert doors.files == peers.texts([web, db])
        assert (doors.written, next(asked)) == ([web.hosts], 1)

    async def test_a_space_that_goes_takes_its_cells_along(self, doors: Doors) -> None:
        found = Members(doors)
        await join(found, doors, member("web", 2))
        found.drop("k-one")
        assert await found.everybody() == ()
        await found.withdraw(model.Ref("r", "s", "t", "web"))

    def test_claims_are_of_others(self) -> None:
        mine, other = model.Ref("r", "s", "t", "a"), model.Ref("r", "s", "t", "b")
        held = {mine: ports.of(["80:80"]), other: ports.of(["0.0.0.0:81:1"])}
        assert members.claimed(held, mine, ports.of(["80:80"])) is None
        assert members.claimed(held, mine, ports.of(["81:80"])) == (ports.parse("81:80"), other)


class TestPasses:
    async def test_one_pass_serves_all_who_asked_before_it_began(self) -> None:
        began, working, gate = 0, asyncio.Event(), asyncio.Event()

        async def work() -> None:
            nonlocal began
            began += 1
            working.set()
            await gate.wait()

        passes = Passes(work)
        passes.mark()
        first = asyncio.create_task(passes.settle())
        await working.wait()
        later = []
        for _ in range(10):
            passes.mark()
            later.append(asyncio.create_task(passes.settle()))
        await asyncio.sleep(0)
        gate.set()
        await asyncio.gather(first, *later)
        assert began == 2

    async def test_without_a_mark_nothing_is_done(self) -> None:
        async def work() -> None:
            raise AssertionError

        await Passes(work).settle()
