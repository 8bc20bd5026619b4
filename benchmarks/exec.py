#!/usr/bin/env python3
"""Programs in containers: how long `true` takes beside containerd's own client, and how fast output and input flow."""

import statistics
import subprocess
import time
from collections.abc import Callable

import measuring

import kukeon_sdk
from kukeon_api import model
from kuketest import manifests
from kuketest.instance import Instance

ROUNDS = 30
FLOWS = 3
MEGABYTES = 100


def timed(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def container() -> model.ContainerDoc:
    spec = model.ContainerSpec(id="main", realm_id="default", space_id="default", stack_id="default", cell_id="shell")
    return model.ContainerDoc(metadata=model.Metadata(name="main"), spec=spec)


def call(instance: Instance, client: kukeon_sdk.Client) -> tuple[list[float], list[float]]:
    """`true`, through containerd's client and through ours, taking turns."""
    theirs, ours = [], []

    def peer(number: int) -> None:
        instance.ctr("tasks", "exec", "--exec-id", f"peer-{number}", "default_default_shell_main", "true")

    def own() -> None:
        with client.exec(container(), ["true"]) as session:
            assert session.wait().code == 0

    own()
    for number in range(ROUNDS):
        theirs.append(timed(lambda number=number: peer(number)))
        ours.append(timed(own))
    return theirs, ours


def output(client: kukeon_sdk.Client) -> None:
    count = 0
    with client.exec(container(), ["head", "-c", str(MEGABYTES * 1_000_000), "/dev/zero"]) as session:
        for _, data in session:
            count += len(data)
        assert session.wait().code == 0
    assert count == MEGABYTES * 1_000_000


def through_kuke(instance: Instance) -> None:
    command = [
        str(instance.programs / "kuke"),
        "exec",
        "shell",
        "--",
        "head",
        "-c",
        str(MEGABYTES * 1_000_000),
        "/dev/zero",
    ]
    subprocess.run(command, env=instance.environment(), stdout=subprocess.DEVNULL, check=True)


def taken(client: kukeon_sdk.Client, data: bytes) -> None:
    assert client.exec(container(), ["sh", "-c", "cat >/dev/null"]).communicate(data).status.code == 0


def main() -> None:
    with measuring.image_archive() as archive, measuring.instance() as instance:
        instance.start()
        instance.kuke("image", "load", str(archive))
        instance.apply(manifests.sleeper("shell"))
        with instance.client() as client:
            theirs, ours = call(instance, client)
            measuring.line("true, ctr tasks exec", measuring.milliseconds(theirs))
            measuring.line("true, through the SDK", measuring.milliseconds(ours))
            measuring.verdict("ratio of the medians", statistics.median(ours) / statistics.median(theirs), 1.3)
            flows = {
                f"{MEGABYTES} MB of output, SDK": lambda: output(client),
                f"{MEGABYTES} MB of output, kuke": lambda: through_kuke(instance),
                f"{MEGABYTES} MB of input, SDK": lambda: taken(client, bytes(MEGABYTES * 1_000_000)),
            }
            for what, work in flows.items():
                rate = MEGABYTES / statistics.median(timed(work) for _ in range(FLOWS))
                word = "within" if rate >= 100 else "BELOW"
                measuring.line(what, f"{rate:7.0f} MB/s  ({word} the goal of 100 MB/s)")
        instance.kuke("delete", "cell", "shell")


if __name__ == "__main__":
    main()
