"""The OCI document: what a container may and sees."""

from __future__ import annotations

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


def test_mounts_of_the_manifest_come_after_ours() -> None:
    found = document(
        volumes=(
            model.VolumeMount(source="/srv/data", target="/data", read_only=True),
            model.VolumeMount(kind=model.VolumeKind.TMPFS, target="/scratch", size_bytes=1024, mode=0o700),
        ),
        tmpfs=(model.Tmpfs(path="/tmp2", size_bytes=4096, options=("noexec",)),),
    )
    last = found["mounts"][-3:]
    assert [each["destination"] for each in last] == ["/tmp2", "/data", "/scratch"]
    assert last[0]["options"] == ["nosuid", "nodev", "size=4096", "noexec"]
    assert last[1]["options"] == ["rbind", "rprivate", "ro"]
    assert last[2]["options"] == ["nosuid", "nodev", "size=1024", "rw", "mode=0700"]


def test_resources_only_where_they_are_positive() -> None:
    limits = model.Resources(memory_limit_bytes=1 << 20, cpu_shares=0, pids_limit=5)
    found = document(resources=limits)["linux"]["resources"]
    assert (found["memory"], found["pids"]) == ({"limit": 1 << 20}, {"limit": 5})
    assert "cpu" not in found


def test_pause_can_do_nothing() -> None:
    found = spec.pause(PLACE, "s_t_c_root")
    assert "capabilities" not in found["process"]
    assert found["process"]["user"] == {"uid": 65534, "gid": 65534}
    assert found["root"]["readonly"] is True
