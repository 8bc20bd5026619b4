"""What holds whatever happens: of the verbs, their words and their exit codes."""

import json
import re
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

import kukeon_sdk
from kukeon_api import model
from kuketest import manifests, witness
from kuketest.instance import Instance


@pytest.fixture
def sleeper(either: Instance) -> Iterator[Instance]:
    """A running cell that says nothing."""
    either.apply(manifests.sleeper("calm"))
    yield either
    either.kuke("purge", "cell", "calm")


def container(cell: str, name: str) -> model.ContainerDoc:
    place = {"realm_id": "default", "space_id": "default", "stack_id": "default", "cell_id": cell}
    return model.ContainerDoc(
        metadata=model.Metadata(name=name), spec=model.ContainerSpec(image=manifests.IMAGE, **place)
    )


# Without kukeond.


def test_without_kukeond_reads_and_writes_in_process_go_on(kukeon: Instance) -> None:
    kukeon.stop()
    down = kukeon.kuke("get", "realms", code=8)
    assert str(kukeon.socket) in down.err
    assert re.search("no such file|connection refused|does not exist|nothing listens", down.err.lower()), down
    at = ("--run-path", str(kukeon.run_path))
    assert [each["metadata"]["name"] for each in kukeon.kuke(*at, "get", "realms", "-o", "json").json()] == ["default"]
    kukeon.kuke(*at, "create", "realm", "alone")
    kukeon.kuke(*at, "delete", "realm", "alone")
    kukeon.start()
    refused = kukeon.kuke(*at, "create", "realm", "alone", code=5)
    assert "hint:" in refused.err
    assert "alone" not in witness.listed(kukeon, "realm")


# Create, get, delete, purge.


def test_create_again_changes_nothing(sleeper: Instance) -> None:
    before = {path: path.read_bytes() for path in sleeper.run_path.glob("data/**/metadata.json")}
    tasks = witness.tasks(sleeper, "default")
    for kind in ("realm", "space", "stack"):
        assert "already existed" in sleeper.kuke("create", kind, "default").out
    again = sleeper.kuke("create", "cell", "calm", "--image", manifests.IMAGE).out
    assert "metadata: already existed" in again
    assert witness.tasks(sleeper, "default") == tasks
    assert {path: path.read_bytes() for path in sleeper.run_path.glob("data/**/metadata.json")} == before


def test_a_parent_that_is_not_there_is_said(either: Instance) -> None:
    for kind, scope in (
        ("space", ("--realm", "nowhere")),
        ("stack", ("--space", "nowhere")),
        ("cell", ("--stack", "nowhere", "--image", manifests.IMAGE)),
        ("container", ("--cell", "nowhere", "--image", manifests.IMAGE)),
    ):
        refused = either.kuke("create", kind, "orphan", *scope, code=3)
        assert "nowhere" in refused.err
        assert "hint:" in refused.err
    for verb in ("delete", "start", "stop", "kill", "restart"):
        missing = either.kuke(verb, "cell", "nowhere", code=3)
        assert "default/default/default/nowhere" in missing.err, missing


def test_lists_and_single_documents(sleeper: Instance) -> None:
    plain = sleeper.kuke("get", "cells").out.splitlines()
    assert plain[0].split()[0] == "NAME"
    assert not any(line.endswith(" ") or set(line) <= set("- ") for line in plain)
    assert "CONTROLLERS" not in plain[0]
    assert "CONTROLLERS" in sleeper.kuke("get", "cells", "--show-controllers").out
    assert sleeper.kuke("get", "cells", "--realm", "nowhere", "-o", "json").json() == []
    empty = sleeper.kuke("get", "containers", "--cell", "nowhere")
    assert empty.out == ""


@pytest.mark.exercises("PurgeRealm", "PurgeSpace", "PurgeStack")
def test_purge_counts_what_is_inside_and_spares_the_system_realm(sleeper: Instance) -> None:
    for kind, inside in (("realm", "1 space"), ("space", "1 stack"), ("stack", "1 cell")):
        refused = sleeper.kuke("purge", kind, "default", code=5)
        assert inside in refused.err
        assert "--cascade" in refused.err
    for verb in ("purge", "delete"):
        assert "kuke-system" in sleeper.kuke(verb, "realm", "kuke-system", code=6).err
    assert sleeper.state("calm") == "Ready"


@pytest.mark.exercises("PurgeRealm")
def test_kukeond_survives_the_purge_of_everything(kukeon: Instance, image_archive: Path) -> None:
    kukeon.apply(manifests.sleeper("calm"))
    assert kukeon.daemon is not None
    pid = kukeon.daemon.pid
    kukeon.kuke("purge", "realm", "default", "--cascade")
    with kukeon.client() as client:
        assert client.ping().pid == pid
        assert client.list_realms() == ()
    assert witness.namespaces(kukeon) == set()
    # Its next start makes the default hierarchy again.
    kukeon.stop()
    kukeon.start()
    kukeon.kuke("image", "load", str(image_archive))
    assert list(witness.listed(kukeon, "stack")) == ["default"]


# Images.


