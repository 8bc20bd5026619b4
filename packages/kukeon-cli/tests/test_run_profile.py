"""`kuke run -p`: cells that a profile describes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from run_cells import IMAGE, cells, only

from kukeon_api import labels, model

if TYPE_CHECKING:
    from memory_client import MemoryClient

    from conftest import Kuke

PROFILE = """\
kind: CellProfile
metadata: {name: dev}
spec:
  prefix: box
  parameters:
  - {name: BRANCH, required: true, description: what to build}
  - {name: TOKEN, fromEnv: MY_TOKEN}
  cell:
    containers:
    - {id: main, image: busybox, args: ["${BRANCH}", "${TOKEN}"]}
"""


@pytest.fixture(autouse=True)
def image(memory: MemoryClient) -> None:
    memory.load("default", IMAGE)


@pytest.fixture
def profiles(kuke: Kuke) -> Path:
    where = Path(kuke.environ["HOME"], ".kuke", "profiles.d")
    where.mkdir(parents=True)
    (where / "dev.yaml").write_text(PROFILE)
    return where


def test_a_profile(kuke: Kuke, memory: MemoryClient, profiles: Path, tmp_path: Path) -> None:
    values = tmp_path / "values"
    values.write_text("# mine\nBRANCH=file\n")
    result = kuke("run", "-d", "-p", "dev", "--param-file", str(values), environ={"MY_TOKEN": "t", "TOKEN": "no"})
    assert (result.code, result.err) == (0, "")
    made = only(memory)
    assert made.metadata.name.startswith("box-")
    assert made.metadata.labels[labels.PROFILE] == "dev"
    container = made.spec.containers[0]
    assert (container.args, container.env) == (("file", "t"), ("KUKEON_CELL_PROFILE_NAME=dev",))
    line = ("run", "-d", "-p", "dev", "--param-file", str(values), "--param", "BRANCH=flag", "--name", "other")
    assert kuke(*line, "-o", "json").code == 0
    other = memory.docs[model.Ref("default", "default", "default", "other")]
    assert isinstance(other, model.CellDoc)
    assert other.spec.containers[0].args == ("flag", "")
    assert kuke("get", "cells", "-l", "kukeon.io/profile=dev", "-o", "name").out.count("cell/") == 2


def test_a_profile_with_a_name_is_made_once(kuke: Kuke, memory: MemoryClient, profiles: Path) -> None:
    line = ("run", "-d", "-p", "dev", "--name", "mine", "-o", "json", "--param")
    assert json.loads(kuke(*line, "BRANCH=a").out)["created"] is True
    assert json.loads(kuke(*line, "BRANCH=a").out)["created"] is False
    result = kuke(*line, "BRANCH=b")
    assert result.code == 5
    assert "differs in spec.containers[main].args" in result.err


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("-p", "dev"), 2, "the parameter 'BRANCH' (what to build) has no value (pass --param BRANCH=VALUE)"),
        (("-p", "dev", "--param", "BRANHC=x"), 2, '(did you mean "BRANCH"?)'),
        (("-p", "dev", "--param", "BRANCH"), 2, "--param: 'BRANCH' is not NAME=VALUE"),
        (("-p", "dev", "--param-file", "/nowhere"), 2, "cannot read --param-file '/nowhere': No such file"),
        (("-p", "dve"), 3, "hint: did you mean 'dev'?"),
        (("-p", "../dev"), 2, "cannot use '../dev' as profile name"),
        (("-p", "dev", "--name", "A"), 2, "cannot use 'A' as cell name"),
    ],
)
def test_what_is_wrong_with_a_profile(
    kuke: Kuke, memory: MemoryClient, profiles: Path, arguments: tuple[str, ...], code: int, words: str
) -> None:
    result = kuke("run", "-d", *arguments)
    assert (result.code, result.out) == (code, "")
    assert words in result.err
    assert cells(memory) == []


def test_where_profiles_are_looked_for(kuke: Kuke, profiles: Path, tmp_path: Path) -> None:
    (profiles / "dev.yaml").rename(profiles / "other.yml")
    (profiles / "broken.yaml").write_text("a: [")
    line = ("run", "-d", "--param", "BRANCH=x", "-p")
    assert kuke(*line, "dev").code == 0
    (profiles / "dev.yml").write_text(PROFILE.replace("name: dev", "name: else"))
    assert kuke(*line, "dev").code == 0
    result = kuke(*line, "broken")
    assert (result.code, "is not YAML" in result.err) == (2, True)
    result = kuke(*line, "none")
    assert result.err == (
        f"Error: cannot find profile 'none' in {str(profiles)!r}\n"
        "hint: it has dev, else; not readable as profiles: broken.yaml\n"
    )
    (profiles / "third.yaml").write_text(PROFILE)
    assert "both say that they are it" in kuke(*line, "dev").err
    elsewhere = tmp_path / "elsewhere"
    result = kuke(*line, "dev", environ={"KUKE_PROFILES_DIR": str(elsewhere)})
    assert (result.code, result.err) == (
        3,
        f"Error: cannot find profile 'dev' in {str(elsewhere)!r}\nhint: it has none\n",
    )


def test_profiles_are_completed(kuke: Kuke, profiles: Path) -> None:
    assert kuke("__complete", "run", "-p", "d").out.splitlines()[0] == "dev"
    assert kuke("__complete", "run", "-p", "x").out.splitlines()[0].startswith(":")
