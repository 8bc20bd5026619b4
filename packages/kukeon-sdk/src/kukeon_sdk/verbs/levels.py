"""Levels: realms, and what they are divided into, spaces and stacks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from kukeon_api import model


class Levels(Protocol):
    """Verbs of realms, spaces and stacks.

    Create: what exists already is completed and keeps its spec (`created` tells). Delete takes what is stored; purge
    also what is left of something that nobody remembers.
    """

    def create_realm(self, doc: model.RealmDoc, *, timeout: float | None = None) -> model.CreateRealmResult:
        """Make the realm, or complete it when it exists. Raises `Conflict` when its namespace is another's."""
        ...

    def create_space(self, doc: model.SpaceDoc, *, timeout: float | None = None) -> model.CreateSpaceResult:
        """Make the space and its network, or complete it when it exists. Raises `RealmNotFound`."""
        ...

    def create_stack(self, doc: model.StackDoc, *, timeout: float | None = None) -> model.CreateStackResult:
        """Make the stack, or complete it when it exists. Raises `RealmNotFound` and `SpaceNotFound`."""
        ...

    def get_realm(self, doc: model.RealmDoc, *, timeout: float | None = None) -> model.GetRealmResult:
        """Return the realm; when there is none, `metadata_exists` is False and `realm` is `doc`."""
        ...

    def get_space(self, doc: model.SpaceDoc, *, timeout: float | None = None) -> model.GetSpaceResult:
        """Return the space; when there is none, `metadata_exists` is False and `space` is `doc`."""
        ...

    def get_stack(self, doc: model.StackDoc, *, timeout: float | None = None) -> model.GetStackResult:
        """Return the stack; when there is none, `metadata_exists` is False and `stack` is `doc`."""
        ...

    def list_realms(self, *, timeout: float | None = None) -> tuple[model.RealmDoc, ...]:
        """Return every realm, in the order of their names."""
        ...

    def list_spaces(self, realm_name: str = "", *, timeout: float | None = None) -> tuple[model.SpaceDoc, ...]:
        """Return the spaces of a realm; an empty name means all realms."""
        ...

    def list_stacks(
        self, realm_name: str = "", space_name: str = "", *, timeout: float | None = None
    ) -> tuple[model.StackDoc, ...]:
        """Return the stacks within; an empty name means any."""
        ...

    def delete_realm(
        self, doc: model.RealmDoc, force: bool = False, cascade: bool = False, *, timeout: float | None = None
    ) -> model.DeleteRealmResult:
        """Delete the realm; `cascade` also deletes what is inside, `force` means the same and is kept for scripts.

        Raises `RealmNotFound`, and `ResourceHasDependencies`, counting them, when something is inside and stays.
        """
        ...

    def delete_space(
        self, doc: model.SpaceDoc, force: bool = False, cascade: bool = False, *, timeout: float | None = None
    ) -> model.DeleteSpaceResult:
        """Delete the space and its network; see `delete_realm`. Raises `SpaceNotFound`, `ResourceHasDependencies`."""
        ...

    def delete_stack(
        self, doc: model.StackDoc, force: bool = False, cascade: bool = False, *, timeout: float | None = None
    ) -> model.DeleteStackResult:
        """Delete the stack; see `delete_realm`. Raises `StackNotFound`, `ResourceHasDependencies`."""
        ...

    def purge_realm(
        self, doc: model.RealmDoc, force: bool = False, cascade: bool = False, *, timeout: float | None = None
    ) -> model.PurgeRealmResult:
        """Delete the realm and sweep up what is left of it, known or not; of what never was, nothing is left.

        `deleted` lists what a delete would have, `purged` the leftovers beyond that, `warnings` trouble that did not
        matter. Raises `ResourceHasDependencies` like `delete_realm`, and what keeps the realm from going away.
        """
        ...

    def purge_space(
        self, doc: model.SpaceDoc, force: bool = False, cascade: bool = False, *, timeout: float | None = None
    ) -> model.PurgeSpaceResult:
        """Delete the space and sweep up what is left of it; see `purge_realm`."""
        ...

    def purge_stack(
        self, doc: model.StackDoc, force: bool = False, cascade: bool = False, *, timeout: float | None = None
    ) -> model.PurgeStackResult:
        """Delete the stack and sweep up what is left of it; see `purge_realm`."""
        ...
