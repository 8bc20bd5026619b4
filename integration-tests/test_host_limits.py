"""What kukeond keeps from its host: a disk that is full, and memory that no manifest limits."""

from collections.abc import Callable
from pathlib import Path

from kuketest import manifests, witness
from kuketest.instance import Instance

LIMIT = 64 << 20
FILES = ("memory.max", "memory.limit_in_bytes")
"""What a memory limit stands in, by the version of cgroups."""


def memory_limits(kukeon: Instance, cell: str) -> set[int]:
    """The memory limits of the container `main`, as the kernel has them."""
    place = ("default", "default", "default", cell, f"default_default_{cell}_main")
    files = [path / name for path in witness.cgroups(kukeon, *place) for name in FILES]
    return {int(path.read_text()) for path in files if path.exists() and path.read_text() != "max\n"}


def test_no_cell_on_a_full_disk_and_none_without_a_limit(
    new_instance: Callable[..., Instance], image_archive: Path
) -> None:
    # Any disk is as full as that.
    full = ("--disk-pressure-warn-percent", "0", "--disk-pressure-block-percent", "1")
    kukeon = new_instance("--containerd", "embedded", "--default-memory-limit-bytes", str(LIMIT), *full)
    kukeon.start()
    kukeon.kuke("image", "load", str(image_archive))
    refused = kukeon.kuke("create", "cell", "web", "--image", "busybox", "--command", "sleep", code=1)
    assert "% full" in refused.err
    assert "hint: make room" in refused.err
    assert kukeon.apply(manifests.sleeper("web"), code=1).code == 1
    assert kukeon.kuke("get", "cells", "-o", "name").out == ""

    sleeps = ("--", "/bin/sh", "-c", "trap 'exit 0' TERM; sleep 3600 & wait")
    kukeon.kuke("create", "cell", "web", "--image", "busybox", "--ignore-disk-pressure", *sleeps)
    kukeon.remember_shims()
    assert memory_limits(kukeon, "web") == {LIMIT}
    assert "ignoreDiskPressure" not in kukeon.kuke("get", "cell", "web", "-o", "json").out
    kukeon.kuke("restart", "cell", "web")
    kukeon.kuke("run", "-d", "--name", "job", "--image", "busybox", "--ignore-disk-pressure", *sleeps)
    kukeon.remember_shims()
    for name in ("web", "job"):
        kukeon.kuke("delete", "cell", name)
