"""Every error becomes words, a hint and an exit code, in every format."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from kukeon_api import errors, model
from kukeon_cli import failures, near, resources

if TYPE_CHECKING:
    from collections.abc import Callable

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
    assert (result.code, result.out) == (code, "")
    # Whoever waits in vain is told how to wait longer.
    hint = "kukeond may hang" if cls is errors.TimedOut else "do that"
    assert result.err.startswith(f"Error: cannot do it: because\nhint: {hint}")


@pytest.mark.parametrize(
    ("line", "hint"),
    [
        (("create", "realm", "x", "--label", "a=b"), "see 'kuke create realm --help'"),
        (("get", "cells", "--relam", "x"), "did you mean '--realm'?"),
        (("get", "cells", "--no-deamon"), "did you mean '--no-daemon'?"),
        (("--hots", "unix:///x", "get", "cells"), "did you mean '--host'?"),
    ],
)
def test_a_wrong_option_meets_only_what_is_near(kuke: Kuke, line: tuple[str, ...], hint: str) -> None:
    result = kuke(*line)
    assert result.code == 2
    wrong = next(word for word in line if word.startswith("--"))
    assert result.err == f"Error: no such option '{wrong}'\nhint: {hint}\n"


def test_choices_are_told_on_one_line(kuke: Kuke) -> None:
    for line in (("autocomplete",), ("autocomplete", "tcsh")):
        result = kuke(*line)
        assert (result.code, len(result.err.splitlines())) == (2, 2)
        assert "\t" not in result.err


def test_more_problems_than_a_screen_holds_are_counted(kuke: Kuke) -> None:
    many = b"".join(b"kind: Realm%d\n---\n" % number for number in range(30))
    result = kuke("apply", "-f", "-", stdin=many)
    assert (result.code, result.out) == (2, "")
    assert result.err.startswith("Error: invalid manifest '<stdin>': 30 problems\n")
    assert len(result.err.splitlines()) == 22
    assert "\n  and 10 more; --verbose tells all of them\n" in result.err
    assert kuke("apply", "-f", "-", "-v", stdin=many).err.count("unknown kind") == 30


def test_a_program_as_manifest_is_told_in_a_few_lines(kuke: Kuke, tmp_path: Path) -> None:
    path = tmp_path / "program"
    path.write_bytes(Path(sys.executable).read_bytes()[:10_000])
    for form in ("table", "json"):
        result = kuke("apply", "-f", str(path), "-o", form)
        assert (result.code, result.out) == (2, "")
        assert len(result.err.splitlines()) < 8


def test_what_a_parent_lacks_is_not_told_twice(kuke: Kuke, memory: MemoryClient) -> None:
    message = "cannot delete container 'c': there is no cell 'default/default/default/nope'"
    memory.trouble["delete_container"] = [errors.CellNotFound(message)] * 2
    result = kuke("delete", "container", "c", "--cell", "nope")
    assert result.err == f"Error: {message}\nhint: see: kuke get cells\n"
    memory.put(model.Ref("default", "default", "default", "note"))
    assert "hint: did you mean 'note'?" in kuke("delete", "container", "c", "--cell", "nope").err


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
    memory.trouble["list_cells"] = [exc]
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


def shell(line: str, directory: Path) -> subprocess.CompletedProcess[bytes]:
    """Run `line` in a shell in which `kuke` is ours, with no kukeond to reach."""
    kuke = f"{sys.executable} -c 'from kukeon_cli.main import main; main()'"
    environ = {**os.environ, "HOME": str(directory), "KUKEON_HOST": f"unix://{directory}/none.sock"}
    command = ["/bin/sh", "-c", line.replace("kuke", kuke, 1)]
    return subprocess.run(command, env=environ, stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=60)


@pytest.mark.parametrize(
    ("line", "code", "words"),
    [
        ("kuke --help >&-", 0, ""),
        ("kuke version >&-", 0, ""),
        ("kuke version 2>&-", 0, ""),
        ("kuke gett 2>&-", 2, ""),
        ("kuke get cells -o json <&- >&-", 8, "Error: cannot reach kukeond"),
        ("kuke apply -f - <&-", 2, "Error: cannot read standard input: it is closed\n"),
        ("kuke run -d -f - <&-", 2, "Error: cannot read standard input: it is closed\n"),
        ("kuke image load - <&-", 2, "Error: cannot read standard input: it is closed\n"),
        ("kuke --help >/dev/full", 1, "Error: cannot write to standard output: no space left on device\n"),
        ("kuke version >/dev/full", 1, "Error: cannot write to standard output: no space left on device\n"),
        ("kuke version -v >/dev/full", 1, "Error: cannot write to standard output: no space left on device\n"),
    ],
)
def test_streams_that_the_shell_closed_or_filled(tmp_path: Path, line: str, code: int, words: str) -> None:
    done = shell(line, tmp_path)
    assert done.returncode == code, done.stderr
    assert words.encode() in done.stderr
    assert b"Traceback" not in done.stderr


def test_ctrl_c_in_a_read_ends_at_once(tmp_path: Path, until: Callable[[Callable[[], bool]], None]) -> None:
    command = [sys.executable, "-c", "from kukeon_cli.main import main; main()", "apply", "-f", "-"]
    environ = {**os.environ, "HOME": str(tmp_path)}
    pipe = subprocess.PIPE
    with subprocess.Popen(command, env=environ, stdin=pipe, stdout=pipe, stderr=pipe) as process:
        wait = Path(f"/proc/{process.pid}/syscall")
        # read(2) of descriptor 0 is what it waits in then: proc_pid_syscall(5).
        until(lambda: wait.read_text().split()[:2] in (["0", "0x0"], ["63", "0x0"]))
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err) == (130, b"", b"interrupted\n")


@pytest.mark.parametrize(
    ("line", "method", "look"),
    [
        (("stop", "web"), "stop_cell", "kuke get cells"),
        (("delete", "cell", "web"), "delete_cell", "kuke get cells"),
        (("create", "realm", "web"), "create_realm", "kuke get realms"),
        (("apply", "-f", "-"), "apply_documents", "kuke get cells"),
        (("run", "-d", "-f", "-"), "create_cell", "kuke get cells"),
    ],
)
def test_ctrl_c_says_that_kukeond_goes_on(
    kuke: Kuke, memory: MemoryClient, line: tuple[str, ...], method: str, look: str
) -> None:
    cell = b"kind: Cell\nmetadata: {name: web}\nspec: {realmId: default, spaceId: default, stackId: default, "
    memory.trouble[method] = [KeyboardInterrupt()]
    result = kuke(*line, stdin=cell + b"containers: [{id: a, image: b}]}")
    hint = f"hint: kukeond goes on with what it has begun; see how far it is: {look}\n"
    assert (result.code, result.err) == (130, f"interrupted\n{hint}")


def test_verbose_shows_no_traceback_of_what_is_no_bug(kuke: Kuke, memory: MemoryClient) -> None:
    assert "Traceback" not in kuke("apply", "-v", "-f", "-", stdin=b"kind: Sell").err
    memory.trouble["list_cells"] = [errors.HostError("cannot do it")]
    assert "Traceback" not in kuke("get", "cells", "-v").err


@pytest.mark.parametrize(
    ("word", "known", "meant"),
    [
        ("bogus", "log logs get apply", ""),
        ("gett", "log get", "get"),
        ("webiste", "web website", "website"),
        ("prodution", "production", "production"),
        ("uninst", "uninstall init", "uninstall"),
        ("x", "k d g", ""),
        ("", "k", ""),
        ("cel", "cell", "cell"),
        ("web", "db", ""),
        ("api-1", "api-2 db", "api-2"),
    ],
)
def test_only_a_near_word_is_meant(word: str, known: str, meant: str) -> None:
    assert near.nearest(word, known.split()) == meant


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (("bogus",), "no such command 'bogus'\nhint: see 'kuke --help'"),
        (("daemon", "bogus"), "no such command 'bogus'\nhint: see 'kuke daemon --help'"),
        (("create", "image", "x"), "hint: an image is pulled, loaded or built: kuke image pull REF"),
        (("delete", "container", "x"), "cell name is required (--cell)"),
        (("daemon", "status"), "no such command 'status'\nhint: how kukeond and its host are: kuke status"),
        (("describe", "web"), "no such command 'web'\nhint: say what it is, like: kuke describe cell web"),
        (("ps",), "no such command 'ps'\nhint: what there is: kuke get cells"),
        (("pull", "x"), "no such command 'pull'\nhint: it is about images: kuke image pull"),
        (
            ("describe", "image", "x"),
            "no such command 'image'\nhint: everything about an image: kuke image inspect REF",
        ),
        (("get", "pods"), "no such command 'pods'\nhint: what others call a pod is a cell: kuke get cells"),
        (("apply", "web.yaml"), "missing option '-f' / '--file'\nhint: say which manifests: kuke apply -f FILE"),
        (("gett",), "no such command 'gett'\nhint: did you mean 'kuke get'?"),
        (("get", "cels"), "no such command 'cels'\nhint: did you mean 'kuke get cell'?"),
        (("get", "cells", "--bogus"), "no such option"),
        (("get", "cells", "-o", "xml"), "xml"),
        (("delete", "cell"), "cell name is required"),
        (("delete", "-f", "x.yaml", "cell", "web"), "not both"),
        (("delete", "--cascade", "cell", "web"), "--cascade is for what has resources inside; a cell has none"),
        (("purge", "container", "web", "--cell", "x", "--force"), "--force is for what has resources inside"),
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
    partly = kuke("get", "cell", "web", "--space", "blue")
    assert "hint: cell 'default/blue/demo/web' exists: pass --stack demo\n" in partly.err, "not: no stack 'default'"


def test_commands_in_hints_lead_to_where_it_is(kuke: Kuke, memory: MemoryClient) -> None:
    for ref in (("blue",), ("blue", "net"), ("blue", "net", "front"), ("blue", "net", "front", "shop")):
        memory.put(model.Ref(*ref))
    scope = ("--realm", "blue", "--space", "net", "--stack", "front")
    result = kuke("attach", "shop", *scope)
    assert result.err.endswith(f"what they write: kuke log shop {' '.join(scope)}\n")
    result = kuke("run", "--image", "busybox", "--name", "shop", *scope, "--", "ls")
    assert f"kuke delete cell shop {' '.join(scope)}\n" in result.err
    assert "--realm" not in resources.scope_flags(model.Ref("default", "default", "default", "web"))
    assert resources.scope_flags(model.Ref("default", "net", "default", "web", "main")) == " --space net"
    assert resources.scope_flags(model.Ref("blue", "net")) == " --realm blue"


def test_a_near_name_is_a_hint(kuke: Kuke, memory: MemoryClient) -> None:
    memory.put(model.Ref("default", "default", "default", "website"))
    result = kuke("get", "cell", "webiste")
    assert result.err == "Error: cannot find cell 'default/default/default/webiste'\nhint: did you mean 'website'?\n"


def test_a_missing_parent_is_a_hint(kuke: Kuke, memory: MemoryClient) -> None:
    memory.put(model.Ref("production"))
    result = kuke("get", "cell", "web", "--realm", "prodution")
    assert result.code == 3
    assert "hint: there is no realm 'prodution'; did you mean 'production'?" in result.err
    result = kuke("create", "stack", "x", "--space", "none")
    assert (result.code, "hint: see: kuke get spaces" in result.err) == (3, True)


def test_a_hint_that_cannot_be_found_hides_nothing(kuke: Kuke, memory: MemoryClient) -> None:
    memory.trouble["list_cells"] = [errors.Unavailable("gone")]
    result = kuke("get", "cell", "web")
    assert (result.code, result.err) == (3, "Error: cannot find cell 'default/default/default/web'\n")


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
    result = kuke("stop", "gone", "lost")
    assert (result.code, result.err.count("hint: see: kuke get cells")) == (3, 1)


def test_a_kukeond_that_is_away_is_named_with_its_run_path(kuke: Kuke, memory: MemoryClient) -> None:
    hint = "start it with `sudo kuke daemon start`, or set this host up with `sudo kuke init`"
    memory.trouble["list_realms"] = [errors.Unavailable("cannot reach kukeond", hint=hint)] * 2
    assert kuke("get", "realms").err.endswith(f"hint: {hint}\n")
    result = kuke("get", "realms", "--run-path", "/srv/k")
    assert "sudo kuke --run-path /srv/k daemon start" in result.err
    assert "sudo kuke --run-path /srv/k init" in result.err
