"""Who a container runs as, looked up in images that may be hostile."""

import concurrent.futures
import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from kukeon_api import errors
from kukeon_runner.host import mounts, users

PASSWD = b"""\
root:x:0:0:root:/root:/bin/sh
# comment:x:7:7
web:x:101:102:Web:/:/sbin/nologin
broken line
short:x:5
nan:x:abc:1::
big:x:4294967295:1::
1000:x:0:0:a number that claims to be root:/:
odd:x:42:43
"""
GROUP = b"""\
root:x:0:
web:x:102:
log:x:4:web,other
disk:x:6: other , web
staff:x:50:1000,odd
nobody
bad:x:-1:web
wide:x:2147483648:web
"""


@dataclass(frozen=True)
class Mount:
    type: str
    source: str
    options: tuple[str, ...] = ()


@pytest.fixture
def image(tmp_path: Path) -> Path:
    root = tmp_path / "image"
    (root / "etc").mkdir(parents=True)
    (root / "etc/passwd").write_bytes(PASSWD)
    (root / "etc/group").write_bytes(GROUP)
    return root


def bound(root: Path) -> list[Mount]:
    return [Mount("bind", str(root), ("rbind", "ro"))]


@pytest.mark.parametrize(
    ("user", "identity"),
    [("", (0, 0, ())), ("1000:1001", (1000, 1001, ())), ("0:0", (0, 0, ())), (":7", (0, 7, ())), ("007:1", (7, 1, ()))],
)
def test_numbers_need_no_image(user: str, identity: users.Identity) -> None:
    assert users.resolve_user([Mount("bind", "/nonexistent")], user) == identity


@pytest.mark.parametrize("user", ["a:b:c", "2147483648:0", "99999999999999999999", "1:" + "9" * 5000])
def test_impossible_users_are_refused_before_the_image_is_touched(user: str) -> None:
    with pytest.raises(errors.InvalidUser):
        users.resolve_user([Mount("bind", "/nonexistent")], user)


@pytest.mark.kernel
class TestInAnImage:
    @pytest.mark.parametrize(
        ("user", "identity"),
        [
            ("root", (0, 0, ())),
            ("0", (0, 0, ())),
            ("web", (101, 102, (4, 6))),
            ("101", (101, 102, (4, 6))),
            ("web:", (101, 102, (4, 6))),
            ("web:log", (101, 4, ())),
            ("web:9", (101, 9, ())),
            ("5000", (5000, 0, ())),
            ("5000:staff", (5000, 50, ())),
            ("odd", (42, 43, (50,))),
            # Digits are a number, whatever the image calls so.
            ("1000", (1000, 0, ())),
            (":staff", (0, 50, ())),
        ],
    )
    def test_names_and_numbers(self, image: Path, user: str, identity: users.Identity) -> None:
        assert users.resolve_user(bound(image), user) == identity

    @pytest.mark.parametrize("user", ["absent", "web:absent", "nan", "big", "short", "# comment", "../root", "\udce9"])
    def test_unknown_names(self, image: Path, user: str) -> None:
        with pytest.raises(errors.InvalidUser, match=r"has no|ids go up"):
            users.resolve_user(bound(image), user)

    def test_an_image_without_files(self, tmp_path: Path) -> None:
        assert users.resolve_user(bound(tmp_path), "33") == (33, 0, ())
        with pytest.raises(errors.InvalidUser, match=r"/etc/passwd has no 'web'"):
            users.resolve_user(bound(tmp_path), "web")

    def test_links_stay_inside(self, image: Path, tmp_path: Path) -> None:
        (tmp_path / "outside").write_bytes(b"evil:x:1:1::\n")
        (image / "etc/passwd").unlink()
        for link in (str(tmp_path / "outside"), "../../outside", "../../../../../../etc/passwd"):
            (image / "etc/passwd").symlink_to(link)
            with pytest.raises(errors.InvalidUser):
                users.resolve_user(bound(image), "evil")
            (image / "etc/passwd").unlink()
        (image / "data").mkdir()
        (image / "data/users").write_bytes(PASSWD)
        (image / "etc/passwd").symlink_to("/data/users")
        assert users.resolve_user(bound(image), "web") == (101, 102, (4, 6))

    def test_a_link_for_the_directory_stays_inside(self, image: Path, tmp_path: Path) -> None:
        (tmp_path / "etc2").mkdir()
        (tmp_path / "etc2/passwd").write_bytes(b"evil:x:1:1::\n")
        (image / "etc").rename(image / "real")
        (image / "etc").symlink_to("../etc2")
        with pytest.raises(errors.InvalidUser):
            users.resolve_user(bound(image), "evil")

    @pytest.mark.parametrize("link", ["passwd", "/proc/self/environ", "/proc/self/fd/0", "/proc/1/root/etc/passwd"])
    def test_loops_and_magic_links(self, image: Path, link: str) -> None:
        (image / "etc/passwd").unlink()
        (image / "etc/passwd").symlink_to(link)
        with pytest.raises(errors.InvalidUser):
            users.resolve_user(bound(image), "web")

    @pytest.mark.parametrize("kind", ["fifo", "directory", "device"])
    def test_only_regular_files_are_read(self, image: Path, kind: str) -> None:
        place = image / "etc/passwd"
        place.unlink()
        if kind == "fifo":
            os.mkfifo(place)
        elif kind == "directory":
            place.mkdir()
        else:
            try:
                os.mknod(place, 0o600 | 0o020000, os.makedev(1, 5))  # /dev/zero
            except PermissionError:
                pytest.skip("making a device needs CAP_MKNOD in the first user namespace")
        with pytest.raises(errors.InvalidUser, match="cannot read the image's /etc/passwd"):
            users.resolve_user(bound(image), "web")

    def test_a_huge_file_is_refused(self, image: Path) -> None:
        os.truncate(image / "etc/passwd", 1 << 40)
        with pytest.raises(errors.InvalidUser, match="more than 4 MiB"):
            users.resolve_user(bound(image), "web")

    def test_too_many_groups_are_refused(self, image: Path) -> None:
        (image / "etc/group").write_bytes(b"".join(b"g%d:x:%d:web\n" % (i, i) for i in range(70000)))
        with pytest.raises(errors.InvalidUser, match="69999 groups"):
            users.resolve_user(bound(image), "web")

    def test_nothing_is_left_mounted_here(self, image: Path) -> None:
        before, sys = Path("/proc/self/mountinfo").read_text(), sorted(Path("/sys").iterdir())
        directory = Path.cwd()
        users.resolve_user(bound(image), "web")
        assert Path("/proc/self/mountinfo").read_text() == before
        assert sorted(Path("/sys").iterdir()) == sys
        assert Path.cwd() == directory
        assert not [thread for thread in threading.enumerate() if thread.name == "image users"]

    def test_many_at_once(self, image: Path, tmp_path: Path) -> None:
        (tmp_path / "other/etc").mkdir(parents=True)
        (tmp_path / "other/etc/passwd").write_bytes(b"web:x:7:8::\n")
        roots = [image, tmp_path / "other"] * 20
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            found = list(pool.map(lambda root: users.resolve_user(bound(root), "web"), roots))
        assert found == [(101, 102, (4, 6)), (7, 8, ())] * 20

    def test_a_missing_root_is_a_host_error(self, tmp_path: Path) -> None:
        with pytest.raises(errors.HostError, match="No such file"):
            users.resolve_user(bound(tmp_path / "gone"), "web")


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A tmpfs: overlay cannot write on an overlay, which a build machine's own root may be."""
    place = tmp_path / "disk"
    place.mkdir()
    mounts.tmpfs(place, size_bytes=1 << 24, mode=0o755)
    yield place
    mounts.unmount_below(place)


