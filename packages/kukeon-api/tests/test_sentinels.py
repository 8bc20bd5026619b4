"""Every failure that has a word of its own in the first version of the wire has its kind here, and says the same."""

from __future__ import annotations

import pytest

from kukeon_api import errors, manifest, model, names, normalise

# What went wrong -> the kind that it is now.  Faults in documents come many at a time, so their kind is that of the
# manifest and each problem has its path; wrappers that only named the operation are its message.
SENTINELS = {
    "UnsupportedAPIVersion": "UnsupportedAPIVersion",
    "UnknownKind": "UnknownKind",
    "ConversionFailed": "InvalidManifest",
    "MissingMetadataFile": "MissingMetadataFile",
    "WriteMetadata": "WriteMetadata",
    "InstanceMismatch": "InstanceMismatch",
    "MustRunAsRoot": "MustRunAsRoot",
    "ServerConfigurationInvalid": "ServerConfigurationInvalid",
    "ClientConfigurationInvalid": "ClientConfigurationInvalid",
    "RealmNameRequired": "RealmNameRequired",
    "SpaceNameRequired": "SpaceNameRequired",
    "StackNameRequired": "StackNameRequired",
    "CellNameRequired": "CellNameRequired",
    "ContainerNameRequired": "ContainerNameRequired",
    "InvalidRealmName": "InvalidRealmName",
    "InvalidName": "InvalidName",
    "RealmNotFound": "RealmNotFound",
    "SpaceNotFound": "SpaceNotFound",
    "StackNotFound": "StackNotFound",
    "CellNotFound": "CellNotFound",
    "ContainerNotFound": "ContainerNotFound",
    "TaskNotFound": "TaskNotFound",
    "TaskNotRunning": "TaskNotRunning",
    "ContainerExists": "ContainerExists",
    "NetworkNotFound": "NetworkNotFound",
    "NetworkAlreadyExists": "NetworkAlreadyExists",
    "NamespaceAlreadyExists": "NamespaceAlreadyExists",
    "ImageNotFound": "ImageNotFound",
    "ResourceHasDependencies": "ResourceHasDependencies",
    "StaleResource": "StaleResource",
    "CreateRealm": "CreateRealm",
    "CreateSpace": "CreateSpace",
    "CreateStack": "CreateStack",
    "CreateCell": "CreateCell",
    "DeleteRealm": "DeleteRealm",
    "DeleteSpace": "DeleteSpace",
    "DeleteStack": "DeleteStack",
    "DeleteCell": "DeleteCell",
    "DeleteContainer": "DeleteContainer",
    "ConnectContainerd": "ConnectContainerd",
    "CreateNetwork": "CNIPluginFailed",
    "CNIPluginNotFound": "CNIPluginNotFound",
    "CreateCgroup": "HostError",
    "CreateNamespace": "HostError",
    "ForwardAdmissionApply": "HostError",
    "ForwardAdmissionRemove": "HostError",
    "LoadImage": "InvalidArchive",
    "TarballRequired": "TarballRequired",
    "MultipleRootContainers": "MultipleRootContainers",
    "RootContainerMismatch": "RootContainerMismatch",
    "InvalidImage": "InvalidImage",
    "VolumeTargetRequired": "InvalidManifest",
    "VolumeTargetNotAbsolute": "InvalidManifest",
    "VolumeSourceRequired": "InvalidManifest",
    "VolumeNamedNotSupported": "InvalidManifest",
    "VolumeSourceNotAbsolute": "InvalidManifest",
    "VolumeKindUnknown": "InvalidManifest",
    "VolumeTmpfsSourceForbidden": "InvalidManifest",
    "VolumeSourceNotFound": "VolumeSourceNotFound",
    "InvalidSubnetCIDR": "ServerConfigurationInvalid",
    "SubnetExhausted": "SubnetExhausted",
    "SubnetStateCorrupt": "SubnetStateCorrupt",
    "AttachNotSupported": "AttachNotSupported",
    "SelectorWithName": "InvalidSelector",
}


@pytest.mark.parametrize("kind", sorted(set(SENTINELS.values())))
def test_each_has_its_kind(kind: str) -> None:
    assert errors.KINDS[kind].default_kind == kind


CELL = """\
kind: Cell
metadata: {{name: web}}
spec:
  realmId: r
  spaceId: s
  stackId: t
  containers:
  - id: a
    image: busybox
    {}
"""
VOLUME = "volumes: [{{{}}}]"


@pytest.mark.parametrize(
    ("text", "kind", "path", "message"),
    [
        ("kind: Moon", "UnknownKind", "kind", "unknown kind 'Moon'"),
        ("metadata: {name: r}", "UnknownKind", "kind", "is required"),
        (
            "apiVersion: v1\nkind: Realm\nmetadata: {name: r}",
            "UnsupportedAPIVersion",
            "apiVersion",
            "unsupported apiVersion 'v1', expected 'v1beta1'",
        ),
        ("apiVersion: v1\nkind: Realm", "InvalidManifest", "apiVersion", "unsupported apiVersion"),
        ("kind: Realm\nmetadata: {name: ''}", "InvalidManifest", "metadata.name", "is required"),
        (CELL.format(VOLUME.format("source: /a")), "InvalidManifest", "target", "is required"),
        (CELL.format(VOLUME.format("source: /a, target: b")), "InvalidManifest", "target", "not an absolute path"),
        (CELL.format(VOLUME.format("target: /b")), "InvalidManifest", "source", "is required"),
        (CELL.format(VOLUME.format("source: a, target: /b")), "InvalidManifest", "source", "a named volume is not"),
        (CELL.format(VOLUME.format("source: a/b, target: /b")), "InvalidManifest", "source", "not an absolute path"),
        (CELL.format(VOLUME.format("kind: nfs, target: /b")), "InvalidManifest", "kind", "'nfs'"),
        (CELL.format(VOLUME.format("kind: tmpfs, source: /a, target: /b")), "InvalidManifest", "source", "no source"),
        (CELL.format("tty: {prompt: x}"), "InvalidManifest", "tty", "is for a container with a terminal"),
    ],
)
def test_faults_in_documents(text: str, kind: str, path: str, message: str) -> None:
    with pytest.raises(errors.InvalidManifest) as caught:
        manifest.parse(text)
    assert caught.value.kind == kind
    assert isinstance(caught.value, errors.KINDS[kind])
    assert caught.value.problems[0].path.endswith(path)
    assert message in caught.value.problems[0].message


@pytest.mark.parametrize("noun", ["Realm", "Space", "Stack", "Cell", "Container"])
def test_names(noun: str) -> None:
    with pytest.raises(errors.KINDS[f"{noun}NameRequired"], match=f"{noun.lower()} name is required"):
        names.check_name("", noun)
    with pytest.raises(errors.InvalidRealmName if noun == "Realm" else errors.InvalidName):
        names.check_name("a_b", noun)


@pytest.mark.parametrize(
    ("containers", "root", "kind"),
    [
        ((True, True), "", errors.MultipleRootContainers),
        ((True, False), "b", errors.RootContainerMismatch),
        ((False, False), "c", errors.RootContainerMismatch),
    ],
)
def test_roots(containers: tuple[bool, bool], root: str, kind: type[errors.KukeonError]) -> None:
    spec = model.CellSpec(
        realm_id="r",
        space_id="s",
        stack_id="t",
        root_container_id=root,
        containers=tuple(model.ContainerSpec(id=id, root=flag) for id, flag in zip("ab", containers, strict=True)),
    )
    with pytest.raises(kind):
        normalise.root_of(spec)
