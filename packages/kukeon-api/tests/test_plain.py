"""Models as plain data."""

from __future__ import annotations

import datetime as dt
import json

from hypothesis import given, settings
from hypothesis import strategies as st

from kukeon_api import model, plain, testing


def test_unset_is_left_out_and_empty_is_told() -> None:
    doc = model.CellDoc(
        metadata=model.Metadata(name="web", labels={"a": "b"}),
        spec=model.CellSpec(
            realm_id="r",
            space_id="s",
            stack_id="t",
            containers=(
                model.ContainerSpec(id="a", host_pid=True, security_opts=(), capabilities=model.Capabilities()),
            ),
        ),
        status=model.CellStatus(
            state=model.CellState.READY,
            created_at=dt.datetime(2026, 11, 21, 10, 0, tzinfo=dt.timezone(dt.timedelta(hours=1))),
            network=model.CellNetworkStatus(address="10.88.0.2/24"),
        ),
    )
    found = plain.to_builtins(doc)
    assert list(found) == ["apiVersion", "kind", "metadata", "spec", "status"]
    assert found == {
        "apiVersion": "v1beta1",
        "kind": "Cell",
        "metadata": {"name": "web", "labels": {"a": "b"}},
        "spec": {
            "realmId": "r",
            "spaceId": "s",
            "stackId": "t",
            "containers": [{"id": "a", "hostPID": True, "capabilities": {}, "securityOpts": []}],
        },
        "status": {
            "state": "Ready",
            "createdAt": "2026-11-21T09:00:00Z",
            "desired": "running",
            "network": {"address": "10.88.0.2/24"},
        },
    }


def test_results_have_their_fields() -> None:
    doc = model.RealmDoc(metadata=model.Metadata(name="r"))
    found = plain.to_builtins(model.CreateRealmResult(realm=doc, created=True))
    assert found == {
        "realm": {"apiVersion": "v1beta1", "kind": "Realm", "metadata": {"name": "r"}},
        "created": True,
    }


@settings(max_examples=50)
@given(st.lists(testing.any_model(model.CellDoc), max_size=2))
def test_everything_is_json(docs: list[model.CellDoc]) -> None:
    assert json.loads(json.dumps(plain.to_builtins(docs))) == plain.to_builtins(docs)


def test_maps_are_in_the_order_of_their_keys() -> None:
    labels = {f"key-{number}": "x" for number in (3, 1, 2)}
    doc = model.RealmDoc(metadata=model.Metadata(name="r", labels=labels))
    assert list(plain.to_builtins(doc)["metadata"]["labels"]) == ["key-1", "key-2", "key-3"]
