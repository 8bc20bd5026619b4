"""Secrets come with a start and go with the end, and are nowhere else."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING

import pytest

from kukeon_api import errors, model
from kukeon_runner.testing.cells import NAMESPACE, cell, container, prepared
from kukeon_runner.testing.host import FakeHost

if TYPE_CHECKING:
    from pathlib import Path

FILE = model.ContainerSecret(name="token", from_file="/etc/token", mount_path="/run/token")
VARIABLE = model.ContainerSecret(name="TOKEN", from_env="HUNTER")
DOC = cell("hello", container("web", secrets=(FILE, VARIABLE)), container("plain"))
ID = "default_default_hello_web"


def environment(host: FakeHost) -> list[str]:
    found: list[str] = json.loads(host.containers.records[NAMESPACE, ID].spec)["process"]["env"]
    return found


@pytest.fixture
def host() -> FakeHost:
    host = FakeHost()
    host.kernel.files["/etc/token"] = "hunter2"
    host.kernel.environment["HUNTER"] = "hunter3"
    return host


async def test_they_come_with_a_start_and_go_with_the_end(host: FakeHost, tmp_path: Path) -> None:
    found = await prepared(host, tmp_path)
    before = host.traces()
    await found.create_cell(DOC)
    (directory,) = host.kernel.staged
    assert directory.endswith(f"/secrets/default/default/default/hello/{ID}")
    assert host.kernel.staged[directory] == {"token": b"hunter2"}
    assert "TOKEN=hunter3" in environment(host)
    await found.stop_cell(DOC)
    assert not host.kernel.staged
    assert not host.kernel.shms
    host.kernel.files["/etc/token"], host.kernel.environment["HUNTER"] = "newer", "newest"
    await found.start_cell(DOC)
    assert host.kernel.staged[directory] == {"token": b"newer"}
    assert [each for each in environment(host) if each.startswith("TOKEN=")] == ["TOKEN=newest"]
    await found.kill_cell(DOC)
    assert not host.kernel.staged
    await found.delete_cell(DOC)
    assert host.traces() == before


async def test_one_container_alone(host: FakeHost, tmp_path: Path) -> None:
    found = await prepared(host, tmp_path)
    await found.create_cell(DOC)
    web = await found.get_container(_container("web"))
    await found.stop_container(web.container)
    assert not host.kernel.staged
    await found.start_container(web.container)
    assert len(host.kernel.staged) == 1
    await found.delete_container(web.container)
    assert not host.kernel.staged


async def test_values_are_in_no_document_and_no_log(
    host: FakeHost, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    found = await prepared(host, tmp_path)
    with caplog.at_level(logging.DEBUG):
        made = await found.create_cell(DOC)
    got = await found.get_cell(DOC)
    stored = _texts(tmp_path)
    for text in (repr(made), repr(got), stored, caplog.text):
        assert "hunter2" not in text
        assert "hunter3" not in text


@pytest.mark.parametrize("gone", ["file", "variable"])
async def test_nothing_is_made_while_one_has_no_value(host: FakeHost, tmp_path: Path, gone: str) -> None:
    found = await prepared(host, tmp_path)
    before = host.traces()
    (host.kernel.files if gone == "file" else host.kernel.environment).clear()
    with pytest.raises(errors.CreateCell, match="cannot provide secret"):
        await found.create_cell(DOC)
    assert host.traces() == before


async def test_what_fails_half_way_leaves_none_behind(host: FakeHost, tmp_path: Path) -> None:
    found = await prepared(host, tmp_path)
    for number in range(1, 60):
        fails = False
        with host.failing_at(number):
            try:
                await found.create_cell(DOC)
            except errors.KukeonError:
                fails = True
        if not fails:
            break
        assert not host.kernel.staged, number
        await found.delete_cell(DOC)
    else:
        pytest.fail("it never got through")
    assert number > 15


async def test_another_value_alone_makes_no_container_anew(host: FakeHost, tmp_path: Path) -> None:
    found = await prepared(host, tmp_path)
    await found.create_cell(DOC)
    task = host.containers.tasks[NAMESPACE, ID]
    host.kernel.files["/etc/token"] = "newer"
    await found.create_cell(DOC)
    assert host.containers.tasks[NAMESPACE, ID] is task


def _texts(directory: Path) -> str:
    return "".join(path.read_text() for path in directory.rglob("*") if path.is_file())


def _container(name: str) -> model.ContainerDoc:
    place = {"realm_id": "default", "space_id": "default", "stack_id": "default", "cell_id": "hello"}
    return model.ContainerDoc(metadata=model.Metadata(name=name), spec=model.ContainerSpec(id=name, **place))
