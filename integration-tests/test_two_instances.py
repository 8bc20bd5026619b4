"""Two kukeons on one host touch nothing of each other, even with the same names and the same pool of networks."""

import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from kuketest import manifests, traces
from kuketest.instance import Instance
from kuketest.web import page, wait_page


def test_side_by_side(
    kukeon: Instance, server_cell: str, new_instance: Callable[..., Instance], image_archive: Path
) -> None:
    address = kukeon.address(server_cell)
    wait_page(address)
    before = traces.of_cells(kukeon)

    other = new_instance()
    other.start()
    assert not other.kuke("get", "images").out.count("busybox"), "images are each instance's own"
    other.kuke("image", "load", str(image_archive))
    other.apply(manifests.server(server_cell))
    theirs = other.address(server_cell)
    assert theirs != address
    assert wait_page(theirs) == f"page of {server_cell}\n"
    assert traces.bridges(kukeon).isdisjoint(traces.bridges(other))
    assert traces.of_cells(kukeon) == before

    other.stop()
    assert page(theirs) == page(address)
    other.start()
    other.leave_nothing()
    assert traces.of_cells(kukeon) == before
    assert page(address) == f"page of {server_cell}\n"
    assert kukeon.state(server_cell) == "Ready"


def test_of_two_that_want_one_port_at_once_one_gets_it(
    kukeon: Instance, new_instance: Callable[..., Instance], image_archive: Path
) -> None:
    kukeon.kuke("image", "load", str(image_archive))
    other = new_instance()
    other.start()
    other.kuke("image", "load", str(image_archive))
    both = (kukeon, other)
    with socket.socket() as trying:
        trying.bind(("127.0.0.1", 0))
        port = trying.getsockname()[1]
    asleep = manifests.container("main", "trap 'exit 0' TERM; sleep 3600 & wait $!")
    manifest = manifests.cell("clash", {**asleep, "ports": [f"{port}:80"]})
    try:
        with ThreadPoolExecutor() as pool:
            done = list(pool.map(lambda instance: instance.apply(manifest, code=None), both))
        assert sorted(each.code for each in done) == [0, 5], [each.err for each in done]
        (refused,) = (each for each in done if each.code)
        assert f"cannot publish 127.0.0.1:{port}/tcp" in refused.err
        assert "hint:" in refused.err
        # What the winner gives back, the other one can have.
        winner, loser = sorted(both, key=lambda instance: done[both.index(instance)].code)
        winner.kuke("delete", "cell", "clash")
        loser.apply(manifest)
    finally:
        for instance in both:
            instance.kuke("purge", "cell", "clash")
    other.leave_nothing()