@pytest.mark.exercises("LoadImage", "ListImages", "GetImage", "DeleteImage")
def test_images_are_listed_at_once_and_named_when_missing(either: Instance, image_archive: Path) -> None:
    both = either.kuke("image", "load", str(image_archive), "--from-docker", "busybox", code=2)
    assert "exactly one" in both.err
    either.kuke("create", "realm", "pictures")
    either.kuke("image", "load", str(image_archive), "--realm", "pictures")
    assert manifests.IMAGE in either.ctr("images", "ls", "-q", realm="pictures").split()
    assert manifests.IMAGE in either.kuke("get", "images", "--realm", "pictures", "-o", "name").out
    shown = either.kuke("get", "image", "busybox", "--realm", "pictures", "-o", "json").json()
    assert shown["name"] == manifests.IMAGE
    either.kuke("image", "delete", "busybox", "--realm", "pictures")
    assert either.ctr("images", "ls", "-q", realm="pictures").split() == []
    for verb in ("get", "delete"):
        missing = either.kuke("image", verb, "nothing.invalid/here:1", "--realm", "pictures", code=3)
        assert "nothing.invalid/here:1" in missing.err
        assert "pictures" in missing.err
    either.kuke("delete", "realm", "pictures")


# Run, apply, kill.


def test_run_leaves_what_differs_alone(sleeper: Instance) -> None:
    pid = sleeper.task_pid("main", "calm")
    path = sleeper.home / "calm.yaml"
    path.write_text(manifests.sleeper("calm"))
    sleeper.kuke("run", "-d", "-f", str(path))
    path.write_text(manifests.sleeper("calm").replace("sleep 3600", "sleep 1800"))
    refused = sleeper.kuke("run", "-d", "-f", str(path), code=5)
    assert "default/default/default/calm" in refused.err
    assert "args" in refused.err, "the fields that differ are named"
    assert sleeper.task_pid("main", "calm") == pid
    assert "sleep 3600" in sleeper.cell("calm")["spec"]["containers"][0]["args"][1]
    for wrong in (("--name", "other"), ("--container", "main")):
        assert sleeper.kuke("run", "-d", "-f", str(path), *wrong, code=2).out == ""
    missing = sleeper.kuke("run", "-d", "-f", "nowhere.yaml", code=None)
    assert missing.code != 0
    assert "nowhere.yaml" in missing.err


@pytest.mark.exercises("ApplyDocuments", "PurgeCell")
def test_a_cell_that_could_not_start_can_be_purged(either: Instance) -> None:
    manifest = manifests.sleeper("half", image="registry.invalid/half:1")
    for form in ("table", "json"):
        refused = either.kuke("apply", "-f", "-", "-o", form, manifest=manifest, code=8)
        assert "registry.invalid/half:1" in refused.err, "the same exit code and words in each format"
        if form == "json":
            (failed,) = json.loads(refused.out)["resources"]
            assert failed["action"] == "failed"
    assert either.state("half") == "Failed"
    either.kuke("purge", "cell", "half")
    assert not witness.document(either, "default", "default", "default", "half").exists()
    assert witness.cgroups(either, "default", "default", "default", "half") == []


@pytest.mark.exercises("KillCell", "ApplyDocuments")
def test_what_was_killed_stays_stopped_until_it_is_applied(sleeper: Instance) -> None:
    sleeper.kuke("kill", "cell", "calm")
    assert sleeper.state("calm") == "Stopped"
    sleeper.kuke("refresh")
    assert sleeper.state("calm") == "Stopped"
    assert 'Cell "calm": updated' in sleeper.apply(manifests.sleeper("calm")).out
    assert sleeper.state("calm") == "Ready"


# Logs, terminals.


@pytest.mark.exercises("LogContainer")
def test_a_log_may_be_empty_and_is_followed_until_control_c(sleeper: Instance) -> None:
    silent = sleeper.kuke("log", "calm")
    assert (silent.out, silent.err) == ("", "")
    with sleeper.spawn_kuke("log", "-f", "calm") as following:
        sleeper.ctr("tasks", "exec", "--exec-id", "say", "default_default_calm_main", "/bin/sh", "-c",
                    "echo said >/proc/1/fd/1")  # fmt: skip
        assert following.stdout is not None
        assert following.stdout.readline() == "said\n"
        assert following.poll() is None
        following.send_signal(signal.SIGINT)
        following.wait(20)
    assert sleeper.kuke("log", "calm").out == "said\n"


@pytest.mark.exercises("AttachContainer", "LogContainer", "Ping")
def test_attach_is_refused_with_its_reason(kukeon: Instance) -> None:
    kukeon.apply(manifests.sleeper("calm"))
    with kukeon.client() as client:
        assert client.ping().ok
        with pytest.raises(kukeon_sdk.errors.KINDS["AttachNotSupported"]):
            client.attach_container(container("calm", "main"))
        for absent in (container("calm", "nobody"), container("nowhere", "main")):
            with pytest.raises(kukeon_sdk.errors.NotFound):
                client.attach_container(absent)
        assert Path(client.log_container(container("calm", "main")).host_log_path).exists()
    kukeon.kuke("delete", "cell", "calm")


# The doctor.


@pytest.mark.vm
def test_the_doctor_finds_this_host_well_and_writes_only_what_it_says(either: Instance) -> None:
    controls = sorted(Path("/sys/fs/cgroup").glob("cgroup.subtree_control"))
    before = [path.read_text() for path in controls]
    looked = either.kuke("doctor", "cgroups", "--no-probe", code=None)
    assert [path.read_text() for path in controls] == before
    assert looked.code in {0, 1}
    either.kuke("doctor", "cgroups")
    told = either.kuke("doctor", "cgroups", "--verbose-status").out
    assert all(controller in told for controller in ("cpu", "memory", "io", "pids"))
    either.kuke("doctor", "cgroups", "--scope", "realm", "default")
    assert either.kuke("doctor", "cgroups", "--scope", "realm", "nowhere", code=3).out == ""
    assert either.kuke("doctor", "cgroups", "default", code=2).out == ""
