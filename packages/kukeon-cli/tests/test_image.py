"""`kuke image`: archives in, images out."""

from __future__ import annotations

import base64
import io
import json
import os
import tarfile
from typing import TYPE_CHECKING, Any

import pytest

from kukeon_api import errors, model
from kukeon_cli import image_files, terminal, transfers
from kukeon_cli.commands import image
from kukeon_sdk import layout_directory, testing
from kukeon_sdk.testing import archives

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from memory_client import MemoryClient

    from conftest import Kuke

BUSYBOX = "docker.io/library/busybox:latest"


def test_load_from_a_file_or_standard_input(kuke: Kuke, memory: MemoryClient, tmp_path: Path) -> None:
    archive = tmp_path / "busybox.tar"
    archive.write_text("busybox")
    expected = f'loaded 1 image into realm "default" (namespace "default.kukeon.io"):\n  - {BUSYBOX}\n'
    assert kuke("image", "load", str(archive)).out == expected
    assert kuke("image", "load", "-", stdin=b"busybox").out == expected
    assert memory.received == [b"busybox", b"busybox"]
    found = json.loads(kuke("image", "load", str(archive), "-o", "json").out)
    assert found == {"realm": "default", "namespace": "default.kukeon.io", "images": [BUSYBOX]}
    assert kuke("image", "load", str(archive), "-o", "name").out == f"image/{BUSYBOX}\n"


def test_an_archive_is_sent_in_pieces_that_fit(kuke: Kuke) -> None:
    content = bytes(range(256)) * 1000
    sent: list[int] = []
    pieces = list(image._pieces(io.BytesIO(content), sent.append))
    assert b"".join(pieces) == content
    assert max(map(len, pieces)) <= 65536
    assert sent[-1] == len(content)


@pytest.mark.parametrize(
    ("line", "code", "words"),
    [
        (("load", "/none.tar"), 2, "cannot load '/none.tar': No such file or directory"),
        (("load", "-"), 2, "cannot load standard input: it is empty"),
        (("load", "{empty}"), 2, "cannot load '{empty}': it is empty"),
        (("load", "/"), 2, "cannot load '/': it is a directory without oci-layout or manifest.json"),
        (("load", "-", "--platform", "arm"), 2, "cannot use 'arm' as a platform"),
        (("load", "-", "--realm", "none"), 3, "cannot find realm 'none'"),
        (("load",), 2, "FILE"),
        (("delete", "nope"), 3, "hint: see: kuke get images --realm default"),
        (("delete", "busybox:lates"), 3, f"hint: did you mean '{BUSYBOX}'?"),
    ],
)
def test_what_is_refused(
    kuke: Kuke, memory: MemoryClient, tmp_path: Path, line: tuple[str, ...], code: int, words: str
) -> None:
    memory.load("default", BUSYBOX)
    empty = tmp_path / "empty.tar"
    empty.write_text("")
    result = kuke("image", *(word.format(empty=empty) for word in line))
    assert result.code == code
    assert words.format(empty=empty) in result.err


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("cannot load the archive: it is no tar", "cannot load '{file}': it is no tar"),
        ("cannot use the image: it has no layers", "cannot load '{file}': it has no layers"),
        ("cannot write: disk full", "cannot write: disk full"),
    ],
)
def test_an_archive_is_called_what_the_user_calls_it(
    kuke: Kuke, memory: MemoryClient, tmp_path: Path, said: str, words: str
) -> None:
    file = tmp_path / "x.tar"
    file.write_text("x")
    memory.trouble["load_image"] = [errors.InvalidArchive(said, hint="do that")]
    assert kuke("image", "load", str(file)).err == f"Error: {words.format(file=file)}\nhint: do that\n"


def test_images_are_deleted_by_both_words(kuke: Kuke, memory: MemoryClient) -> None:
    memory.load("default", BUSYBOX)
    assert kuke("delete", "image", "busybox").code == 0
    assert kuke("delete", "images", "busybox").err.startswith(
        f"Error: cannot find image {BUSYBOX!r} in realm 'default'"
    )


def test_delete(kuke: Kuke, memory: MemoryClient) -> None:
    memory.load("default", BUSYBOX)
    result = kuke("image", "rm", "busybox")
    assert (result.code, result.out) == (
        0,
        f'Deleted image "{BUSYBOX}" from realm "default" (namespace "default.kukeon.io")\n',
    )
    assert result.err == ""
    assert kuke("image", "delete", "busybox").code == 3


