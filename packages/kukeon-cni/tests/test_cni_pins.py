"""Pinned namespaces on a real kernel."""

import ctypes
import os
import socket
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from kukeon_cni import NamespaceError, Pins, call_in_netns, links, netns

MakePins = Callable[[str], Pins]


def own_namespaces() -> dict[str, str]:
    return {kind: str(Path(f"/proc/self/ns/{kind}").readlink()) for kind in ("net", "ipc", "uts")}


def mounts_below(path: Path) -> list[str]:
    lines = Path("/proc/self/mountinfo").read_text().splitlines()
    return [line.split()[4] for line in lines if line.split()[4].startswith(f"{path}/")]


def test_own_namespaces_are_recognised() -> None:
    assert netns.is_namespace("/proc/self/ns/net", "net")
    assert not netns.is_namespace("/proc/self/ns/net", "ipc")
    assert netns.is_namespace("/proc/self/ns/uts")
    assert netns.is_own_netns("/proc/self/ns/net")
    assert not netns.is_own_netns("/proc/self/ns/ipc")


@pytest.mark.parametrize("path", ["/etc/passwd", "/proc/self/status", "/nonexistent", "/etc/passwd/x", "/dev/null"])
def test_other_files_are_no_namespaces(path: str) -> None:
    assert not netns.is_namespace(path)
    assert not netns.is_namespace(path, "net")
    assert not netns.is_own_netns(path)


def test_a_stale_file_is_no_pin(tmp_path: Path) -> None:
    pins = Pins(tmp_path / "pins")
    pins.directory.mkdir()
    for path in (pins.net, pins.ipc, pins.uts):
        path.touch()
    assert not pins.exists()
    pins.remove()
    assert not pins.directory.exists()


def test_remove_of_nothing_is_fine(tmp_path: Path) -> None:
    Pins(tmp_path / "absent").remove()
    Pins(tmp_path / "absent" / "deeper").remove()
    assert not Pins(tmp_path / "absent").exists()


def test_files_of_others_are_kept(tmp_path: Path) -> None:
    pins = Pins(tmp_path)
    pins.net.write_text("precious")
    for operation in (pins.remove, lambda: pins.create("c1")):
        with pytest.raises(NamespaceError, match="'net' is no pin"):
            operation()
    assert pins.net.read_text() == "precious"


@pytest.mark.parametrize("hostname", ["", "-a", "a b", "a/b", "a\0", "é", "a" * 65])
def test_impossible_host_names_are_refused(hostname: str, tmp_path: Path) -> None:
    with pytest.raises(NamespaceError, match="host name"):
        Pins(tmp_path / "pins").create(hostname)
    assert not (tmp_path / "pins").exists()


@pytest.mark.kernel
def test_pins_hold_new_namespaces(make_pins: MakePins) -> None:
    before, threads = own_namespaces(), threading.active_count()
    hostname = socket.gethostname()
    pins = make_pins("cell-1")
    assert pins.exists()
    assert own_namespaces() == before
    assert socket.gethostname() == hostname
    assert threading.active_count() == threads
    for kind, path in (("net", pins.net), ("ipc", pins.ipc), ("uts", pins.uts)):
        assert netns.is_namespace(path, kind)
        assert f"{kind}:[{path.stat().st_ino}]" != before[kind]
    assert not netns.is_own_netns(pins.net)
    inside = subprocess.run(
        ["nsenter", f"--net={pins.net}", f"--uts={pins.uts}", f"--ipc={pins.ipc}", "hostname"],
        check=True,
        capture_output=True,
        text=True,
    )
    assert inside.stdout == "cell-1\n"


@pytest.mark.kernel
def test_loopback_is_up_and_alone(make_pins: MakePins) -> None:
    pins = make_pins("c1")

    def talk_to_myself() -> bytes:
        with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()) as client:
            client.sendall(b"hello")
            with server.accept()[0] as peer:
                return peer.recv(5)

    assert call_in_netns(pins.net, talk_to_myself) == b"hello"
    # A kernel module may put its fallback devices (sit0, tunl0, ...) into every new namespace; none is a way out.
    assert not {link.kind for link in call_in_netns(pins.net, links.list_links)} & {"veth", "bridge"}


@pytest.mark.kernel
def test_remove_leaves_nothing_and_is_idempotent(make_pins: MakePins) -> None:
    pins = make_pins("c1")
    pins.remove()
    assert not pins.directory.exists()
    assert mounts_below(pins.directory) == []
    pins.remove()
    assert not pins.exists()


