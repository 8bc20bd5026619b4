"""What `kuke` says of itself, on a host where nothing was ever set up."""

import re
from collections.abc import Iterator

import pytest

from kuketest.instance import InProcess, Instance

HELPED = (
    *("init", "create", "get", "delete", "start", "stop", "kill", "purge", "daemon", "autocomplete", "version"),
    *(f"daemon {verb}" for verb in ("start", "stop", "kill", "restart", "reset", "recreate", "logs")),
    *("create realm", "get realm", "restart", "refresh", "apply", "diff", "doctor cgroups", "uninstall", "explain"),
)


@pytest.fixture(scope="module")
def nowhere() -> Iterator[Instance]:
    """A run path where nothing is."""
    instance = InProcess.make()
    yield instance
    assert not instance.run_path.exists(), "looking made something"
    instance.leave_nothing()


@pytest.mark.scenario(1)
def test_bare_kuke_and_help(nowhere: Instance) -> None:
    for arguments in ((), ("--help",)):
        assert "Usage: kuke" in Instance.kuke(nowhere, *arguments).out


@pytest.mark.scenario(2)
@pytest.mark.parametrize("command", HELPED)
def test_every_command_has_help(nowhere: Instance, command: str) -> None:
    assert f"Usage: kuke {command}" in Instance.kuke(nowhere, *command.split(), "--help").out


@pytest.mark.scenario(3)
def test_version_is_one_value(nowhere: Instance) -> None:
    for arguments in (("--version",), ("version", "--client")):
        shown = Instance.kuke(nowhere, *arguments).out
        assert re.fullmatch(r"\S+\n", shown), shown


@pytest.mark.scenario(4)
@pytest.mark.parametrize(("shell", "marker"), [("bash", "complete"), ("zsh", "compdef"), ("fish", "complete")])
def test_completion_scripts(nowhere: Instance, shell: str, marker: str) -> None:
    script = Instance.kuke(nowhere, "autocomplete", shell).out
    assert marker in script
    assert "_kuke" in script
    assert len(script) > 100


@pytest.mark.scenario(5)
@pytest.mark.exercises("ListRealms", "ListSpaces", "ListStacks", "ListCells", "ListContainers")
@pytest.mark.parametrize("kind", ["realms", "spaces", "stacks", "cells", "containers"])
def test_lists_of_an_empty_run_path(nowhere: Instance, kind: str) -> None:
    assert nowhere.kuke("get", kind, "-o", "json").json() == []


@pytest.mark.scenario(5)
@pytest.mark.parametrize("kind", ["cells", "containers"])
def test_lists_of_a_kukeond_without_cells(kukeon: Instance, kind: str) -> None:
    assert kukeon.kuke("get", kind, "-o", "json").json() == []
