"""A kukeond in memory, and what tests do to it from outside."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import msgspec

from kukeon_api import errors, image_ref, model, normalise
from kukeon_sdk import testing

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kukeon_sdk.testing.memory.world import Stored

BORN = dt.datetime(2026, 11, 21, 10, 0, tzinfo=dt.UTC)


class MemoryClient(testing.MemoryClient):
    """The kukeond in memory of the SDK, with resources and answers that a test puts there.

    `answers` has for a method's name what its next calls return, `states` what the status of a cell changes to at each
    look; `received` is what was sent to it. An archive is the name of its image: what is in archives is others' affair.
    """

    def __init__(self) -> None:
        super().__init__()
        self.answers: dict[str, list[Any]] = {}
        self.states: list[dict[str, Any]] = []
        self.log_paths: dict[model.Ref, str] = {}
        self.received: list[bytes] = []
        self.about: dict[str, Any] = {"version": "0.1.0", "containerd_version": "1.6.20", "pid": 4711}

    @property
    def docs(self) -> dict[model.Ref, Stored]:
        return self.world.docs

    @docs.setter
    def docs(self, docs: dict[model.Ref, Stored]) -> None:
        self.world.docs = docs

    def close(self) -> None:
        """Every command line closes its client; this one is for all of a test."""

    def end(self) -> None:
        """Close it for good, when the test is over."""
        super().close()

    def perform(self, name: str, arguments: dict[str, Any], timeout: float | None) -> Any:
        if name in ("apply_documents", "delete_documents") and not self.trouble.get(name):
            self.received.append(arguments["raw_yaml"])
        if self.answers.get(name):
            return self.answers[name].pop(0)
        if name == "get_cell" and self.states:
            self._become(model.ref_of(arguments["doc"]), self.states.pop(0))
        if name == "log_container" and model.ref_of(arguments["doc"]) in self.log_paths:
            return model.LogContainerResult(host_log_path=self.log_paths[model.ref_of(arguments["doc"])])
        if name == "load_image" and not self.trouble.get(name):
            return self._load(arguments["realm"], b"".join(arguments["tarball"]))
        result = super().perform(name, arguments, timeout)
        return msgspec.structs.replace(result, **self.about) if name == "ping" else result

    def _become(self, ref: model.Ref, status: dict[str, Any]) -> None:
        found = self.docs[ref]
        self.docs[ref] = msgspec.structs.replace(found, status=msgspec.structs.replace(found.status, **status))

    def _load(self, realm: str, content: bytes) -> model.LoadImageResult:
        namespace = self.world.namespace(realm)
        self.received.append(content)
        if not content:
            raise errors.TarballRequired("cannot load an image: the archive is empty")
        name = image_ref.normalise(content.decode())
        self.load(realm, name)
        return model.LoadImageResult(realm=realm, namespace=namespace, images=(name,))

    def load(self, realm: str, name: str) -> None:
        """Have an image in a realm."""
        info = model.ImageInfo(name=name, size=1_500_000, created_at=BORN, digest="sha256:" + "0" * 64)
        self.world.images[realm][name] = info

    def put(
        self,
        ref: model.Ref,
        *,
        image: str = "docker.io/library/busybox:latest",
        labels: Mapping[str, str] = {},
        **status: Any,
    ) -> model.Doc:
        """Have a resource, ready; `status` replaces fields of its status."""
        metadata = model.Metadata(name=ref.name, labels=dict(labels), generation=1)
        known = {"created_at": BORN, **status}
        doc: Stored
        match ref.kind:
            case "Realm":
                known.setdefault("state", model.RealmState.READY)
                spec = model.RealmSpec(namespace=f"{ref.realm}.kukeon.io")
                doc = model.RealmDoc(metadata=metadata, spec=spec, status=model.RealmStatus(**known))
                self.world.images.setdefault(ref.realm, {})
            case "Space":
                known.setdefault("state", model.SpaceState.READY)
                doc = model.SpaceDoc(
                    metadata=metadata, spec=model.SpaceSpec(realm_id=ref.realm), status=model.SpaceStatus(**known)
                )
            case "Stack":
                known.setdefault("state", model.StackState.READY)
                stack = model.StackSpec(realm_id=ref.realm, space_id=ref.space, id=ref.stack)
                doc = model.StackDoc(metadata=metadata, spec=stack, status=model.StackStatus(**known))
            case _:
                doc = self._cell(ref, metadata, image, known)
        self.docs[ref] = doc
        return doc

    @staticmethod
    def _cell(ref: model.Ref, metadata: model.Metadata, image: str, known: dict[str, Any]) -> model.CellDoc:
        spec = model.CellSpec(
            realm_id=ref.realm,
            space_id=ref.space,
            stack_id=ref.stack,
            containers=(model.ContainerSpec(id="web", image=image, command="/bin/sh"),),
        )
        doc = normalise.normalise(model.CellDoc(metadata=metadata, spec=spec))
        network = model.CellNetworkStatus(bridge_name="k-0123456789", address="10.88.0.2/24", gateway="10.88.0.1")
        containers = tuple(
            model.ContainerStatus(
                name=each.id, id=each.containerd_id, state=model.ContainerState.READY, created_at=BORN
            )
            for each in doc.spec.containers
        )
        values = {
            "state": model.CellState.READY,
            "network": network,
            "containers": containers,
            "cgroup_ready": True,
            "ready_observed": True,
        }
        return msgspec.structs.replace(doc, status=model.CellStatus(**{**values, **known}))
