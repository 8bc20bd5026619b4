"""The OCI document: what a container may and sees."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from kukeon_api import model
from kukeon_runner import observed, spec
from kukeon_runner.testing.cells import container

PLACE = spec.Place(
    cgroup="/kukeon/r/s/t/c",
    pins="/run/kukeon/ns/r/s/t/c",
    shm="/run/kukeon/shm/r/s/t/c",
    etc={"hosts": "/d/.etc-hosts", "hostname": "/d/.etc-hostname", "resolv.conf": "/d/.etc-resolv.conf"},
    group="s_t_c",
    variables={"KUKEON_REALM": "r", "KUKEON_CELL_NAME": "c"},
    cgroup_files=True,
    nofile=4096,
)
IMAGE = observed.Image("i", "d", "chain", ("/entry",), ("default",), ("PATH=/image/bin", "LANG=C"), "/srv", "web", "")


def document(**fields: Any) -> dict[str, Any]:
    return spec.container(PLACE, "s_t_c_web", container("web", **fields), IMAGE)


@pytest.mark.parametrize(
    ("fields", "args"),
    [
        ({}, ["/entry", "default"]),
        ({"args": ("mine",)}, ["/entry", "mine"]),
        ({"command": "/bin/sh"}, ["/bin/sh"]),
        ({"command": "/bin/sh", "args": ("-c", "true")}, ["/bin/sh", "-c", "true"]),
    ],
)
def test_command_line_follows_docker(fields: dict[str, Any], args: list[str]) -> None:
    assert document(**fields)["process"]["args"] == args


def test_own_environment_wins_over_ours_and_the_images() -> None:
    env = document(env=("LANG=de", "KUKEON_REALM=mine", "NEW=1"))["process"]["env"]
    assert set(env) == {"PATH=/image/bin", "LANG=de", "KUKEON_REALM=mine", "KUKEON_CELL_NAME=c", "NEW=1"}


def test_an_image_without_path_gets_one() -> None:
    assert spec.environment((), {}, ()) == [spec.DEFAULT_PATH]


def test_namespaces_are_joined_by_pin_and_no_hostname_is_set() -> None:
    found = document()
    joined = {each["type"]: each.get("path") for each in found["linux"]["namespaces"]}
    assert joined == {
        "pid": None,
        "mount": None,
        "cgroup": None,
        "network": "/run/kukeon/ns/r/s/t/c/net",
        "ipc": "/run/kukeon/ns/r/s/t/c/ipc",
        "uts": "/run/kukeon/ns/r/s/t/c/uts",
    }
    assert "hostname" not in found
    assert found["linux"]["cgroupsPath"] == "/kukeon/r/s/t/c/s_t_c_web"
    assert found["annotations"] == {"io.containerd.runc.v2.group": "s_t_c"}


def test_safe_by_default() -> None:
    process = document()["process"]
    assert process["noNewPrivileges"] is True
    assert not {"CAP_NET_RAW", "CAP_MKNOD", "CAP_SYS_ADMIN"} & set(process["capabilities"]["bounding"])
    assert process["rlimits"] == [{"type": "RLIMIT_NOFILE", "hard": 4096, "soft": 1024}]


@pytest.mark.parametrize(
    ("drop", "add", "expected"),
    [
        (("ALL",), (), []),
        (("all",), ("net_raw",), ["CAP_NET_RAW"]),
        (("CAP_CHOWN",), (), sorted(set(spec.CAPABILITIES) - {"CAP_CHOWN"})),
        ((), ("CAP_NET_RAW",), sorted({*spec.CAPABILITIES, "CAP_NET_RAW"})),
    ],
)
def test_capabilities_drop_then_add(drop: tuple[str, ...], add: tuple[str, ...], expected: list[str]) -> None:
    found = document(capabilities=model.Capabilities(drop=drop, add=add))
    assert found["process"]["capabilities"]["effective"] == expected


def test_mounts_of_the_manifest_come_after_the_kernels() -> None:
    found = document(
        volumes=(
            model.VolumeMount(source="/srv/data", target="/data", read_only=True),
            model.VolumeMount(kind=model.VolumeKind.TMPFS, target="/scratch", size_bytes=1024, mode=0o700),
        ),
        tmpfs=(model.Tmpfs(path="/tmp2", size_bytes=4096, options=("noexec",)),),
    )
    last = [each for each in found["mounts"][7:] if not each["destination"].startswith("/etc/")]
    assert [each["destination"] for each in last] == ["/tmp2", "/data", "/scratch"]
    assert last[0]["options"] == ["nosuid", "nodev", "size=4096", "noexec"]
    assert last[1]["options"] == ["rbind", "rprivate", "ro"]
    assert last[2]["options"] == ["nosuid", "nodev", "size=1024", "rw", "mode=0700"]


def test_no_mount_hides_another_whatever_their_order_in_the_manifest() -> None:
    volumes = (
        model.VolumeMount(source="/srv/data", target="/a/b/c"),
        model.VolumeMount(kind=model.VolumeKind.TMPFS, target="/a/"),
        model.VolumeMount(kind=model.VolumeKind.TMPFS, target="/a/b"),
    )
    place = dataclasses.replace(PLACE, etc={"hosts": "/d/hosts"})
    wanted = container("web", volumes=volumes, tmpfs=(model.Tmpfs(path="/etc"),))
    order = [each["destination"] for each in spec.container(place, "i", wanted, IMAGE)["mounts"]]
    assert order.index("/etc") < order.index("/etc/hosts")
    assert order.index("/a/") < order.index("/a/b") < order.index("/a/b/c")


def test_resources_only_where_they_are_positive() -> None:
    limits = model.Resources(memory_limit_bytes=1 << 20, cpu_shares=0, pids_limit=5)
    found = document(resources=limits)["linux"]["resources"]
    assert (found["memory"], found["pids"]) == ({"limit": 1 << 20}, {"limit": 5})
    assert "cpu" not in found


def test_nothing_that_is_bound_passes_mounts_on() -> None:
    """In either direction: what is mounted there later, inside or outside, stays where it was mounted."""
    secret = model.ContainerSecret(name="s", from_file="/s", mount_path="/run/s")
    volumes = tuple(model.VolumeMount(source=f"/v{way}", target=f"/{way}", read_only=bool(way)) for way in (0, 1))
    found = [
        *document(volumes=volumes, secrets=(secret,), attachable=True)["mounts"],
        *document(privileged=True, host_network=True)["mounts"],
        *spec.pause(PLACE, "s_t_c_root")["mounts"],
    ]
    bound = [each for each in found if each["type"] == "bind"]
    assert {each["destination"] for each in bound} >= {
        "/0",
        "/1",
        "/run/s",
        "/etc/hosts",
        "/dev/shm",
        "/run/kukeon/tty",
    }
    assert [each for each in bound if "rprivate" not in each["options"]] == []


@pytest.mark.parametrize(
    ("stated", "limit"),
    [
        (None, {"limit": 7 << 20}),
        (model.Resources(pids_limit=5), {"limit": 7 << 20}),
        (model.Resources(memory_limit_bytes=1 << 20), {"limit": 1 << 20}),
        (model.Resources(memory_limit_bytes=0), None),
    ],
)
def test_memory_that_a_manifest_says_nothing_of_may_have_a_limit_all_the_same(
    stated: model.Resources | None, limit: dict[str, int] | None
) -> None:
    capped = dataclasses.replace(PLACE, memory_limit_bytes=7 << 20)
    found = spec.container(capped, "s_t_c_web", container("web", resources=stated), IMAGE)
    assert found["linux"]["resources"].get("memory") == limit
    assert "memory" not in spec.pause(capped, "s_t_c_root")["linux"]["resources"]


ABLE = observed.Abilities("x86_64", "6.1", frozenset({"CAP_NET_ADMIN", "CAP_SYS_ADMIN"}), True)


def namespaces(found: dict[str, Any]) -> set[str]:
    return {each["type"] for each in found["linux"]["namespaces"]}


def test_a_profile_holds_by_default_and_follows_the_capabilities() -> None:
    plain = document()["linux"]["seccomp"]
    more = document(capabilities=model.Capabilities(add=("SYS_ADMIN",)))["linux"]["seccomp"]
    assert "mount" not in plain["syscalls"][0]["names"]
    assert "mount" in more["syscalls"][0]["names"]
    assert "seccomp" not in document(security_opts=("seccomp:unconfined",))["linux"]


def test_a_profile_of_ones_own() -> None:
    own = {"defaultAction": "SCMP_ACT_LOG"}
    wanted = container("web", security_opts=("seccomp=/p.json",), privileged=True)
    assert spec.seccomp_file(wanted) == "/p.json"
    assert spec.container(PLACE, "i", wanted, IMAGE, observed.Found(seccomp=own))["linux"]["seccomp"] == own
    assert spec.seccomp_file(container("web")) == spec.seccomp_file(container("x", security_opts=("seccomp=x",))) == ""


def test_privileged() -> None:
    place = dataclasses.replace(PLACE, host=ABLE, cgroup_files=False)
    device = observed.Device("/dev/kmsg", "c", 1, 11, 0o600, 0, 0)
    wanted = container("web", privileged=True)
    found = spec.container(place, "i", wanted, IMAGE, observed.Found(devices=(device,)))
    assert found["process"]["capabilities"]["effective"] == ["CAP_NET_ADMIN", "CAP_SYS_ADMIN"]
    assert found["process"]["noNewPrivileges"] is False
    assert "seccomp" not in found["linux"]
    assert found["linux"]["maskedPaths"] == found["linux"]["readonlyPaths"] == []
    assert found["linux"]["resources"]["devices"] == [
        {"allow": False, "access": "rwm"},
        {"allow": True, "access": "rwm"},
    ]
    assert found["linux"]["devices"] == [
        {"path": "/dev/kmsg", "type": "c", "major": 1, "minor": 11, "fileMode": 0o600, "uid": 0, "gid": 0}
    ]
    options = {each["destination"]: each["options"] for each in found["mounts"]}
    assert "rw" in options["/sys"]
    assert "rw" in options["/sys/fs/cgroup"]


def test_devices_are_allowed_one_by_one() -> None:
    device = observed.Device("/dev/fuse", "c", 10, 229, 0o666, 0, 5)
    found = spec.container(PLACE, "i", container("web", devices=("/dev/fuse",)), IMAGE, observed.Found((device,)))
    assert found["linux"]["resources"]["devices"][1:] == [
        {"allow": True, "type": "c", "major": 10, "minor": 229, "access": "rwm"}
    ]


@pytest.mark.parametrize(
    ("field", "kind"), [("host_pid", "pid"), ("host_cgroup", "cgroup"), ("host_network", "network")]
)
def test_a_share_of_the_host_is_a_namespace_less(field: str, kind: str) -> None:
    assert namespaces(document()) - namespaces(document(**{field: True})) == {kind}
    assert document(**{field: True})["linux"]["cgroupsPath"] == "/kukeon/r/s/t/c/s_t_c_web"


def test_on_the_hosts_network_the_hosts_names_count() -> None:
    place = dataclasses.replace(PLACE, host_etc={"hosts": "/d/host", "hostname": "/d/.etc-hostname"})
    found = spec.container(place, "i", container("web", host_network=True), IMAGE)
    etc = {each["destination"]: each["source"] for each in found["mounts"] if each["destination"].startswith("/etc/")}
    assert etc == {"/etc/hosts": "/d/host", "/etc/hostname": "/d/.etc-hostname"}
    assert namespaces(spec.pause(place, "i", networked=False)) == {"pid", "mount", "cgroup", "ipc", "uts"}


def test_secrets_are_bound_from_where_they_are_staged() -> None:
    place = dataclasses.replace(PLACE, secrets="/staged/i")
    secrets = (
        model.ContainerSecret(name="a", from_file="/a", mount_path="/run/a"),
        model.ContainerSecret(name="B", from_file="/b"),
    )
    found = spec.container(place, "i", container("web", secrets=secrets), IMAGE)
    assert found["mounts"][-1] == {
        "destination": "/run/a",
        "type": "bind",
        "source": "/staged/i/a",
        "options": ["bind", "rprivate", "ro", "nosuid", "noexec", "nodev"],
    }
    assert found["mounts"][-2]["destination"] != "/run/a"
    assert not any(each.startswith("B=") for each in found["process"]["env"])


def test_read_only_binds_go_all_the_way_where_the_kernel_can() -> None:
    wanted = container("web", volumes=(model.VolumeMount(source="/a", target="/b", read_only=True),))
    found = spec.container(dataclasses.replace(PLACE, host=ABLE), "i", wanted, IMAGE)
    options = {each["destination"]: each["options"] for each in found["mounts"]}
    assert options["/b"] == ["rbind", "rprivate", "ro", "rro"]


def test_programs_that_manage_cgroups_may_write_them() -> None:
    found = spec.container(dataclasses.replace(PLACE, nested=True), "i", container("web"), IMAGE)
    options = {each["destination"]: each["options"] for each in found["mounts"]}
    assert options["/sys/fs/cgroup"][-1] == "rw"
    assert document()["mounts"][6]["options"][-1] == "ro"


def test_pause_can_do_nothing() -> None:
    found = spec.pause(PLACE, "s_t_c_root")
    assert "capabilities" not in found["process"]
    assert found["process"]["user"] == {"uid": 65534, "gid": 65534}
    assert found["root"]["readonly"] is True
