"""Setting up a host: all of it, twice without harm, each thing named."""

from __future__ import annotations

import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

import kukeon_cni
from kukeon_api import errors, model
from kukeon_api.model import Ref
from kukeon_runner import bootstrap
from kukeon_runner.groundwork import BootstrapReport, Outcome
from kukeon_runner.host import nftables
from kukeon_runner.instance import Containerd, Instance
from kukeon_runner.layout import Layout


@dataclass
class Converged:
    existed: bool
    pre: dict[str, bool]
    post: dict[str, bool]


@dataclass
class Level:
    """A level of a small world that remembers what was made in it."""

    pieces: tuple[str, ...]
    made: dict[Ref, Any] = field(default_factory=dict)
    host: set[tuple[Ref, str]] = field(default_factory=set)
    broken: set[str] = field(default_factory=set)
    unreadable: errors.KukeonError | None = None
    parents: dict[Ref, Any] | None = None

    async def converge(self, wanted: Any, *, update: bool) -> Converged:
        assert not update
        if self.unreadable:
            raise self.unreadable
        ref = model.ref_of(wanted)
        if self.parents is not None and ref.parent not in self.parents:
            raise errors.NotFound(f"cannot find {ref.parent}")
        existed = ref in self.made
        self.made.setdefault(ref, wanted)
        pre = {piece: (ref, piece) in self.host for piece in self.pieces}
        self.host |= {(ref, piece) for piece in self.pieces if piece not in self.broken}
        return Converged(existed, pre, {piece: (ref, piece) in self.host for piece in self.pieces})


@dataclass
class Context:
    layout: Layout


class Runner:
    def __init__(self, layout: Layout) -> None:
        self.context = Context(layout)
        self.realms = Level(("namespace", "cgroup"))
        self.spaces = Level(("network", "cgroup"), parents=self.realms.made)
        self.stacks = Level(("cgroup",), parents=self.spaces.made)
        self.rooted = False

    async def ensure_kukeon_root_cgroup(self) -> tuple[bool, bool]:
        existed, self.rooted = self.rooted, True
        return existed, not existed


@pytest.fixture
def runner(tmp_path: Path) -> Runner:
    instance = Instance("0123abcd", "/srv/k", "kukeon.io", "/k", "10.88.0.0/16", Containerd("embedded", "/run/c.sock"))
    return Runner(Layout(instance, str(tmp_path / "run")))


def outcomes(report: BootstrapReport) -> dict[str, Outcome]:
    return {row.label: row.outcome for row in report.rows}


async def test_a_bare_host_gets_everything(runner: Runner) -> None:
    report = await bootstrap.bootstrap(runner)
    assert report.created
    made = outcomes(report)
    for label in (
        "kukeon root cgroup",
        'realm "default"',
        "containerd namespace",
        "realm cgroup",
        'space "default"',
        'network "0123abcd_default_default"',
        "space cgroup",
        'stack "default"',
        "stack cgroup",
    ):
        assert made[label] is Outcome.CREATED, label
    assert made['containerd "/run/c.sock"'] is Outcome.EXISTED
    assert set(runner.stacks.made) == {Ref("default", "default", "default")}


async def test_directories_are_made_with_their_modes(runner: Runner) -> None:
    layout = runner.context.layout
    await bootstrap.bootstrap(runner)
    for path, mode in ((layout.runtime_dir, 0o755), (layout.cni_cache, 0o750), (layout.cni_data, 0o750)):
        assert stat.S_IMODE(Path(path).stat().st_mode) == mode  # noqa: ASYNC240 - nobody else waits


async def test_the_second_time_finds_everything(runner: Runner) -> None:
    first = await bootstrap.bootstrap(runner)
    second = await bootstrap.bootstrap(runner)
    assert not second.created
    assert [row.label for row in second.rows] == [row.label for row in first.rows]


async def test_what_a_reboot_took_is_made_again_and_said(runner: Runner) -> None:
    await bootstrap.bootstrap(runner)
    runner.rooted = False
    runner.realms.host.discard((Ref("default"), "cgroup"))
    again = outcomes(await bootstrap.bootstrap(runner))
    assert again['realm "default"'] is Outcome.EXISTED
    assert again["containerd namespace"] is Outcome.EXISTED
    assert again["realm cgroup"] is Outcome.CREATED
    assert again["kukeon root cgroup"] is Outcome.CREATED


async def test_what_could_not_be_made_is_a_row_of_its_own(runner: Runner) -> None:
    runner.spaces.broken = {"network"}
    report = await bootstrap.bootstrap(runner)
    assert [row.label for row in report.missing if "network" in row.label] == ['network "0123abcd_default_default"']


async def test_missing_programs_are_said_and_do_not_stop_it(runner: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kukeon_cni, "DEFAULT_PLUGIN_DIRS", ("/nonexistent",))
    monkeypatch.setattr(nftables, "_search_path", lambda: "/nonexistent")
    report = await bootstrap.bootstrap(runner)
    missing = {row.label: row.detail for row in report.missing}
    assert set(missing) == {'CNI plugin "bridge"', 'CNI plugin "host-local"', 'program "nft"'}
    assert "nftables" in missing['program "nft"']
    assert "install" in missing['CNI plugin "bridge"']
    assert runner.stacks.made


@pytest.mark.parametrize("level", ["realm", "space", "stack"])
@pytest.mark.parametrize("kind", [errors.CorruptMetadata, errors.SubnetStateCorrupt])
async def test_a_damaged_default_resource_is_a_row_and_does_not_stop_it(
    runner: Runner, level: str, kind: type[errors.KukeonError]
) -> None:
    """Otherwise kukeond would not start, and no other resource could be worked with."""
    getattr(runner, f"{level}s").unreadable = kind("cannot read '/srv/k/data/default/metadata.json': why")
    report = await bootstrap.bootstrap(runner)
    (damaged,) = report.damaged
    assert damaged.label == f'{level} "default"'
    assert "'/srv/k/data/default/metadata.json'" in damaged.detail
    assert runner.rooted


async def test_a_directory_that_can_not_be_made_is_named(runner: Runner, tmp_path: Path) -> None:
    Path(tmp_path / "run").write_text("a file")  # noqa: ASYNC240 - nobody else waits
    with pytest.raises(errors.HostError, match="run/0123abcd"):
        await bootstrap.bootstrap(runner)