@pytest.mark.kernel
class TestOverlay:
    def layers(self, disk: Path, count: int) -> list[Path]:
        made = [disk / f"layer-{i:03}-{'x' * 60}" for i in range(count)]
        for i, layer in enumerate(made):
            (layer / "etc").mkdir(parents=True)
            (layer / "etc/group").write_bytes(b"")
            (layer / "etc/passwd").write_bytes(b"web:x:%d:1::\n" % i)
        return made

    def snapshot(self, disk: Path, lower: list[Path]) -> Mount:
        for name in ("upper", "work"):
            (disk / name).mkdir()
        options = ("index=off", f"workdir={disk}/work", f"upperdir={disk}/upper")
        return Mount("overlay", "overlay", (*options, "lowerdir=" + ":".join(map(str, lower))))

    def test_the_topmost_layer_wins(self, disk: Path) -> None:
        assert users.resolve_user([self.snapshot(disk, self.layers(disk, 3))], "web") == (0, 1, ())

    def test_the_writable_layer_is_topmost_and_stays_as_it_is(self, disk: Path) -> None:
        snapshot = self.snapshot(disk, self.layers(disk, 2))
        merged = disk / "merged"
        merged.mkdir()
        mounts.mount("overlay", merged, "overlay", 0, ",".join(snapshot.options))
        (merged / "etc/passwd").write_bytes(b"web:x:77:1::\n")
        assert users.resolve_user([snapshot], "web") == (77, 1, ())
        (merged / "etc/passwd").unlink()
        with pytest.raises(errors.InvalidUser):
            users.resolve_user([snapshot], "web")
        (merged / "etc/passwd").write_bytes(b"web:x:78:1::\n")
        assert users.resolve_user([snapshot], "web") == (78, 1, ())

    def test_a_view_of_two_layers(self, disk: Path) -> None:
        lower = ":".join(map(str, self.layers(disk, 2)))
        assert users.resolve_user([Mount("overlay", "overlay", (f"lowerdir={lower}",))], "web") == (0, 1, ())

    def test_more_layers_than_a_page_of_options(self, disk: Path) -> None:
        layers = self.layers(disk, 45)
        assert sum(len(str(layer)) for layer in layers) > 4096
        directory = Path.cwd()
        assert users.resolve_user([self.snapshot(disk, layers)], "web") == (0, 1, ())
        assert Path.cwd() == directory
