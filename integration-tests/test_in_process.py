"""kuke without kukeond: the same work in its own process, and the same view beside one that runs."""

import json
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

import kukeon_sdk
from kukeon_api import methods, model
from kukeon_cli import local, main, server
from kuketest import manifests, traces
from kuketest.instance import Done, Instance

FORMATS = ("table", "wide", "yaml", "json", "name")
KINDS = ("realm", "space", "stack", "cell", "container", "image")


class Alone:
    """An instance that no kukeond ever served; what it is made with comes from the environment."""

    def __init__(self, instance: Instance) -> None:
        self.instance = instance
        self.environment = {
            "KUKEON_HOST": "",
            "KUKEON_NAMESPACE_SUFFIX": instance.suffix,
            "KUKEON_CGROUP_ROOT": instance.cgroup_root,
            "KUKEON_CONTAINERD": "embedded",
        }

    def __call__(self, *arguments: str, code: int | None = 0, manifest: str | None = None) -> Done:
        at = ("--run-path", str(self.instance.run_path))
        return self.instance.kuke(*at, *arguments, code=code, manifest=manifest, environment=self.environment)

    def names(self, kind: str) -> list[str]:
        return [document["metadata"]["name"] for document in self("get", kind, "-o", "json").json()]

    def task(self, container: str, cell: str) -> int | None:
        return self.instance.find_task_pid(container, cell)


@pytest.fixture(scope="module")
def alone(new_instance: Callable[..., Instance], image_archive: Path) -> Iterator[Alone]:
    made = Alone(new_instance())
    yield made
    made.instance.remember_shims()


@pytest.fixture
def loaded(alone: Alone, image_archive: Path) -> Alone:
    alone("image", "load", str(image_archive), "--realm", "default")
    return alone


def test_an_empty_run_path_has_nothing_and_is_not_made(alone: Alone) -> None:
    if alone.instance.run_path.exists():
        pytest.fail("this story comes first: the run path is there already")
    for kind in KINDS:
        assert alone("get", f"{kind}s", "-o", "json").json() == []
        listed = alone("get", f"{kind}s")
        assert listed.out == ""
        # It may be a slip of the run path.
        assert listed.err.startswith(f"note: there is no kukeon at '{alone.instance.run_path}'\n")
    assert not alone.instance.run_path.exists()
    assert alone("get", "realm", "none", code=3).out == ""


def test_realms_spaces_and_stacks(alone: Alone) -> None:
    assert f"note: there is no kukeon at '{alone.instance.run_path}' yet" in alone("create", "realm", "lab").err
    assert "note:" not in alone("create", "space", "net", "--realm", "lab").err
    alone("create", "stack", "tier", "--realm", "lab", "--space", "net")
    assert alone("create", "realm", "lab").out.count("already existed") >= 1
    for kind, name, scope in (
        ("realm", "lab", ()),
        ("space", "net", ("--realm", "lab")),
        ("stack", "tier", ("--realm", "lab", "--space", "net")),
    ):
        assert name in alone.names(f"{kind}s")
        shown = alone("get", kind, name, *scope, "-o", "json").json()
        assert any(path.endswith(shown["status"]["cgroupPath"]) for path in traces.cgroups(alone.instance))
    assert alone("delete", "realm", "lab", code=5).err.count("--cascade") >= 1
    alone("delete", "stack", "tier", "--realm", "lab", "--space", "net")
    alone("delete", "space", "net", "--realm", "lab")
    alone("delete", "realm", "lab")
    assert "lab" not in alone.names("realms")
    assert alone("purge", "realm", "lab").code == 0, "there is nothing left, which is what was wanted"


def test_the_life_of_a_cell(loaded: Alone) -> None:
    assert "created" in loaded("apply", "-f", "-", manifest=manifests.server("web")).out
    pid = loaded.task("web", "web")
    assert pid is not None
    assert "unchanged" in loaded("apply", "-f", "-", manifest=manifests.server("web")).out
    assert loaded.task("web", "web") == pid
    loaded("stop", "cell", "web")
    assert loaded.task("web", "web") is None
    loaded("start", "cell", "web")
    loaded("restart", "cell", "web")
    loaded("kill", "container", "web", "--cell", "web")
    loaded("start", "container", "web", "--cell", "web")
    assert loaded("get", "cell", "web", "-o", "json").json()["status"]["state"] == "Ready"
    assert "serving web" in loaded("log", "web").out
    loaded("refresh")
    loaded("kill", "cell", "web")
    loaded("delete", "cell", "web")
    assert loaded.names("cells") == []
    assert loaded("delete", "cell", "web", code=3).out == ""
    assert loaded("purge", "cell", "web").code == 0


