"""`kuke image`: archives in, images out."""

from __future__ import annotations

import io
import json
import os
import tarfile
from typing import TYPE_CHECKING

import pytest

from kukeon_api import errors, model
from kukeon_cli.commands import image
from kukeon_sdk import layout_directory, testing
from kukeon_sdk.testing import archives

if TYPE_CHECKING:
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


def test_a_terminal_is_no_archive(kuke: Kuke, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kukeon_cli.terminal.is_terminal", lambda stream: True)
    assert "cannot read an archive from the terminal" in kuke("image", "load", "-").err


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
    several = kuke("image", "inspect", "busybox", "busibox", "-o", "json")
    assert (several.code, [each["digest"] for each in json.loads(several.out)]) == (9, [digest])
    assert several.err.startswith("Error: cannot find image 'docker.io/library/busibox:latest'")
    memory.load("default", "docker.io/library/other:1")
    both = kuke("image", "inspect", "busybox", "other:1").out
    assert both.startswith(told + "\nName:          docker.io/library/other:1\n")


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
    assert said.err == '1 image would be removed from realm "default", 1.4 MiB would be freed.\n'
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
