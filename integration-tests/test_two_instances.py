"""Two kukeons on one host touch nothing of each other, even with the same names and the same pool of networks."""

from collections.abc import Callable
from pathlib import Path

import pytest

from kuketest import manifests, traces
from kuketest.instance import Instance
from kuketest.web import page, wait_page


@pytest.mark.vm
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
