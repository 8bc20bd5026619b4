"""`kuke image load --from-docker`: images that docker has."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from kukeon_api import errors

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from memory_client import MemoryClient

    from conftest import Kuke


@pytest.fixture
def docker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """`docker(script)` has a program of that name that does what the shell script says."""
    programs = tmp_path / "programs"
    programs.mkdir()
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")

    def make(script: str) -> None:
        (programs / "docker").write_text(f"#!/bin/sh\n{script}\n")
        (programs / "docker").chmod(0o755)

    return make


def test_an_image_comes_from_docker(kuke: Kuke, memory: MemoryClient, docker: Callable[[str], None]) -> None:
    docker('test "$1 $2 $3" = "save -- app:1" && printf app:1')
    result = kuke("image", "load", "--from-docker", "app:1")
    assert (result.code, result.err) == (0, "")
    assert result.out.splitlines()[1:] == ["  - docker.io/library/app:1"]


@pytest.mark.parametrize("script", ["echo no such image >&2; exit 1", "printf half; echo no such image >&2; exit 1"])
def test_what_docker_says_is_the_error(
    kuke: Kuke, memory: MemoryClient, docker: Callable[[str], None], script: str
) -> None:
    docker(script)
    result = kuke("image", "load", "--from-docker", "app:1")
    assert (result.code, result.out) == (1, "")
    assert result.err.startswith("Error: cannot take 'app:1' from docker: no such image\n")
    assert memory.world.images["default"] == {}


def test_an_image_that_nobody_reads_to_the_end_leaves_no_docker(
    kuke: Kuke, memory: MemoryClient, docker: Callable[[str], None]
) -> None:
    docker("exec yes")
    memory.trouble["load_image"] = [errors.InvalidArchive("cannot load the archive: no archive")]
    result = kuke("image", "load", "--from-docker", "app:1")
    assert (result.code, result.err) == (2, "Error: cannot load 'app:1' from docker: no archive\n")


def test_docker_is_not_there(kuke: Kuke, memory: MemoryClient, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    result = kuke("image", "load", "--from-docker", "app:1")
    assert result.code == 1
    assert "cannot run docker: No such file or directory\nhint: " in result.err


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ((), "exactly one of FILE and --from-docker"),
        (("x.tar", "--from-docker", "app:1"), "exactly one of FILE and --from-docker"),
        (("--from-docker", "--all"), "--all"),
    ],
)
def test_one_source(kuke: Kuke, line: tuple[str, ...], words: str) -> None:
    result = kuke("image", "load", *line)
    assert (result.code, result.out) == (2, "")
    assert words in result.err
