"""Documents with every field that works say everything, and come back unchanged from YAML, JSON and the wire."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from kukeon_api import manifest, model, normalise, plain, rules, unsupported, wire
from kukeon_api.fields import fields_of

LABELS = {"tier": "web", "example.org/a": ""}
SETTINGS: dict[str, Any] = {
    "user": "1000:10",
    "read_only_root_filesystem": False,
    "capabilities": model.Capabilities(drop=("ALL",), add=("CAP_CHOWN",)),
    "security_opts": ("no-new-privileges=true",),
    "tmpfs": (model.Tmpfs(path="/memory", size_bytes=0, options=("noexec",)),),
    "resources": model.Resources(memory_limit_bytes=0, cpu_shares=512, pids_limit=7),
}
CONTAINER = model.ContainerSpec(
    id="web",
    realm_id="r",
    space_id="s",
    stack_id="t",
    cell_id="c",
    root=True,
    image="docker.io/library/busybox:latest",
    image_pull_policy="Always",
    command="run --- \n---\n",
    args=("yes", "0x10", " a ", ""),
    working_dir="/work",
    env=("A=b=c", "B="),
    volumes=(
        model.VolumeMount(source="/a", target="/b", read_only=True),
        model.VolumeMount(kind=model.VolumeKind.TMPFS, target="/c", size_bytes=1, mode=0o755),
    ),
    labels=LABELS,
    attachable=True,
    tty=model.ContainerTty(prompt="\x1b[1m> ", on_init=(model.TtyStage(script="cd /\n\ttop"),)),
    restart_policy="on-failure",
    restart_backoff_seconds=0,
    restart_max_retries=3,
    privileged=True,
    host_network=True,
    host_pid=True,
    devices=("/dev/fuse",),
    secrets=(
        model.ContainerSecret(name="a.key", from_file="/etc/a", mount_path="/run/a"),
        model.ContainerSecret(name="A", from_env="B"),
    ),
    **SETTINGS,
)
EGRESS = model.EgressPolicy(
    default="deny",
    allow=(model.EgressRule(host="example.org", ports=(80, 443)), model.EgressRule(cidr="10.0.0.0/8")),
)
METADATA = model.Metadata(name="c", labels=LABELS, generation=3)
FULL: tuple[model.Doc, ...] = (
    model.RealmDoc(
        metadata=METADATA,
        spec=model.RealmSpec(
            namespace="Other.space",
            registry_credentials=(
                model.RegistryCredentials(username="a", password=" 0x10: #", server_address="quay.io"),
                model.RegistryCredentials(username="b"),
            ),
        ),
    ),
    model.SpaceDoc(
        metadata=METADATA,
        spec=model.SpaceSpec(
            realm_id="r",
            cni_config_path="/etc/x.conflist",
            network=model.SpaceNetwork(egress=EGRESS),
            defaults=model.SpaceDefaults(container=model.ContainerDefaults(**SETTINGS)),
        ),
    ),
    model.StackDoc(metadata=METADATA, spec=model.StackSpec(id="c", realm_id="r", space_id="s")),
    model.CellDoc(
        metadata=METADATA,
        spec=model.CellSpec(
            id="c",
            realm_id="r",
            space_id="s",
            stack_id="t",
            root_container_id="web",
            containers=(CONTAINER,),
            auto_delete=True,
            tty=model.CellTty(default="web"),
            nested_cgroup_runtime=True,
            ignore_disk_pressure=True,
        ),
    ),
    model.ContainerDoc(metadata=msgspec.structs.replace(METADATA, name="web"), spec=CONTAINER),
)
SERVER_SETS = {"containerdId"}


def unsaid(value: Any, kind: str, path: str = "") -> list[str]:
    """Return the paths of the fields that `value` leaves at their default although they work."""
    refused = {each.path.replace("[*]", "") for each in unsupported.FIELDS[kind]}
    found = []
    for field in fields_of(type(value)):
        here = f"{path}.{field.paper}" if path else field.paper
        content = getattr(value, field.name)
        if here == "status" or here in refused or field.paper in SERVER_SETS:
            continue
        if content == field.default:
            found.append(here)
        elif field.nested:
            items = content if field.shape == "list" else (content,)
            for item in items:
                found += unsaid(item, kind, here)
    return found


# Where several items share the fields between them, or what one says forbids the other.
SHARED = {
    "spec.network.egress.allow.host",
    "spec.network.egress.allow.cidr",
    "spec.network.egress.allow.ports",
    "spec.hostCgroup",
    "spec.hostNetwork",
    "spec.ports",
    "spec.secrets.fromFile",
    "spec.secrets.fromEnv",
    "spec.secrets.mountPath",
    "spec.volumes.kind",
    "spec.volumes.source",
    "spec.volumes.readOnly",
    "spec.volumes.sizeBytes",
    "spec.volumes.mode",
    "spec.registryCredentials.password",
    "spec.registryCredentials.serverAddress",
}


@pytest.mark.parametrize("doc", FULL, ids=lambda doc: doc.kind)
def test_they_say_everything(doc: model.Doc) -> None:
    assert {path.replace(".containers", "") for path in unsaid(doc, doc.kind)} <= SHARED
    assert rules.problems(doc) == ()


def test_there_is_one_of_each_kind() -> None:
    assert [doc.kind for doc in FULL] == list(model.DOCS)


@pytest.mark.parametrize("doc", FULL, ids=lambda doc: doc.kind)
def test_yaml_json_and_wire_give_it_back(doc: model.Doc) -> None:
    wanted = normalise.normalise(doc)
    for text in (manifest.dump(doc), json.dumps(plain.to_builtins(doc))):
        [read] = manifest.parse(text)
        assert normalise.normalise(read.doc) == wanted
    assert wire.from_proto(wire.to_proto(doc), type(doc)) == doc
    assert normalise.normalise(wanted) == wanted
