"""host-local's records: whose they are, and releasing them by hand."""

import fcntl
from ipaddress import ip_address
from pathlib import Path

import pytest

from kukeon_cni import CniError, host_local


@pytest.fixture
def records(tmp_path: Path) -> Path:
    for name, content in {
        "10.213.0.2": "web\r\neth0",
        "10.213.0.3": "web2\r\neth0",
        "10.213.0.4": "web",
        "10.213.0.5": "",
        "fd00::2": "web\r\neth0",
        "lock": "",
        "last_reserved_ip.0": "10.213.0.4",
        "notes": "web",
    }.items():
        (tmp_path / name).write_bytes(content.encode())
    return tmp_path


def left(directory: Path) -> set[str]:
    return {path.name for path in directory.iterdir()}


def test_leases_name_the_owner(records: Path) -> None:
    assert {str(address): owner for address, owner in host_local.leases(records).items()} == {
        "10.213.0.2": "web",
        "10.213.0.3": "web2",
        "10.213.0.4": "web",
        "10.213.0.5": "",
        "fd00::2": "web",
    }


def test_release_takes_whole_ids_and_cut_off_records(records: Path) -> None:
    assert set(host_local.release(records, "web")) == {ip_address(a) for a in ("10.213.0.2", "10.213.0.4", "fd00::2")}
    assert left(records) == {"10.213.0.3", "lock", "last_reserved_ip.0", "notes"}
    assert host_local.release(records, "web") == ()


def test_cut_off_records_stay_while_a_plugin_reserves(records: Path) -> None:
    with (records / "lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        host_local.release(records, "web")
        assert "10.213.0.5" in left(records)
        assert "10.213.0.2" not in left(records)
    host_local.release(records, "web")
    assert "10.213.0.5" not in left(records)


def test_an_absent_directory_is_empty(tmp_path: Path) -> None:
    absent = tmp_path / "absent"
    assert host_local.leases(absent) == {}
    assert host_local.release(absent, "web") == ()
    host_local.wipe(absent)
    assert not absent.exists()


def test_a_symlink_is_not_followed(records: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    outside = tmp_path_factory.mktemp("outside") / "file"
    outside.write_text("web\r\neth0")
    (records / "10.213.0.9").symlink_to(outside)
    with pytest.raises(CniError, match="cannot read"):
        host_local.release(records, "web")
    assert outside.exists()


def test_wipe_removes_what_the_plugin_writes(records: Path) -> None:
    (records / "notes").unlink()
    host_local.wipe(records)
    assert not records.exists()
