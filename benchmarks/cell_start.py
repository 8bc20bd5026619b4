#!/usr/bin/env python3
"""Creating and starting a cell, against containerd starting two containers at once: alternating, in one process."""

import asyncio
import statistics
import time
from collections.abc import AsyncIterator

import floor
import measuring

from kukeon_api import manifest, model
from kukeon_runner import Options, open_controller
from kukeon_runner.host.containerd.client import Containerd
from kuketest import manifests
from kuketest.instance import Instance

ROUNDS = 15
WARM_UP = 2


async def chunks(archive: bytes) -> AsyncIterator[bytes]:
    yield archive


def cell(name: str) -> model.CellDoc:
    text = manifests.cell(name, manifests.container("main", "exec sleep 3600"))
    doc = manifest.parse(text)[0].doc
    assert isinstance(doc, model.CellDoc)
    return doc


async def measure(instance: Instance, archive: bytes) -> tuple[list[float], list[float]]:
    options = Options(
        run_path=str(instance.run_path),
        containerd="embedded",
        namespace_suffix=instance.suffix,
        cgroup_root=instance.cgroup_root,
    )
    floors, cells = [], []
    async with open_controller(options) as controller:
        await controller.bootstrap()
        await controller.load_image("default", chunks(archive))
        async with await Containerd.connect(instance.containerd_socket) as connection:
            containerd = connection.with_namespace(f"default.{instance.suffix}")
            image = await containerd.resolve(manifests.IMAGE)
            for number in range(-WARM_UP, ROUNDS):
                keys = (f"floor-a{number + WARM_UP}", f"floor-b{number + WARM_UP}")
                began = time.perf_counter()
                await floor.two(containerd, image, keys, f"{instance.cgroup_root}/floor")
                floor_took = time.perf_counter() - began
                await floor.remove(containerd, keys)

                doc = cell(f"cell-{number + WARM_UP}")
                began = time.perf_counter()
                result = await controller.create_cell(doc)
                cell_took = time.perf_counter() - began
                assert result.started, result
                await controller.kill_cell(doc)  # its program would sit out the whole grace of a delete
                await controller.delete_cell(doc)
                if number >= 0:
                    floors.append(floor_took)
                    cells.append(cell_took)
    return floors, cells


def main() -> None:
    with measuring.image_archive() as archive, measuring.instance() as instance:
        floors, cells = asyncio.run(measure(instance, archive.read_bytes()))
        measuring.line("containerd, two containers at once", measuring.milliseconds(floors))
        measuring.line("a cell: root, workload, network", measuring.milliseconds(cells))
        measuring.verdict("ratio of the medians", statistics.median(cells) / statistics.median(floors), 1.5)


if __name__ == "__main__":
    main()
