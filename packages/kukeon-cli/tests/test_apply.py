"""`kuke apply` and `kuke run`: what is sent, what is refused, what is said."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from kukeon_api import errors, manifest, model
from kukeon_cli import manifests

if TYPE_CHECKING:
    from pathlib import Path

    from memory_client import MemoryClient

    from conftest import Kuke

BUSYBOX = "docker.io/library/busybox:latest"
WEB = """\
apiVersion: v1beta1
kind: Cell
metadata:
  name: web
spec:
  realmId: default
  spaceId: default
  stackId: default
  containers:
    - id: web
      image: busybox
      user: 1000:10
"""
SPACE = "apiVersion: v1beta1\nkind: Space\nmetadata:\n  name: blue\nspec:\n  realmId: default\n"
BROKEN = "kind: Cell\nmetadata:\n  name: Web\nspec:\n  realmId: default\n  spaceId: default\n  containers: []\n"


@pytest.fixture
def web(tmp_path: Path) -> str:
    return write(tmp_path, "web.yaml", WEB)


def write(directory: Path, name: str, text: str) -> str:
    (directory / name).write_text(text)
    return str(directory / name)


def test_created_updated_unchanged(kuke: Kuke, memory: MemoryClient, web: str, tmp_path: Path) -> None:
    memory.load("default", BUSYBOX)
    memory.load("default", "docker.io/library/busybox:2")
    first = kuke("apply", "-f", web)
    assert (first.code, first.out, first.err) == (0, 'Cell "web": created\n', "")
    assert kuke("apply", "-f", web).out == 'Cell "web": unchanged\n'
    other = write(tmp_path, "other.yaml", WEB.replace("image: busybox", "image: busybox:2"))
    before, after = "docker.io/library/busybox:latest", "docker.io/library/busybox:2"
    assert kuke("apply", "-f", other).out.splitlines() == [
        'Cell "web": updated',
        f'  - spec.containers[web].image: "{before}" -> "{after}"',
    ]


def test_standard_input(kuke: Kuke, memory: MemoryClient) -> None:
    memory.load("default", BUSYBOX)
    assert kuke("apply", "-f", "-", stdin=WEB.encode()).code == 0
    assert memory.received == [WEB.encode()]


def test_a_missing_file_is_named(kuke: Kuke, memory: MemoryClient, tmp_path: Path) -> None:
    path = str(tmp_path / "missing.yaml")
    for line in (("apply", "-f", path), ("run", "-d", "-f", path)):
        result = kuke(*line)
        assert result.code == 2
        assert f"cannot read {path!r}: No such file or directory" in result.err
    assert memory.received == []


def test_every_problem_comes_with_file_line_and_path(kuke: Kuke, memory: MemoryClient, tmp_path: Path) -> None:
    one, two = write(tmp_path, "one.yaml", SPACE + "---\n" + BROKEN), write(tmp_path, "two.yaml", "kind: Sell\n")
    result = kuke("apply", "-f", one, "-f", two)
    assert (result.code, result.out, memory.received) == (2, "", [])
    lines = result.err.splitlines()
    assert any(line.strip().startswith(f"{one}:10: ") and "metadata.name" in line for line in lines)
    assert any(f"{one}:12: " in line and "spec.stackId: is required" in line for line in lines)
    assert any(line.strip().startswith(f"{two}:1: ") and "unknown kind 'Sell'" in line for line in lines)
    single = kuke("apply", "-f", "-", stdin=BROKEN.encode())
    assert single.code == 2
    assert "<stdin>:3: " in single.err


def test_what_only_the_daemon_refuses_is_told_with_the_users_lines(
    kuke: Kuke, memory: MemoryClient, tmp_path: Path
) -> None:
    one, two = write(tmp_path, "one.yaml", SPACE), write(tmp_path, "two.yaml", WEB)
    line = len(SPACE.splitlines()) + 1 + 4  # the separator, then the fourth line of the second file
    problem = errors.Problem(source="manifest", line=line, path="metadata.name", message="is taken")
    memory.trouble["apply_documents"] = [errors.InvalidManifest(f"1 problem\n{problem}", problems=[problem])]
    result = kuke("apply", "-f", one, "-f", two)
    assert result.code == 2
    assert f"{two}:4: metadata.name: is taken" in result.err
    assert "manifest:" not in result.err


def test_several_files_are_one_stream_sorted_by_kind(kuke: Kuke, memory: MemoryClient, tmp_path: Path) -> None:
    memory.load("default", BUSYBOX)
    cell = write(tmp_path, "cell.yaml", WEB.replace("spaceId: default", "spaceId: blue").rstrip("\n"))
    space = write(tmp_path, "space.yaml", "\ufeff" + SPACE)
    result = kuke("apply", "-f", cell, "-f", space)
    assert result.out == 'Space "blue": created\nCell "web": created\n  - stack "default" created\n'
    assert len(memory.received) == 1


@pytest.mark.parametrize(
    "first", [SPACE, "---\n" + SPACE, SPACE + "...\n", "%YAML 1.1\n---\n" + SPACE, "# c\n" + SPACE]
)
@pytest.mark.parametrize("second", [WEB, "---\n" + WEB, "%YAML 1.1\n---\n" + WEB, "# c\n\n" + WEB, "\n"])
def test_joined_sources_are_what_they_were(first: str, second: str) -> None:
    sources = [manifests.Source("a", first.encode()), manifests.Source("b", second.encode())]
    joined = manifests.join(sources)
    alone = [document.doc for document in manifest.parse(first)]
    if second.strip():
        alone += [document.doc for document in manifest.parse(second)]
    assert [document.doc for document in manifest.parse(joined.raw)] == alone
    problem = errors.Problem(line=joined.starts[1][0] + 2, message="x")
    assert (joined.located(problem).source, joined.located(problem).line) == ("b", 3)


def test_a_directory_is_its_manifests(kuke: Kuke, memory: MemoryClient, tmp_path: Path) -> None:
    memory.load("default", BUSYBOX)
    folder = tmp_path / "folder"
    folder.mkdir()
    write(folder, "web.yaml", WEB)
    write(folder, "space.yml", SPACE)
    write(folder, "notes.txt", "no manifest")
    assert kuke("apply", "-f", str(folder)).out == 'Space "blue": created\nCell "web": created\n'
    empty = tmp_path / "empty"
    empty.mkdir()
    assert "no .yaml, .yml, .json file" in kuke("apply", "-f", str(empty)).err


def test_a_failed_cell_exits_with_the_code_of_its_kind_and_a_hint(
    kuke: Kuke, memory: MemoryClient, web: str, tmp_path: Path
) -> None:
    result = kuke("apply", "-f", web)
    assert (result.code, result.out) == (3, 'Cell "web": failed\n')
    assert result.err == (
        f"Error: cannot find image '{BUSYBOX}' in realm 'default'\n"
        "hint: load it: kuke image load FILE --realm default\n"
    )
    mixed = write(tmp_path, "mixed.yaml", SPACE + "---\n" + WEB)
    result = kuke("apply", "-f", mixed, "-o", "json")
    assert result.code == 9
    assert result.err.startswith("Error: cell 'web': cannot find image")
    assert [found["action"] for found in json.loads(result.out)["resources"]] == ["created", "failed"]
    assert kuke("apply", "-f", mixed, "-o", "name").out == "space/blue\ncell/web\n"


def failed(index: int, name: str, kind: str, error: str, hint: str = "") -> model.ApplyResourceResult:
    details = {"kind": kind, "hint": hint} if hint else {"kind": kind}
    return model.ApplyResourceResult(
        index=index, kind="Cell", name=name, action=model.ApplyAction.FAILED, error=error, details=details
    )


def test_equal_failures_are_told_once(kuke: Kuke, memory: MemoryClient) -> None:
    hint = "load it: kuke image load FILE --realm default"
    results = [failed(number, f"c{number}", "ImageNotFound", "no image 'x'", hint) for number in range(1000)]
    results += [
        failed(1000, "d", "StartCell", "cannot start cell 'a/d'"),
        failed(1001, "e", "ImageNotFound", "y", hint),
    ]
    results += [failed(1002, "f", "StartCell", "cannot start cell 'a/f'")]
    memory.answers["apply_documents"] = [model.ApplyDocumentsResult(resources=tuple(results))]
    result = kuke("apply", "-f", "-", stdin=SPACE.encode())
    assert (result.code, len(result.out.splitlines())) == (3, 1003)
    assert result.err.splitlines() == [
        "Error: cell 'c0': no image 'x'",
        "  the same: cell 'c1', cell 'c2' ... and 997 more",
        f"hint: {hint}",
        "Error: cell 'd': cannot start cell 'a/d'",
        "  the same: cell 'f'",
        "Error: cell 'e': y",
    ]


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        ("CreateCell", 1),
        ("StartCell", 1),
        ("ImageNotFound", 3),
        ("VolumeSourceNotFound", 2),
        ("InvalidUser", 2),
        ("BreakingChange", 5),
        ("ConnectContainerd", 8),
        ("NewInALaterVersion", 1),
    ],
)
def test_each_failure_has_the_code_of_its_kind(kuke: Kuke, memory: MemoryClient, kind: str, code: int) -> None:
    memory.answers["apply_documents"] = [model.ApplyDocumentsResult(resources=(failed(0, "web", kind, "no"),))]
    assert kuke("apply", "-f", "-", stdin=SPACE.encode()).code == code


def test_parents_made_on_the_way_are_told(kuke: Kuke, memory: MemoryClient) -> None:
    made = model.ApplyResourceResult(
        kind="Cell", name="web", action=model.ApplyAction.CREATED, changes=('space "blue" created',)
    )
    memory.answers["apply_documents"] = [model.ApplyDocumentsResult(resources=(made,))]
    result = kuke("apply", "-f", "-", stdin=SPACE.encode())
    assert result.out == 'Cell "web": created\n  - space "blue" created\n'


def test_a_resource_in_two_files_names_both(kuke: Kuke, memory: MemoryClient, tmp_path: Path) -> None:
    one, two = write(tmp_path, "one.yaml", SPACE), write(tmp_path, "two.yaml", WEB + "---\n" + SPACE)
    result = kuke("apply", "-f", one, "-f", two)
    assert (result.code, memory.received) == (2, [])
    assert result.err == (
        "Error: 1 resource is described more than once\n"
        f"  {two}:14: Space \"blue\": metadata.name: 'default/blue' is there twice; first in {one}:1\n"
    )
    assert f"{one}:1: Space" in kuke("apply", "-f", one, "-f", one).err


def test_standard_input_twice_is_refused(kuke: Kuke) -> None:
    assert kuke("apply", "-f", "-", "-f", "-", stdin=b"").code == 2


# run


def test_run_creates_and_starts_once(kuke: Kuke, memory: MemoryClient, web: str) -> None:
    memory.load("default", BUSYBOX)
    first = kuke("run", "-d", "-f", web)
    assert first.code == 0
    assert first.out.splitlines() == [
        'Cell "web" (realm "default", space "default", stack "default")',
        "  - metadata: created",
        "  - cgroup: created",
        "  - root container: created",
        '  - container "web": created',
        "  - containers: started",
        "  - address: 10.88.0.2",
    ]
    again = kuke("run", "-d", "-f", web)
    assert "containers: already running" in again.out
    assert json.loads(kuke("run", "-d", "-f", web, "-o", "json").out)["created"] is False


def test_run_fills_the_scope_from_flags_or_defaults(kuke: Kuke, memory: MemoryClient, tmp_path: Path) -> None:
    memory.load("default", BUSYBOX)
    memory.put(model.Ref("default", "blue"))
    memory.put(model.Ref("default", "blue", "default"))
    lines = [line for line in WEB.splitlines() if "spaceId" not in line and "stackId" not in line]
    bare = write(tmp_path, "bare.yaml", "\n".join(lines).replace("realmId: default", "realmId:"))
    assert kuke("run", "-d", "-f", bare, "--space", "blue").code == 0
    cell = memory.docs[model.Ref("default", "blue", "default", "web")]
    assert isinstance(cell, model.CellDoc)
    assert cell.spec.containers[0].user == "1000:10"
    assert kuke("run", "-d", "-f", bare).code == 0
    assert model.Ref("default", "default", "default", "web") in memory.docs
    wrong = write(
        tmp_path, "wrong.yaml", "kind: Cell\nmetadata:\n  name: x\nspec:\n  containers:\n    - id: a\n      imge: b\n"
    )
    result = kuke("run", "-d", "-f", wrong)
    assert result.code == 2
    assert f"{wrong}:7" in result.err
    assert "realmId" not in result.err


def test_run_fills_the_scope_of_a_list_too(kuke: Kuke, memory: MemoryClient, tmp_path: Path) -> None:
    memory.load("default", BUSYBOX)
    listed = '[{"kind": "Cell", "metadata": {"name": "x"}, "spec": {"containers": [{"id": "a", "image": "busybox"}]}}]'
    assert kuke("run", "-d", "-f", write(tmp_path, "x.json", listed)).err == ""
    assert model.Ref("default", "default", "default", "x") in memory.docs


def test_the_document_wins_over_the_flag(kuke: Kuke, memory: MemoryClient, web: str) -> None:
    memory.load("default", BUSYBOX)
    assert kuke("run", "-d", "-f", web, "--space", "blue").code == 0
    assert model.Ref("default", "default", "default", "web") in memory.docs


def test_run_leaves_a_different_cell_alone(kuke: Kuke, memory: MemoryClient, web: str, tmp_path: Path) -> None:
    memory.load("default", BUSYBOX)
    kuke("run", "-d", "-f", web)
    before = dict(memory.docs)
    other = write(tmp_path, "other.yaml", WEB + "      env: [A=b]\n    - id: extra\n      image: busybox\n")
    result = kuke("run", "-d", "-f", other)
    assert result.code == 5
    assert "differs in spec.containers[extra], spec.containers[web].env" in result.err
    assert f"hint: change it with: kuke apply -f {other}" in result.err
    assert memory.docs == before


@pytest.mark.parametrize(
    ("arguments", "text", "code", "words"),
    [
        ((), WEB, 7, "none of its containers is attachable\nhint: say 'attachable: true' for one of them, or pass -d"),
        (("-d",), SPACE, 2, 'it must hold one Cell, and it holds Space "blue"'),
        (("-d",), WEB + "---\n" + WEB.replace("name: web", "name: api"), 2, 'holds Cell "web", Cell "api"'),
        (("-d",), "", 2, "no documents found"),
        (("-d", "-p", "x"), WEB, 2, "not -f/--file and -p/--profile"),
        (("-d", "--container", "x"), WEB, 2, "--container says what to attach to"),
        (("-d", "--name", "x"), WEB, 2, "--name is not for -f"),
        (("-d", "--realm", "none"), WEB.replace("  realmId: default\n", ""), 3, "cannot find realm 'none'"),
        (("-d",), WEB, 3, "hint: load it: kuke image load FILE --realm default"),
    ],
)
def test_what_run_refuses(
    kuke: Kuke, tmp_path: Path, arguments: tuple[str, ...], text: str, code: int, words: str
) -> None:
    result = kuke("run", *arguments, "-f", write(tmp_path, "cell.yaml", text))
    assert result.code == code
    assert words in result.err


def test_run_needs_a_file(kuke: Kuke) -> None:
    assert kuke("run", "-d").code == 2
