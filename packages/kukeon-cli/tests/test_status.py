"""`kuke status`: what is well, what is not, and the exit code of it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import msgspec
import pytest

from kukeon_api import errors, model

if TYPE_CHECKING:
    from memory_client import MemoryClient

    from conftest import Kuke

WEB = model.Ref("default", "default", "default", "web")


def rows(text: str) -> dict[str, list[str]]:
    """Return the words of each row by its first one."""
    return {words[0]: words[1:] for words in (line.split() for line in text.splitlines()) if words}


def test_all_is_well(kuke: Kuke, memory: MemoryClient) -> None:
    memory.put(WEB)
    result = kuke("status")
    assert (result.code, result.err) == (0, "")
    titles = [line for line in result.out.splitlines() if line and not line.startswith(" ")]
    assert titles == ["DAEMON", "HOST", "RESOURCES", "CELLS", "PARITY", "Status: OK"]
    found = rows(result.out)
    assert found["socket"][:2] == ["OK", "unix:///run/kukeon/kukeond.sock"]
    assert found["containerd"][1:3] == ["embedded,", "1.6.20,"]
    assert found["cells"] == ["OK", "1"]
    assert found[str(WEB)] == ["OK", "Ready", "10.88.0.2"]


@pytest.mark.parametrize(
    ("state", "desired", "words"),
    [
        ("Ready", "running", ["OK", "Ready", "(Why)", "10.88.0.2"]),
        ("Exited", "running", ["OK", "Exited", "(Why)", "10.88.0.2"]),
        ("Stopped", "stopped", ["OK", "Stopped", "(Why)", "10.88.0.2"]),
        ("Stopped", "running", ["WARN", "Stopped", "(Why)", "10.88.0.2:", "so"]),
        ("Degraded", "running", ["WARN", "Degraded", "(Why)", "10.88.0.2:", "so"]),
        ("Pending", "running", ["WARN", "Pending", "(Why)", "10.88.0.2:", "so"]),
        ("Error", "running", ["WARN", "Error", "(Why)", "10.88.0.2:", "so"]),
        ("Failed", "stopped", ["WARN", "Failed", "(Why)", "10.88.0.2:", "so"]),
    ],
)
def test_a_cell_is_well_when_it_is_as_it_was_asked_to_be(
    kuke: Kuke, memory: MemoryClient, state: str, desired: str, words: list[str]
) -> None:
    wanted = model.DesiredState(desired)
    memory.put(WEB, state=model.CellState(state), desired=wanted, reason="Why", message="so")
    result = kuke("status")
    assert rows(result.out)[str(WEB)] == words
    assert result.out.endswith(f"Status: {words[0]}\n")
    assert result.code == 0


def test_many_cells_are_counted_and_those_that_are_not_well_listed(kuke: Kuke, memory: MemoryClient) -> None:
    for number in range(20):
        memory.put(model.Ref("default", "default", "default", f"c{number}"))
    assert rows(kuke("status").out)["default/default/default/c0"] == ["OK", "Ready", "10.88.0.2"]
    memory.put(model.Ref("default", "blue"))
    memory.put(model.Ref("default", "blue", "default"))
    failed = model.CellState.FAILED
    memory.put(model.Ref("default", "blue", "default", "bad"), state=failed, message="no image", network=None)
    out = kuke("status").out
    found = rows(out)
    assert found["cells"] == ["WARN", "21,", "of", "which", "1", "not", "well"]
    assert found["default/blue/default/bad"] == ["WARN", "Failed:", "no", "image"]
    assert out.count("↳ see: kuke get cells -o yaml") == 1
    assert "see: kuke --run-path /srv/k get cells" in kuke("status", "--run-path", "/srv/k").out
    assert "default/default/default/c0" not in found


def test_warnings_and_resources_that_are_not_ready(kuke: Kuke, memory: MemoryClient) -> None:
    memory.warn("the bridge k-1 is missing", "cannot read 'x'")
    memory.put(model.Ref("default", "blue"), state=model.SpaceState.FAILED, reason="NoPlugin", message="no bridge")
    result = kuke("status", "--json")
    assert result.code == 0
    value = json.loads(result.out)
    assert (value["status"], value["ok"]) == ("WARN", True)
    warned = [(check["name"], check["detail"]) for check in value["checks"] if check["status"] == "WARN"]
    assert warned == [
        ("warning", "the bridge k-1 is missing"),
        ("warning", "cannot read 'x'"),
        ("spaces", "2, of which 1 not well"),
        ("space default/blue", "Failed (NoPlugin): no bridge"),
    ]
    assert rows(kuke("status").out)["spaces"] == ["WARN", "2,", "of", "which", "1", "not", "well"]
    assert kuke("status", "-o", "name").out.splitlines()[:2] == ["daemon/socket", "daemon/version"]


@pytest.mark.parametrize(
    ("cls", "code"), [(errors.Unavailable, 8), (errors.TimedOut, 8), (errors.Denied, 6), (errors.HostError, 1)]
)
def test_a_kukeond_that_does_not_answer(
    kuke: Kuke, memory: MemoryClient, cls: type[errors.KukeonError], code: int
) -> None:
    for line in (("status",), ("status", "-o", "json")):
        memory.trouble["ping"] = [cls("cannot reach kukeond", hint="start it")]
        result = kuke(*line)
        assert (result.code, result.err) == (code, "")
    assert json.loads(result.out)["ok"] is False
    memory.trouble["ping"] = [cls("cannot reach kukeond", hint="start it")]
    text = kuke("status").out
    assert "↳ start it" in text
    assert text.endswith("Status: FAIL\n")


def test_a_containerd_that_does_not_answer(kuke: Kuke, memory: MemoryClient) -> None:
    memory.about["containerd_version"] = ""
    memory.trouble["list_cells"] = [errors.HostError("cannot list")]
    result = kuke("status", "--run-path", "/srv/k")
    assert result.code == 8
    assert rows(result.out)["containerd"][0] == "FAIL"
    assert "↳ see: kuke --run-path /srv/k daemon logs" in result.out
    assert rows(result.out)["list"] == ["FAIL", "cannot", "list"]


def use(free: int, free_files: int = 10**6, files: int = 10**6) -> model.StorageUse:
    return model.StorageUse(
        name="disk", path="/srv", total_bytes=10**12, free_bytes=free, total_files=files, free_files=free_files
    )


@pytest.mark.parametrize(
    ("storage", "verdict", "percent"),
    [
        (use(10**11), "WARN", "90"),
        (use(16 * 10**10), "OK", "84"),
        (use(8 * 10**11, 10**5), "WARN", "90"),
        (use(2 * 10**11, 0, 0), "OK", "80"),
        (model.StorageUse(name="disk", path="/srv", total_bytes=10**9, free_bytes=2 * 10**8), "WARN", "80"),
    ],
)
def test_a_disk_that_is_nearly_full(
    kuke: Kuke, memory: MemoryClient, storage: model.StorageUse, verdict: str, percent: str
) -> None:
    answer = msgspec.structs.replace(memory.ping(), storage=(storage,), snapshotter="overlayfs", disk_warn_percent=85)
    memory.answers["ping"] = [answer] * 3
    result = kuke("status")
    assert result.code == 0
    found = rows(result.out)["disk"]
    assert found[0] == verdict
    assert f"({percent} % used), /srv" in result.out
    assert ("↳ make room" in result.out) is (verdict == "WARN")
    assert rows(result.out)["snapshotter"] == ["OK", "overlayfs"]


def test_a_damaged_file_is_told_wherever_somebody_looks(kuke: Kuke, memory: MemoryClient) -> None:
    damage = model.Damage(message="cannot read the subnet of space 'r/s' from '/x/network.json'", hint="sudo rm it")
    answer = msgspec.structs.replace(memory.ping(), damaged=(damage,))
    memory.answers["ping"] = [answer] * 9
    assert rows(kuke("status").out)["damage"] == ["WARN", *damage.message.split()]
    assert "↳ sudo rm it" in kuke("status").out
    listed = kuke("get", "spaces", "-o", "json")
    assert (listed.code, listed.err) == (0, f"warning: {damage.message}\nhint: sudo rm it\n")
    result = kuke("doctor", "files")
    assert (result.code, result.out, result.err) == (1, f"{damage.message}\n", "hint: sudo rm it\n")
    assert json.loads(kuke("doctor", "files", "-o", "json").out)["damaged"][0]["hint"] == "sudo rm it"
    memory.answers.clear()
    well = kuke("doctor", "files")
    assert (well.code, well.out, well.err) == (0, "", "")


def test_both_views_are_compared(kuke: Kuke, memory: MemoryClient, monkeypatch: pytest.MonkeyPatch) -> None:
    memory.put(WEB)
    agreed = [
        "OK",
        "kukeond",
        "and",
        "its",
        "files",
        "agree:",
        *["1", "realm,", "1", "space,", "1", "stack,", "1", "cell"],
    ]
    assert rows(kuke("status").out)["views"] == agreed
    other = type(memory)()
    other.put(WEB, state=model.CellState.FAILED)
    other.put(model.Ref("default", "blue"))
    monkeypatch.setattr(type(kuke), "_inside", lambda self, server: other)
    result = kuke("status")
    assert result.code == 1
    assert "view of spaces  FAIL  default/blue is unknown to kukeond" in result.out
    assert f"view of cells   FAIL  {WEB} differs" in result.out
    assert "restart it with sudo kuke daemon restart" in result.out
    elsewhere = kuke("status", "--run-path", "/srv/k").out
    assert "restart it with sudo kuke --run-path /srv/k daemon restart" in elsewhere


def test_views_that_cannot_be_compared_are_no_failure(
    kuke: Kuke, memory: MemoryClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: Kuke, server: object) -> MemoryClient:
        raise errors.Denied("cannot read '/opt/kukeon'", hint="use sudo")

    monkeypatch.setattr(type(kuke), "_inside", refuse)
    result = kuke("status")
    assert result.code == 0
    assert rows(result.out)["views"][:3] == ["WARN", "not", "compared:"]
    assert "↳ use sudo" in result.out


def test_a_kukeond_elsewhere_is_not_compared_with_files_here(kuke: Kuke) -> None:
    assert "PARITY" not in kuke("status", "--host", "unix:///tmp/kukeond.sock").out


def test_versions(kuke: Kuke, memory: MemoryClient) -> None:
    assert kuke("version").out == "Client: 0.1.0\nDaemon: 0.1.0\n"
    assert kuke("version", "--strict").code == 0
    for line in (("--client",), ("--no-daemon",)):
        assert kuke("version", *line).out == "0.1.0\n"
    assert kuke("version", "--run-path", "/srv/k").out.startswith("Client:")
    memory.about["version"] = "0.2.0"
    differ = kuke("version")
    assert (differ.code, differ.err) == (0, "warning: kuke and kukeond have different versions\n")
    assert kuke("version", "--strict").code == 5
    memory.trouble["ping"] = [errors.Unavailable("cannot reach kukeond")]
    gone = kuke("version")
    assert (gone.code, gone.out) == (0, "Client: 0.1.0\nDaemon: unavailable (cannot reach kukeond)\n")
    memory.trouble["ping"] = [errors.Unavailable("cannot reach kukeond")]
    assert kuke("version", "--strict", "-o", "json").code == 8
