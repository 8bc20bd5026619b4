"""A cell as it should be on this host: the manifest turned into finished names, paths and documents. Pure."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kukeon_api import labels, model, names, ports
from kukeon_runner import manifest_hash, observed, peers, spec, terminals

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from kukeon_runner.layout import Layout

STOP_SIGNAL_LABEL = "kukeon.io/stop-signal"
"""What the image asks to be stopped with, kept so that a stop needs no image."""
IMAGE_DIGEST_LABEL = "kukeon.io/image-digest"


@dataclass(frozen=True)
class Site:
    """Where a cell lives on this host: finished names and paths."""

    ref: model.Ref
    namespace: str
    cgroup: str
    group: str
    root_id: str
    """containerd id of the root container; also the cell's id towards CNI."""
    pins: str
    shm: str
    conflist: str
    hosts: str
    hostname: str
    resolv: str
    pause_rootfs: str
    cgroup_files: bool
    nofile: int
    secrets: str
    host_hosts: str
    host_resolv: str
    host: observed.Abilities
    bridge: str
    home: str
    """The cell's directory in the run path; its containers' are in it."""
    memory_limit_bytes: int = 0
    """Of containers that say nothing of memory; 0 is none."""

    @classmethod
    def of(
        cls,
        layout: Layout,
        ref: model.Ref,
        namespace: str,
        *,
        cgroup_files: bool,
        nofile: int,
        host: observed.Abilities,
        memory_limit_bytes: int = 0,
    ) -> Site:
        """The site of the cell `ref`. Raises Invalid when a name does not fit, before anything is made."""
        space = model.Ref(ref.realm, ref.space)
        return cls(
            ref=ref,
            namespace=namespace,
            cgroup=layout.cgroup(ref),
            group=layout.shim_group(ref),
            root_id=names.containerd_id(ref.space, ref.stack, ref.cell, names.ROOT),
            pins=layout.pins(ref),
            shm=layout.shm(ref),
            conflist=layout.conflist(space),
            hosts=layout.etc_file(ref, "hosts"),
            hostname=layout.etc_file(ref, "hostname"),
            resolv=layout.etc_file(ref, "resolv.conf"),
            pause_rootfs=layout.pause_rootfs,
            cgroup_files=cgroup_files,
            nofile=nofile,
            secrets=layout.secrets(ref),
            host_hosts=layout.etc_file(ref, "host-hosts"),
            host_resolv=layout.etc_file(ref, "host-resolv.conf"),
            host=host,
            bridge=layout.bridge(space),
            home=layout.cell_dir(ref),
            memory_limit_bytes=memory_limit_bytes,
        )

    @property
    def labels(self) -> dict[str, str]:
        """What the containerd records of the cell's containers carry, and no others in the realm's namespace."""
        ref = self.ref
        return {
            labels.CONTAINERD_REALM: ref.realm,
            labels.CONTAINERD_SPACE: ref.space,
            labels.CONTAINERD_STACK: ref.stack,
            labels.CONTAINERD_CELL: ref.cell,
        }

    def staged(self, id: str) -> str:
        """The directory in which the secrets of the container with this containerd id are staged."""
        return f"{self.secrets}/{id}"

    def terminal_dir(self, name: str) -> str:
        """The directory in which what the terminal of a container shows is kept."""
        return f"{self.home}/{name}/tty"

    def container_id(self, name: str, *, root: bool) -> str:
        if root:
            return self.root_id
        return names.containerd_id(self.ref.space, self.ref.stack, self.ref.cell, name)


@dataclass(frozen=True)
class Container:
    name: str
    id: str
    root: bool
    image: str
    chain_id: str
    labels: tuple[tuple[str, str], ...]
    user: str
    spec: str
    spec_hash: str
    log: str
    secrets: tuple[model.ContainerSecret, ...] = ()
    terminal: terminals.Terminal | None = None


@dataclass(frozen=True)
class HostFiles:
    """What containers on the host's network see in place of the cell's own files: the host's, as text."""

    hosts: str = ""
    resolv: str = ""


@dataclass(frozen=True)
class Cell:
    site: Site
    containers: tuple[Container, ...]
    """The root container first."""
    resolv: str
    host_files: HostFiles | None = None
    """None where no container is on the host's network."""
    networked: bool = True
    """Whether any container is on the cell's own network; without, it has none."""
    nested: bool = False
    ports: tuple[ports.Port, ...] = ()
    announced: peers.Member | None = None
    """What its network knows of the cell now."""


