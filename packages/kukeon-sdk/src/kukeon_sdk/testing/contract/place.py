"""What every test of the contract stands on: a realm of its own, and documents in it."""

from __future__ import annotations

import json
import secrets
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from kukeon_api import errors, model

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kukeon_sdk.client import Client

SLEEP = ("/bin/sh", "-c", "trap 'exit 0' TERM; sleep 3600 & wait $!")
"""A program that runs until it is asked to end."""

WAIT_S = 120.0
"""More than any call takes; it keeps a hanging client from hanging a test run."""


class Place:
    """A stack in a realm that nobody else uses, with documents of what may be in it."""

    def __init__(self, client: Client, archive: bytes) -> None:
        self.client = client
        self.realm = f"kc-{secrets.token_hex(3)}"
        self.space = "net"
        self.stack = "app"
        self._archive = archive
        self._image = ""

    def make(self) -> Place:
        """Have realm, space and stack."""
        self.client.create_realm(self.realm_doc(), timeout=WAIT_S)
        self.client.create_space(self.space_doc(), timeout=WAIT_S)
        self.client.create_stack(self.stack_doc(), timeout=WAIT_S)
        return self

    def clear(self) -> None:
        """Have nothing of it any more."""
        self.client.purge_realm(self.realm_doc(), cascade=True, timeout=WAIT_S)

    @property
    def image(self) -> str:
        """The name of an image that can run; it is loaded into the realm when this is first asked for."""
        if not self._image:
            self._image = self.client.load_image(self.realm, self._archive, timeout=WAIT_S).images[0]
        return self._image

    def realm_doc(self, name: str = "", **labels: str) -> model.RealmDoc:
        return model.RealmDoc(metadata=model.Metadata(name=name or self.realm, labels=labels))

    def space_doc(self, name: str = "", **labels: str) -> model.SpaceDoc:
        metadata = model.Metadata(name=name or self.space, labels=labels)
        return model.SpaceDoc(metadata=metadata, spec=model.SpaceSpec(realm_id=self.realm))

    def stack_doc(self, name: str = "", space: str = "", **labels: str) -> model.StackDoc:
        metadata = model.Metadata(name=name or self.stack, labels=labels)
        spec = model.StackSpec(realm_id=self.realm, space_id=space or self.space)
        return model.StackDoc(metadata=metadata, spec=spec)

    def container(self, id: str = "web", image: str = "", **fields: Any) -> model.ContainerSpec:
        """A container that runs until it is ended."""
        command, *args = SLEEP
        return model.ContainerSpec(
            **{"id": id, "image": image or self.image, "command": command, "args": tuple(args), **fields}
        )

    def cell_doc(self, name: str = "web", *containers: model.ContainerSpec, **labels: str) -> model.CellDoc:
        """A cell; without `containers`, with one called `web`."""
        spec = model.CellSpec(
            realm_id=self.realm,
            space_id=self.space,
            stack_id=self.stack,
            containers=containers or (self.container(),),
        )
        return model.CellDoc(metadata=model.Metadata(name=name, labels=labels), spec=spec)

    def reference(self, name: str = "web") -> model.CellDoc:
        """A document that only says which cell is meant."""
        spec = model.CellSpec(realm_id=self.realm, space_id=self.space, stack_id=self.stack)
        return model.CellDoc(metadata=model.Metadata(name=name), spec=spec)

    def container_doc(self, name: str = "web", cell: str = "web", **fields: Any) -> model.ContainerDoc:
        """A container document; without an `image` it only says which container is meant."""
        spec = model.ContainerSpec(
            realm_id=self.realm, space_id=self.space, stack_id=self.stack, cell_id=cell, id=name, **fields
        )
        return model.ContainerDoc(metadata=model.Metadata(name=name), spec=spec)

    def new_container_doc(self, name: str, cell: str = "web", **fields: Any) -> model.ContainerDoc:
        """A container document of something that runs."""
        command, *args = SLEEP
        return self.container_doc(
            name, cell, **{"image": self.image, "command": command, "args": tuple(args), **fields}
        )

    def cell(self, name: str = "web") -> model.CellDoc:
        """The cell as it is now; it has to be there."""
        found = self.client.get_cell(self.reference(name), timeout=WAIT_S)
        assert found.metadata_exists, f"cell {name} is not there"
        return found.cell

    def state(self, name: str = "web") -> model.CellState:
        return self.cell(name).status.state

    def snapshot(self) -> tuple[object, ...]:
        """Everything that is stored of this realm; equal before and after means that nothing was changed."""
        client = self.client
        return (
            client.get_realm(self.realm_doc(), timeout=WAIT_S).realm,
            client.list_spaces(self.realm, timeout=WAIT_S),
            client.list_stacks(self.realm, timeout=WAIT_S),
            client.list_cells(self.realm, timeout=WAIT_S),
        )

    def apply(self, *docs: Any, **options: Any) -> tuple[model.ApplyResourceResult, ...]:
        """Apply documents (models, or plain data for what a model cannot say) and return each one's outcome."""
        return self.client.apply_documents(manifest(*docs), timeout=WAIT_S, **options).resources

    def delete(self, *docs: Any, **options: Any) -> tuple[model.DeleteResourceResult, ...]:
        """Delete documents and return each one's outcome."""
        return self.client.delete_documents(manifest(*docs), timeout=WAIT_S, **options).resources


def manifest(*docs: Any) -> bytes:
    """Return documents as YAML; JSON is YAML."""
    return "\n---\n".join(json.dumps(_plain(doc)) for doc in docs).encode()


def _plain(doc: Any) -> Any:
    if not isinstance(doc, msgspec.Struct):
        return doc
    head: Any = doc
    found = {"apiVersion": head.api_version, "kind": head.kind, **msgspec.to_builtins(doc)}
    found.pop("status", None)
    return found


class Placed:
    """Where the fixtures come from. A subclass gives `client`, and `image`: the bytes of an archive that can run."""

    @pytest.fixture
    def place(self, client: Client, image: bytes) -> Iterator[Place]:
        place = Place(client, image)
        try:
            yield place.make()
        finally:
            place.clear()


def raises_kind(kind: str) -> Any:
    """Expect the error of a kind: its class, and the same word on it."""
    return _Kind(kind)


class _Kind:
    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._raises: Any = pytest.raises(errors.KINDS[kind])

    def __enter__(self) -> Any:
        self._caught = self._raises.__enter__()
        return self._caught

    def __exit__(self, *exc: Any) -> Any:
        passed = self._raises.__exit__(*exc)
        if passed:
            assert self._caught.value.kind == self.kind
            assert str(self._caught.value)
        return passed
