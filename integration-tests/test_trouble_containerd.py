"""containerd is away for a while: whoever asks is told so at once, cells go on, and what they did is found later."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kuketest import manifests, witness
from kuketest.instance import Instance
from kuketest.own_containerd import OwnContainerd
from kuketest.waiting import IN_VM, until, until_equal
from kuketest.web import page, wait_page

PROMPT_S = 6.0
"""How long a refusal may take, the start of `kuke` on a busy machine included."""

ONCE = "until [ -e /go ]; do sleep 0.1; done; rm /go; exit 7"
"""Ends when it is told to."""


@pytest.fixture(scope="module")
def with_containerd(image_archive: Path) -> Iterator[tuple[Instance, OwnContainerd]]:
    instance = Instance.make()
    containerd = OwnContainerd(instance.home)
    # Nothing is found by the periodic look at everything: that is the longest wait there is.
    instance.options = ("--containerd", "system", "--containerd-socket", containerd.socket)
    instance.options += ("--reconcile-interval", "1h")
    containerd.start()
    instance.start()
    instance.kuke("image", "load", str(image_archive))
    yield instance, containerd
    instance.kuke("delete", "realm", "default", "--cascade")
    instance.uninstall()
    containerd.remove()
    instance.leave_nothing()


@pytest.mark.parametrize(
    "away_s", [pytest.param(3.0, id="short"), pytest.param(20.0, id="long", marks=pytest.mark.long)]
)
def test_containerd_is_away_for_a_while(with_containerd: tuple[Instance, OwnContainerd], away_s: float) -> None:
    instance, containerd = with_containerd
    instance.apply(
        manifests.many(
            manifests.server("web"),
            manifests.cell("brief", manifests.container("main", ONCE)),
            manifests.cell("again", manifests.container("main", ONCE) | {"restartPolicy": "always"}),
            manifests.cell("later", manifests.container("main", ONCE)),
            manifests.sleeper("idle"),
        )
    )
    instance.kuke("stop", "cell", "idle")
    pids = {cell: instance.task_pid(name, cell) for cell, name in
            (("web", "web"), ("brief", "main"), ("again", "main"), ("later", "main"))}  # fmt: skip
    address = instance.address("web")
    wait_page(address)

    containerd.stop()
    gone_at = time.monotonic()
    for arguments in (
        ("stop", "cell", "web"),
        ("start", "cell", "idle"),
        ("exec", "web", "--", "true"),
        ("create", "cell", "new", "--image", manifests.IMAGE),
        ("get", "images"),
    ):
        began = time.monotonic()
        refused = instance.kuke(*arguments, code=8)
        assert IN_VM or time.monotonic() - began < PROMPT_S, refused
        assert containerd.socket in refused.err, refused
        assert "hint:" in refused.err, refused
    assert "web" in witness.listed(instance, "cell"), "what is stored can be read"
    assert page(address) == "page of web\n"
    for cell in ("brief", "again"):
        Path(f"/proc/{pids[cell]}/root/go").touch()
        until(lambda cell=cell: not Path(f"/proc/{pids[cell]}/root").is_dir(), f"the program of {cell} to end")
    until(lambda: time.monotonic() - gone_at > away_s, "the time to pass", away_s + 1)

    containerd.start()
    until_equal(lambda: main(instance, "brief").get("exitCode"), 7, "what happened meanwhile")
    until(lambda: instance.find_task_pid("main", "again") not in {None, pids["again"]}, "the restart that was due")
    until_equal(lambda: main(instance, "again")["state"], "Ready", "the state of the one that came back")
    # Only an event can tell of this one.
    Path(f"/proc/{pids['later']}/root/go").touch()
    until_equal(lambda: main(instance, "later").get("exitCode"), 7, "an event")
    assert main(instance, "again")["restartCount"] == 1
    log = instance.run_path / "data/default/default/default/again/main/log"
    assert log.read_text().count(" F:start") == 2, "it was started once more, and not twice"
    # The stop was refused: it never began, or it is finished now.
    until(lambda: instance.state("web") in ("Ready", "Stopped"), "the cell that was to stop")
    if instance.state("web") == "Ready":
        assert instance.task_pid("web", "web") == pids["web"]
    # What was asked for is what becomes of it.
    until(lambda: instance.state("idle") in ("Ready", "Stopped"), "the cell that was to start")
    assert not witness.running(instance, "default") - {
        f"default_default_{cell}_{name}" for cell in ("web", "again", "idle", "new") for name in ("root", "main", "web")
    }
    for cell in ("web", "brief", "again", "later", "idle"):
        instance.kuke("delete", "cell", cell)
    instance.kuke("delete", "cell", "new", code=None)


def main(instance: Instance, cell: str) -> Any:
    (status,) = instance.cell(cell)["status"]["containers"]
    return status


def test_it_is_killed_and_comes_back_under_a_start(with_containerd: tuple[Instance, OwnContainerd]) -> None:
    instance, containerd = with_containerd
    names = [f"many-{number}" for number in range(4)]
    path = instance.home / "many.yaml"
    path.write_text(manifests.many(*map(manifests.sleeper, names)))
    applying = instance.spawn_kuke("apply", "-f", str(path))
    until(
        lambda: list(instance.run_path.glob("data/default/default/default/many-*/metadata.json")), "the apply to begin"
    )
    containerd.kill()
    _, err = applying.communicate(timeout=180)
    containerd.start()
    if applying.returncode:
        assert "hint:" in err
    # Those that were begun come up by themselves, and the apply brings the others.
    begun = set(witness.listed(instance, "cell"))
    for name in begun:
        until_equal(lambda name=name: instance.state(name), "Ready", f"{name}, which was begun")
    instance.apply(path.read_text())
    for name in names:
        assert instance.state(name) == "Ready"
    instance.kuke("delete", "cell", *names)
