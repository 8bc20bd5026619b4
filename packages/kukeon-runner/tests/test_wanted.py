"""From a manifest to finished names, paths and documents."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from kukeon_api import errors, labels, model
from kukeon_runner import observed, wanted
from kukeon_runner.instance import Instance
from kukeon_runner.layout import Layout
from kukeon_runner.testing.cells import IMAGE, cell, container

LAYOUT = Layout(Instance("0badcafe", "/k", "kukeon.io", "/kukeon", "10.88.0.0/16"))
REF = model.Ref("default", "default", "default", "hello")
ABLE = observed.Abilities("x86_64", "6.1")
SITE = wanted.Site.of(LAYOUT, REF, "default.kukeon.io", cgroup_files=True, nofile=1024, host=ABLE)
WEB = observed.Image(IMAGE, "sha256:d", "sha256:c", cmd=("serve",), user="web", stop_signal="SIGQUIT")


def image(**fields: Any) -> observed.Image:
    return observed.Image(**{"name": IMAGE, "digest": "sha256:d", "chain_id": "sha256:c"} | fields)


def made(*containers: model.ContainerSpec, found: observed.Image = WEB) -> wanted.Cell:
    return wanted.cell(SITE, cell("hello", *containers), {IMAGE: found}, "", lambda id: f"/logs/{id}")


def only(spec: model.ContainerSpec, found: observed.Image = WEB) -> wanted.Container:
    return next(each for each in made(spec, found=found).containers if each.name == spec.id)


def test_a_cell_gets_a_root_container_that_needs_nothing() -> None:
    root, web = made(container("web")).containers
    assert (root.name, root.id, root.root) == ("root", "default_default_hello_root", True)
    assert (root.image, root.chain_id, root.log, root.user) == ("", "", "", "")
    assert json.loads(root.spec)["process"]["args"] == ["/kukepause"]
    assert (web.name, web.id, web.root) == ("web", "default_default_hello_web", False)


def test_the_users_own_root_container_takes_its_place() -> None:
    root, side = made(container("side"), container("main", root=True)).containers
    assert (root.name, root.id, root.root) == ("main", SITE.root_id, True)
    assert (root.image, root.log) == (IMAGE, "/logs/main")
    assert json.loads(root.spec)["process"]["args"] == ["serve"]
    assert dict(root.labels)[labels.CONTAINERD_TYPE] == labels.TYPE_ROOT
    assert dict(root.labels)[labels.CONTAINERD_CONTAINER] == "main"
    assert side.id == "default_default_hello_side"


def test_labels_say_whose_container_it_is_and_of_what_it_was_made() -> None:
    found = only(container("web"))
    assert dict(found.labels) == {
        "kukeon.io/realm": "default",
        "kukeon.io/space": "default",
        "kukeon.io/stack": "default",
        "kukeon.io/cell": "hello",
        "kukeon.io/container": "web",
        "kukeon.io/container-type": "container",
        "kukeon.io/spec-hash": found.spec_hash,
        "kukeon.io/stop-signal": "SIGQUIT",
        "kukeon.io/image-digest": "sha256:d",
    }
    assert SITE.labels.items() <= dict(found.labels).items()
    assert "kukeon.io/stop-signal" not in dict(only(container("web"), image(stop_signal="")).labels)


def test_the_manifests_user_wins_over_the_images() -> None:
    assert only(container("web")).user == "web"
    assert only(container("web", user="1000:10")).user == "1000:10"
    assert only(container("web", user="")).user == "web"


def test_an_image_that_nobody_looked_up_is_a_mistake() -> None:
    with pytest.raises(KeyError):
        made(container("web", image="docker.io/library/other:1"))


def test_variables_tell_a_container_where_it_is() -> None:
    env = json.loads(only(container("web")).spec)["process"]["env"]
    assert {
        "KUKEON_REALM=default",
        "KUKEON_SPACE=default",
        "KUKEON_STACK=default",
        "KUKEON_CELL_NAME=hello",
        "KUKEON_CONTAINER_ID=web",
        "KUKEON_CGROUP_PATH=/kukeon/default/default/default/hello",
    } <= set(env)


def test_names_that_do_not_fit_together_are_refused_before_anything_is_made() -> None:
    long = "x" * 63
    with pytest.raises(errors.Invalid):
        wanted.Site.of(LAYOUT, model.Ref("r", long, long, "c"), "ns", cgroup_files=True, nofile=1024, host=ABLE)
    with pytest.raises(errors.Invalid):
        SITE.container_id("x" * 63, root=False)
    assert SITE.container_id("x" * 63, root=True) == SITE.root_id


OTHERS: dict[str, Any] = {
    "id": "other",
    "containerd_id": "x",
    "realm_id": "x",
    "space_id": "x",
    "stack_id": "x",
    "cell_id": "x",
    "root": True,
    "image": "docker.io/library/web:2",
    "command": "/bin/sh",
    "args": ("-c",),
    "working_dir": "/srv",
    "env": ("A=1",),
    "ports": ("80:80",),
    "volumes": (model.VolumeMount(source="/a", target="/a"),),
    "networks": ("n",),
    "networks_aliases": ("n",),
    "privileged": True,
    "host_network": True,
    "host_pid": True,
    "host_cgroup": True,
    "devices": ("/dev/fuse",),
    "user": "1",
    "read_only_root_filesystem": True,
    "capabilities": model.Capabilities(drop=("ALL",)),
    "security_opts": ("no-new-privileges",),
    "tmpfs": (model.Tmpfs(path="/t"),),
    "resources": model.Resources(pids_limit=1),
    "secrets": (model.ContainerSecret(name="S", from_env="S"),),
    "cni_config_path": "/x",
    "image_pull_policy": "Always",
    "restart_policy": "always",
    "attachable": True,
    "tty": model.ContainerTty(prompt=">"),
    "labels": {"tier": "front"},
    "restart_backoff_seconds": 7,
    "restart_max_retries": 7,
}
"""For each field of a container, a value that is not its default."""

IRRELEVANT = {
    "containerd_id",
    "realm_id",
    "space_id",
    "stack_id",
    "cell_id",
    "cni_config_path",
    "ports",
    "image_pull_policy",
    "restart_policy",
    "restart_backoff_seconds",
    "restart_max_retries",
    "labels",
}
"""What the server fills in, and what is done with a container after it was made."""


def test_every_field_is_tried() -> None:
    assert set(OTHERS) == set(model.ContainerSpec.__struct_fields__)


@pytest.mark.parametrize("field", sorted(set(OTHERS) - {"root"}))
def test_the_hash_tells_apart_what_must_be_made_anew(field: str) -> None:
    plain = container("web")
    changed = msgspec.structs.replace(plain, **{field: OTHERS[field]})
    found = image(name=changed.image)
    doc = cell("hello", changed)
    after = next(
        each for each in wanted.cell(SITE, doc, {changed.image: found}, "", str).containers if each.name != "root"
    )
    assert (after.spec_hash == only(plain).spec_hash) is (field in IRRELEVANT)
    assert dict(after.labels)[labels.CONTAINERD_SPEC_HASH] == after.spec_hash


def test_the_hash_is_of_the_manifest_alone() -> None:
    """Loading another image under the same name, or a host of another kind, makes no container anew."""
    hashes = {only(container("web"), each).spec_hash for each in (WEB, image(digest="sha256:other"))}
    elsewhere = wanted.Site.of(LAYOUT, REF, "default.kukeon.io", cgroup_files=False, nofile=99, host=ABLE)
    other = wanted.cell(elsewhere, cell("hello", container("web")), {IMAGE: WEB}, "", str).containers[1]
    assert hashes == {other.spec_hash}


def test_ours_and_the_users_root_container_never_hash_alike() -> None:
    ours = made(container("web")).containers[0].spec_hash
    theirs = made(container("web", root=True)).containers[0].spec_hash
    assert ours != theirs
