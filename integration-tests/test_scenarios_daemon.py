"""The main instance of a host: set up, managed, reset and taken away with `kuke`, where kukeond is a host process."""

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from kukeon_runner.testing.containerd import private_containerd
from kuketest import manifests, pseudo_terminal, traces, witness
from kuketest.instance import Instance
from kuketest.own_host import MainInstance, OwnHost
from kuketest.waiting import until

VERBS = ("start", "stop", "kill", "restart")


@pytest.fixture
def host() -> Iterator[MainInstance]:
    """A host on which nothing was ever set up. In the end nothing may be left of what the story set up."""
    instance = MainInstance.make()
    assert not instance.run_path.exists(), "the main instance of this machine is seen: this story would remove it"
    try:
        yield instance
        if instance.run_path.exists():
            instance.run("uninstall", "-y")
        left = {
            "processes": instance.host.processes(),
            "cgroups": traces.cgroups(instance),
            "run path": [str(path) for path in (instance.run_path,) if path.exists()],
        }
        assert not any(left.values()), f"left on the host: {left}"
    finally:
        instance.host.close()
        for cgroup in sorted(traces.cgroups(instance), reverse=True):
            Path(cgroup).rmdir()
        shutil.rmtree(instance.home)


def account(host: OwnHost, name: str) -> str:
    """What the host's account files say of the group and user `name`."""
    lines = [line for file in ("group", "passwd") for line in host.path(f"/etc/{file}").read_text().splitlines()]
    return "\n".join(line for line in lines if line.startswith(f"{name}:"))


def check_default_hierarchy(instance: MainInstance) -> None:
    """Realm, space and stack `default` are there: on disk, listed, one by one, and on the host."""
    for kind, place in (("realm", 1), ("space", 2), ("stack", 3)):
        found = instance.run("get", kind, "default", "-o", "json").json()
        assert found["status"]["state"] == "Ready"
        names = [each["metadata"]["name"] for each in instance.run("get", f"{kind}s", "-o", "json").json()]
        assert names == ["default"]
        assert witness.document(instance, *["default"] * place).exists()
        (cgroup, *_) = witness.cgroups(instance, *["default"] * place)
        assert str(cgroup).endswith(found["status"]["cgroupPath"])
    assert f"default.{instance.suffix}" in witness.namespaces(instance)
    bridge = witness.bridge(instance, "default", "default")
    assert bridge in instance.host.run("ip", "-j", "link")


@pytest.mark.scenario(6, 7, 8)
def test_before_init(host: MainInstance) -> None:
    for verb in VERBS:
        refused = host.run("daemon", verb, code=None)
        assert refused.code != 0
        assert "kuke init" in refused.err, refused
    refused = host.run("daemon", "restart", "--timeout", "1s", code=None)
    assert "kuke init" in refused.err, refused
    listed = host.run("daemon", "reset", "--help").out
    assert "--timeout" in listed
    assert "--purge-system" in listed
    assert "already torn down" in host.run("daemon", "reset").out
    assert not host.run_path.exists()


@pytest.mark.scenario(9, 12, 35)
@pytest.mark.exercises("Ping")
def test_init_reset_and_init_again(host: MainInstance) -> None:
    first = host.initialise().out
    for words in ("Initialized Kukeon runtime", "Realm: default", "Run path: /opt/kukeon", "Actions:"):
        assert words in first
    assert "kukeond is ready (unix:///run/kukeon/kukeond.sock)" in first
    check_default_hierarchy(host)
    assert account(host.host, "kukeon").count("kukeon:") == 2
    mode = host.socket.stat()
    assert (mode.st_mode & 0o777, str(mode.st_gid)) == (0o660, account(host.host, "kukeon").split(":")[2])

    again = host.initialise()
    assert "Kukeon runtime already initialized" in again.out
    assert ": created" not in again.out
    assert "already running" in again.out

    views = [json.loads(host.run(*flags, "get", "realms", "-o", "json").out) for flags in ((), ("--no-daemon",))]
    assert views[0] == views[1]
    assert [(each["metadata"]["name"], each["status"]["state"]) for each in views[0]] == [("default", "Ready")]

    sentinel = host.run_path / "data/default/sentinel.txt"
    sentinel.write_text("keep")
    for options in ((), ("--purge-system",)):
        host.run("daemon", "reset", *options)
        assert not host.socket.exists()
        assert not host.run_path.joinpath("data/kuke-system").exists()
        assert sentinel.read_text() == "keep"
        assert witness.document(host, "default", "default", "default").exists()
        assert host.run("get", "realms", code=8).out == ""
    assert "already torn down" in host.run("daemon", "reset", "--purge-system").out
    assert "kukeond is ready" in host.initialise().out
    check_default_hierarchy(host)
    sentinel.unlink()


