"""The contract of `kukeon_sdk.Client`: one suite for every implementation.

Derive a test class from `ClientContract` and give it two fixtures: `client`, and `image`, the bytes of an archive of an
image with busybox's shell and programs (for a kukeon in memory, `archives.oci("busybox")` does):

    class TestMine(contract.ClientContract):
        @pytest.fixture
        def client(self): ...

        @pytest.fixture
        def image(self): ...

It runs programs beside those of containers: `cat`, `echo`, `env`, `sh -c`, `sleep`, `stty`, `true` and `yes`, those of
`kukeon_sdk.testing.programs.BASIC`. Where containers' own programs run, too, derive from `WorkloadContract` as well: it
is about what they write, and what is typed at their terminals.

Every test makes a realm with a name of its own and purges it, so that the tests may share one kukeon with other work.
For good messages of failing assertions, call `pytest.register_assert_rewrite("kukeon_sdk.testing.contract")` before
importing this.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from kukeon_api import errors, methods, model
from kukeon_sdk.testing.contract.applying import Applying
from kukeon_sdk.testing.contract.cells import Cells
from kukeon_sdk.testing.contract.containers import Containers
from kukeon_sdk.testing.contract.events import Events
from kukeon_sdk.testing.contract.images import Images
from kukeon_sdk.testing.contract.levels import Levels
from kukeon_sdk.testing.contract.logs import Logs
from kukeon_sdk.testing.contract.place import WAIT_S, Place
from kukeon_sdk.testing.contract.programs import Programs
from kukeon_sdk.testing.contract.purging import Purging
from kukeon_sdk.testing.contract.terminals import Terminals

if TYPE_CHECKING:
    from kukeon_sdk.client import Client


class ClientContract(Levels, Cells, Containers, Purging, Applying, Images, Events, Programs):
    """What every client does; there is nothing that one may leave out."""

    def test_ping_tells_who_answers_and_what_it_found(self, client: Client, place: Place) -> None:
        answer = client.ping(timeout=WAIT_S)
        assert answer.ok
        assert answer.version
        assert answer.instance_id
        assert answer.pid > 0
        assert answer.run_path.startswith("/")
        assert answer.containerd_mode in ("embedded", "system")
        assert answer.containerd_version[0].isdigit()
        assert answer.containerd_socket.startswith("/")
        assert answer.cgroup_mode
        assert answer.oci_runtime
        assert not any(place.realm in each for each in (*answer.warnings, *answer.unreadable))
        assert not any(place.realm in str(each) for each in answer.damaged)
        assert all(answer.snapshotter or not each for each in answer.storage)
        assert 0 <= answer.disk_warn_percent <= 100

    def test_every_method_is_there(self, client: Client) -> None:
        assert [name for name in methods.BY_PYTHON if not callable(getattr(client, name, None))] == []

    def test_leaving_the_block_closes_and_closing_twice_is_fine(self, client: Client) -> None:
        with client as same:
            assert same is client
        client.close()
        client.close()
        with pytest.raises(errors.Conflict, match="closed"):
            client.ping(timeout=WAIT_S)
        with pytest.raises(errors.Conflict, match="closed"):
            client.create_realm(model.RealmDoc(metadata=model.Metadata(name="late")), timeout=WAIT_S)

    def test_what_is_of_another_type_is_refused(self, client: Client, place: Place) -> None:
        space: Any = place.space_doc("a")
        with pytest.raises(errors.Invalid, match="expected RealmDoc, got SpaceDoc"):
            client.purge_realm(space, timeout=WAIT_S)
        with pytest.raises(errors.Invalid, match="expected a list of texts, got str"):
            next(client.events(kinds="Cell", timeout=WAIT_S))

    def test_no_time_at_all_is_a_timeout(self, client: Client) -> None:
        with pytest.raises(errors.TimedOut):
            client.ping(timeout=0)

    @pytest.mark.parametrize("timeout", [1e9, 1e300, float("inf")])
    def test_a_timeout_longer_than_any_call_is_none(self, client: Client, timeout: float) -> None:
        assert client.ping(timeout=timeout).ok

    def test_what_is_no_number_is_no_timeout(self, client: Client) -> None:
        wrong: tuple[Any, ...] = ("3", float("nan"), [1])
        for timeout in wrong:
            with pytest.raises(errors.Invalid, match="a timeout is a number of seconds"):
                client.ping(timeout=timeout)


class WorkloadContract(Logs, Terminals):
    """What clients do with the output and the terminals of containers' own programs."""


__all__ = ["ClientContract", "Place", "WorkloadContract"]
