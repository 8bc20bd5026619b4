"""What a program finds in its container: files, secrets, environment, and the limits on what it uses."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from lab import UNIFIED, Lab, _mode, _names, mount

from kukeon_api import errors, model
from kukeon_runner.host import mounts
from kukeon_runner.host.abilities import abilities
from kukeon_runner.testing.places import PATIENCE_S, until

if TYPE_CHECKING:
    from collections.abc import Iterator


pytestmark = [pytest.mark.host, pytest.mark.asyncio(loop_scope="module")]


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
    forks = "(i=0; while [ $i -lt 40 ]; do sleep 100 & i=$((i+1)); done) 2>/shared/forks; wait"
    forks = f"trap 'exit 0' TERM; sleep 1000 & {forks}"
    doc = lab.cell(lab.spec(args=("-c", forks), resources=model.Resources(pids_limit=20, cpu_shares=512)))
    await lab.controller.create_cell(doc)
    group = f"{lab.place.layout.cgroup(model.ref_of(doc))}/default_default_{doc.metadata.name}_main"
    assert _limit(group, "pids", "pids.max") == "20"
    shares = _limit(group, "cpu", "cpu.weight" if UNIFIED else "cpu.shares")
    assert shares == ("20" if UNIFIED else "512")
    said = lab.shared / "forks"
    await until(lambda: said.exists() and "can't fork" in said.read_text())
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