def test_documents_and_images(loaded: Alone) -> None:
    stream = manifests.many(manifests.sleeper("one"), manifests.sleeper("two"))
    assert loaded("diff", "-f", "-", manifest=stream, code=10).out
    assert loaded("apply", "-f", "-", manifest=stream).out.count("created") == 2
    assert loaded("delete", "-f", "-", manifest=stream).out.count("deleted") >= 2
    assert loaded("delete", "-f", "-", manifest=stream).out.count("not found") == 2
    assert loaded("get", "image", manifests.IMAGE, "--realm", "default", "-o", "json").json()
    loaded("image", "delete", manifests.IMAGE, "--realm", "default")
    assert loaded("get", "images", "--realm", "default", "-o", "json").json() == []


@pytest.mark.parametrize("name", ["a_b", "a/b"])
@pytest.mark.parametrize("kind", ["space", "stack", "cell"])
def test_names_that_are_none(loaded: Alone, kind: str, name: str) -> None:
    refused = loaded("create", kind, name, *(("--image", "busybox") if kind == "cell" else ()), code=2)
    assert kind in refused.err
    assert name in refused.err


@pytest.fixture
def here(
    kukeon: Instance, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str, str]]:
    """What `kuke` answers, run in this process: most of what a short one takes is to start."""
    for name, value in kukeon.environment().items():
        monkeypatch.setenv(name, value)

    def run(*arguments: str) -> tuple[int, str, str]:
        capsys.readouterr()
        code = main.run(arguments)
        out, err = capsys.readouterr()
        return code, ageless(out), err

    return run


def test_both_views_agree_byte_by_byte(
    kukeon: Instance, server_cell: str, here: Callable[..., tuple[int, str, str]]
) -> None:
    kukeon.apply(manifests.sleeper("other"))
    try:
        at = ("--run-path", str(kukeon.run_path))
        reads = [("get", f"{kind}s") for kind in KINDS]
        reads += [("get", "realm", "default"), ("get", "space", "default"), ("get", "stack", "default")]
        reads += [("get", "cell", server_cell), ("get", "cell", "none"), ("get", "cells", "--show-controllers")]
        reads += [("get", "container", "web", "--cell", server_cell), ("get", "image", manifests.IMAGE)]
        for read in reads:
            served, inside = (kukeon.kuke(*line, code=None) for line in (read, (*at, *read)))
            answer = here(*read)
            assert (served.code, ageless(served.out), served.err) == answer, read
            assert (inside.code, ageless(inside.out), inside.err) == answer, read
            for form in FORMATS:
                command = (*read, "-o", form)
                assert here(*at, *command) == here(*command), command
        assert kukeon.kuke(*at, "log", server_cell).out == kukeon.kuke("log", server_cell).out
        document = kukeon.kuke("get", "cell", server_cell, "-o", "yaml").out.replace("web", "new")
        served = kukeon.kuke("diff", "-f", "-", manifest=document, code=10)
        assert kukeon.kuke(*at, "diff", "-f", "-", manifest=document, code=10).out == served.out
        assert "agree" in kukeon.kuke("status").out
    finally:
        kukeon.kuke("delete", "cell", "other")


def ageless(text: str) -> str:
    """Return a table without its ages, which are those of the moment."""
    return re.sub(" +", " ", re.sub(r"\b(?:\d+[smhdy]){1,2}(?=\s)", "*", text))


READS = [
    method.python
    for method in methods.METHODS.values()
    if not method.writes and not method.stream and method.name != "ResizeTerminal"
]


