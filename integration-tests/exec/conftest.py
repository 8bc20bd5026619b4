"""The instance of the stories of programs in containers."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import kukeon_sdk
from kuketest import manifests
from kuketest.instance import Instance
from kuketest.programs import CELL, left


@pytest.fixture(scope="package")
def home(new_instance: Callable[..., Instance], image_archive: Path) -> Iterator[Instance]:
    """An instance of these stories, whose kukeond is killed in some of them."""
    instance = new_instance()
    instance.start()
    instance.kuke("image", "load", str(image_archive))
    instance.apply(manifests.sleeper(CELL))
    yield instance
    if instance.daemon is None:
        instance.start()
    instance.kuke("delete", "cell", CELL)
    assert left(instance) == []


@pytest.fixture
def shell(home: Instance) -> Instance:
    if home.daemon is None:
        home.start()
    return home


@pytest.fixture
def client(shell: Instance) -> Iterator[kukeon_sdk.Client]:
    with shell.client() as client:
        yield client
