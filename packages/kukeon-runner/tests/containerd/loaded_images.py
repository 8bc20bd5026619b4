"""Images made here, loaded into a containerd, and looked at as their containers would see them."""

import subprocess
import tarfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from kukeon_runner.host.containerd import platforms
from kukeon_runner.host.containerd.archive import import_archive
from kukeon_runner.host.containerd.client import Namespaced
from kukeon_runner.host.containerd.values import Mount
from kukeon_runner.testing.archives import Entry, Layout, chunks_of, tar_of

NAME = "registry.invalid/test/image:1"
HOST = platforms.host()
OTHER = "s390x" if HOST.architecture != "s390x" else "amd64"

LOWER = tar_of(
    [
        Entry("gone", b"x"),
        Entry("kept", b"kept"),
        Entry("dir", type=tarfile.DIRTYPE, mode=0o755),
        Entry("dir/a", b"a"),
        Entry("dir/b", b"b"),
        Entry("opaque", type=tarfile.DIRTYPE, mode=0o755),
        Entry("opaque/old", b"old"),
        Entry("link", type=tarfile.SYMTYPE, linkname="/etc/passwd"),
    ]
)
UPPER = tar_of(
    [
        Entry(".wh.gone"),
        Entry("dir", type=tarfile.DIRTYPE, mode=0o755),
        Entry("dir/.wh.a"),
        Entry("opaque", type=tarfile.DIRTYPE, mode=0o755),
        Entry("opaque/.wh..wh..opq"),
        Entry("opaque/new", b"new"),
    ]
)
FILES = {"kept": b"kept", "dir/b": b"b", "opaque/new": b"new"}


def image(layout: Layout, *layers: bytes, **more: Any) -> dict[str, Any]:
    more = {"architecture": HOST.architecture, "variant": HOST.variant, **more}
    return layout.image(layers, **more)


def good(name: str = NAME, *layers: bytes, **more: Any) -> Layout:
    layout = Layout()
    layout.name(image(layout, *(layers or (LOWER, UPPER)), **more), name)
    return layout


async def load(namespace: Namespaced, data: bytes) -> tuple[str, ...]:
    return await import_archive(namespace, chunks_of(data))


@contextmanager
def mounted(mounts: Sequence[Mount], target: Path) -> Iterator[Path]:
    (mount,) = mounts
    target.mkdir(exist_ok=True)
    options = ",".join(option for option in mount.options if option != "rbind")
    bind = ["--bind"] if mount.type == "bind" else ["-t", mount.type]
    subprocess.run(["mount", *bind, "-o", options or "ro", mount.source, str(target)], check=True)
    try:
        yield target
    finally:
        subprocess.run(["umount", str(target)], check=True)


async def files_of(namespace: Namespaced, name: str, tmp_path: Path) -> dict[str, bytes]:
    """What a container made of the image would see: regular files with their content."""
    resolved = await namespace.resolve(name)
    async with namespace.lease("look") as leased:
        mounts = await leased.snapshots.view("look", resolved.chain_id)
        with mounted(mounts, tmp_path / "root") as root:
            found = {
                str(path.relative_to(root)): path.read_bytes()
                for path in root.rglob("*")
                if path.is_file() and not path.is_symlink()
            }
        await leased.snapshots.remove("look")
    return found


async def empty_after_collection(namespace: Namespaced) -> bool:
    await namespace.leases.collect_garbage()
    return not (
        await namespace.images.list()
        or await namespace.content.list()
        or await namespace.content.ingests()
        or await namespace.snapshots.list()
        or await namespace.leases.list()
    )
