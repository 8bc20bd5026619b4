#!/usr/bin/env python3
"""What kukeond has resident: fresh, and after it has worked."""

from pathlib import Path

import measuring

from kuketest import manifests
from kuketest.instance import Instance


def resident_mb(instance: Instance) -> float:
    """Resident megabytes of kukeond, proc(5)."""
    assert instance.daemon is not None
    for row in Path(f"/proc/{instance.daemon.pid}/status").read_text().splitlines():
        if row.startswith("VmRSS:"):
            return int(row.split()[1]) * 1024 / 1e6
    raise AssertionError("the kernel does not say what is resident")


def main() -> None:
    with measuring.image_archive() as archive, measuring.instance() as instance:
        instance.start()
        idle = resident_mb(instance)
        instance.kuke("image", "load", str(archive))
        for number in range(5):
            instance.apply(manifests.sleeper(f"cell-{number}"))
        measuring.line("kukeond with 5 cells", f"{resident_mb(instance):7.1f} MB")
        instance.stop()
        instance.start()
        measuring.line("kukeond started anew over 5 cells", f"{resident_mb(instance):7.1f} MB")
        measuring.verdict("kukeond idle after its first start", idle, 75, " MB")


if __name__ == "__main__":
    main()
