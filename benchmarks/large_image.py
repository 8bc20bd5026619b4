"""A large image of several layers that do not compress, and what bringing it in costs kukeond."""

import gzip
import hashlib
import json
import os
import platform
import statistics
import subprocess
import tarfile
import tempfile
import threading
import time
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import measuring
from daemon_memory import resident_mb

from kuketest import archives
from kuketest.instance import Instance

MEGABYTES = 500
LAYERS = 5
ROUNDS = 3
MEMORY_GOAL_MB = 120
RATE_GOAL = 0.8

_MACHINES = {"x86_64": "amd64", "aarch64": "arm64"}


def write(archive: Path, name: str) -> None:
    """Write an OCI archive of the image, called `name`; layers are in gzip, as builders make them."""
    descriptors, diff_ids, blobs = [], [], {}
    with tempfile.TemporaryDirectory(dir=archive.parent) as directory, tarfile.open(archive, "w") as tar:
        for number in range(LAYERS):
            path = Path(directory) / "layer"
            diff_ids.append(_layer(path, number))
            with path.open("rb") as file:
                digest = f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"
            descriptors.append(_descriptor("layer.v1.tar+gzip", digest, path.stat().st_size))
            tar.add(path, f"blobs/{digest.replace(':', '/')}")

        def put(kind: str, document: object) -> dict[str, object]:
            data = json.dumps(document).encode()
            digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
            blobs[f"blobs/{digest.replace(':', '/')}"] = data
            return _descriptor(kind, digest, len(data))

        rootfs = {"type": "layers", "diff_ids": diff_ids}
        architecture = _MACHINES.get(platform.machine(), platform.machine())
        config = put("config.v1+json", {"architecture": architecture, "os": "linux", "config": {}, "rootfs": rootfs})
        parts = {"schemaVersion": 2, "config": config, "layers": descriptors}
        manifest = put("manifest.v1+json", parts | {"mediaType": "application/vnd.oci.image.manifest.v1+json"})
        manifest["annotations"] = {archives.NAME: name.rpartition(":")[2], archives.CONTAINERD_NAME: name}
        blobs["index.json"] = json.dumps({"schemaVersion": 2, "manifests": [manifest]}).encode()
        blobs["oci-layout"] = json.dumps({"imageLayoutVersion": "1.0.0"}).encode()
        for path_inside, data in blobs.items():
            archives.add(tar, path_inside, data)


def _layer(path: Path, number: int) -> str:
    """Write one layer and return the digest of what it unpacks to."""
    plain = BytesIO()
    with tarfile.open(fileobj=plain, mode="w") as tar:
        for file in range(MEGABYTES // LAYERS):
            archives.add(tar, f"data/{number}/{file}", os.urandom(1_000_000))
    path.write_bytes(gzip.compress(plain.getbuffer(), compresslevel=1))
    return f"sha256:{hashlib.sha256(plain.getbuffer()).hexdigest()}"


def _descriptor(kind: str, digest: str, size: int) -> dict[str, object]:
    return {"mediaType": f"application/vnd.oci.image.{kind}", "digest": digest, "size": size}


class Peak:
    """The most that kukeond had resident while the block ran, sampled."""

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


def compare(
    instance: Instance, name: str, theirs: tuple[str, Callable[[], object]], ours: tuple[str, Callable[[], object]]
) -> None:
    """Bring the image in both ways, in turns, each time into a containerd that has nothing of it; print both rates.

    Both go into one namespace: others would share content with it.
    """
    times: dict[str, list[float]] = {theirs[0]: [], ours[0]: []}
    peak = Peak(instance)
    with peak:
        for number in range(ROUNDS):
            for what, work in (theirs, ours) if number % 2 else (ours, theirs):
                assert not instance.ctr("content", "ls", "-q"), "there is content already"
                # Nobody waits for what the one before has still to write.
                subprocess.run(["sync"], check=True)
                began = time.perf_counter()
                work()
                times[what].append(time.perf_counter() - began)
                instance.ctr("images", "rm", "--sync", name)
    medians = {what: statistics.median(series) for what, series in times.items()}
    for what, series in times.items():
        measuring.line(
            f"{what}, {MEGABYTES} MB, {LAYERS} layers",
            f"{measuring.milliseconds(series)}  {MEGABYTES / medians[what]:.0f} MB/s",
        )
    ratio = medians[theirs[0]] / medians[ours[0]]
    word = "within" if ratio >= RATE_GOAL else "BEYOND"
    measuring.line("our rate, as a part of theirs", f"{ratio:7.2f}  ({word} the goal of at least {RATE_GOAL})")
    measuring.verdict("kukeond's memory, at most", peak.megabytes, MEMORY_GOAL_MB, " MB")
