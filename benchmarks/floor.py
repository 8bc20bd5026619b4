"""The floor of a cell's start: two containers, prepared, created and started at once, and nothing else."""

import asyncio
import signal

from kukeon_runner.host.containerd.client import Namespaced, ResolvedImage

CAPABILITIES = ["CAP_CHOWN", "CAP_KILL", "CAP_SETGID", "CAP_SETUID"]


def spec(cgroup: str) -> dict[str, object]:
    """A runtime spec as plain as runc takes it, with namespaces of its own."""
    sets = ("bounding", "effective", "permitted")
    return {
        "ociVersion": "1.0.2",
        "process": {
            "user": {"uid": 0, "gid": 0},
            "args": ["/bin/sleep", "3600"],
            "env": ["PATH=/usr/sbin:/usr/bin:/sbin:/bin"],
            "cwd": "/",
            "capabilities": {name: CAPABILITIES for name in sets},
            "noNewPrivileges": True,
        },
        "root": {"path": "rootfs", "readonly": False},
        "mounts": [
            {"destination": "/proc", "type": "proc", "source": "proc"},
            {"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "mode=755"]},
            {"destination": "/sys", "type": "sysfs", "source": "sysfs", "options": ["nosuid", "noexec", "nodev", "ro"]},
        ],
        "linux": {
            "cgroupsPath": cgroup,
            "namespaces": [{"type": name} for name in ("pid", "ipc", "uts", "mount", "network")],
        },
    }


async def start(containerd: Namespaced, image: ResolvedImage, key: str, cgroup: str) -> None:
    mounts = await containerd.snapshots.prepare(key, image.chain_id)
    await containerd.containers.create(key, spec=spec(f"{cgroup}/{key}"), image=image.name, snapshot_key=key)
    await containerd.tasks.create(key, mounts=mounts)
    await containerd.tasks.start(key)


async def two(containerd: Namespaced, image: ResolvedImage, keys: tuple[str, str], cgroup: str) -> None:
    async with containerd.lease("floor") as leased, asyncio.TaskGroup() as group:
        for key in keys:
            group.create_task(start(leased, image, key, cgroup))


async def remove(containerd: Namespaced, keys: tuple[str, str]) -> None:
    for key in keys:
        await containerd.tasks.kill(key, signal.SIGKILL)
        await containerd.tasks.wait(key)
        await containerd.tasks.delete(key)
        await containerd.containers.delete(key)
        await containerd.snapshots.remove(key)
