"""What an instance has on the host, seen without its help: from /proc, /sys, `ip`, `nft` and containerd's `ctr`."""

import json
import os
import re
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kuketest.instance import Instance

CGROUPS = Path("/sys/fs/cgroup")


def of_cells(instance: "Instance") -> dict[str, set[str]]:
    """Everything that belongs to resources of an instance; a story must leave it as it found it."""
    # Active snapshots are containers'; committed ones belong to images.
    listed = [line.split() for line in instance.ctr("snapshots", "ls").splitlines()]
    return {
        "namespaces": set(instance.ctr("namespaces", "ls", "-q").split()),
        "bridges": bridges(instance),
        "containers": set(instance.ctr("containers", "ls", "-q").split()),
        "tasks": set(instance.ctr("tasks", "ls", "-q").split()),
        "snapshots": {row[0] for row in listed if row[-1:] == ["Active"]},
        "leases": set(instance.ctr("leases", "ls", "-q").split()),
        "shims": {f"{pid} {command}" for pid, command in processes(instance) if "containerd-shim" in command},
        "pins": {mount for mount in mounts(instance) if "/ns/" in mount or "/shm/" in mount},
        "ports": ports(instance),
        "cgroups": cgroups(instance),
        "addresses": addresses(instance),
        "cni results": {path.name for path in runtime_directory(instance).glob("cni/cache/**/*") if path.is_file()},
        "documents": {str(path) for path in instance.run_path.glob("data/**/metadata.json")},
    }


def of_host(instance: "Instance", bridges: set[str]) -> dict[str, list[str]]:
    """Everything that an instance has on the host at all; after `uninstall` each list must be empty."""
    namespace_directories = Path("/run/containerd/runc").glob(f"*.{instance.suffix}")
    found = {
        "processes": [f"{pid} {command}" for pid, command in processes(instance)],
        "mounts": sorted(mounts(instance)),
        "cgroups": sorted(cgroups(instance)),
        "links": sorted(bridges & set(links())),
        "nft": sorted(line.strip() for line in ruleset().splitlines() if mentions(line, instance, bridges)),
        "files": [str(path) for path in (instance.run_path, runtime_directory(instance)) if path.exists()],
        "runc state": sorted(map(str, namespace_directories)),
        "shim sockets": sorted(path for path in instance.shim_sockets if Path(path).exists()),
    }
    return {what: left for what, left in found.items() if left}


def instance_id(instance: "Instance") -> str:
    """The id that every global name of the instance has in it; remembered, since the file goes with the instance."""
    known: dict[str, str] = instance.__dict__.setdefault("_id", {})
    record = instance.run_path / ".kukeon-instance.json"
    if not known and record.exists():
        known["id"] = str(json.loads(record.read_text())["id"])
    return known.get("id", "no-instance-was-made")


def runtime_directory(instance: "Instance") -> Path:
    return Path("/run/kukeon") / instance_id(instance)


def bridges(instance: "Instance") -> set[str]:
    """The bridges named in the network lists of the instance's spaces."""
    names = set()
    for path in instance.run_path.glob("data/*/*/network.conflist"):
        names |= {plugin["bridge"] for plugin in json.loads(path.read_text())["plugins"] if "bridge" in plugin}
    return names


def links() -> dict[str, str]:
    """Every link of the host's network namespace, with the bridge that it is a port of."""
    shown = subprocess.run(["ip", "-j", "link"], capture_output=True, text=True, check=True).stdout
    return {link["ifname"]: link.get("master", "") for link in json.loads(shown or "[]")}


def ports(instance: "Instance") -> set[str]:
    ours = bridges(instance)
    return {name for name, bridge in links().items() if bridge in ours}


def addresses(instance: "Instance") -> set[str]:
    """The files in which host-local notes that an address is taken, each named by the address."""
    found = runtime_directory(instance).glob("cni/networks/*/*")
    return {f"{path.parent.name}/{path.name}" for path in found if re.fullmatch(r"[0-9.]+", path.name)}


def mounts(instance: "Instance") -> set[str]:
    """Mountpoints below the instance's directories; a mountinfo line's fifth field, proc(5)."""
    points = {line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()}
    below = (f"{instance.home}/", f"{runtime_directory(instance)}/")
    return {point for point in points if point.startswith(below)}


def cgroups(instance: "Instance") -> set[str]:
    """Directories of the instance in every hierarchy that this host has, whichever version."""
    ours = [path / instance.name for path in (CGROUPS, *CGROUPS.iterdir()) if (path / instance.name).is_dir()]
    # Not rglob: it fails when a directory goes while it looks.
    return {path for root in ours for path, _, _ in os.walk(root)}


def processes(instance: "Instance") -> list[tuple[int, str]]:
    """Every process but this one's family whose command line, or cgroup, names the instance."""
    found = []
    mine = {os.getpid(), instance.daemon.pid if instance.daemon else 0}
    signs = (instance.name, str(runtime_directory(instance)))
    for directory in Path("/proc").iterdir():
        if directory.name.isdigit() and int(directory.name) not in mine:
            try:
                command = (directory / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
                group = (directory / "cgroup").read_text()
            except (FileNotFoundError, ProcessLookupError):
                continue
            if f"/{instance.name}/" in group or any(sign in command for sign in signs):
                found.append((int(directory.name), command))
    return found


def shim_sockets(instance: "Instance") -> set[str]:
    """The filesystem sockets that our running shims hold, from /proc: their names are hashes."""
    held = set()
    for pid, command in processes(instance):
        if "containerd-shim" in command:
            for descriptor in Path(f"/proc/{pid}/fd").iterdir():
                try:
                    target = descriptor.readlink().name
                except FileNotFoundError:
                    continue
                if target.startswith("socket:["):
                    held.add(target[len("socket:[") : -1])
    rows = (line.split() for line in Path("/proc/net/unix").read_text().splitlines()[1:])
    return {row[7] for row in rows if len(row) > 7 and row[6] in held and row[7].startswith("/")}


def ruleset() -> str:
    return subprocess.run(["nft", "list", "ruleset"], capture_output=True, text=True, check=True).stdout


def mentions(line: str, instance: "Instance", bridges: set[str]) -> bool:
    return instance_id(instance) in line or any(bridge in line for bridge in bridges)