@pytest.mark.kernel
def test_pins_can_be_made_again(make_pins: MakePins) -> None:
    pins = make_pins("c1")
    first = pins.net.stat().st_ino
    with pytest.raises(NamespaceError, match="net, ipc, uts pinned already"):
        pins.create("c1")
    assert pins.net.stat().st_ino == first
    pins.remove()
    pins.create("c1")
    assert pins.exists()


@pytest.mark.kernel
def test_leftovers_of_a_crash_are_cleaned_up(make_pins: MakePins) -> None:
    pins = make_pins("c1")
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.umount2(os.fsencode(pins.ipc), 2) == 0
    assert not pins.exists()
    # A pin on a pin, as two makers without a lock would leave.
    assert libc.mount(b"/proc/self/ns/uts", os.fsencode(pins.uts), None, 4096, None) == 0
    with pytest.raises(NamespaceError, match="net, uts pinned already"):
        pins.create("c1")
    pins.remove()
    assert mounts_below(pins.directory) == []
    pins.create("c1")
    assert pins.exists()


@pytest.mark.kernel
def test_a_failure_half_way_is_undone(root: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> None:
        raise OSError(1, "Operation not permitted")

    pins = Pins(tmp_path / "pins")
    monkeypatch.setattr(netns, "_bring_loopback_up", refuse)
    with pytest.raises(NamespaceError, match="Operation not permitted"):
        pins.create("c1")
    assert not pins.directory.exists()
    monkeypatch.undo()
    monkeypatch.setitem(netns._KINDS, "nonexistent", 0)  # three mounts done, the fourth impossible
    with pytest.raises(NamespaceError, match="No such file"):
        pins.create("c1")
    assert not pins.directory.exists()
    assert mounts_below(tmp_path) == []


@pytest.mark.kernel
def test_copies_in_other_mount_namespaces_end_with_the_pins(make_pins: MakePins) -> None:
    """A service or container that started meanwhile has copied the mounts; it must not keep the network alive."""
    pins = make_pins("c1")
    with subprocess.Popen(
        ["unshare", "--mount", "--propagation", "private", "sh", "-c", "echo; read x"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as other:
        assert other.stdout is not None
        other.stdout.readline()
        copied = Path(f"/proc/{other.pid}/mountinfo")
        assert str(pins.net) in copied.read_text()
        pins.remove()
        assert str(pins.directory) not in copied.read_text()
        other.communicate(b"\n")


@pytest.mark.kernel
def test_twice_at_once_makes_one(root: None, tmp_path: Path) -> None:
    pins = Pins(tmp_path / "pins")
    outcomes: list[str] = []

    def create() -> None:
        try:
            pins.create("c1")
        except NamespaceError as error:
            outcomes.append(str(error))
        else:
            outcomes.append("made")

    threads = [threading.Thread(target=create) for _ in range(4)]
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert outcomes.count("made") == 1
        assert all("already" in text or "at work" in text for text in outcomes if text != "made")
        assert pins.exists()
        assert len(mounts_below(pins.directory)) == 3
    finally:
        pins.remove()


@pytest.mark.kernel
def test_a_call_comes_back_with_value_or_error(make_pins: MakePins) -> None:
    pins = make_pins("c1")
    before = own_namespaces()
    assert call_in_netns(pins.net, lambda: str(Path("/proc/thread-self/ns/net").readlink())) != before["net"]

    def fail() -> None:
        raise ValueError("inside")

    with pytest.raises(ValueError, match="inside"):
        call_in_netns(pins.net, fail)
    assert own_namespaces() == before


@pytest.mark.kernel
@pytest.mark.parametrize("path", ["/nonexistent", "/etc/passwd", "/proc/self/ns/ipc"])
def test_only_a_network_namespace_can_be_entered(root: None, path: str) -> None:
    called = []
    with pytest.raises(NamespaceError, match="cannot enter"):
        call_in_netns(path, lambda: called.append(True))
    assert not called


@pytest.mark.kernel
def test_no_descriptor_and_no_thread_is_leaked(make_pins: MakePins) -> None:
    pins = make_pins("c1")
    before = set(Path("/proc/self/fd").iterdir()), threading.active_count()
    for _ in range(20):
        call_in_netns(pins.net, links.list_links)
        pins.remove()
        pins.create("c1")
    assert (set(Path("/proc/self/fd").iterdir()), threading.active_count()) == before
