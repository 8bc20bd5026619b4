"""`kuke image save`, `pull` and `push`: images out of a realm, and from and to registries."""

from __future__ import annotations

import base64
import io
import json
import tarfile
from typing import TYPE_CHECKING, Any

import pytest

from kukeon_api import errors, model
from kukeon_cli import image_files, transfers
from kukeon_sdk import layout_directory, testing
from kukeon_sdk.testing import archives

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from memory_client import MemoryClient

    from conftest import Kuke

BUSYBOX = "docker.io/library/busybox:latest"
APP = "registry.example/team/app:1"


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


def test_a_reader_that_has_enough_is_no_trouble(kuke: Kuke, saved: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def write(archive: Iterator[bytes], to: str) -> None:
        next(archive)
        raise BrokenPipeError

    monkeypatch.setattr(image_files, "write", write)
    result = kuke("image", "save", "busybox")
    assert (result.code, result.err) == (141, "")


def test_what_is_no_file_of_a_layout_is_not_written(tmp_path: Path) -> None:
    for name in ("../out", "/out", "blobs/sha256/../../../out", "blobs/sha256/x", "other"):
        evil = io.BytesIO()
        with tarfile.open(fileobj=evil, mode="w") as tar:
            tar.addfile(tarfile.TarInfo(name))
        with pytest.raises(errors.Invalid, match="none of a layout"):
            image_files.write(iter([evil.getvalue()]), f"{tmp_path}/made/")
    assert not (tmp_path / "out").exists()


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


def test_several_are_pulled_and_one_that_fails_keeps_none_of_the_others(
    kuke: Kuke, memory: MemoryClient, saved: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_CONFIG", "/none")
    other = "registry.example/team/other:2"
    for name in (APP, other):
        kuke("image", "push", "busybox", name)
    result = kuke("image", "pull", APP, "registry.example/none:1", other, APP)
    assert result.code == 9
    assert [line.split()[:2] for line in result.out.splitlines()] == [["pulled", f'"{APP}"'], ["pulled", f'"{other}"']]
    assert result.err.startswith("Error: cannot pull 'registry.example/none:1'")
    assert [each["image"] for each in json.loads(kuke("image", "pull", APP, other, "-o", "json").out)] == [APP, other]
    assert kuke("image", "pull", APP, other, "-o", "name").out == f"image/{APP}\nimage/{other}\n"
    # Asked for several, a program gets a list, however many there are.
    assert len(json.loads(kuke("image", "pull", APP, "Bad Name", "-o", "json").out)) == 1
    assert kuke("image", "pull", "Bad Name", "registry.example/none:1").code == 2
    kuke.environ["KUKE_IMAGE_PULL_REF"] = f"{APP} {other}"
    assert kuke("image", "pull", "-o", "name").out == f"image/{APP}\nimage/{other}\n"


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
