"""The protocol, its table and its implementations agree."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pytest

import kukeon_sdk
from kukeon_api import methods, model
from kukeon_sdk import sessions
from kukeon_sdk.calls import Calls
from kukeon_sdk.client import Client
from kukeon_sdk.streams import Stream
from kukeon_sdk.testing import FakeClient, UnexpectedCallError

if TYPE_CHECKING:
    from kukeon_api.methods import Method

OWN = {"close", "perform"}
NAMES = {name for name in dir(Client) if not name.startswith("_")} - OWN


def test_every_method_of_the_wire_is_a_method_of_the_client() -> None:
    assert set(methods.BY_PYTHON) == NAMES
    assert {name for name in vars(Calls) if not name.startswith("_")} - OWN == NAMES


@pytest.mark.parametrize("method", methods.METHODS.values(), ids=lambda method: method.name)
def test_parameters_and_results_are_those_of_the_table(method: Method) -> None:
    declared = getattr(Client, method.python)
    scope = {
        "model": model,
        "BinaryIO": typing.BinaryIO,
        "Iterable": typing.Iterable,
        "Stream": Stream,
        "Sequence": Sequence,
        "ExecSession": sessions.ExecSession,
        "AttachSession": sessions.AttachSession,
    }
    hints = typing.get_type_hints(declared, scope)
    parameters = list(inspect.signature(declared).parameters.values())[1:]
    assert [parameter.name for parameter in parameters] == [*(name for name, _ in method.params), "timeout"]
    assert parameters[-1].kind is inspect.Parameter.KEYWORD_ONLY
    for name, kind in method.params:
        if name != method.upload:
            expected: Any = Sequence[str] if kind is tuple else kind
            # A model that may be left out is None then, and is not sent.
            optional = isinstance(method.defaults.get(name), model.Model)
            assert hints[name] == (expected | None if optional else expected)
    returned: Any = hints["return"]
    generic, within = typing.get_origin(returned), typing.get_args(returned)
    if method.stream == "server":
        assert (generic, within) == (Stream, (method.returns,))
    elif method.listed:
        assert (generic, within) == (tuple, (method.returns, ...))
    else:
        assert returned == sessions.SESSIONS.get(method.name, method.returns)


@pytest.mark.parametrize("name", sorted(NAMES))
def test_every_method_is_described(name: str) -> None:
    for owner in (Client, Calls):
        assert inspect.getdoc(getattr(owner, name))
    assert inspect.signature(getattr(Calls, name)) == inspect.signature(getattr(Client, name))


@pytest.mark.parametrize("method", methods.METHODS.values(), ids=lambda method: method.name)
def test_a_fake_expects_nothing(method: Method) -> None:
    with FakeClient() as fake:
        with pytest.raises(UnexpectedCallError) as caught:
            getattr(fake, method.python)(**{name: None for name, _ in method.params})
        assert caught.value.method == method.python
    fake.close()
    fake.close()


def test_a_fake_does_what_it_is_told() -> None:
    class Mine(FakeClient):
        def list_realms(self, *, timeout: float | None = None) -> tuple[model.RealmDoc, ...]:
            return ()

    client: Client = Mine()
    assert client.list_realms() == ()


def test_what_is_public_exists() -> None:
    for name in kukeon_sdk.__all__:
        assert getattr(kukeon_sdk, name) is not None
    assert not hasattr(kukeon_sdk, "nothing")
