"""Mounts of this kernel, below a directory of the test's own."""

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from kukeon_api import errors
from kukeon_runner.host import mounts


def test_escapes_of_mountinfo() -> None:
    assert mounts.unescape(r"/a\040b\011c\012d\134e") == "/a b\tc\nd\\e"
    assert mounts.unescape("/plain") == "/plain"


def test_nothing_is_mounted_at_a_place_that_is_not_there(tmp_path: Path) -> None:
    assert mounts.is_mountpoint(tmp_path / "absent/below") is False
    assert mounts.mounts_below(tmp_path / "absent") == []
    assert mounts.is_mountpoint("/proc") is True
    assert "/proc" in mounts.mounts_below("/")


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path
    mounts.unmount_below(tmp_path)
    assert mounts.mounts_below(tmp_path) == []


@pytest.mark.kernel
class TestMounts:
    def test_a_tmpfs_has_size_mode_and_no_rights(self, place: Path) -> None:
        (place / "shm").mkdir()
        mounts.tmpfs(place / "shm", size_bytes=1 << 20)
        found = os.statvfs(place / "shm")
        assert found.f_blocks * found.f_frsize == 1 << 20
        assert (place / "shm").stat().st_mode & 0o7777 == 0o1777
        assert found.f_flag & os.ST_NOSUID
        assert found.f_flag & os.ST_NODEV
        assert found.f_flag & os.ST_NOEXEC
        assert mounts.is_mountpoint(place / "shm") is True

    def test_a_bind_shows_files_and_directories(self, place: Path) -> None:
        (place / "from").mkdir()
        (place / "from/file").write_text("text")
        (place / "to").mkdir()
        (place / "one").touch()
        mounts.bind(place / "from", place / "to")
        mounts.bind(place / "from/file", place / "one")
        assert (place / "to/file").read_text() == "text"
        assert (place / "one").read_text() == "text"
        # Within one file system, where st_dev tells nothing.
        assert mounts.is_mountpoint(place / "to") is True
        assert mounts.is_mountpoint(place / "one") is True
        assert mounts.is_mountpoint(place / "from") is False
        (place / "to/new").touch()
        assert (place / "from/new").exists()

    def test_a_read_only_bind_keeps_the_mounts_other_flags(self, place: Path) -> None:
        for name in ("disk", "to"):
            (place / name).mkdir()
        mounts.tmpfs(place / "disk", size_bytes=1 << 20)
        mounts.bind(place / "disk", place / "to", read_only=True)
        with pytest.raises(OSError, match="Read-only"):
            (place / "to/new").touch()
        (place / "disk/new").touch()
        assert os.statvfs(place / "to").f_flag & os.ST_NOSUID

    def test_unmount_tells_whether_there_was_one(self, place: Path) -> None:
        (place / "a").mkdir()
        mounts.tmpfs(place / "a", size_bytes=4096)
        mounts.tmpfs(place / "a", size_bytes=4096)
        assert [mounts.unmount(place / "a") for _ in range(3)] == [True, True, False]
        assert mounts.unmount(place / "absent") is False

    def test_a_busy_mount_goes_lazily(self, place: Path) -> None:
        (place / "a").mkdir()
        mounts.tmpfs(place / "a", size_bytes=1 << 20)
        with (place / "a/open").open("w"):
            with pytest.raises(errors.HostError, match="cannot unmount"):
                mounts.unmount(place / "a")
            assert mounts.unmount(place / "a", lazy=True) is True
        assert mounts.is_mountpoint(place / "a") is False

    def test_links_are_neither_mounted_on_nor_unmounted(self, place: Path) -> None:
        for name in ("victim", "source"):
            (place / name).mkdir()
        (place / "link").symlink_to(place / "victim")
        with pytest.raises(errors.HostError):
            mounts.tmpfs(place / "link", size_bytes=4096)
        with pytest.raises(errors.HostError):
            mounts.bind(place / "source", place / "link")
        mounts.tmpfs(place / "victim", size_bytes=4096)
        assert mounts.unmount(place / "link") is False
        assert mounts.is_mountpoint(place / "link") is False
        assert mounts.is_mountpoint(place / "victim") is True

    def test_a_link_on_the_way_is_resolved(self, place: Path) -> None:
        (place / "real/a").mkdir(parents=True)
        (place / "way").symlink_to(place / "real")
        mounts.tmpfs(place / "way/a", size_bytes=4096)
        assert mounts.is_mountpoint(place / "real/a") is True
        assert mounts.is_mountpoint(place / "way/a") is True
        assert mounts.mounts_below(place / "way/a") == [str(place / "real/a")]

    def test_what_is_below_comes_latest_first(self, place: Path) -> None:
        (place / "a b").mkdir()
        mounts.tmpfs(place / "a b", size_bytes=1 << 20)
        (place / "a b/c\td").mkdir()
        mounts.tmpfs(place / "a b/c\td", size_bytes=4096)
        (place / "a b2").mkdir()
        mounts.tmpfs(place / "a b2", size_bytes=4096)
        assert mounts.mounts_below(place / "a b") == [str(place / "a b/c\td"), str(place / "a b")]
        assert mounts.unmount_below(place / "a b") == 2
        assert mounts.is_mountpoint(place / "a b2") is True

    def test_what_cannot_be_mounted_says_why(self, place: Path) -> None:
        with pytest.raises(errors.HostError, match="No such file"):
            mounts.tmpfs(place / "absent", size_bytes=4096)
        (place / "a").mkdir()
        with pytest.raises(errors.HostError, match="No such device"):
            mounts.mount("none", place / "a", "no-such-fs", 0)
        with pytest.raises(errors.HostError, match="No such file"):
            mounts.bind(place / "absent", place / "a")

    def test_several_threads_at_once(self, place: Path) -> None:
        failures: list[BaseException] = []

        def go(name: str) -> None:
            try:
                (place / name).mkdir()
                for _ in range(20):
                    mounts.tmpfs(place / name, size_bytes=4096)
                    assert mounts.is_mountpoint(place / name)
                    assert mounts.unmount(place / name)
            except BaseException as error:
                failures.append(error)

        threads = [threading.Thread(target=go, args=(f"t{i}",)) for i in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert failures == []
