"""What a program sees from inside: a probe runs in real containers and reports, and that is what was asked for."""

from __future__ import annotations

import errno
import json
import resource
import shutil
from pathlib import Path

import pytest
from lab import (
    CALLS,
    EMPTY,
    QUESTIONS,
    READ,
    UNIFIED,
    Lab,
    _lines,
    _names,
    _nodes,
    _yaml,
    caps,
    field,
    mount,
    ours,
    with_container,
)

from kukeon_api import errors, model
from kukeon_runner import spec
from kukeon_runner.host.abilities import abilities
from kukeon_runner.host.cgroups import Cgroups

pytestmark = [pytest.mark.host, pytest.mark.asyncio(loop_scope="module")]


@pytest.mark.vm
async def test_what_makes_containers_is_chosen_once_and_told(lab: Lab) -> None:
    expected = "crun" if UNIFIED and shutil.which("crun") else "runc"
    assert (await lab.controller.ping()).oci_runtime == expected
    assert lab.place.layout.instance.oci_runtime == expected
    assert not Cgroups.detect().exists(f"{lab.place.layout.cgroup_root}_trial")
    with pytest.raises(errors.StartContainer, match="there is no program '/no/such'"):
        await lab.see(command="/no/such", args=())
    with pytest.raises(errors.StartContainer, match="there is no program 'nosuch'"):
        await lab.see(command="nosuch", args=())


@pytest.mark.vm
async def test_a_container_that_asks_for_nothing_is_shut_in(lab: Lab) -> None:
    report = await lab.see(*QUESTIONS)
    assert (report["uid"], report["gid"], report["groups"]) == (0, 0, [])
    for kind in ("CapBnd", "CapPrm", "CapEff"):
        assert caps(report, kind) == set(spec.CAPABILITIES)
    assert caps(report, "CapInh") == caps(report, "CapAmb") == set()
    assert (field(report, "NoNewPrivs"), field(report, "Seccomp")) == ("1", "2")
    assert report["hostname"] == f"lab{lab.count}"
    assert f"\tlab{lab.count}" in "".join(report["hosts"])
    for kind in ("ipc", "mnt", "net", "pid", "uts", "cgroup"):
        assert report["namespaces"][kind] != ours(kind)
    assert report["namespaces"]["user"] == ours("user")
    assert all(line.endswith(":/") for line in report["cgroup"])
    # Nothing to read in them, or not in this kernel at all.
    assert {report[f"read:{path}"] for path in READ} <= {EMPTY, errno.ENOENT}
    assert EMPTY in {report[f"read:{path}"] for path in READ}
    assert report["write:/proc/sys/kernel/hostname"] == errno.EROFS
    assert report["write:/proc/sys/vm/swappiness"] == errno.EROFS
    assert report["write:/sys/kernel"] == errno.EROFS
    assert report["write:/"] == 0
    calls = {name: report[f"call:{name}"] for name in CALLS}
    refused = dict.fromkeys(set(CALLS) - {"clone3", "chroot", "socket-inet"}, errno.EPERM)
    assert calls == refused | {"clone3": errno.ENOSYS, "chroot": 0, "socket-inet": 0}
    assert report["kind:/dev/null"] == "c:1:3"
    assert (report["kind:/dev/kmsg"], report["kind:/dev/fuse"]) == ("-", "-")
    nofile = min(most_open_files(), 1024 * 1024)
    assert report["limits"]["nofile"] == [min(1024, nofile), nofile]
    assert mount(report, "/dev/shm")[0] >= {"rw", "nosuid", "nodev", "noexec"}


def most_open_files() -> int:
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    return 1024 * 1024 if hard == resource.RLIM_INFINITY else hard


@pytest.mark.vm
async def test_a_privileged_container_can_what_the_daemon_can(lab: Lab) -> None:
    report = await lab.see(*QUESTIONS, privileged=True)
    for kind in ("CapBnd", "CapPrm", "CapEff"):
        assert caps(report, kind) == abilities().capabilities
    assert (field(report, "NoNewPrivs"), field(report, "Seccomp")) == ("0", "0")
    assert report["read:/proc/timer_list"] != EMPTY
    assert report["write:/proc/sys/vm/swappiness"] == 0
    assert {"ro"} & mount(report, "/sys")[0] == set()
    assert {"ro"} & mount(report, "/sys/fs/cgroup")[0] == set()
    host = _nodes(Path("/dev"))
    assert host - {"console"} <= set(report["dev"])
    assert report["call:mount"] == report["call:unshare-net"] == report["call:mknod"] == 0


