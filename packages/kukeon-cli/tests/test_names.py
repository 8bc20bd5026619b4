"""What `-o name` prints is what other commands take."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from kukeon_api import model

if TYPE_CHECKING:
    from memory_client import MemoryClient

    from conftest import Kuke

BUSYBOX = "docker.io/library/busybox:latest"


@pytest.fixture(autouse=True)
def cells(memory: MemoryClient) -> None:
    memory.load("default", BUSYBOX)
    for name in ("api", "web"):
        memory.put(model.Ref("default", "default", "default", name))


@pytest.mark.parametrize("verb", ["get", "describe", "stop", "kill", "restart", "delete"])
def test_cells_by_what_was_printed(kuke: Kuke, verb: str) -> None:
    printed = kuke("get", "cells", "-o", "name").out
    assert printed == "cell/api\ncell/web\n"
    assert kuke(verb, *printed.split(), "-o", "name").out == printed


def test_containers_by_what_was_printed(kuke: Kuke) -> None:
    printed = kuke("get", "containers", "--cell", "web", "-o", "name").out.strip()
    assert kuke("stop", printed, "--cell", "web").out == 'Stopped container "web" from cell "web"\n'
    assert kuke("get", "co/web", "--cell", "web", "-o", "name").out == f"{printed}\n"


def test_images_by_what_was_printed(kuke: Kuke, memory: MemoryClient) -> None:
    memory.load("default", "registry.example/app:1")
    printed = kuke("get", "images", "-o", "name").out
    assert kuke("get", *printed.split(), "-o", "name").out == printed
    assert kuke("image", "inspect", *printed.split(), "-o", "name").out == printed
    # One may be called so.
    memory.load("default", "docker.io/image/busybox:latest")
    assert kuke("get", "image", "image/busybox", "-o", "name").out == "image/docker.io/image/busybox:latest\n"
    assert kuke("delete", *printed.split(), "-o", "name").out == printed


def test_one_cell_by_its_kind_and_name(kuke: Kuke) -> None:
    assert kuke("run", "-d", "cell/web").out == 'Cell "web" already runs\n'
    assert "cannot find cell 'default/default/default/none'" in kuke("log", "cell/none").err
    refused = kuke("log", "container/web")
    assert (refused.code, "cannot use 'container/web' as cell name" in refused.err) == (2, True)
