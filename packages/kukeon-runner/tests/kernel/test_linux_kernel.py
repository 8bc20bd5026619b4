"""What the kernel's doors make of odd files and of each other."""

from __future__ import annotations

import asyncio
import os
import shutil
import stat
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from kukeon_api import errors
from kukeon_runner.host import kernel as door
from kukeon_runner.host import mounts
from kukeon_runner.host.cgroups import Cgroups
from kukeon_runner.host.kernel import LinuxKernel

if TYPE_CHECKING:
    from collections.abc import Iterator

ROUNDS = 60


@pytest.fixture
def kernel() -> LinuxKernel:
    # Nothing here asks for cgroups, which not every machine that runs this has.
    return LinuxKernel(Cgroups("v2", ()))


@pytest.fixture
def place() -> Iterator[Path]:
    # Not below pytest's directory: what stays mounted must not be walked into.
    directory = Path(tempfile.mkdtemp(prefix="kt-kernel-"))
    yield directory
    mounts.unmount_below(directory)
    shutil.rmtree(directory)


async def test_files_of_a_cell_can_be_read_by_everybody_in_it(kernel: LinuxKernel, tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        await kernel.write_file(str(tmp_path / "hosts"), "x")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "hosts").stat().st_mode) == 0o644


async def test_a_file_keeps_its_inode_and_follows_no_link(kernel: LinuxKernel, tmp_path: Path) -> None:
    path = tmp_path / "hosts"
    await kernel.write_file(str(path), "one, and longer\n")
    inode = path.stat().st_ino
    await kernel.write_file(str(path), "two\n")
    assert (path.stat().st_ino, path.read_text()) == (inode, "two\n")
    (tmp_path / "link").symlink_to(path)
    with pytest.raises(errors.HostError, match="link"):
        await kernel.write_file(str(tmp_path / "link"), "evil")
    assert path.read_text() == "two\n"


async def test_files_that_are_no_text_or_no_files(kernel: LinuxKernel, tmp_path: Path) -> None:
    (tmp_path / "binary").write_bytes(b"a\xff\x00")
    assert await kernel.read_file(str(tmp_path / "binary")) == "a\ufffd\0"
    with pytest.raises(errors.HostError, match="cannot read"):
        await kernel.read_file(str(tmp_path))
    with pytest.raises(FileNotFoundError):
        await kernel.read_file(str(tmp_path / "missing"))


@pytest.mark.parametrize("path", ["x" * 5000, "/" + "x" * 300, "a\0b", "/dev/null/x"])
async def test_paths_that_cannot_be_are_not_there(kernel: LinuxKernel, path: str) -> None:
    assert await kernel.exists(path) is False


async def test_a_resolver_configuration_that_cannot_be_read_is_told(
    kernel: LinuxKernel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(door, "RESOLV_CONF", tmp_path)
    with pytest.raises(errors.HostError, match="cannot read"):
        await kernel.resolv_conf()
    monkeypatch.setattr(door, "RESOLV_CONF", tmp_path / "missing")
    assert await kernel.resolv_conf() == ""


async def test_the_resolvers_own_file_is_taken_where_the_hosts_names_only_its_stub(
    kernel: LinuxKernel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "stub").write_text("nameserver 127.0.0.53\nsearch lan\n")
    (tmp_path / "real").write_text("nameserver 192.0.2.1\nsearch lan\n")
    monkeypatch.setattr(door, "RESOLV_CONF", tmp_path / "stub")
    monkeypatch.setattr(door, "RESOLVED_CONF", tmp_path / "real")
    assert await kernel.resolv_conf() == "nameserver 192.0.2.1\nsearch lan\n"
    monkeypatch.setattr(door, "RESOLVED_CONF", tmp_path / "missing")
    assert await kernel.resolv_conf() == "search lan\n"


@pytest.mark.kernel
async def test_cells_of_one_stack_come_and_go_at_once(kernel: LinuxKernel, place: Path) -> None:
    """Whoever goes last removes the directories above, while another is making its own there."""

    async def live(name: str) -> None:
        pins, shm = str(place / f"ns/r/s/t/{name}"), str(place / f"shm/r/s/t/{name}")
        for _ in range(ROUNDS):
            await asyncio.gather(kernel.pin_namespaces(pins, "c"), kernel.mount_shm(shm))
            assert await kernel.pinned(pins)
            assert await kernel.mounted(shm)
            await asyncio.gather(kernel.unpin_namespaces(pins), kernel.unmount_shm(shm))

    await asyncio.gather(*(live(f"c{number}") for number in range(4)))
    assert not (place / "ns/r").exists()
    assert not (place / "shm/r").exists()


@pytest.mark.kernel
async def test_what_is_in_the_way_is_told(kernel: LinuxKernel, place: Path) -> None:
    (place / "file").write_text("")
    with pytest.raises(errors.HostError):
        await kernel.mount_shm(str(place / "file"))
    with pytest.raises(errors.HostError):
        await kernel.mount_shm(str(place / "file/below"))
    with pytest.raises(errors.HostError):
        await kernel.pin_namespaces(str(place / "file/below"), "c")
    with pytest.raises(errors.HostError):
        await kernel.pin_namespaces(str(place / "ns"), "not a host name")
