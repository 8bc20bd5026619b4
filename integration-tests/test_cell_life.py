"""From a manifest to a page, and to nothing again."""

import json
import os
import signal
import time
from pathlib import Path

import pytest

from kuketest import manifests
from kuketest.instance import Instance
from kuketest.waiting import IN_VM, until, until_equal
from kuketest.web import page, wait_page

GRACE_S = 10.0
"""What a program that does not hear is given."""


@pytest.mark.vm
def test_manifest_becomes_a_page(kukeon: Instance) -> None:
    done = kukeon.apply(manifests.server("hello"))
    assert 'Cell "hello": created' in done.out
    assert kukeon.state("hello") == "Ready"
    address = kukeon.address("hello")
    assert wait_page(address) == "page of hello\n"
    wide = kukeon.kuke("get", "cell", "hello", "-o", "wide").out
    assert address in wide
    assert 'Cell "hello": unchanged' in kukeon.apply(manifests.server("hello")).out
    kukeon.kuke("delete", "cell", "hello")
    assert kukeon.kuke("get", "cell", "hello", code=3).out == ""
    with pytest.raises(OSError, match=r"timed out|refused|unreachable|No route"):
        page(address, timeout_s=1.0)


def test_another_cell_of_the_space_reaches_it(kukeon: Instance, server_cell: str) -> None:
    address = kukeon.address(server_cell)
    fetch = f"until wget -qO- http://{address}:8080/; do :; done; sleep 3600"
    kukeon.apply(manifests.cell("visitor", manifests.container("main", fetch)))
    until(lambda: f"page of {server_cell}" in kukeon.kuke("log", "visitor").out, "the visitor's log to have the page")
    assert kukeon.address("visitor") != address
    kukeon.kuke("kill", "cell", "visitor")
    kukeon.kuke("delete", "cell", "visitor")


@pytest.mark.vm
def test_cells_of_a_space_reach_each_other_by_name_wherever_they_are(kukeon: Instance, server_cell: str) -> None:
    # The image's wget is linked without what looks names up.
    get = "printf 'GET / HTTP/1.0\\r\\n\\r\\n' | nc -w 1"
    ask = f"while :; do {get} web 8080 && {get} web.default 8080; sleep 0.1; done"
    kukeon.apply(manifests.cell("visitor", manifests.container("main", ask)))

    def pages() -> int:
        return kukeon.kuke("log", "visitor").out.count("page of web")

    until(lambda: pages() >= 2, "the visitor to get a page by either name")
    # Another cell takes the address that is free for a moment.
    kukeon.kuke("stop", "cell", server_cell)
    kukeon.apply(manifests.sleeper("squatter"))
    kukeon.kuke("start", "cell", server_cell)
    kukeon.remember_shims()
    before = pages()
    until(lambda: pages() > before + 1, "the visitor to find the cell at its new place")
    for name in ("visitor", "squatter"):
        kukeon.kuke("kill", "cell", name)
        kukeon.kuke("delete", "cell", name)


@pytest.mark.vm
def test_containers_of_a_cell_share_its_network(kukeon: Instance) -> None:
    visitor = manifests.container(
        "visitor", "trap 'exit 0' TERM; until wget -qO- http://127.0.0.1:8080/; do :; done; sleep 3600 & wait"
    )
    kukeon.apply(manifests.cell("pair", manifests.container("web", manifests.SERVER), visitor))
    until(lambda: "page of pair" in kukeon.kuke("log", "pair", "--container", "visitor").out, "the page in the log")
    kukeon.kuke("delete", "cell", "pair")


def test_log_has_what_was_written_before_and_after_it_is_followed(kukeon: Instance, server_cell: str) -> None:
    until(lambda: kukeon.kuke("log", server_cell).out == "serving web\n", "the first line of the log")
    with kukeon.spawn_kuke("log", "-f", server_cell) as following:
        assert following.stdout is not None
        assert following.stdout.readline() == "serving web\n"
        kukeon.kuke("stop", "cell", server_cell)
        assert following.stdout.readline() == "bye\n"
        following.send_signal(signal.SIGINT)
        following.wait(20)


def test_stop_lets_the_program_say_goodbye(kukeon: Instance, server_cell: str) -> None:
    wait_page(kukeon.address(server_cell))
    with kukeon.client() as client:
        cell = client.get_cell(manifests.reference(server_cell)).cell
        began = time.monotonic()
        client.stop_cell(cell)
        took = time.monotonic() - began
    assert IN_VM or took < GRACE_S / 2, f"the program ends when it is told to, but stop took {took:.2f} s"
    assert kukeon.state(server_cell) == "Stopped"
    assert kukeon.kuke("log", server_cell).out.endswith("bye\n")


