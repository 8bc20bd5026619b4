#!/usr/bin/env python3
"""Reading a large blob from the reference registry on this machine: our rate beside curl's, and the memory it takes."""

import asyncio
import hashlib
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path

import measuring

from kukeon_api import image_ref
from kukeon_runner.host.registry.client import Registry
from kukeon_runner.host.registry.values import Descriptor
from kukeon_runner.testing.docker_registry import docker_registry

MEGABYTES = 500
ROUNDS = 3


def resident_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


async def measure(address: str) -> None:
    ref = image_ref.parse(f"{address}/large")
    block = os.urandom(1_000_000)
    digest = hashlib.sha256()
    for _ in range(MEGABYTES):
        digest.update(block)
    blob = Descriptor("application/octet-stream", f"sha256:{digest.hexdigest()}", MEGABYTES * len(block))

    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(MEGABYTES):
            yield block

    plain, verified, theirs, memory = [], [], [], []
    async with Registry() as registry:
        await registry.upload_blob(ref, blob, pieces)
        before = resident_mb()
        for _ in range(ROUNDS):
            for times, verify in ((plain, False), (verified, True)):
                found = hashlib.sha256()
                began = time.perf_counter()
                async for piece in registry.blob(ref, blob):
                    if verify:
                        found.update(piece)
                times.append(time.perf_counter() - began)
                memory.append(resident_mb() - before)
                assert not verify or f"sha256:{found.hexdigest()}" == blob.digest
            began = time.perf_counter()
            await asyncio.to_thread(
                subprocess.run,
                ["curl", "--silent", "--output", "/dev/null", f"http://{address}/v2/large/blobs/{blob.digest}"],
                check=True,
            )
            theirs.append(time.perf_counter() - began)
    measuring.line(f"curl, {MEGABYTES} MB to nowhere", measuring.milliseconds(theirs))
    measuring.line(f"a blob of {MEGABYTES} MB", measuring.milliseconds(plain))
    measuring.line("the same with its sha256", measuring.milliseconds(verified))
    measuring.line("our rate, as a part of curl's", f"{statistics.median(theirs) / statistics.median(plain):7.2f}")
    measuring.line("memory rose by at most", f"{max(memory):7.1f} MB")


def main() -> None:
    with tempfile.TemporaryDirectory() as directory, docker_registry(Path(directory)) as registry:
        asyncio.run(measure(registry.address))


if __name__ == "__main__":
    sys.exit(main())