async def test_a_privileged_container_can_be_held_back_again(lab: Lab) -> None:
    options = ("no-new-privileges",)
    dropped = model.Capabilities(drop=("SYS_MODULE",))
    report = await lab.see(privileged=True, security_opts=options, capabilities=dropped)
    assert field(report, "NoNewPrivs") == "1"
    assert caps(report, "CapEff") == abilities().capabilities - {"CAP_SYS_MODULE"}


@pytest.mark.parametrize(
    ("asked", "uid", "gid", "groups"),
    [
        ("user", 1000, 1000, [2000]),
        ("1000", 1000, 1000, [2000]),
        ("1000:7", 1000, 7, []),
        ("user:extra", 1000, 2000, []),
        ("4242", 4242, 0, []),
    ],
)
async def test_users_and_groups(lab: Lab, asked: str, uid: int, gid: int, groups: list[int]) -> None:
    report = await lab.see(user=asked)
    assert (report["uid"], report["gid"], report["groups"]) == (uid, gid, groups)
    # Nobody but root has the capabilities; they stay within reach of what the image makes setuid, were it allowed.
    assert caps(report, "CapEff") == caps(report, "CapPrm") == caps(report, "CapAmb") == set()
    assert caps(report, "CapBnd") == set(spec.CAPABILITIES)


@pytest.mark.parametrize(
    ("drop", "add", "expected"),
    [
        (("ALL",), (), set()),
        (("ALL",), ("NET_RAW",), {"CAP_NET_RAW"}),
        ((), ("SYS_ADMIN",), {*spec.CAPABILITIES, "CAP_SYS_ADMIN"}),
    ],
)
async def test_capabilities_and_the_calls_that_they_bring(
    lab: Lab, drop: tuple[str, ...], add: tuple[str, ...], expected: set[str]
) -> None:
    report = await lab.see(*QUESTIONS, capabilities=model.Capabilities(drop=drop, add=add))
    assert caps(report, "CapEff") == caps(report, "CapBnd") == expected
    assert (report["call:unshare-net"] == 0) is ("CAP_SYS_ADMIN" in expected)
    assert (report["call:chroot"] == 0) is ("CAP_SYS_CHROOT" in expected)
    assert (report["call:socket-raw"] == 0) is ("CAP_NET_RAW" in expected)
    # The kernel's own answer to nonsense shows that the call got through.
    assert report["call:bpf"] == (errno.EINVAL if "CAP_SYS_ADMIN" in expected else errno.EPERM)


@pytest.mark.vm
async def test_security_options(lab: Lab) -> None:
    report = await lab.see(*QUESTIONS, security_opts=("seccomp=unconfined", "no-new-privileges=false"))
    assert (field(report, "NoNewPrivs"), field(report, "Seccomp")) == ("0", "0")
    assert report["call:socket-alg"] != errno.EPERM
    assert report["call:clone3"] == errno.EINVAL


@pytest.mark.vm
async def test_a_seccomp_profile_of_ones_own(lab: Lab) -> None:
    profile = lab.shared / "profile.json"
    rule = {"names": ["chroot"], "action": "SCMP_ACT_ERRNO", "errnoRet": errno.EXDEV}
    for_others = {"names": ["socket"], "action": "SCMP_ACT_ERRNO", "includes": {"caps": ["CAP_SYS_BOOT"]}}
    profile.write_text(json.dumps({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [rule, for_others]}))
    report = await lab.see(*QUESTIONS, security_opts=(f"seccomp={profile}",))
    assert field(report, "Seccomp") == "2"
    assert (report["call:chroot"], report["call:socket-inet"]) == (errno.EXDEV, 0)

    profile.write_text('{"defaultAction": "SCMP_ACT_NOTIFY", "listenerPath": "/run/x"}')
    with pytest.raises(errors.HostError, match="listenerPath"):
        await lab.see(security_opts=(f"seccomp={profile}",))
    profile.unlink()
    with pytest.raises(errors.HostError, match="no such file"):
        await lab.see(security_opts=(f"seccomp={profile}",))


