"""Files and directories by descriptor: modes, failures, links, mounts."""

from __future__ import annotations

import errno
import os
import stat
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from kukeon_api import errors
from kukeon_runner import durable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def here(tmp_path: Path) -> Iterator[int]:
    fd = durable.open_directory(str(tmp_path))
    yield fd
    os.close(fd)


@pytest.fixture(autouse=True)
def narrow_umask() -> Iterator[None]:
    """Modes are set, not left to chance."""
    before = os.umask(0o077)
    yield
    os.umask(before)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


def test_replace_has_the_content_and_mode_whatever_the_umask(here: int, tmp_path: Path) -> None:
    for content in (b"first", b"", b"x" * 3_000_000):
        durable.replace(here, "file", content)
        assert durable.read(here, "file") == content
    assert mode(tmp_path / "file") == 0o640
    durable.replace(here, "file", b"secret", mode=0o600)
    assert mode(tmp_path / "file") == 0o600
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]


def test_replace_takes_the_place_of_a_link_and_spares_its_target(here: int, tmp_path: Path) -> None:
    (tmp_path / "target").write_text("precious")
    (tmp_path / "file").symlink_to(tmp_path / "target")
    durable.replace(here, "file", b"new")
    assert (tmp_path / "target").read_text() == "precious"
    assert not (tmp_path / "file").is_symlink()


def test_a_failed_replace_leaves_the_old_content_and_no_litter(
    here: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    durable.replace(here, "file", b"old")

    def fail(*_: object, **__: object) -> None:
        raise OSError(errno.EIO, "input/output error")

    for call in ("fsync", "write", "rename", "fchmod"):
        with monkeypatch.context() as patch:
            patch.setattr(os, call, fail)
            with pytest.raises(OSError, match="input/output"):
                durable.replace(here, "file", b"new")
        assert durable.read(here, "file") == b"old"
        assert [entry.name for entry in tmp_path.iterdir()] == ["file"]


def test_create_is_all_or_nothing_and_only_once(here: int, tmp_path: Path) -> None:
    durable.create(here, "file", b"first")
    with pytest.raises(FileExistsError):
        durable.create(here, "file", b"second")
    assert durable.read(here, "file") == b"first"
    assert mode(tmp_path / "file") == 0o640
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]


def test_read_takes_regular_files_of_a_sane_size_only(here: int, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "directory").mkdir()
    (tmp_path / "link").symlink_to("/etc/passwd")
    (tmp_path / "huge").touch()
    os.truncate(tmp_path / "huge", durable.READ_LIMIT_BYTES + 1)
    for name in ("pipe", "directory", "link", "huge"):
        with pytest.raises(OSError, match=r"\w"):
            durable.read(here, name)
    with pytest.raises(FileNotFoundError):
        durable.read(here, "absent")


def test_directories_have_their_mode_and_are_taken_back_on_failure(tmp_path: Path) -> None:
    with durable.directory(str(tmp_path), ("a", "b"), create=True):
        pass
    assert mode(tmp_path / "a") == mode(tmp_path / "a" / "b") == 0o2750
    with pytest.raises(LookupError), durable.directory(str(tmp_path), ("a", "c", "d"), create=True):
        raise LookupError
    assert not (tmp_path / "a" / "c").exists()
    assert (tmp_path / "a" / "b").exists()


def test_a_directory_that_got_company_is_not_taken_back(tmp_path: Path) -> None:
    def work() -> None:
        with durable.directory(str(tmp_path), ("a", "b"), create=True):
            (tmp_path / "a" / "other").touch()
            raise LookupError

    with pytest.raises(LookupError):
        work()
    assert (tmp_path / "a" / "other").exists()
    assert not (tmp_path / "a" / "b").exists()


@pytest.mark.parametrize("create", [True, False])
def test_no_directory_on_the_way_may_be_a_link(tmp_path: Path, create: bool) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "a").symlink_to("outside")
    with pytest.raises(OSError, match=r"\w") as caught, durable.directory(str(tmp_path), ("a", "b"), create=create):
        pass
    assert caught.value.errno in (errno.ELOOP, errno.ENOTDIR)
    assert list((tmp_path / "outside").iterdir()) == []


@pytest.mark.host  # Only real root may give files to a group of its choice.
def test_groups_are_set(tmp_path: Path) -> None:
    gid = 4711
    with durable.directory(str(tmp_path), ("a",), create=True, gid=gid) as fd:
        durable.replace(fd, "file", b"", gid=gid)
    assert (tmp_path / "a").stat().st_gid == (tmp_path / "a" / "file").stat().st_gid == gid
    assert mode(tmp_path / "a") == 0o2750


def test_remove_tree_takes_all_and_follows_nothing(here: int, tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "precious").touch()
    tree = tmp_path / "tree"
    (tree / "a" / "b").mkdir(parents=True)
    (tree / "a" / "b" / "file").touch()
    (tree / "a" / "link").symlink_to(tmp_path / "outside")
    os.mkfifo(tree / "pipe")
    durable.remove_tree(here, "tree")
    durable.remove_tree(here, "tree")
    assert [entry.name for entry in tmp_path.iterdir()] == ["outside"]
    assert (tmp_path / "outside" / "precious").exists()
    (tmp_path / "link").symlink_to("outside")
    durable.remove_tree(here, "link")
    assert (tmp_path / "outside" / "precious").exists()


MOUNTED = """
import sys
from kukeon_api import errors
from kukeon_runner import durable
fd = durable.open_directory(sys.argv[1])
try:
    with durable.host_errors("delete", sys.argv[1] + "/tree"):
        durable.remove_tree(fd, "tree")
except errors.HostError as exc:
    print(exc, "|", exc.hint)
"""


@pytest.mark.kernel
def test_remove_tree_does_not_empty_what_is_mounted_below(tmp_path: Path) -> None:
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious" / "file").touch()
    (tmp_path / "tree" / "mounted").mkdir(parents=True)
    # A bind mount of the same file system: only the mount's id tells it apart.
    enter = ["unshare", "--mount"] if os.geteuid() == 0 else ["unshare", "--user", "--map-root-user", "--mount"]
    mount_and_run = 'mount --bind "$1/precious" "$1/tree/mounted"; exec "$2" -c "$3" "$1"'
    command = [*enter, "sh", "-ec", mount_and_run, "sh", str(tmp_path), sys.executable, MOUNTED]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "a file system is mounted there" in result.stdout
    assert "unmount it" in result.stdout
    assert (tmp_path / "precious" / "file").exists()


@pytest.mark.parametrize(
    ("number", "branch", "words"),
    [
        (errno.ENOSPC, errors.HostError, "no space left"),
        (errno.EDQUOT, errors.HostError, "quota"),
        (errno.EROFS, errors.HostError, "read-only"),
        (errno.EACCES, errors.Denied, "permission denied"),
        (errno.EPERM, errors.Denied, "not permitted"),
        (errno.ELOOP, errors.HostError, "symbolic links"),
        (errno.EIO, errors.HostError, "input/output"),
    ],
)
def test_refusals_of_the_kernel_say_what_where_and_why(
    number: int, branch: type[errors.KukeonError], words: str
) -> None:
    with pytest.raises(branch, match=words) as caught, durable.host_errors("write", "/x/y"):
        raise OSError(number, "whatever")
    assert str(caught.value).startswith("cannot write '/x/y': ")
    assert isinstance(caught.value.__cause__, OSError)
    assert caught.value.hint or number == errno.EIO
