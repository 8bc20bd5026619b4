"""Every error becomes words, a hint and an exit code, in every format."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from kukeon_api import errors, model
from kukeon_cli import failures

if TYPE_CHECKING:
    from memory_client import MemoryClient

    from conftest import Kuke

CODES = {
    errors.Invalid: 2,
    errors.NotFound: 3,
    errors.AlreadyExists: 4,
    errors.Conflict: 5,
    errors.Aborted: 5,
    errors.Denied: 6,
    errors.Unsupported: 7,
    errors.Unavailable: 8,
    errors.TimedOut: 8,
    errors.HostError: 1,
}


@pytest.mark.parametrize("output", ["table", "wide", "yaml", "json", "name"])
@pytest.mark.parametrize(("cls", "code"), CODES.items())
def test_the_exit_code_is_the_same_in_every_format(
    kuke: Kuke, memory: MemoryClient, cls: type[errors.KukeonError], code: int, output: str
) -> None:
    memory.trouble["list_cells"] = [cls("cannot do it: because", hint="do that")]
    result = kuke("get", "cells", "-o", output)
    assert (result.code, result.out, result.err) == (code, "", "Error: cannot do it: because\nhint: do that\n")


def test_a_bug_is_reported_without_a_traceback(kuke: Kuke, memory: MemoryClient) -> None:
    memory.trouble["list_cells"] = [TypeError("oops")]
    result = kuke("get", "cells")
    assert result.code == 1
    assert result.err.startswith("Error: internal error: TypeError: oops\nhint: ")
    memory.trouble["list_cells"] = [TypeError("oops")]
    assert "Traceback" in kuke("get", "cells", "-v").err


@pytest.mark.parametrize(
    ("exc", "code", "words"),
    [
        (KeyboardInterrupt(), 130, "interrupted\n"),
        (BrokenPipeError(), 141, ""),
        (OSError(28, "No space left on device", "/x"), 1, "Error: No space left on device (/x)\nhint: "),
    ],
)
def test_what_the_system_does_to_us(
    kuke: Kuke, memory: MemoryClient, exc: BaseException, code: int, words: str
) -> None:
    memory.trouble["list_cells"] = [exc]  # type: ignore[list-item]
    result = kuke("get", "cells")
    assert result.code == code
    assert result.err.startswith(words)


def test_a_reader_that_leaves_is_met_with_silence() -> None:
    command = [sys.executable, "-c", "from kukeon_cli.main import main; main()", "--help"]
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(command, stdout=write, stderr=subprocess.PIPE, check=False, timeout=60)
    os.close(write)
    assert (done.returncode, done.stderr) == (141, b"")


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (("gett",), "no such command 'gett'\nhint: did you mean 'kuke get'?"),
        (("get", "cels"), "no such command 'cels'\nhint: did you mean 'kuke get cell'?"),
        (("get", "cells", "--bogus"), "no such option"),
        (("get", "cells", "-o", "xml"), "xml"),
        (("delete", "cell"), "NAME"),
        (("apply",), "--file"),
        (("start",), "cell name is required"),
        (("start", "container"), "container name is required"),
        (("start", "web", "--cell", "x"), "--cell is for containers"),
        (("delete", "cell", "web", "--cascade"), "--cascade"),
        (("create", "realm", "Nope_1"), "cannot use 'Nope_1' as realm name"),
        (("get", "cell", "a/b"), "cannot use 'a/b' as cell name"),
        (("get", "cell", "web", "--realm", ""), "realm name is required (--realm)"),
        (("daemon", "stop", "--timeout", "soon"), "duration"),
    ],
)
def test_wrong_usage_exits_with_2(kuke: Kuke, line: tuple[str, ...], words: str) -> None:
    result = kuke(*line)
    assert (result.code, result.out) == (2, "")
    assert result.err.startswith("Error: ")
    assert words in result.err


def test_the_same_name_elsewhere_is_a_hint(kuke: Kuke, memory: MemoryClient) -> None:
    for ref in (("default", "blue"), ("default", "blue", "demo"), ("default", "blue", "demo", "web")):
        memory.put(model.Ref(*ref))
    for line in (("get", "cell", "web"), ("start", "web"), ("delete", "cell", "web"), ("log", "web")):
        result = kuke(*line)
        assert result.code == 3, line
        assert "hint: cell 'default/blue/demo/web' exists: pass --space blue --stack demo" in result.err, line


def test_a_near_name_is_a_hint(kuke: Kuke, memory: MemoryClient) -> None:
    memory.put(model.Ref("default", "default", "default", "website"))
    result = kuke("get", "cell", "webiste")
    assert result.err == (
        'Error: cell "webiste" not found in stack \'default/default/default\'\nhint: did you mean "website"?\n'
    )


def test_a_missing_parent_is_a_hint(kuke: Kuke, memory: MemoryClient) -> None:
    memory.put(model.Ref("production"))
    result = kuke("get", "cell", "web", "--realm", "prodution")
    assert result.code == 3
    assert "hint: there is no realm 'prodution'; did you mean \"production\"?" in result.err
    result = kuke("create", "stack", "x", "--space", "none")
    assert (result.code, "hint: see: kuke get spaces" in result.err) == (3, True)


def test_a_hint_that_cannot_be_found_hides_nothing(kuke: Kuke, memory: MemoryClient) -> None:
    memory.trouble["list_cells"] = [errors.Unavailable("gone")]
    result = kuke("get", "cell", "web")
    assert (result.code, result.err) == (3, "Error: cell \"web\" not found in stack 'default/default/default'\n")


@pytest.mark.parametrize(
    ("codes", "expected"), [([], 0), ([0], 0), ([3], 3), ([0, 3], 9), ([5, 3], 5), ([3, 0, 0], 9), ([0, 0], 0)]
)
def test_the_code_of_several(codes: list[int], expected: int) -> None:
    assert failures.code_of_several(codes) == expected


def test_several_names_go_on_after_a_failure(kuke: Kuke, memory: MemoryClient) -> None:
    memory.put(model.Ref("default", "default", "default", "web"))
    result = kuke("stop", "gone", "web")
    assert result.code == 9
    assert result.out == 'Stopped cell "web" from stack "default"\n'
    assert "cannot find cell" in result.err
    assert kuke("stop", "gone", "lost").code == 3


@pytest.mark.parametrize(
    ("line", "out"),
    [
        (("start", "web"), 'Cell "web" already runs\n'),
        (("stop", "web"), 'Stopped cell "web" from stack "default"\n'),
        (("stop", "cell", "web"), 'Stopped cell "web" from stack "default"\n'),
        (("kill", "ce", "web", "-o", "name"), "cell/web\n"),
        (("sto", "container", "web", "--cell", "web"), 'Stopped container "web" from cell "web"\n'),
        (("k", "co", "web", "--cell", "web"), 'Killed container "web" from cell "web"\n'),
    ],
)
def test_lifecycle(kuke: Kuke, memory: MemoryClient, line: tuple[str, ...], out: str) -> None:
    memory.put(model.Ref("default", "default", "default", "web"))
    result = kuke(*line)
    assert (result.code, result.out, result.err) == (0, out, "")


def test_create_says_what_was_there(kuke: Kuke) -> None:
    first = kuke("create", "realm", "blue")
    assert first.out.splitlines() == [
        'Realm "blue" (namespace "blue.kukeon.io")',
        "  - metadata: created",
        "  - containerd namespace: created",
        "  - cgroup: created",
    ]
    assert kuke("create", "realm", "blue").out.count("already existed") == 3
    assert "network: created" in kuke("create", "space", "net", "--realm", "blue").out
    assert kuke("c", "st", "group", "--realm", "blue", "--space", "net", "-o", "name").out == "stack/group\n"


def test_delete(kuke: Kuke, memory: MemoryClient) -> None:
    memory.put(model.Ref("default", "default", "default", "web"))
    refused = kuke("delete", "space", "default")
    assert refused.code == 5
    assert "hint: delete them first or pass --cascade" in refused.err
    assert kuke("delete", "cell", "web").out == 'Deleted cell "web" from stack "default"\n'
    assert kuke("delete", "cell", "web").code == 3
    done = kuke("d", "sp", "default", "--cascade")
    assert (done.code, done.out) == (0, 'Deleted space "default" from realm "default"\n')
    assert kuke("delete", "realm", "default", "-o", "name").out == "realm/default\n"


def test_a_kukeond_that_is_away_is_named_with_its_run_path(kuke: Kuke, memory: MemoryClient) -> None:
    hint = "start it with `sudo kuke daemon start`, or set this host up with `sudo kuke init`"
    memory.trouble["list_realms"] = [errors.Unavailable("cannot reach kukeond", hint=hint)] * 2
    assert kuke("get", "realms").err.endswith(f"hint: {hint}\n")
    result = kuke("get", "realms", "--run-path", "/srv/k")
    assert "sudo kuke --run-path /srv/k daemon start" in result.err
    assert "sudo kuke --run-path /srv/k init" in result.err