def test_delete_tells_which_cells_name_it(kuke: Kuke, memory: MemoryClient) -> None:
    memory.load("default", BUSYBOX)
    for name in ("a", "b", "c", "d"):
        memory.put(model.Ref("default", "default", "default", name), image="busybox")
    result = kuke("image", "delete", "busybox")
    assert (result.code, result.out.startswith("Deleted image ")) == (0, True)
    assert result.err == (
        "note: cells 'default/default/default/a', 'default/default/default/b', 'default/default/default/c' and 1 more "
        "go on with what was made from it; made anew, it is needed again\n"
    )


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_progress_shows_on_a_terminal_and_leaves_nothing_behind(until: Callable[[Callable[[], bool]], None]) -> None:
    stream = Terminal()
    with terminal.Progress("loading\x1b x", stream, after_s=0) as progress:
        until(lambda: "loading" in stream.getvalue())
        progress.update("unpacking")
        until(lambda: "unpacking" in stream.getvalue())
    text = stream.getvalue()
    assert "loading\\x1b x" in text
    assert text.endswith("\r")
    assert not text.rsplit("\r", 2)[1].strip()


def test_progress_is_silent_elsewhere() -> None:
    stream = io.StringIO()
    with terminal.Progress("loading", stream, after_s=0):
        pass
    assert stream.getvalue() == ""


@pytest.mark.parametrize(
    ("sent", "total", "text"),
    [
        (512, None, "loading a.tar: 512 B"),
        (1 << 20, 4 << 20, "loading a.tar: 1.0 MiB of 4.0 MiB, 25 %"),
        (4 << 20, 4 << 20, "loading a.tar: unpacking"),
    ],
)
def test_progress_of_a_load(sent: int, total: int | None, text: str) -> None:
    assert image._progress("a.tar", sent, total) == text


