#!/usr/bin/env python3
"""Loading a large image: our rate beside containerd's own client, and what it costs kukeond in memory."""

import os
import statistics
import sys
import tarfile
import tempfile
import threading
import time
from io import BytesIO
from pathlib import Path

import measuring
from daemon_memory import resident_mb

from kuketest import archives
from kuketest.instance import Instance

MEGABYTES = 128
ROUNDS = 3
NAME = "docker.io/library/large:latest"


def large(source: Path, archive: Path) -> None:
    """The same image with one layer of bytes that do not compress, new ones each time, so that nothing is known yet."""
    layer = BytesIO()
    with tarfile.open(fileobj=layer, mode="w") as tar:
        for number in range(MEGABYTES):
            archives.add(tar, f"data/{number}", os.urandom(1_000_000))
    layout = archives.Layout(source)
    layout.with_layer(layer.getvalue(), NAME)
    # Only what the new image is made of.
    manifest = layout.manifest()
    kept = [layout.index["manifests"][0]["digest"], manifest["config"]["digest"], manifest["layers"][0]["digest"]]
    wanted = {f"blobs/{digest.replace(':', '/')}" for digest in kept} | {"oci-layout", "index.json"}
    layout.files = {name: data for name, data in layout.files.items() if name in wanted}
    layout.write(archive)


class Peak:
    """The most that kukeond had resident while the block ran."""

    def __init__(self, instance: Instance) -> None:
        self._instance = instance
        self._done = threading.Event()
        self.megabytes = 0.0
        self._thread = threading.Thread(target=self._watch)

    def _watch(self) -> None:
        while not self._done.wait(0.02):
            self.megabytes = max(self.megabytes, resident_mb(self._instance))

    def __enter__(self) -> "Peak":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()


def main() -> None:
    with (
        measuring.image_archive() as source,
        measuring.instance() as instance,
        tempfile.TemporaryDirectory() as directory,
    ):
        instance.start()
        archive = Path(directory) / "large.tar"
        theirs, ours, rises = [], [], []
        for _ in range(ROUNDS):
            large(source, archive)
            began = time.perf_counter()
            instance.ctr("images", "import", "--digests=false", str(archive))
            theirs.append(time.perf_counter() - began)
            instance.ctr("images", "rm", "--sync", NAME)

            large(source, archive)
            before = resident_mb(instance)
            with Peak(instance) as peak:
                began = time.perf_counter()
                instance.kuke("image", "load", str(archive))
                ours.append(time.perf_counter() - began)
            rises.append(peak.megabytes - before)
            instance.kuke("image", "delete", NAME)
        measuring.line(f"ctr images import, {MEGABYTES} MB", measuring.milliseconds(theirs))
        measuring.line(f"kuke image load, {MEGABYTES} MB", measuring.milliseconds(ours))
        ratio = statistics.median(theirs) / statistics.median(ours)
        word = "within" if ratio >= 0.8 else "BEYOND"
        measuring.line("our rate, as a part of theirs", f"{ratio:7.2f}  ({word} the goal of at least 0.8)")
        measuring.line("kukeond's memory rose by at most", f"{max(rises):7.1f} MB")


if __name__ == "__main__":
    sys.exit(main())
