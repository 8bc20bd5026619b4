"""What a program sees from inside: a probe runs in real containers and reports, and that is what was asked for."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import errno
import json
import logging
import os
import resource
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
import pytest_asyncio

from kukeon_api import errors, manifest, model
from kukeon_runner import spec
from kukeon_runner.host import mounts
from kukeon_runner.host.abilities import abilities, bounding_set
from kukeon_runner.host.cgroups import Cgroups
from kukeon_runner.testing.places import IMAGE, PATIENCE_S, Place, a_place, until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from kukeon_runner.controller import Controller

pytestmark = [pytest.mark.host, pytest.mark.asyncio(loop_scope="module")]

SOURCE = Path(__file__).with_name("probe.c")
EMPTY = -1  # what the probe says of a file or directory that can be read and has nothing in it
UNIFIED = Cgroups.detect().mode == "v2"

Report = dict[str, Any]


@dataclasses.dataclass
class Lab:
    """An instance under test, with a directory that its containers share with us."""

    place: Place
    controller: Controller
    shared: Path
    count: int = 0

    def spec(self, *questions: str, report: str = "report", **fields: Any) -> model.ContainerSpec:
        """A container that reports and then stays."""
        command = f"/shared/probe /shared/{report} {' '.join(questions)}; trap 'exit 0' TERM; sleep 1000 & wait $!"
        shared = model.VolumeMount(source=str(self.shared), target="/shared")
        fields = {"command": "/bin/sh", "args": ("-c", command), **fields}
        fields["volumes"] = (shared, *fields.get("volumes", ()))
        return model.ContainerSpec(**{"id": "main", "image": IMAGE} | fields)

    def cell(self, *containers: model.ContainerSpec, **fields: Any) -> model.CellDoc:
        self.count += 1
        place = model.CellSpec(
            realm_id="default", space_id="default", stack_id="default", containers=containers, **fields
        )
        return model.CellDoc(metadata=model.Metadata(name=f"lab{self.count}"), spec=place)

    async def report(self, name: str = "report") -> Report:
        path = self.shared / name
        await until(path.exists)
        found: Report = json.loads(path.read_text())
        path.unlink()
        return found

    async def container(self, doc: model.CellDoc) -> model.ContainerStatus:
        return (await self.controller.get_cell(doc)).cell.status.containers[0]

    async def see(self, *questions: str, **fields: Any) -> Report:
        """What a container made with `fields` sees."""
        doc = self.cell(self.spec(*questions, **fields))
        await self.controller.create_cell(doc)
        try:
            return await self.report()
        finally:
            await self.controller.delete_cell(doc)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def lab(archive: bytes) -> AsyncIterator[Lab]:
    async with a_place(archive) as place:
        shared = place.home / "shared"
        shared.mkdir()
        shared.chmod(0o777)
        build = ["cc", "-static", "-O1", "-o", str(shared / "probe"), str(SOURCE)]
        await asyncio.to_thread(subprocess.run, build, check=True)
        async with place.opened() as controller:
            await place.load(controller)
            yield Lab(place, controller, shared)


def field(report: Report, name: str) -> str:
    """A line of /proc/self/status, proc(5)."""
    return next(line.split(":", 1)[1].strip() for line in report["status"] if line.startswith(f"{name}:"))


def caps(report: Report, kind: str) -> set[str]:
    return set(bounding_set(f"CapBnd: {field(report, kind)}"))


def mount(report: Report, target: str) -> tuple[set[str], str, set[str]]:
    """Options, type and super options of what is mounted at `target` last, proc(5): mountinfo."""
    line = next(each for each in reversed(report["mounts"]) if each.split()[4] == target)
    left, _, right = line.partition(" - ")
    kind, _, more = right.split(" ", 2)
    return set(left.split()[5].split(",")), kind, set(more.split(","))


def ours(kind: str) -> str:
    return str(Path(f"/proc/self/ns/{kind}").readlink())


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


READ = ("/proc/kcore", "/proc/timer_list", "/sys/firmware")
# A new user namespace brings all capabilities in it, so what asks for namespaces comes last.
CALLS = ("clone3", "keyctl", "bpf", "io_uring_setup", "mount", "chroot", "socket-alg", "socket-raw", "socket-inet",
         "mknod", "unshare-net", "unshare-user")  # fmt: skip
QUESTIONS = (
    *(f"read:{path}" for path in READ),
    *("write:/proc/sys/kernel/hostname", "write:/proc/sys/vm/swappiness", "write:/", "write:/sys/kernel"),
    *(f"call:{name}" for name in CALLS),
    *("kind:/dev/null", "kind:/dev/kmsg", "kind:/dev/fuse"),
)


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
async def test_volumes_tmpfs_and_a_read_only_root(lab: Lab) -> None:
    below = lab.shared / "outer" / "inner"
    below.mkdir(parents=True)
    mounts.tmpfs(below, size_bytes=1 << 20)
    try:
        report = await lab.see(
            *("write:/", "write:/ro", "write:/ro/inner", "write:/rw", "write:/scratch", "write:/t"),
            *("kind:/scratch", "kind:/t"),
            read_only_root_filesystem=True,
            volumes=(
                model.VolumeMount(source=str(below.parent), target="/ro", read_only=True),
                model.VolumeMount(source=str(below.parent), target="/rw"),
                model.VolumeMount(kind=model.VolumeKind.TMPFS, target="/scratch", size_bytes=1 << 20, mode=0o700),
            ),
            tmpfs=(model.Tmpfs(path="/t", size_bytes=4096, options=("noexec", "mode=0755")),),
        )
    finally:
        mounts.unmount(below, lazy=True)
        shutil.rmtree(below.parent)
    assert report["write:/"] == report["write:/ro"] == errno.EROFS
    assert report["write:/ro/inner"] == (errno.EROFS if abilities().recursive_read_only else 0)
    assert report["write:/rw"] == report["write:/scratch"] == report["write:/t"] == 0
    assert (report["kind:/scratch"], report["kind:/t"]) == ("d:0700:0:0", "d:0755:0:0")
    assert mount(report, "/t")[0] >= {"nosuid", "nodev", "noexec"}
    assert "size=4k" in mount(report, "/t")[2]


async def test_environment_and_directory(lab: Lab) -> None:
    report = await lab.see(env=("A=1", "A=2"), working_dir="/tmp")
    assert report["cwd"] == "/tmp"
    assert {"A=2", "PATH=/bin", f"KUKEON_CELL_NAME=lab{lab.count}"} <= set(report["env"])
    assert "A=1" not in report["env"]


@pytest.mark.vm
async def test_secrets_are_files_for_the_containers_user_alone(lab: Lab, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    source = lab.shared.parent / "token"
    source.write_bytes(b"first\n")
    source.chmod(0o600)
    os.environ["KT_SECRET"] = "from the daemon"
    asked = (
        model.ContainerSecret(name="token", from_file=str(source), mount_path="/run/secrets/token"),
        model.ContainerSecret(name="other", from_env="KT_SECRET", mount_path="/other"),
        model.ContainerSecret(name="VARIABLE", from_file=str(source)),
    )
    questions = ("kind:/run/secrets/token", "text:/run/secrets/token", "text:/other", "write:/other")
    doc = lab.cell(lab.spec(*questions, user="user", secrets=asked, env=("VARIABLE=loses",)))
    ref, layout = model.ref_of(doc), lab.place.layout
    made = (await lab.controller.create_cell(doc)).cell
    report = await lab.report()
    assert report["kind:/run/secrets/token"] == "f:0400:1000:1000"
    assert report["text:/run/secrets/token"] == ["first"]
    assert report["text:/other"] == ["from the daemon"]
    assert report["write:/other"] == errno.EACCES
    assert mount(report, "/other")[0] >= {"ro", "nosuid", "nodev", "noexec"}
    assert [each for each in report["env"] if each.startswith("VARIABLE")] == ["VARIABLE=first\n"]
    assert not any("from the daemon" in each for each in report["env"])
    # A tmpfs of root's alone, and no other file has the values: not the documents, the logs or containerd's records.
    staged = Path(layout.secrets(ref))
    assert _mode(staged) == 0o700
    assert mounts.is_mountpoint(staged)
    assert "from the daemon" not in repr(made)
    assert "from the daemon" not in repr(await lab.controller.get_cell(doc))
    assert "from the daemon" not in repr([event async for event in lab.controller.events()])
    assert not [line for line in _command_lines() if b"from the daemon" in line]
    assert "StageSecrets" in caplog.text, "every step is in the log"
    assert "from the daemon" not in caplog.text
    holders = await asyncio.to_thread(_holders, b"from the daemon", [lab.place.home, Path(layout.runtime_dir)])
    assert holders == [staged / f"default_default_{doc.metadata.name}_main" / "other"]

    # A stop takes them away, and the next start brings what they are by then.
    await lab.controller.stop_cell(doc)
    assert not _names(staged)
    source.write_bytes(b"second")
    await lab.controller.start_cell(doc)
    report = await lab.report()
    assert report["text:/run/secrets/token"] == ["second"]
    assert "VARIABLE=second" in report["env"]
    await lab.controller.kill_cell(doc)
    assert not _names(staged)

    # Without a value nothing is started, and the words do not have any other.
    source.unlink()
    with pytest.raises(errors.HostError, match="cannot provide secret 'token'"):
        await lab.controller.start_cell(doc)
    await lab.controller.delete_cell(doc)
    assert not _names(staged)


async def test_what_is_no_secret(lab: Lab) -> None:
    fifo, big = lab.shared.parent / "fifo", lab.shared.parent / "big"
    os.mkfifo(fifo)
    with big.open("wb") as file:
        file.truncate((1 << 20) + 1)
    for source, why in (
        (fifo, "not a regular file"),
        (big, "more than 1048576 bytes"),
        (lab.shared, "not a regular file"),
    ):
        secret = model.ContainerSecret(name="s", from_file=str(source), mount_path="/s")
        doc = lab.cell(lab.spec(secrets=(secret,)))
        with pytest.raises(errors.HostError, match=why):
            await lab.controller.create_cell(doc)
        await lab.controller.delete_cell(doc)
    big.write_bytes(b"\xff\0")
    doc = lab.cell(lab.spec(secrets=(model.ContainerSecret(name="S", from_file=str(big)),)))
    with pytest.raises(errors.HostError, match="not text"):
        await lab.controller.create_cell(doc)
    await lab.controller.delete_cell(doc)


@pytest.mark.vm
async def test_memory_and_processes_are_limited(lab: Lab) -> None:
    """Both are hit for real: more processes are refused, and more memory kills."""
    forks = "(i=0; while [ $i -lt 40 ]; do sleep 100 & i=$((i+1)); done) 2>/shared/forks; exec sleep 1000"
    doc = lab.cell(lab.spec(args=("-c", forks), resources=model.Resources(pids_limit=20, cpu_shares=512)))
    await lab.controller.create_cell(doc)
    group = f"{lab.place.layout.cgroup(model.ref_of(doc))}/default_default_{doc.metadata.name}_main"
    assert _limit(group, "pids", "pids.max") == "20"
    shares = _limit(group, "cpu", "cpu.weight" if UNIFIED else "cpu.shares")
    assert shares == ("20" if UNIFIED else "512")
    await until(lambda: "can't fork" in (lab.shared / "forks").read_text())
    assert int(_limit(group, "pids", "pids.current")) <= 20
    await lab.controller.delete_cell(doc)

    eats = "exec tail -c 200000000 /dev/zero"
    doc = lab.cell(lab.spec(args=("-c", eats), resources=model.Resources(memory_limit_bytes=32 << 20)))
    await lab.controller.create_cell(doc)

    async with asyncio.timeout(PATIENCE_S):
        while (found := await lab.container(doc)).exit_code is None:  # noqa: ASYNC110 - what the kernel does
            await asyncio.sleep(0.02)
    assert (found.exit_code, found.exit_signal) == (137, "SIGKILL")
    await lab.controller.delete_cell(doc)


def _command_lines() -> Iterator[bytes]:
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):  # it has ended since
            yield path.read_bytes()


def _limit(group: str, controller: str, name: str) -> str:
    top = Path("/sys/fs/cgroup") if UNIFIED else Path("/sys/fs/cgroup", controller)
    return Path(f"{top}{group}", name).read_text().strip()


def _holders(needle: bytes, tops: list[Path]) -> list[Path]:
    """The regular files below `tops` that contain `needle`: snapshots and all; but for what the probe reported."""
    found = []
    for top in tops:
        for directory, names, files in os.walk(top):
            names[:] = [each for each in names if each not in ("ns", "shared")]
            for name in files:
                path = Path(directory, name)
                if path.is_file() and not path.is_symlink() and needle in path.read_bytes():
                    found.append(path)
    return found


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


def _lines(path: str) -> list[str]:
    return Path(path).read_text().splitlines()


def _names(directory: Path) -> set[str]:
    """What is in a directory; nothing when it is not there."""
    return {path.name for path in directory.iterdir()} if directory.is_dir() else set()


def _nodes(directory: Path) -> set[str]:
    return {path.name for path in directory.iterdir() if path.is_char_device() or path.is_block_device()}


def _mode(path: Path) -> int:
    return path.stat().st_mode & 0o7777


def _yaml(*docs: model.Doc) -> bytes:
    return manifest.dump(docs).encode()


def with_container(doc: model.CellDoc, container: model.ContainerSpec) -> model.CellDoc:
    return msgspec.structs.replace(doc, spec=msgspec.structs.replace(doc.spec, containers=(container,)))