@pytest.mark.scenario(9)
def test_a_system_realm_goes_with_a_reset_and_not_by_hand(host: MainInstance) -> None:
    host.initialise()
    system = host.run_path / "data/kuke-system"
    system.mkdir()
    (system / "metadata.json").write_text("{}")
    for verb in ("delete", "purge"):
        refused = host.run(verb, "realm", "kuke-system", "--cascade", code=6)
        assert "kuke-system" in refused.err
    assert system.exists()
    assert str(system.relative_to(host.host.root)) in host.run("daemon", "reset", "--purge-system").out
    assert not system.exists()
    assert host.run_path.joinpath("data/default/metadata.json").exists()


@pytest.mark.scenario(11)
def test_uninstall_takes_everything_and_init_makes_it_again(host: MainInstance, image_archive: Path) -> None:
    host.initialise()
    host.run("image", "load", str(image_archive))
    host.run("apply", "-f", "-", manifest=manifests.sleeper("web"))
    host.remember_shims()
    pid = host.task_pid("main", "web")
    programs = [path for path in host.programs.glob("kuke*") if path.is_file()]

    for answer in ("", "no\n", "perhaps\n"):
        refused = host.run("uninstall", code=None, manifest=answer)
        assert refused.code != 0
        assert Path(f"/proc/{pid}").exists(), "nobody said yes"
    done = host.run("uninstall", "-y").out
    assert "kukeond: stopped" in done
    assert 'user "kukeon": removed' in done
    assert 'group "kukeon": removed' in done
    assert not host.run_path.exists()
    assert not host.socket.parent.exists() or not list(host.socket.parent.iterdir())
    assert account(host.host, "kukeon") == ""
    assert not Path(f"/proc/{pid}").exists()
    assert traces.cgroups(host) == set()
    assert not [line for line in host.host.run("nft", "list", "ruleset").splitlines() if "kukeon" in line]
    assert programs
    assert all(path.exists() for path in programs), "the programs stay"
    assert "absent" in host.run("uninstall", "-y").out

    assert "Initialized Kukeon runtime" in host.initialise().out
    check_default_hierarchy(host)


@pytest.mark.scenario(36)
def test_of_a_host_that_was_just_set_up_a_terminal_works(host: MainInstance, image_archive: Path) -> None:
    """From this checkout: the programs that are tested are the ones that `scripts/make-venv` installed of it."""
    host.initialise()
    host.run("image", "load", str(image_archive))
    views = [json.loads(host.run(*flags, "get", "realms", "-o", "json").out) for flags in ((), ("--no-daemon",))]
    assert views[0] == views[1]
    shell = {"id": "main", "image": manifests.IMAGE, "command": "/bin/sh", "attachable": True}
    host.run("apply", "-f", "-", manifest=manifests.cell("smoke", shell))
    host.remember_shims()
    (socket,) = host.host.path("/run/kukeon/tty").glob("*.sock")
    assert (socket.stat().st_mode & 0o777, socket.stat().st_gid) == (0o660, host.socket.stat().st_gid)
    pid = host.task_pid("main", "smoke")
    command = [*host.host.prefix, str(host.programs / "kuke"), "attach", "smoke"]
    with pseudo_terminal.terminal(command, host.environment(), str(host.home)) as screen:
        screen.type(b"echo smoke-$((1+1))\r")
        screen.shows(b"smoke-2")
        screen.type(b"\x1d\x1d")
        assert screen.ends() == 0
        assert screen.given_back
    assert host.task_pid("main", "smoke") == pid
    host.run("kill", "cell", "smoke")
    host.run("delete", "cell", "smoke")


@pytest.mark.scenario(10, 11)
def test_reset_and_uninstall_leave_no_namespace_in_the_hosts_containerd(new_instance: Callable[..., Instance]) -> None:
    with private_containerd() as containerd:
        instance = new_instance("--containerd", "system", "--containerd-socket", str(containerd.socket))
        at = ("--run-path", str(instance.run_path))
        instance.kuke(
            *(*at, "init", "--containerd", "system", "--containerd-socket", str(containerd.socket)),
            *("--containerd-namespace-suffix", instance.suffix, "--cgroup-root", instance.cgroup_root),
        )
        instance.kuke("create", "realm", "lab")
        ours = {f"{realm}.{instance.suffix}" for realm in ("default", "lab")}
        containerd.ctr("namespaces", "create", "kt-somebody-elses")
        assert ours < witness.containerd_namespaces(str(containerd.socket))
        instance.kuke(*at, "daemon", "reset", "--purge-system")
        done = instance.kuke(*at, "uninstall", "-y", environment={"KUKEON_HOST": ""})
        assert 'realm "lab"' in done.out.replace("'", '"')
        left = witness.containerd_namespaces(str(containerd.socket))
        assert not ours & left
        assert "kt-somebody-elses" in left, "what is not ours stays"
        containerd.ctr("namespaces", "remove", "kt-somebody-elses")
        assert not instance.run_path.exists()
        assert "purged" not in instance.kuke(*at, "uninstall", "-y", environment={"KUKEON_HOST": ""}).out
        until(lambda: not traces.processes(instance), "kukeond to be gone")
