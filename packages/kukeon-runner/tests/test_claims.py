"""Two instances on one host share nothing by mistake."""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from kukeon_api import errors
from kukeon_runner import claims, instance
from kukeon_runner.instance import Containerd
from kukeon_runner.layout import Layout
from kukeon_runner.options import Options


def make(tmp_path: Path, name: str, containerd: Containerd | None = None, **settings: str) -> Layout:
    options = Options(run_path=str(tmp_path / name))
    made = instance.ensure_instance(replace(options, **settings))  # type: ignore[arg-type]
    return Layout(replace(made, containerd=containerd), str(tmp_path / "run"))


SHARED = Containerd("system", "/run/containerd/containerd.sock")


def test_instances_with_settings_of_their_own_live_side_by_side(tmp_path: Path) -> None:
    first = make(tmp_path, "a", SHARED)
    second = make(tmp_path, "b", SHARED, cgroup_root="/b", namespace_suffix="b.io")
    for layout in (first, second, first, second):
        claims.claim(layout)
        assert Path(layout.owner_file).is_file()


@pytest.mark.parametrize("root", ["/kukeon", "/kukeon/inner"])
def test_a_shared_cgroup_tree_is_refused_either_way(tmp_path: Path, root: str) -> None:
    first = make(tmp_path, "a", SHARED)
    second = make(tmp_path, "b", SHARED, cgroup_root=root, namespace_suffix="b.io")
    for one, other in ((first, second), (second, first)):
        claims.claim(one)
        with pytest.raises(errors.Conflict, match="cgroup root") as caught:
            claims.claim(other)
        assert one.run_path in str(caught.value)
        assert "--cgroup-root" in caught.value.hint
        # The refused one claims nothing, so it keeps nobody out.
        assert not Path(other.owner_file).exists()
        Path(one.owner_file).unlink()


def test_neighbouring_cgroup_roots_are_fine(tmp_path: Path) -> None:
    claims.claim(make(tmp_path, "a", SHARED))
    claims.claim(make(tmp_path, "b", SHARED, cgroup_root="/kukeon2", namespace_suffix="b.io"))


def test_one_suffix_in_one_containerd_is_refused_in_two_it_is_fine(tmp_path: Path) -> None:
    claims.claim(make(tmp_path, "a", SHARED))
    with pytest.raises(errors.Conflict, match="namespace suffix"):
        claims.claim(make(tmp_path, "b", SHARED, cgroup_root="/b"))
    claims.claim(make(tmp_path, "c", Containerd("embedded", "/run/kukeon/c/containerd.sock"), cgroup_root="/c"))


def test_an_instance_that_is_gone_claims_nothing(tmp_path: Path) -> None:
    first = make(tmp_path, "a", SHARED)
    claims.claim(first)
    shutil.rmtree(first.run_path)
    claims.claim(make(tmp_path, "b", SHARED))


def test_two_run_paths_with_one_id_are_told_apart(tmp_path: Path) -> None:
    first = make(tmp_path, "a", SHARED)
    second = make(tmp_path, "b", SHARED, cgroup_root="/b", namespace_suffix="b.io")
    twin = Layout(replace(second.instance, id=first.instance.id), second.runtime_root)
    claims.claim(first)
    with pytest.raises(errors.Conflict, match="instance id"):
        claims.claim(twin)


def test_a_claim_that_can_not_be_read_stops_nobody(tmp_path: Path) -> None:
    first = make(tmp_path, "a", SHARED)
    claims.claim(first)
    Path(first.owner_file).write_text("{")
    claims.claim(make(tmp_path, "b", SHARED, cgroup_root="/b", namespace_suffix="b.io"))
    claims.claim(first)
    assert "runPath" in Path(first.owner_file).read_text()


CLAIM = """
import sys
from kukeon_api import errors
from kukeon_runner import claims, instance
from kukeon_runner.instance import Containerd
from kukeon_runner.layout import Layout
from dataclasses import replace
made = replace(instance.find_instance(sys.argv[1]), containerd=Containerd("system", "/run/containerd/containerd.sock"))
print("ready", flush=True)
sys.stdin.readline()
try:
    claims.claim(Layout(made, sys.argv[2]))
except errors.Conflict:
    print("refused")
else:
    print("claimed")
"""


def test_of_two_processes_at_the_same_instant_one_claims(tmp_path: Path) -> None:
    for _ in range(3):
        shutil.rmtree(tmp_path / "run", ignore_errors=True)
        both = []
        for name in ("a", "b"):
            made = make(tmp_path, name, SHARED)
            command = [sys.executable, "-c", CLAIM, made.run_path, made.runtime_root]
            both.append(subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True))
        for each in both:
            assert each.stdout is not None
            assert each.stdout.readline() == "ready\n"
        for each in both:
            assert each.stdin is not None
            each.stdin.write("\n")
            each.stdin.flush()
        assert sorted(each.communicate()[0] for each in both) == ["claimed\n", "refused\n"]
