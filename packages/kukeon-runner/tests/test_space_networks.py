"""Ports, names and egress policies through the verbs, on a host in memory."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from ipaddress import IPv4Network
from pathlib import Path

import msgspec
import pytest

from kukeon_api import errors, model, ports
from kukeon_runner.controller import Controller
from kukeon_runner.egress import Resolution
from kukeon_runner.firewall import BridgeNet
from kukeon_runner.runner import space as spaces
from kukeon_runner.testing.cells import IMAGE, cell, container, controller, prepared
from kukeon_runner.testing.host import Failure, FakeHost, FakeNetwork


@pytest.fixture
def host() -> FakeHost:
    return FakeHost()


@pytest.fixture
async def ready(host: FakeHost, tmp_path: Path) -> Controller:
    return await prepared(host, tmp_path / "run")


def published(host: FakeHost) -> set[str]:
    return {f"{each.port.place} -> {each.address}:{each.port.cell}" for each in host.network.wall.published}


def address(host: FakeHost, name: str) -> str:
    return host.network.addresses[f"default_default_{name}_root"].ip


def hosts_file(host: FakeHost, name: str) -> str:
    (found,) = (text for path, text in host.kernel.files.items() if path.endswith(f"/{name}/.etc-hosts"))
    return found


def web(name: str = "web", *texts: str) -> model.CellDoc:
    return cell(name, container("main", ports=texts))


def denying(*rules: model.EgressRule) -> model.SpaceDoc:
    network = model.SpaceNetwork(egress=model.EgressPolicy(default="deny", allow=rules))
    spec = model.SpaceSpec(realm_id="default", network=network)
    return model.SpaceDoc(metadata=model.Metadata(name="default"), spec=spec)


async def test_a_network_configuration_of_ones_own_is_refused_not_ignored(ready: Controller) -> None:
    metadata = model.Metadata(name="blue")
    spec = model.SpaceSpec(realm_id="default", cni_config_path="/etc/cni/net.d/x.conflist")
    with pytest.raises(errors.Invalid, match=r"x\.conflist' as spec\.cniConfigPath") as caught:
        await ready.create_space(model.SpaceDoc(metadata=metadata, spec=spec))
    assert caught.value.hint == "leave spec.cniConfigPath out"
    ref = model.Ref("default", "blue")
    assert ready.runner.spaces.find(ref) is None
    own = msgspec.structs.replace(spec, cni_config_path=ready.runner.context.layout.conflist(ref))
    made = await ready.create_space(model.SpaceDoc(metadata=metadata, spec=own))
    assert made.created


class TestPorts:
    async def test_they_open_with_the_cell_and_close_with_it(self, host: FakeHost, ready: Controller) -> None:
        await ready.create_cell(web("web", "8080:80", "0.0.0.0:53:53/udp"))
        own = address(host, "web")
        opened = {f"127.0.0.1:8080/tcp -> {own}:80", f"0.0.0.0:53/udp -> {own}:53"}
        assert published(host) == opened
        await ready.stop_cell(web())
        assert published(host) == set()
        assert host.network.forgotten == [own]
        await ready.start_cell(web())
        assert {line.partition(" ->")[0] for line in published(host)} == {"127.0.0.1:8080/tcp", "0.0.0.0:53/udp"}
        await ready.restart_cell(web())
        assert published(host) == {line.replace(own, address(host, "web")) for line in opened}
        await ready.kill_cell(web())
        assert published(host) == set()
        await ready.start_cell(web())
        await ready.delete_cell(web())
        assert published(host) == set()

    async def test_other_ports_make_no_container_anew(self, host: FakeHost, ready: Controller) -> None:
        runner = ready.runner.cells
        await runner.create(web("web", "8080:80"))
        tasks = dict(host.containers.tasks)
        applied = await runner.apply(web("web", "8081:80"))
        assert not applied.recreated
        assert dict(host.containers.tasks) == tasks
        assert published(host) == {f"127.0.0.1:8081/tcp -> {address(host, 'web')}:80"}
        await runner.apply(web("web"))
        assert published(host) == set()
        assert (await runner.apply(web("web"))).outcome.steps == 0

    async def test_a_port_of_another_cell_is_refused_before_anything_is_stored(
        self, host: FakeHost, ready: Controller
    ) -> None:
        await ready.create_cell(web("web", "8080:80"))
        before = host.traces()
        with pytest.raises(errors.PortTaken, match=r"0\.0\.0\.0:8080/tcp for cell .*/other': cell .*/web' has it"):
            await ready.create_cell(web("other", "0.0.0.0:8080:81"))
        assert host.traces() == before
        assert ready.runner.cells.find(model.Ref("default", "default", "default", "other")) is None
        await ready.create_cell(web("other", "127.0.0.2:8080:80"))

    async def test_a_running_cell_keeps_running_when_it_cannot_have_more(
        self, host: FakeHost, ready: Controller
    ) -> None:
        await ready.create_cell(web("web", "8080:80"))
        await ready.create_cell(web("other", "8081:80"))
        host.network.listeners[ports.parse("0.0.0.0:9000:1")] = "a program on this host"
        before = (host.traces(), published(host))
        for text in ("8080:80", "9000:80"):
            with pytest.raises(errors.PortTaken) as caught:
                await ready.runner.cells.apply(web("other", "8081:80", text))
            assert caught.value.hint
        assert (host.traces(), published(host)) == before
        (stored,) = ready.runner.cells.get(model.Ref("default", "default", "default", "other")).spec.containers
        assert stored.ports == ("127.0.0.1:8081:80/tcp",)

    async def test_a_port_that_another_kukeon_is_about_to_publish_is_refused(
        self, host: FakeHost, ready: Controller
    ) -> None:
        others = await host.network.reserve([ports.parse("0.0.0.0:8080:1")])
        with pytest.raises(errors.PortTaken, match="another kukeon on this host is about to"):
            await ready.create_cell(web("web", "8080:80"))
        others.release()
        await ready.create_cell(web("web", "8080:80"))
        await ready.restart_cell(web())
        with pytest.raises(errors.PortTaken):
            await ready.create_cell(web("other", "8080:80"))
        assert host.network.reservations == [], "what is open stands in the rules, for everybody to see"

    async def test_of_two_at_once_one_gets_it(self, host: FakeHost, ready: Controller) -> None:
        made = await asyncio.gather(
            *(ready.create_cell(web(f"c{number}", "8080:80")) for number in range(4)), return_exceptions=True
        )
        refused = [each for each in made if isinstance(each, BaseException)]
        assert [type(each) for each in refused] == [errors.PortTaken] * 3
        assert len(published(host)) == 1

    async def test_a_stopped_cell_holds_nothing_and_is_told_when_it_comes_back(
        self, host: FakeHost, ready: Controller
    ) -> None:
        await ready.create_cell(web("web", "8080:80"))
        await ready.stop_cell(web())
        await ready.create_cell(web("other", "8080:80"))
        with pytest.raises(errors.PortTaken):
            await ready.start_cell(web())
        assert published(host) == {f"127.0.0.1:8080/tcp -> {address(host, 'other')}:80"}
        # One that failed holds nothing either.
        await ready.restart_cell(web("other"))
        await ready.stop_cell(web("other"))
        await ready.start_cell(web())

    async def test_a_listener_that_came_later_harms_nobody(self, host: FakeHost, ready: Controller) -> None:
        await ready.create_cell(web("web", "8080:80"))
        host.network.listeners[ports.parse("0.0.0.0:8080:1")] = "a program on this host"
        await ready.runner.cells.apply(web("web", "8080:80"))
        assert len(published(host)) == 1

    @pytest.mark.parametrize("failure", [Failure.REFUSED, Failure.LATE])
    async def test_a_cell_that_fails_at_any_step_opens_nothing(
        self, host: FakeHost, ready: Controller, failure: Failure
    ) -> None:
        for number in range(1, 60):
            before = len(host.faults.log)
            with contextlib.suppress(errors.KukeonError), host.failing_at(number, failure):
                await ready.create_cell(web("web", "8080:80"))
            done = len(host.faults.log) - before
            running = any(task.status.alive for task in host.containers.tasks.values())
            assert bool(published(host)) is running
            await ready.delete_cell(web())
            assert published(host) == set()
            if done < number:
                return
        raise AssertionError("it never ends")

    async def test_a_new_process_opens_what_was_open(self, host: FakeHost, ready: Controller, tmp_path: Path) -> None:
        await ready.create_cell(web("web", "8080:80"))
        await ready.create_cell(web("off", "8081:80"))
        await ready.stop_cell(web("off"))
        opened, host.network = published(host), host.network.reopened()
        again = controller(host, tmp_path / "run")
        await again.reconcile()
        assert published(host) == opened
        with pytest.raises(errors.PortTaken):
            await again.create_cell(web("third", "8080:80"))
        await again.delete_cell(web())
        assert published(host) == set()


class TestNames:
    async def test_cells_know_each_other_while_they_run(self, host: FakeHost, ready: Controller) -> None:
        await ready.create_cell(web("a"))
        await ready.create_cell(web("b"))
        for own, other in (("a", "b"), ("b", "a")):
            assert f"{address(host, own)}\t{own}\n" in hosts_file(host, own)
            assert f"{address(host, other)}\t{other} {other}.default\n" in hosts_file(host, own)
        await ready.stop_cell(web("b"))
        assert "\tb " not in hosts_file(host, "a")
        await ready.start_cell(web("b"))
        assert f"{address(host, 'b')}\tb b.default\n" in hosts_file(host, "a")
        await ready.restart_cell(web("a"))
        assert f"{address(host, 'a')}\ta a.default\n" in hosts_file(host, "b")
        assert f"{address(host, 'b')}\tb b.default\n" in hosts_file(host, "a")
        await ready.delete_cell(web("b"))
        assert "\tb " not in hosts_file(host, "a")

    async def test_other_spaces_are_not_known(self, host: FakeHost, ready: Controller) -> None:
        spec = model.SpaceSpec(realm_id="default")
        await ready.create_space(model.SpaceDoc(metadata=model.Metadata(name="far"), spec=spec))
        stack = model.StackSpec(realm_id="default", space_id="far")
        await ready.create_stack(model.StackDoc(metadata=model.Metadata(name="default"), spec=stack))
        await ready.create_cell(web("near"))
        place = model.CellSpec(realm_id="default", space_id="far", stack_id="default", containers=(container("main"),))
        await ready.create_cell(model.CellDoc(metadata=model.Metadata(name="away"), spec=place))
        assert "away" not in hosts_file(host, "near")
        assert "near" not in hosts_file(host, "away")

    async def test_one_container_more_leaves_the_others_their_names(self, host: FakeHost, ready: Controller) -> None:
        await ready.create_cell(web("a"))
        await ready.create_cell(web("b"))
        whole = hosts_file(host, "a")
        await ready.runner.cells.apply(cell("a", container("main"), container("more", image=IMAGE)))
        assert hosts_file(host, "a") == whole

    async def test_a_new_process_makes_stale_files_good(
        self, host: FakeHost, ready: Controller, tmp_path: Path
    ) -> None:
        await ready.create_cell(web("a"))
        await ready.create_cell(web("b"))
        whole = {path: text for path, text in host.kernel.files.items() if path.endswith("/.etc-hosts")}
        for path in whole:
            host.kernel.files[path] = "stale\n"
        host.network = host.network.reopened()
        again = controller(host, tmp_path / "run")
        async with kept(again, lambda: all(host.kernel.files[path] == whole[path] for path in whole)):
            pass


@contextlib.asynccontextmanager
async def kept(found: Controller, condition: Callable[[], bool]) -> AsyncIterator[None]:
    """Have networks kept current, until the condition holds."""
    keeping = asyncio.create_task(found.keep_current())
    try:
        yield
        async with asyncio.timeout(20):
            while not condition():  # noqa: ASYNC110 - what a task in the background does
                await asyncio.sleep(0.01)
        assert not keeping.done()
    finally:
        keeping.cancel()
        await asyncio.wait({keeping})


class TestEgress:
    WEB = model.EgressRule(host="web.example", ports=(443,))

    async def test_a_policy_comes_into_force_and_goes(self, host: FakeHost, ready: Controller) -> None:
        await ready.create_cell(web("web", "8080:80"))
        assert host.network.wall.policies == ()
        await ready.runner.update_space(denying(model.EgressRule(cidr="10.0.0.0/8", ports=(53,))))
        (policy,) = host.network.wall.policies
        assert policy.bridge == host.network.wall.nets[0].bridge
        assert policy.allow[0].networks == (IPv4Network("10.0.0.0/8"),)
        assert policy.allow[0].ports == (53,)
        assert host.network.wall.resolvers == ("192.0.2.53",)
        assert len(published(host)) == 1
        await ready.runner.update_space(denying())
        assert host.network.wall.policies[0].allow == ()
        spec = model.SpaceSpec(realm_id="default")
        await ready.runner.update_space(model.SpaceDoc(metadata=model.Metadata(name="default"), spec=spec))
        assert host.network.wall.policies == ()

    async def test_a_name_that_cannot_be_looked_up_changes_nothing(self, host: FakeHost, ready: Controller) -> None:
        with pytest.raises(errors.HostError, match="cannot look up 'web"):
            await ready.runner.update_space(denying(self.WEB))
        assert host.network.wall.policies == ()
        stored = ready.runner.spaces.get(model.Ref("default", "default"))
        assert stored.spec.network is None
        other = denying(self.WEB)
        fresh = model.SpaceDoc(metadata=model.Metadata(name="fresh"), spec=other.spec)
        with pytest.raises(errors.HostError, match="cannot look up 'web"):
            await ready.create_space(fresh)
        assert ready.runner.spaces.find(model.Ref("default", "fresh")) is None

    async def test_names_are_followed(self, host: FakeHost, ready: Controller, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("kukeon_runner.egress.SHORTEST_S", 0.01)
        monkeypatch.setattr("kukeon_runner.egress.RETRY_S", 0.01)
        host.network.names["web.example"] = Resolution(("192.0.2.1",), 0)
        await ready.runner.update_space(denying(self.WEB))
        assert self.reached(host) == ((IPv4Network("192.0.2.1"),), ())
        moved = ((IPv4Network("192.0.2.2"),), (IPv4Network("192.0.2.1"),))
        async with kept(ready, lambda: self.reached(host) == moved):
            host.network.names["web.example"] = Resolution(("192.0.2.2",), 0)
        host.network.names["web.example"] = None
        async with kept(ready, lambda: self.reached(host) == moved):
            pass

    def reached(self, host: FakeHost) -> object:
        (policy,) = host.network.wall.policies
        return policy.allow[0].networks, policy.allow[0].past

    async def test_a_new_process_asserts_policies_although_names_cannot_be_looked_up(
        self, host: FakeHost, ready: Controller, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        host.network.names["web.example"] = Resolution(("192.0.2.1",), 60)
        monkeypatch.setattr(type(ready.runner.context.layout), "names_file", str(tmp_path / "names.json"))
        await ready.runner.update_space(denying(self.WEB))
        host.network = host.network.reopened()
        host.network.names.clear()
        again = controller(host, tmp_path / "run")
        async with kept(again, lambda: bool(host.network.wall.policies)):
            pass
        assert self.reached(host) == ((IPv4Network("192.0.2.1"),), ())

    async def test_a_space_whose_document_is_damaged_lets_nothing_out(
        self, host: FakeHost, ready: Controller, tmp_path: Path
    ) -> None:
        path = Path(ready.runner.context.layout.metadata(model.Ref("default", "default")))
        path.write_text("torn {")  # noqa: ASYNC240 - as a disk would do it
        host.network = host.network.reopened()
        again = controller(host, tmp_path / "run")
        await again.runner.spaces.assert_networks()
        assert [each.allow for each in host.network.wall.policies] == [()]
        assert spaces.CLOSED.default == "deny"

    async def test_nothing_is_attached_before_the_rules_are_in_force(
        self, host: FakeHost, ready: Controller, tmp_path: Path
    ) -> None:
        await ready.runner.update_space(denying())
        await ready.create_cell(web())
        await ready.stop_cell(web())
        host.network = host.network.reopened()
        assert host.network.wall.nets == ()
        again = controller(host, tmp_path / "run")
        began = len(host.faults.log)
        await again.start_cell(web())
        log = host.faults.log[began:]
        assert log.index("apply the firewall") < log.index("attach default_default_web_root")

    async def test_a_bridge_that_cannot_be_made_leaves_nobody_without_rules(
        self, host: FakeHost, ready: Controller, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        await ready.runner.update_space(denying())
        await ready.create_space(model.SpaceDoc(metadata=model.Metadata(name="b"), spec=denying().spec))
        make, (first, second) = FakeNetwork.make_bridge, host.network.wall.nets
        host.network = host.network.reopened()
        host.network.bridges.clear()

        async def taken(self: FakeNetwork, bridge: BridgeNet, network: str) -> None:
            if bridge == first:
                raise errors.HostError(f"cannot make bridge {bridge.bridge!r}: there is an interface of that name")
            await make(self, bridge, network)

        monkeypatch.setattr(FakeNetwork, "make_bridge", taken)
        again = controller(host, tmp_path / "run")
        with pytest.raises(errors.HostError, match="an interface of that name"):
            await again.runner.spaces.assert_networks()
        assert (host.network.wall.nets, len(host.network.wall.policies)) == ((first, second), 2)
        assert set(host.network.bridges) == {second.bridge}
        host.network = host.network.reopened()
        async with kept(controller(host, tmp_path / "run"), lambda: len(host.network.wall.policies) == 2):
            pass
