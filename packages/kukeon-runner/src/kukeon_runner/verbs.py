"""Runner: the verbs of one host, as others may program against them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable

    from kukeon_api import model
    from kukeon_runner.groundwork import BootstrapReport


@dataclass(frozen=True)
class ReconcileOutcome:
    """What one look at a cell did: at most one of the two.

    `updated`: its stored status was rewritten. `deleted`: it is gone, as its `autoDelete` asked.
    """

    updated: bool = False
    deleted: bool = False


class Runner(Protocol):
    """Everything that can be done to the resources of one instance, as documents of `kukeon_api.model` in and out.

    Of a document that names what a verb is about, only its names count. Every verb locks what it is about, looks at
    the host, decides, does and stores, and can be repeated. Beside what stands with a verb, each raises
    `<Kind>NotFound` for what is not there, Invalid for names that do not fit, ConnectContainerd when containerd is
    away, HostError when the host refuses.
    """

    # The host.

    async def bootstrap_cni(self) -> BootstrapReport:
        """Have the directories of the networks; the report tells which plugins are missing."""

    async def ensure_kukeon_root_cgroup(self) -> tuple[bool, bool]:
        """Have the cgroup above all realms: whether it was there, and whether it was made."""

    async def list_containerd_namespaces(self) -> tuple[str, ...]:
        """All containerd namespaces, whosever they are; none where containerd is away."""

    async def exists_realm_containerd_namespace(self, namespace: str) -> bool: ...

    async def exists_cgroup(self, doc: model.RealmDoc | model.SpaceDoc | model.StackDoc | model.CellDoc) -> bool: ...

    async def exists_container(self, namespace: str, containerd_id: str) -> bool:
        """Whether containerd has a record of it."""

    # Realms.

    async def get_realm(self, realm: model.RealmDoc) -> model.RealmDoc: ...

    async def list_realms(self) -> tuple[model.RealmDoc, ...]: ...

    async def create_realm(self, realm: model.RealmDoc) -> model.RealmDoc:
        """Have the realm; one that exists keeps its spec. Raises Conflict for a namespace that is another's."""

    async def ensure_realm(self, realm: model.RealmDoc) -> model.RealmDoc:
        """Have what the stored realm is made of."""

    async def update_realm(self, realm: model.RealmDoc) -> model.RealmDoc:
        """Give it these labels and registry credentials. Raises BreakingChange for another namespace, StaleResource."""

    async def update_realm_metadata(self, realm: model.RealmDoc) -> model.RealmDoc:
        """Give it these labels; nothing else changes. Raises StaleResource."""

    async def delete_realm(self, realm: model.RealmDoc) -> None:
        """Raises ResourceHasDependencies while there are spaces in it."""

    async def purge_realm(self, realm: model.RealmDoc) -> bool:
        """Remove whatever there is of it, with everything inside; True: its containerd namespace is gone (or was)."""

    async def refresh_realm(self, realm: model.RealmDoc) -> tuple[model.RealmDoc, bool]:
        """Store the status that is observed; with whether that changed it."""

    # Spaces.

    async def get_space(self, space: model.SpaceDoc) -> model.SpaceDoc: ...

    async def list_spaces(self, realm_name: str = "") -> tuple[model.SpaceDoc, ...]:
        """Those of one realm, or all."""

    async def create_space(self, space: model.SpaceDoc) -> model.SpaceDoc:
        """Have the space and its network; one that exists keeps its spec."""

    async def ensure_space(self, space: model.SpaceDoc) -> model.SpaceDoc:
        """Have what the stored space is made of."""

    async def update_space(self, space: model.SpaceDoc) -> model.SpaceDoc:
        """Give it these labels, defaults and network policy. Raises BreakingChange, StaleResource."""

    async def update_space_metadata(self, space: model.SpaceDoc) -> model.SpaceDoc:
        """Give it these labels; nothing else changes. Raises StaleResource."""

    async def exists_space_cni_config(self, space: model.SpaceDoc) -> bool:
        """Whether its network is described as it should be, and its bridge is there."""

    async def delete_space(self, space: model.SpaceDoc) -> None:
        """Raises ResourceHasDependencies while there are stacks in it."""

    async def purge_space(self, space: model.SpaceDoc) -> None:
        """Remove whatever there is of it, with everything inside."""

    async def refresh_space(self, space: model.SpaceDoc) -> tuple[model.SpaceDoc, bool]:
        """Store the status that is observed; with whether that changed it."""

    # Stacks.

    async def get_stack(self, stack: model.StackDoc) -> model.StackDoc: ...

    async def list_stacks(self, realm_name: str = "", space_name: str = "") -> tuple[model.StackDoc, ...]:
        """Those whose parents have these names; an empty name is no filter."""

    async def create_stack(self, stack: model.StackDoc) -> model.StackDoc:
        """Have the stack; one that exists keeps its spec."""

    async def ensure_stack(self, stack: model.StackDoc) -> model.StackDoc:
        """Have what the stored stack is made of."""

    async def update_stack(self, stack: model.StackDoc) -> model.StackDoc:
        """Give it these labels. Raises BreakingChange, StaleResource."""

    async def update_stack_metadata(self, stack: model.StackDoc) -> model.StackDoc:
        """Give it these labels; nothing else changes. Raises StaleResource."""

    async def delete_stack(self, stack: model.StackDoc) -> None:
        """Raises ResourceHasDependencies while there are cells in it."""

    async def purge_stack(self, stack: model.StackDoc) -> None:
        """Remove whatever there is of it, with everything inside."""

    async def refresh_stack(self, stack: model.StackDoc) -> tuple[model.StackDoc, bool]:
        """Store the status that is observed; with whether that changed it."""

    # Cells.

    async def get_cell(self, cell: model.CellDoc) -> model.CellDoc: ...

    async def list_cells(
        self, realm_name: str = "", space_name: str = "", stack_name: str = ""
    ) -> tuple[model.CellDoc, ...]:
        """Those whose parents have these names; an empty name is no filter."""

    async def create_cell(self, cell: model.CellDoc) -> model.CellDoc:
        """Store the cell, ready to be started; one that exists keeps its spec."""

    async def ensure_cell(self, cell: model.CellDoc) -> model.CellDoc:
        """Have the stored cell as it is wanted: running, or ended."""

    async def start_cell(self, cell: model.CellDoc) -> model.CellDoc:
        """Start every container that does not run. A failure leaves none running and the reason in the status."""

    async def stop_cell(self, cell: model.CellDoc) -> model.CellDoc:
        """End all containers, workloads first and together; what they wrote stays."""

    async def kill_cell(self, cell: model.CellDoc) -> model.CellDoc:
        """End all containers with SIGKILL, and leave them to be looked at."""

    async def update_cell(self, cell: model.CellDoc) -> model.CellDoc:
        """Give the stored cell these labels and containers, and have it running.

        Raises BreakingChange, StaleResource.
        """

    async def update_cell_metadata(self, cell: model.CellDoc) -> model.CellDoc:
        """Give it these labels; nothing else changes. Raises StaleResource."""

    async def recreate_cell(self, cell: model.CellDoc) -> model.CellDoc:
        """Make all containers of the stored cell anew, as `cell` says, and start them."""

    async def exists_cell_root_container(self, cell: model.CellDoc) -> bool: ...

    async def delete_cell(self, cell: model.CellDoc) -> None:
        """Remove it from host and store; the document stays until nothing else is left."""

    async def purge_cell(self, cell: model.CellDoc) -> None:
        """Remove whatever there is of it, whether or not its document is left."""

    async def refresh_cell(self, cell: model.CellDoc) -> tuple[model.CellDoc, int]:
        """Store the status that is observed; with how many containers' statuses that changed."""

    async def reconcile_cell(self, cell: model.CellDoc) -> tuple[model.CellDoc, ReconcileOutcome]:
        """Store the status that is observed, and repair what a running cell owes its workloads."""

    async def populate_and_persist_cell_container_statuses(self, cell: model.CellDoc) -> model.CellDoc:
        """The document after `refresh_cell`."""

    # Containers.

    async def list_containers(
        self, realm_name: str = "", space_name: str = "", stack_name: str = "", cell_name: str = ""
    ) -> tuple[model.ContainerSpec, ...]:
        """Those of the cells that match, in the order of their manifests."""

    def extract_containers_from_cells(self, cells: Iterable[model.CellDoc]) -> tuple[model.ContainerSpec, ...]: ...

    async def create_container(self, cell: model.CellDoc, container: model.ContainerSpec) -> model.CellDoc:
        """Add the container to the stored cell and start it; one that exists keeps its spec."""

    async def ensure_container(self, cell: model.CellDoc, container: model.ContainerSpec) -> model.CellDoc:
        """Have the container in the stored cell, and running if the cell is to run."""

    async def update_container(self, cell: model.CellDoc, container: model.ContainerSpec) -> model.CellDoc:
        """Give the stored container this spec; what has to be made anew for that is."""

    async def start_container(self, cell: model.CellDoc, container_id: str) -> model.CellDoc:
        """Raises RootContainerRefused for the root container, which starts and ends with its cell; so do the next."""

    async def stop_container(self, cell: model.CellDoc, container_id: str) -> None: ...

    async def kill_container(self, cell: model.CellDoc, container_id: str) -> None: ...

    async def delete_container(self, cell: model.CellDoc, container_id: str) -> None:
        """Remove it from the host and from the stored cell."""

    async def purge_container(self, cell: model.CellDoc, container_id: str) -> None:
        """Remove whatever there is of it, whether or not its cell is known."""

    async def get_container_state(self, cell: model.CellDoc, container_id: str) -> model.ContainerState:
        """What containerd says now."""

    # Images, by containerd namespace.

    async def load_image(self, namespace: str, chunks: AsyncIterator[bytes]) -> tuple[str, ...]:
        """Import an archive and return the names of its images. Raises InvalidArchive."""

    async def list_images(self, namespace: str) -> tuple[model.ImageInfo, ...]: ...

    async def get_image(self, namespace: str, ref: str) -> model.ImageInfo:
        """Raises ImageNotFound."""

    async def delete_image(self, namespace: str, ref: str) -> None:
        """Raises ImageNotFound."""

    async def close(self) -> None:
        """Let go of containerd; twice is fine."""