def cell(
    site: Site,
    doc: model.CellDoc,
    images: Mapping[str, observed.Image],
    resolv: str,
    log: Callable[[str], str],
    *,
    found: Mapping[str, observed.Found] | None = None,
    host_files: HostFiles | None = None,
    announced: peers.Member | None = None,
) -> Cell:
    """What `doc` (normalised, effective) asks for, with its `images` by reference and `log` giving a log file's path.

    `found` is what there is on the host of what a container names, by the container's name. Raises KeyError for an
    image that is not in `images`: the caller has resolved all of them.
    """
    there, nested = found or {}, doc.spec.nested_cgroup_runtime
    containers = [
        _workload(site, each, images[each.image], log(each.id), there.get(each.id, observed.Found()), nested=nested)
        for each in doc.spec.containers
    ]
    own = networked(doc.spec)
    if not any(each.root for each in containers):
        containers.append(_pause(site, networked=own))
    in_order = tuple(sorted(containers, key=lambda each: not each.root))
    published = ports.of(text for each in doc.spec.containers for text in each.ports)
    return Cell(site, in_order, resolv, host_files, networked=own, nested=nested, ports=published, announced=announced)


def networked(spec: model.CellSpec) -> bool:
    """Whether a cell needs a network of its own: not when all its containers are on the host's."""
    return not spec.containers or not all(each.host_network for each in spec.containers)


def _workload(
    site: Site, wanted: model.ContainerSpec, image: observed.Image, log: str, found: observed.Found, *, nested: bool
) -> Container:
    identity = site.container_id(wanted.id, root=wanted.root)
    place = _place(site, wanted.id, identity, nested=nested)
    document = spec.container(place, identity, wanted, image, found)
    digest = manifest_hash.spec_hash(wanted, nested=nested)
    return Container(
        name=wanted.id,
        id=identity,
        root=wanted.root,
        image=image.name,
        chain_id=image.chain_id,
        labels=_labels(site, wanted.id, digest, image.stop_signal, image.digest, root=wanted.root),
        user=wanted.user or image.user,
        spec=json.dumps(document, sort_keys=True),
        spec_hash=digest,
        log=log,
        secrets=wanted.secrets,
        terminal=_terminal(site, wanted),
    )


def _terminal(site: Site, wanted: model.ContainerSpec) -> terminals.Terminal | None:
    if not wanted.attachable:
        return None
    name, keys = terminals.name(site.ref.child(wanted.id)), terminals.typing(wanted.tty)
    return terminals.Terminal(name, f"{site.terminal_dir(wanted.id)}/capture", keys)


def _pause(site: Site, *, networked: bool) -> Container:
    place = _place(site, names.ROOT, site.root_id)
    digest = manifest_hash.pause_hash(networked=networked)
    return Container(
        name=names.ROOT,
        id=site.root_id,
        root=True,
        image="",
        chain_id="",
        labels=_labels(site, names.ROOT, digest, "SIGTERM", "", root=True),
        user="",
        spec=json.dumps(spec.pause(place, site.root_id, networked=networked), sort_keys=True),
        spec_hash=digest,
        log="",
    )


def _place(site: Site, name: str, id: str, *, nested: bool = False) -> spec.Place:
    ref = site.ref
    variables = {
        "KUKEON_REALM": ref.realm,
        "KUKEON_SPACE": ref.space,
        "KUKEON_STACK": ref.stack,
        "KUKEON_CELL_NAME": ref.cell,
        "KUKEON_CONTAINER_ID": name,
        "KUKEON_CGROUP_PATH": site.cgroup,
    }
    return spec.Place(
        cgroup=site.cgroup,
        pins=site.pins,
        shm=site.shm,
        etc={"hosts": site.hosts, "hostname": site.hostname, "resolv.conf": site.resolv},
        group=site.group,
        variables=variables,
        cgroup_files=site.cgroup_files,
        nofile=site.nofile,
        host=site.host,
        memory_limit_bytes=site.memory_limit_bytes,
        secrets=site.staged(id),
        host_etc={"hosts": site.host_hosts, "hostname": site.hostname, "resolv.conf": site.host_resolv},
        nested=nested,
        terminal=site.terminal_dir(name),
    )


def spec_hashes(site: Site, doc: model.CellDoc) -> dict[str, str]:
    """What `spec_hash` is of each container of `doc`, by containerd id, with the root container that it gets."""
    nested = doc.spec.nested_cgroup_runtime
    found = {
        site.container_id(each.id, root=each.root): manifest_hash.spec_hash(each, nested=nested)
        for each in doc.spec.containers
    }
    return {site.root_id: manifest_hash.pause_hash(networked=networked(doc.spec))} | found


def _labels(
    site: Site, name: str, digest: str, stop_signal: str, image_digest: str, *, root: bool
) -> tuple[tuple[str, str], ...]:
    found = site.labels | {
        labels.CONTAINERD_TYPE: labels.TYPE_ROOT if root else labels.TYPE_CONTAINER,
        labels.CONTAINERD_CONTAINER: name,
        labels.CONTAINERD_SPEC_HASH: digest,
    }
    if stop_signal:
        found[STOP_SIGNAL_LABEL] = stop_signal
    if image_digest:
        found[IMAGE_DIGEST_LABEL] = image_digest
    return tuple(sorted(found.items()))