@pytest.mark.parametrize("name", READS)
def test_every_read_of_a_program_is_the_same(kukeon: Instance, server_cell: str, name: str) -> None:
    place = {"realm_id": "default", "space_id": "default", "stack_id": "default"}
    named = model.Metadata(name="default")
    web = model.ContainerSpec(id="web", cell_id=server_cell, image="x", **place)
    documents = {
        model.RealmDoc: model.RealmDoc(metadata=named),
        model.SpaceDoc: model.SpaceDoc(metadata=named, spec=model.SpaceSpec(realm_id="default")),
        model.StackDoc: model.StackDoc(metadata=named, spec=model.StackSpec(realm_id="default", space_id="default")),
        model.CellDoc: manifests.reference(server_cell),
        model.ContainerDoc: model.ContainerDoc(metadata=model.Metadata(name="web"), spec=web),
    }
    texts = {"realm": "default", "ref": manifests.IMAGE}
    arguments = {
        parameter: texts.get(parameter, "") if kind is str else documents[kind]
        for parameter, kind in methods.BY_PYTHON[name].params
    }
    found = server.resolve({"run_path": str(kukeon.run_path)}, {}, {})

    def ask(client: kukeon_sdk.Client) -> object:
        try:
            return getattr(client, name)(**arguments)
        except kukeon_sdk.errors.KukeonError as error:
            return type(error), error.message, error.hint, error.kind

    with kukeon.client() as served, local.client(found) as inside:
        theirs, ours = ask(served), ask(inside)
    if isinstance(theirs, model.PingResult) and isinstance(ours, model.PingResult):
        assert [each.path for each in ours.storage] == [each.path for each in theirs.storage]
        # Somebody writes to these disks meanwhile.
        ours = msgspec.structs.replace(ours, pid=theirs.pid, storage=theirs.storage)
    assert ours == theirs


WRITES = (
    ("create", "realm", "no"),
    ("delete", "realm", "default", "--cascade"),
    ("purge", "realm", "default", "--cascade"),
    ("stop", "cell", "web"),
    ("delete", "cell", "web"),
    ("apply", "-f", "-"),
    ("refresh",),
)


@pytest.mark.parametrize("line", WRITES, ids=" ".join)
def test_changes_are_refused_while_kukeond_holds_the_run_path(
    kukeon: Instance, server_cell: str, line: tuple[str, ...]
) -> None:
    before = kukeon.kuke("get", "cells", "-o", "json").json()
    at = ("--run-path", str(kukeon.run_path))
    refused = kukeon.kuke(*at, *line, manifest=manifests.sleeper("no"), code=5)
    assert f"hint: go through kukeond: pass --host unix://{kukeon.socket} instead" in refused.err
    assert kukeon.kuke("get", "cells", "-o", "json").json() == before


def test_an_address_wins_over_working_alone(kukeon: Instance) -> None:
    line = ("--host", f"unix://{kukeon.socket}", "--run-path", str(kukeon.run_path))
    kukeon.kuke(*line, "create", "realm", "byhost")
    kukeon.kuke("delete", "realm", "byhost")


def test_two_at_once_take_turns_or_are_told(loaded: Alone) -> None:
    command = [str(loaded.instance.programs / "kuke"), "--run-path", str(loaded.instance.run_path), "create", "realm"]
    environment = loaded.instance.environment() | loaded.environment
    running = [
        subprocess.Popen([*command, f"r{n}"], env=environment, stderr=subprocess.PIPE, text=True) for n in range(3)
    ]
    ended = [(process.communicate(timeout=60)[1], process.returncode) for process in running]
    made = [name for name in loaded.names("realms") if name.startswith("r")]
    assert made
    assert len(made) == sum(code == 0 for _, code in ended)
    assert all("holds it" in err for err, code in ended if code)
    assert {code for _, code in ended} <= {0, 5}
    for name in made:
        loaded("delete", "realm", name)


def test_somebody_who_may_only_read(loaded: Alone) -> None:
    """Reading takes the right to read the run path, and no other."""
    loaded("create", "realm", "open")
    record = json.loads((loaded.instance.run_path / ".kukeon-instance.json").read_text())
    assert record["containerd"]["mode"] == "embedded"
    group = ("setpriv", "--reuid=65534", f"--regid={loaded.instance.run_path.stat().st_gid}", "--clear-groups")
    at = ("--run-path", str(loaded.instance.run_path))
    read = loaded.instance.kuke(*at, "get", "realms", "-o", "name", prefix=group, environment=loaded.environment)
    assert "realm/open" in read.out.split()
    refused = loaded.instance.kuke(*at, "create", "realm", "no", prefix=group, environment=loaded.environment, code=6)
    assert "must run as root" in refused.err
    loaded("delete", "realm", "open")
