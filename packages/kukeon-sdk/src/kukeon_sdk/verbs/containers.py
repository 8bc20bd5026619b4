"""Containers: running and stopped."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from kukeon_api import model


class Containers(Protocol):
    """Verbs of containers; create, delete and purge are like those of `Levels`.

    A cell's root container goes with its cell: alone it is refused with `RootContainerRefused`.
    """

    def create_container(self, doc: model.ContainerDoc, *, timeout: float | None = None) -> model.CreateContainerResult:
        """Add the container to its cell, and start it when the cell runs; one that exists is completed.

        Raises `CellNotFound`, `ImageNotFound` when the realm lacks the image, and `RootContainerRefused` for one that
        is to be the cell's root: that comes with its cell.
        """
        ...

    def get_container(self, doc: model.ContainerDoc, *, timeout: float | None = None) -> model.GetContainerResult:
        """Return the container. Raises `CellNotFound`, and `ContainerNotFound` when its cell has none of that name."""
        ...

    def list_containers(
        self,
        realm_name: str = "",
        space_name: str = "",
        stack_name: str = "",
        cell_name: str = "",
        *,
        timeout: float | None = None,
    ) -> tuple[model.ContainerSpec, ...]:
        """Return the specs of the containers within; an empty name means any. Their states are in `list_cells`."""
        ...

    def start_container(self, doc: model.ContainerDoc, *, timeout: float | None = None) -> model.StartContainerResult:
        """Start one container. Raises `CellNotFound`, `ContainerNotFound`, `RootContainerRefused`."""
        ...

    def stop_container(self, doc: model.ContainerDoc, *, timeout: float | None = None) -> model.StopContainerResult:
        """Stop one container. Raises `CellNotFound`, `ContainerNotFound`, `RootContainerRefused`."""
        ...

    def kill_container(self, doc: model.ContainerDoc, *, timeout: float | None = None) -> model.KillContainerResult:
        """End one container at once. Raises `CellNotFound`, `ContainerNotFound`, `RootContainerRefused`."""
        ...

    def restart_container(
        self, doc: model.ContainerDoc, *, timeout: float | None = None
    ) -> model.RestartContainerResult:
        """Stop the container if it runs, and start it.

        Raises `CellNotFound`, `ContainerNotFound`, `RootContainerRefused`.
        """
        ...

    def attach_container(self, doc: model.ContainerDoc, *, timeout: float | None = None) -> model.AttachContainerResult:
        """Return the socket of the container's terminal.

        Raises `CellNotFound`, `ContainerNotFound`, and `AttachNotSupported` when the container has no terminal.
        """
        ...

    def log_container(self, doc: model.ContainerDoc, *, timeout: float | None = None) -> model.LogContainerResult:
        """Return where on the host the container's output is written. Raises `CellNotFound`, `ContainerNotFound`."""
        ...

    def delete_container(self, doc: model.ContainerDoc, *, timeout: float | None = None) -> model.DeleteContainerResult:
        """End the container and take it out of its cell.

        Raises `CellNotFound`, `ContainerNotFound`, and `RootContainerRefused` for the cell's root container.
        """
        ...

    def purge_container(self, doc: model.ContainerDoc, *, timeout: float | None = None) -> model.PurgeContainerResult:
        """Delete the container and sweep up what is left of it; see `purge_realm`. Raises `RootContainerRefused`."""
        ...
