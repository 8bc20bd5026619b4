"""Realms, spaces and stacks in memory: create, get, update."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kukeon_api import errors, model
from kukeon_sdk.testing.memory.world import accepted, changeable, labelled, replace

if TYPE_CHECKING:
    from kukeon_sdk.testing.memory.world import World

Level = model.RealmDoc | model.SpaceDoc | model.StackDoc

PIECES = {"Realm": ("cgroup", "namespace"), "Space": ("cgroup", "network"), "Stack": ("cgroup",)}
"""What each is made of on a host, in the order of removal."""


class Levels:
    """The verbs of realms, spaces and stacks that make something or look at it."""

    world: World

    def create_realm(self, doc: model.RealmDoc) -> model.CreateRealmResult:
        found, existed = self._created(doc)
        flags = _flags(existed, "cgroup", "containerd_namespace")
        return model.CreateRealmResult(realm=found, created=not existed, **flags)

    def create_space(self, doc: model.SpaceDoc) -> model.CreateSpaceResult:
        found, existed = self._created(doc)
        flags = _flags(existed, "cgroup", "cni_network")
        return model.CreateSpaceResult(space=found, created=not existed, **flags)

    def create_stack(self, doc: model.StackDoc) -> model.CreateStackResult:
        found, existed = self._created(doc)
        return model.CreateStackResult(stack=found, created=not existed, **_flags(existed, "cgroup"))

    def get_realm(self, doc: model.RealmDoc) -> model.GetRealmResult:
        found = self.world.find(model.ref_of(doc))
        there = found is not None
        return model.GetRealmResult(
            realm=found or doc, metadata_exists=there, cgroup_exists=there, containerd_namespace_exists=there
        )

    def get_space(self, doc: model.SpaceDoc) -> model.GetSpaceResult:
        found = self.world.find(model.ref_of(doc))
        there = found is not None
        return model.GetSpaceResult(
            space=found or doc, metadata_exists=there, cgroup_exists=there, cni_network_exists=there
        )

    def get_stack(self, doc: model.StackDoc) -> model.GetStackResult:
        found = self.world.find(model.ref_of(doc))
        there = found is not None
        return model.GetStackResult(stack=found or doc, metadata_exists=there, cgroup_exists=there)

    def list_realms(self) -> tuple[model.RealmDoc, ...]:
        return tuple(self.world.of_kind("Realm"))

    def list_spaces(self, realm_name: str = "") -> tuple[model.SpaceDoc, ...]:
        return tuple(self.world.of_kind("Space", realm_name))

    def list_stacks(self, realm_name: str = "", space_name: str = "") -> tuple[model.StackDoc, ...]:
        return tuple(self.world.of_kind("Stack", realm_name, space_name))

    def _created(self, doc: Any) -> tuple[Any, bool]:
        """Return the stored document, and whether it was there already."""
        doc = accepted(doc)
        ref = changeable(model.ref_of(doc), "create")
        stored = self.world.find(ref)
        return (stored, True) if stored is not None else (self.have_level(doc), False)

    def have_level(self, doc: Any) -> Any:
        """Store a level that is new, or give one that exists the spec and labels of `doc`; return it as stored.

        Raises `<Parent>NotFound`, `Conflict` for a namespace of another realm, `BreakingChange`.
        """
        ref = model.ref_of(doc)
        if ref.parent is not None:
            self.world.load(ref.parent)
        stored = self.world.find(ref)
        if stored is not None:
            check_change(stored, doc)
        spec = self._completed(doc, stored)
        status = stored.status if stored is not None else type(doc)(metadata=doc.metadata, spec=spec).status
        status = replace(status, state=type(status.state)("Ready"), cgroup_ready=True)
        if isinstance(doc, model.RealmDoc):
            status = replace(status, containerd_namespace_ready=True)
            self.world.images.setdefault(ref.realm, {})
        if isinstance(doc, model.SpaceDoc):
            self.world.network(ref.child("x").child("x"))  # takes the subnet
            self.world.addresses.pop(ref.child("x").child("x"))
        return self.world.save(replace(labelled(doc, stored), spec=spec, status=status))

    def _completed(self, doc: Level, stored: Level | None) -> Any:
        """Return the spec with what the server fills in."""
        ref = model.ref_of(doc)
        match doc:
            case model.RealmDoc(spec=spec):
                before = stored.spec if isinstance(stored, model.RealmDoc) else None
                namespace = spec.namespace or (before.namespace if before else f"{ref.realm}.{self.world.suffix}")
                for other in self.world.of_kind("Realm"):
                    if other.spec.namespace == namespace and other.metadata.name != ref.realm:
                        raise errors.Conflict(
                            f"cannot use containerd namespace {namespace!r} for realm {ref.realm!r}: realm"
                            f" {other.metadata.name!r} has it",
                            hint="leave spec.namespace out, or choose another",
                        )
                credentials = tuple(self._kept(ref.realm, each) for each in spec.registry_credentials)
                return replace(spec, namespace=namespace, registry_credentials=credentials)
            case model.SpaceDoc(spec=space):
                return replace(space, cni_config_path=f"{self.world.directory(ref)}/network.conflist")
            case _:
                return doc.spec

    def _kept(self, realm: str, found: model.RegistryCredentials) -> model.RegistryCredentials:
        """Keep the password apart; an empty one means the one that is kept."""
        key = (realm, found.server_address, found.username)
        if found.password:
            self.world.passwords[key] = found.password
        elif key not in self.world.passwords:
            raise errors.Invalid(
                f"cannot use the credentials of {found.username!r} for {found.server_address!r}: no password is known",
                hint="state the password",
            )
        return replace(found, password="")


def check_change(stored: Any, wanted: Any) -> None:
    """Raise `BreakingChange` for what cannot change in place."""
    fields = {"Realm": ("namespace",), "Space": ("cni_config_path",)}.get(stored.kind, ())
    for field in fields:
        before, after = getattr(stored.spec, field), getattr(wanted.spec, field)
        if after and after != before:
            paper = {"cni_config_path": "cniConfigPath"}.get(field, field)
            raise errors.BreakingChange(
                f"cannot change spec.{paper} of {stored.kind.lower()} {stored.metadata.name!r} from {before!r} to"
                f" {after!r}",
                hint=f"delete the {stored.kind.lower()} and create it again",
            )


def _flags(existed: bool, *pieces: str) -> dict[str, bool]:
    flags = {"metadata_exists_pre": existed, "metadata_exists_post": True}
    for piece in pieces:
        flags |= {f"{piece}_exists_pre": existed, f"{piece}_exists_post": True, f"{piece}_created": not existed}
    return flags