@pytest.mark.vm
def test_start_after_stop_keeps_what_was_written(kukeon: Instance, server_cell: str) -> None:
    address = kukeon.address(server_cell)
    wait_page(address)
    kukeon.ctr("tasks", "exec", "--exec-id", "write", f"default_default_{server_cell}_web",
               "/bin/sh", "-c", "echo written by hand >/tmp/www/index.html")  # fmt: skip
    kukeon.kuke("stop", "cell", server_cell)
    kukeon.kuke("start", "cell", server_cell)
    kukeon.remember_shims()
    assert kukeon.state(server_cell) == "Ready"
    assert wait_page(kukeon.address(server_cell)) == "written by hand\n"


def test_kill_ends_a_program_that_will_not_listen(kukeon: Instance) -> None:
    kukeon.apply(manifests.cell("deaf", manifests.container("main", "trap '' TERM; while :; do sleep 1; done")))
    pid = kukeon.task_pid("main", "deaf")
    kukeon.kuke("kill", "cell", "deaf")
    assert not Path(f"/proc/{pid}").exists()
    assert kukeon.state("deaf") == "Stopped"
    kukeon.kuke("delete", "cell", "deaf")


@pytest.mark.vm
def test_an_ended_program_is_seen_with_its_code(kukeon: Instance) -> None:
    kukeon.apply(manifests.cell("brief", manifests.container("main", "exit 7")))

    def exit_code() -> object:
        containers = kukeon.cell("brief")["status"]["containers"]
        return next((status.get("exitCode") for status in containers if status["name"] == "main"), None)

    until_equal(exit_code, 7, "the exit code of the container")
    kukeon.kuke("delete", "cell", "brief")


@pytest.mark.parametrize(
    ("what", "content", "words"),
    [
        ("noint", b"#!/no/such/interpreter\n", "no such file"),
        ("garbage", b"\x7fELFgarbage", "exec format error"),
    ],
)
def test_a_program_that_cannot_be_executed_is_told_to_whoever_starts_it(
    kukeon: Instance, what: str, content: bytes, words: str
) -> None:
    program = kukeon.home / what
    program.write_bytes(content)
    program.chmod(0o755)
    volumes = [{"source": str(program), "target": "/program", "readOnly": True}]
    main = {"id": "main", "image": manifests.IMAGE, "command": "/program", "volumes": volumes}
    applied = kukeon.apply(manifests.cell("short", main), code=None)
    if applied.code != 0:
        # crun tells before it answers; runc has said by then that the container is started.
        assert "cannot start container 'main'" in applied.err + applied.out
        assert kukeon.state("short") == "Failed"
        kukeon.kuke("delete", "cell", "short")
        return
    assert 'container "main" ended at once with code 1' in applied.out
    started = kukeon.kuke("start", "cell", "short")
    assert "warning: container 'main' of cell 'short' ended at once with code 1" in started.err
    assert "kuke log short --container main" in started.err
    until_equal(lambda: kukeon.state("short"), "Error", "the state of the cell")
    assert words in kukeon.kuke("log", "short").err
    kukeon.kuke("delete", "cell", "short")


@pytest.mark.vm
def test_root_container_killed_from_outside(kukeon: Instance, server_cell: str) -> None:
    address = kukeon.address(server_cell)
    wait_page(address)
    workload = kukeon.task_pid("web", server_cell)
    root = kukeon.task_pid("root", server_cell)
    os.kill(root, signal.SIGKILL)
    until(lambda: not Path(f"/proc/{root}").exists(), "the root container's process to be gone")
    assert page(address) == f"page of {server_cell}\n"

    def another_root() -> bool:
        return kukeon.find_task_pid("root", server_cell) not in {None, root}

    until(another_root, "kukeond to make the root container again")
    until_equal(lambda: kukeon.state(server_cell), "Ready", "the cell's state")
    assert kukeon.task_pid("web", server_cell) == workload
    assert page(address) == f"page of {server_cell}\n"


def test_every_format_prints_the_same_cell(kukeon: Instance, server_cell: str) -> None:
    shown = json.loads(kukeon.kuke("get", "cell", server_cell, "-o", "json").out)
    assert shown["metadata"]["name"] == server_cell
    text = kukeon.kuke("get", "cell", server_cell, "-o", "yaml").out
    assert 'Cell "web": unchanged' in kukeon.apply(text).out, "what get prints can be applied again"
    assert server_cell in kukeon.kuke("get", "cells", "-o", "name").out
    assert "Ready" in kukeon.kuke("get", "cells").out