@pytest.mark.vm
async def test_shares_of_the_host(lab: Lab) -> None:
    report = await lab.see(host_pid=True, host_cgroup=True)
    assert report["namespaces"]["pid"] == ours("pid")
    assert report["namespaces"]["cgroup"] == ours("cgroup")
    assert any("/lab" in line for line in report["cgroup"])  # its limits stay: it is in its own group still
    assert report["pid"] != 1


@pytest.mark.vm
async def test_the_hosts_network_for_all_of_a_cell(lab: Lab) -> None:
    doc = lab.cell(lab.spec("text:/etc/resolv.conf", host_network=True))
    made = (await lab.controller.create_cell(doc)).cell
    assert made.status.state is model.CellState.READY
    assert made.status.network is None or not made.status.network.address
    report = await lab.report()
    assert report["namespaces"]["net"] == ours("net")
    assert report["namespaces"]["ipc"] != ours("ipc")
    assert report["hosts"][: len(_lines("/etc/hosts"))] == _lines("/etc/hosts")
    assert report["text:/etc/resolv.conf"] == _lines("/etc/resolv.conf")
    pins = Path(lab.place.layout.pins(model.ref_of(doc)))
    assert _names(pins) == {"ipc", "uts"}
    (again,) = (await lab.controller.apply_documents(_yaml(doc))).resources
    assert again.action is model.ApplyAction.UNCHANGED

    # Off the host's network again: the cell gets namespaces of its own.
    changed = with_container(doc, lab.spec(report="second"))
    await lab.controller.apply_documents(_yaml(changed))
    report = await lab.report("second")
    assert report["namespaces"]["net"] != ours("net")
    assert _names(pins) == {"ipc", "net", "uts"}
    await lab.controller.delete_cell(doc)
    assert not _names(pins)


@pytest.mark.vm
async def test_the_hosts_network_for_one_of_a_cell(lab: Lab) -> None:
    doc = lab.cell(lab.spec(host_network=True), lab.spec(id="other", report="other"))
    await lab.controller.create_cell(doc)
    one, other = await lab.report(), await lab.report("other")
    assert one["namespaces"]["net"] == ours("net") != other["namespaces"]["net"]
    assert one["namespaces"]["uts"] == other["namespaces"]["uts"]
    await lab.controller.delete_cell(doc)


@pytest.mark.vm
async def test_devices(lab: Lab) -> None:
    report = await lab.see("kind:/dev/kmsg", "read:/dev/kmsg", "write:/dev/kmsg", devices=("/dev/kmsg",))
    assert report["kind:/dev/kmsg"] == "c:1:11"
    assert report["write:/dev/kmsg"] == 0
    for path in ("/dev/no-such-thing", "/dev/fd"):
        with pytest.raises(errors.HostError, match=path):
            await lab.see(devices=(path,))


@pytest.mark.vm
async def test_programs_that_manage_cgroups(lab: Lab) -> None:
    questions = ("write:/sys/fs/cgroup", "text:/sys/fs/cgroup/cgroup.procs", "text:/sys/fs/cgroup/cgroup.controllers")
    doc = lab.cell(lab.spec(*questions), nested_cgroup_runtime=True)
    await lab.controller.create_cell(doc)
    report = await lab.report()
    assert "ro" not in mount(report, "/sys/fs/cgroup")[0]
    if UNIFIED:
        assert report["cgroup"] == ["0::/_payload"]
        assert report["text:/sys/fs/cgroup/cgroup.procs"] == []
        host = _lines("/sys/fs/cgroup/cgroup.controllers")[0].split()
        assert set(report["text:/sys/fs/cgroup/cgroup.controllers"][0].split()) == set(host)
    await lab.controller.delete_cell(doc)
    assert not Cgroups.detect().exists(lab.place.layout.cgroup(model.ref_of(doc)))