def test_a_terminal_is_no_archive(kuke: Kuke, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kukeon_cli.terminal.is_terminal", lambda stream: True)
    assert "cannot read an archive from the terminal" in kuke("image", "load", "-").err


def test_version(kuke: Kuke, memory: MemoryClient) -> None:
    assert kuke("version").out == "Client: 0.1.0\nDaemon: 0.1.0\n"
    assert kuke("--version").out == "0.1.0\n"
    memory.trouble["ping"] = [errors.Unavailable("cannot reach kukeond")]
    result = kuke("version", "-o", "json")
    assert (result.code, json.loads(result.out)["daemon"]) == (0, None)


@pytest.mark.parametrize(("shell", "mark"), [("bash", "complete"), ("zsh", "compdef"), ("fish", "complete")])
def test_autocomplete(kuke: Kuke, shell: str, mark: str) -> None:
    result = kuke("autocomplete", shell)
    assert result.code == 0
    assert mark in result.out
    assert len(result.out) > 100


def test_names_are_completed_within_the_scope_typed(
    kuke: Kuke, memory: MemoryClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory.put(model.Ref("default", "default", "default", "web"))
    memory.put(model.Ref("default", "default", "default", "worker"))
    memory.put(model.Ref("default", "default", "default", "api"))
    monkeypatch.setattr("kukeon_cli.session.Session.dial", lambda self, address: memory)

    def completed(line: str) -> list[str]:
        *found, _ = kuke("__completeNoDesc", *line.split(" ")[1:]).out.splitlines()
        return found

    assert completed("kuke get cell w") == ["web", "worker"]
    assert completed("kuke get cell --realm other w") == []
    assert completed("kuke log a") == ["api"]
    assert completed("kuke get cell --realm d") == ["default"]
    assert "apply" in completed("kuke a")
    memory.trouble["list_cells"] = [errors.Unavailable("away")]
    assert completed("kuke get cell w") == []


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


def test_an_image_is_told_of(kuke: Kuke, memory: MemoryClient) -> None:
    real = testing.MemoryClient()
    real.load_image("default", archives.oci("busybox"))
    memory.world.images["default"] = real.world.images["default"]
    told = kuke("image", "inspect", "busybox").out
    digest = real.get_image("default", "busybox").image.digest
    for words in (f"Name:          {BUSYBOX}", f"Digest:        {digest}", "Platforms:", "Layers:        1", "root"):
        assert words in told
    found = json.loads(kuke("image", "inspect", "busybox", "-o", "json").out)
    assert (found["realm"], found["digest"], len(found["layers"])) == ("default", digest, 1)
    assert kuke("image", "inspect", "busybox", "-o", "name").out == f"image/{BUSYBOX}\n"
    assert kuke("image", "inspect", "busibox").code == 3


def test_a_tag(kuke: Kuke, memory: MemoryClient) -> None:
    memory.load("default", BUSYBOX)
    said = kuke("image", "tag", "busybox", "box:2")
    assert (said.code, said.err) == (0, "")
    assert said.out.startswith('tagged "busybox" in realm "default" as "docker.io/library/box:2" (sha256:0')
    assert json.loads(kuke("image", "tag", "busybox", "box:3", "-o", "json").out)["image"].endswith("/box:3")
    assert kuke("image", "tag", "absent", "box:4").code == 3
    assert kuke("image", "tag", "busybox", "Box").code == 2


def test_prune_tells_what_goes(kuke: Kuke, memory: MemoryClient) -> None:
    nameless = "localhost/import-0123456789ab:latest"
    memory.load("default", BUSYBOX)
    memory.load("default", nameless)
    said = kuke("image", "prune", "--dry-run")
    assert (said.code, said.out.split()[:4]) == (0, ["NAME", "FREES", nameless, "1.4"])
    assert said.err == '1 image would be removed from realm "default", 1.4 MiB freed.\n'
    assert len(memory.world.images["default"]) == 2
    assert kuke("image", "prune", "-o", "name").out == f"image/{nameless}\n"
    assert "--all takes those with a name" in kuke("image", "prune").err
    assert json.loads(kuke("image", "prune", "--all", "-o", "json").out)["images"][0]["name"] == BUSYBOX
    assert kuke("image", "prune", "--all").err == 'There is no image that no cell uses in realm "default".\n'
    assert kuke("image", "prune", "--realm", "none").code == 3


def test_a_directory_is_sent_as_an_archive(kuke: Kuke, memory: MemoryClient, tmp_path: Path) -> None:
    (tmp_path / "blobs" / "sha256").mkdir(parents=True)
    (tmp_path / "oci-layout").write_text("{}")
    (tmp_path / "blobs" / "sha256" / "aa").write_bytes(b"x" * 1000)
    (tmp_path / "passwd").symlink_to("/etc/passwd")
    os.mkfifo(tmp_path / "pipe")
    sent = b"".join(layout_directory.archive(tmp_path))
    with tarfile.open(fileobj=io.BytesIO(sent)) as tar:
        assert tar.getnames() == ["oci-layout", "blobs/sha256/aa"]
        assert tar.extractfile("blobs/sha256/aa").read() == b"x" * 1000  # type: ignore[union-attr]
    memory.trouble["load_image"] = [errors.InvalidArchive("cannot load the archive: no index.json")]
    refused = kuke("image", "load", str(tmp_path))
    assert (refused.code, refused.err) == (2, f"Error: cannot load '{tmp_path}': no index.json\n")


@pytest.fixture
def saved(memory: MemoryClient) -> str:
    """The digest of an image that can be saved."""
    real = testing.MemoryClient()
    real.load_image("default", archives.oci("busybox"))
    memory.world.images["default"], memory.world.blobs = real.world.images["default"], real.world.blobs
    return memory.world.images["default"][BUSYBOX].digest


def test_save_to_a_file(kuke: Kuke, saved: str, tmp_path: Path) -> None:
    link, file = tmp_path / "link.tar", tmp_path / "real.tar"
    link.symlink_to(file)
    done = kuke("image", "save", "busybox", "--to", str(link))
    assert (done.code, done.out, done.err) == (0, "", "")
    (offered,) = archives.offered(file.read_bytes())
    assert (offered.name, offered.digest) == (BUSYBOX, saved)
    assert link.is_symlink()
    assert file.stat().st_mode & 0o111 == 0
    refused = kuke("image", "save", "absent", "--to", str(link))
    assert refused.code == 3
    assert archives.offered(file.read_bytes()) == (offered,), "what was there stays"
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


def test_save_to_a_directory_and_load_it_again(kuke: Kuke, saved: str, tmp_path: Path) -> None:
    for place in (f"{tmp_path}/new/", str(tmp_path)):
        assert kuke("image", "save", "busybox", "--to", place).code == 0
    assert (tmp_path / "new" / "blobs" / "sha256" / saved.partition(":")[2]).is_file()
    (offered,) = archives.offered(b"".join(layout_directory.archive(tmp_path / "new")))
    assert offered.digest == saved
    again = kuke("image", "save", "busybox", "--to", str(tmp_path))
    assert (again.code, again.err.splitlines()[0]) == (2, f"Error: cannot write '{tmp_path}': it has an index.json")


def test_save_where_nothing_can_be_written(kuke: Kuke, saved: str, tmp_path: Path) -> None:
    there = tmp_path / "none" / "a.tar"
    refused = kuke("image", "save", "busybox", "--to", str(there))
    assert (refused.code, refused.err) == (1, f"Error: cannot write '{there}': No such file or directory\n")
    assert kuke("image", "save", "busybox", "--to", "/dev/full").code == 1
    assert kuke("image", "save", "--to", "a").code == 2


def test_what_is_no_file_of_a_layout_is_not_written(tmp_path: Path) -> None:
    for name in ("../out", "/out", "blobs/sha256/../../../out", "blobs/sha256/x", "other"):
        evil = io.BytesIO()
        with tarfile.open(fileobj=evil, mode="w") as tar:
            tar.addfile(tarfile.TarInfo(name))
        with pytest.raises(errors.Invalid, match="none of a layout"):
            image_files.write(iter([evil.getvalue()]), f"{tmp_path}/made/")
    assert not (tmp_path / "out").exists()


APP = "registry.example/team/app:1"


def test_pull_and_push(kuke: Kuke, memory: MemoryClient, saved: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_CONFIG", "/none")
    assert kuke("image", "push", "busybox", APP).out.startswith(f'pushed "{APP}" from realm "default" ({saved}, ')
    assert kuke("image", "push", "busybox", APP).out.startswith(f'already there: "{APP}"')
    assert kuke("image", "pull", APP).out.startswith(f'pulled "{APP}" in realm "default" ({saved}, ')
    assert kuke("image", "pull", APP).out.startswith(f'up to date: "{APP}" in realm "default" ({saved}, ')
    found = json.loads(kuke("image", "pull", APP, "-o", "json").out)
    assert (found["image"], found["digest"], found["changed"]) == (APP, saved, False)
    assert kuke("image", "pull", APP, "-o", "name").out == f"image/{APP}\n"
    absent = kuke("image", "pull", "registry.example/none:1")
    assert (absent.code, absent.out) == (3, "")
    assert absent.err.startswith("Error: cannot pull 'registry.example/none:1'")
    assert kuke("image", "pull", APP, "--realm", "none").code == 3
    assert kuke("image", "push", "none").code == 3
    assert kuke("image", "pull", "Bad Name").code == 2


def test_logins_of_docker_are_sent_for_their_registry_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    (tmp_path / "config.json").write_text(
        json.dumps({"auths": {"registry.example": {"auth": base64.b64encode(b"ann:pass").decode()}}})
    )
    found = transfers.login(APP)
    assert (found.server_address, found.username, found.password) == ("registry.example", "ann", "pass")
    assert "pass" not in repr(found)
    assert transfers.login("busybox") == model.RegistryLogin()


def test_how_far_a_transfer_is() -> None:
    stage = model.TransferStage

    def blob(name: str, at: model.TransferStage, done: int) -> tuple[str, model.TransferEvent]:
        return name, model.TransferEvent(stage=at, digest=name, done_bytes=done, total_bytes=1024)

    half = dict([blob("a", stage.DOWNLOADED, 1024), blob("b", stage.DOWNLOADING, 512), blob("c", stage.WAITING, 0)])
    assert transfers.told(half) == "1.5 KiB of 3.0 KiB, 50 %, 2 of 3 blobs left"
    assert transfers.told(dict([blob("a", stage.UNPACKING, 1024)])) == "1.0 KiB, unpacking"


def test_what_is_missing_is_fetched_before_anything_is_made(
    kuke: Kuke, memory: MemoryClient, saved: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_CONFIG", "/none")
    kuke("image", "push", "busybox", APP)
    asked: list[str] = []
    perform = memory.perform

    def watched(name: str, arguments: dict[str, Any], timeout: float | None) -> Any:
        asked.append(name)
        return perform(name, arguments, timeout)

    monkeypatch.setattr(memory, "perform", watched)
    assert kuke("create", "cell", "one", "--image", APP).code == 0
    assert asked.index("pull_image") < asked.index("create_cell")
    asked.clear()
    assert kuke("create", "cell", "two", "--image", APP).code == 0
    assert "pull_image" not in asked
    lacking = kuke("create", "cell", "three", "--image", "registry.example/none:1")
    assert lacking.code == 3
    assert "registry.example/none:1" in lacking.err
