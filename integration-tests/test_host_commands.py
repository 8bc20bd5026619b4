"""kuke prepares the host and looks after kukeond, as a person would use it."""

from collections.abc import Callable
from pathlib import Path

import pytest

from kuketest import manifests, traces
from kuketest.instance import Instance
from kuketest.web import page, wait_page


def initialise(instance: Instance, code: int = 0) -> str:
    done = instance.kuke(
        *("--run-path", str(instance.run_path), "init"),
        *("--containerd", "embedded"),
        *("--containerd-namespace-suffix", instance.suffix),
        *("--cgroup-root", instance.cgroup_root),
        code=code,
    )
    return done.out


def test_init_and_the_life_of_the_daemon(new_instance: Callable[..., Instance], image_archive: Path) -> None:
    instance = new_instance()
    at = ("--run-path", str(instance.run_path))
    early = instance.kuke(*at, "daemon", "start", code=None)
    assert early.code != 0
    assert " init" in early.err
    assert "hint: " in early.err

    first = initialise(instance)
    for words in ("Initialized Kukeon runtime", "Realm:", "Run path:", "Actions:", f"unix://{instance.socket}"):
        assert words in first
    again = initialise(instance)
    assert "Kukeon runtime already initialized" in again
    assert "already running" in again

    instance.kuke("image", "load", str(image_archive))
    path = instance.home / "web.yaml"
    path.write_text(manifests.server("web"))
    ran = instance.kuke("run", "-f", str(path), "-d")
    assert "web" in ran.out
    instance.remember_shims()
    address = instance.address("web")
    assert wait_page(address) == "page of web\n"
    assert "OK" in instance.kuke("status").out

    pid = instance.task_pid("web", "web")
    assert "stopped" in instance.kuke(*at, "daemon", "stop").out
    assert "already stopped" in instance.kuke(*at, "daemon", "stop").out
    assert page(address) == "page of web\n", "cells run on without kukeond"
    assert instance.kuke("get", "cells", code=8).out == ""
    assert "started" in instance.kuke(*at, "daemon", "start").out
    assert "already running" in instance.kuke(*at, "daemon", "start").out
    instance.kuke(*at, "daemon", "restart")
    assert instance.task_pid("web", "web") == pid
    assert instance.state("web") == "Ready"
    assert "serving" in instance.kuke(*at, "daemon", "logs").out

    refused = instance.kuke(*at, "uninstall", code=None)
    assert refused.code != 0, "nobody said yes"
    assert page(address) == "page of web\n"
    assert instance.kuke("version").out.count("0.1.0") >= 1


def test_realms_spaces_and_stacks_by_command(kukeon: Instance) -> None:
    kukeon.kuke("create", "realm", "lab")
    kukeon.kuke("create", "space", "net", "--realm", "lab")
    kukeon.kuke("create", "stack", "tier", "--realm", "lab", "--space", "net")
    for kind, scope in (("realm", ()), ("space", ("--realm", "lab")), ("stack", ("--realm", "lab", "--space", "net"))):
        shown = kukeon.kuke("get", f"{kind}s", *scope, "-o", "json").json()
        named = [document for document in shown if document["metadata"]["name"] in {"lab", "net", "tier"}]
        assert len(named) == 1
        assert named[0]["status"]["state"] == "Ready"
        cgroup = named[0]["status"]["cgroupPath"]
        assert any(path.endswith(cgroup) for path in traces.cgroups(kukeon))
    again = kukeon.kuke("create", "realm", "lab").out
    assert "already existed" in again
    refused = kukeon.kuke("delete", "realm", "lab", code=5)
    assert "--cascade" in refused.err
    kukeon.kuke("delete", "realm", "lab", "--cascade")
    assert kukeon.kuke("get", "realm", "lab", code=3).out == ""
    assert not any("/lab" in path for path in traces.cgroups(kukeon))


@pytest.mark.parametrize("name", ["a_b", "a/b", "UPPER", "..", "-x", "x" * 64, ""])
def test_names_that_are_no_names(kukeon: Instance, name: str) -> None:
    refused = kukeon.kuke("create", "realm", "--", name, code=2)
    assert refused.out == ""
    assert "realm" in refused.err.lower()
