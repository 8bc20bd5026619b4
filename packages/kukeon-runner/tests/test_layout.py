"""Paths and derived names: inside their directories, and never the same for two resources."""

from __future__ import annotations

import os
import re
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kukeon_api import errors
from kukeon_api.model import Ref
from kukeon_runner.instance import Instance
from kukeon_runner.layout import Layout, check_socket_path

DEFAULT = Layout(Instance("", "/opt/kukeon", "kukeon.io", "/kukeon", "10.88.0.0/16"))
OTHER = Layout(Instance("0123abcd", "/srv/k", "k.example", "/other", "10.99.0.0/16"))

# Short names over few letters, so that neighbours which differ in one separator are frequent.
names = st.from_regex(r"[ab0]([-ab0]{0,2}[ab0])?", fullmatch=True)
spaces = st.builds(Ref, names, names)
cells = st.builds(Ref, names, names, names, names)
containers = st.builds(Ref, names, names, names, names, names)
refs = st.one_of(st.builds(Ref, names), spaces, st.builds(Ref, names, names, names), cells, containers)
layouts = st.sampled_from([DEFAULT, OTHER])
long_names = st.from_regex(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?", fullmatch=True)


def test_the_tree_is_where_users_look_for_it() -> None:
    cell = Ref("r", "s", "t", "c")
    assert DEFAULT.metadata(Ref("r")) == "/opt/kukeon/data/r/metadata.json"
    assert DEFAULT.metadata(cell) == "/opt/kukeon/data/r/s/t/c/metadata.json"
    assert DEFAULT.conflist(Ref("r", "s")) == "/opt/kukeon/data/r/s/network.conflist"
    assert DEFAULT.container_log(cell.child("web")) == "/opt/kukeon/data/r/s/t/c/web/log"
    assert DEFAULT.kukeond_socket == "/run/kukeon/kukeond.sock"
    assert DEFAULT.pid_file == "/run/kukeon/kukeond.pid"
    assert DEFAULT.cgroup(cell) == "/kukeon/r/s/t/c"
    assert DEFAULT.network(Ref("r", "s")) == "r_s"
    assert DEFAULT.nft_table == "kukeon"
    assert DEFAULT.namespace("r") == "r.kukeon.io"
    assert DEFAULT.shim_group(cell) == "s_t_c"


def test_another_instance_shares_no_global_name() -> None:
    space, cell = Ref("r", "s"), Ref("r", "s", "t", "c")
    for name in ("runtime_dir", "kukeond_socket", "nft_table", "containerd_socket", "containerd_state", "cni_cache"):
        assert getattr(DEFAULT, name) != getattr(OTHER, name)
    assert OTHER.kukeond_socket == "/srv/k/kukeond.sock"
    assert OTHER.nft_table == "kukeon_0123abcd"
    for derived in ("bridge", "network", "ipam"):
        assert getattr(DEFAULT, derived)(space) != getattr(OTHER, derived)(space)
    assert OTHER.pins(cell).startswith("/run/kukeon/0123abcd/")
    assert OTHER.namespace("r") == "r.k.example"


def test_nothing_fixed_in_the_runtime_directory_looks_like_an_instance_id() -> None:
    cell = Ref("r", "s", "t", "c")
    inside = [DEFAULT.pins(cell), DEFAULT.shm(cell), DEFAULT.cni_cache, DEFAULT.containerd_socket, DEFAULT.owner_file]
    for path in inside:
        first = path.removeprefix("/run/kukeon/").partition("/")[0]
        assert not re.fullmatch("[0-9a-f]{8}", first)


def test_the_default_instance_knows_which_entries_of_its_runtime_directory_are_another_ones() -> None:
    assert not DEFAULT.owns_runtime_entry("0123abcd")
    for name in ("ns", "shm", "cni", "containerd", "kukeond.sock", ".instance.json", "0123ABCD", "0123abc"):
        assert DEFAULT.owns_runtime_entry(name)
    assert OTHER.owns_runtime_entry("0123abcd")


def test_an_embedded_containerd_is_in_no_realms_cgroup() -> None:
    assert DEFAULT.containerd_cgroup == "/kukeon_containerd"
    assert not DEFAULT.containerd_cgroup.startswith(f"{DEFAULT.cgroup_root}/")


@given(layouts, refs)
def test_every_path_stays_below_its_root(layout: Layout, ref: Ref) -> None:
    directory = layout.directory(ref)
    assert os.path.normpath(directory) == directory
    assert str(Path(directory).parent) == (layout.directory(ref.parent) if ref.parent else layout.data)


@given(layouts, cells)
def test_what_a_reboot_clears_is_below_the_runtime_directory(layout: Layout, cell: Ref) -> None:
    for path in (layout.pins(cell), layout.shm(cell), layout.ipam(Ref(cell.realm, cell.space))):
        assert os.path.normpath(path) == path
        assert path.startswith(f"{layout.runtime_dir}/")


@given(st.text(max_size=70))
def test_a_text_that_is_no_name_never_becomes_a_path(text: str) -> None:
    try:
        ref = Ref("r", "s", "t", text)
    except errors.Invalid:
        return
    if text:
        assert re.fullmatch(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?", text)
        assert DEFAULT.cell_dir(ref) == f"/opt/kukeon/data/r/s/t/{text}"


@pytest.mark.parametrize("hostile", ["..", ".", "a/b", "/etc", "a\0b", "A", "-a", "a_b", "a\n", "é", "x" * 64, " a"])
def test_hostile_names_are_refused(hostile: str) -> None:
    with pytest.raises(errors.Invalid):
        Ref("r", hostile)
    with pytest.raises(errors.Invalid):
        DEFAULT.namespace(hostile)


@given(st.lists(st.tuples(layouts, spaces), min_size=2, max_size=8))
def test_spaces_never_share_a_network_or_bridge(pairs: list[tuple[Layout, Ref]]) -> None:
    for derive in ("network", "bridge", "ipam"):
        seen: dict[str, tuple[str, Ref]] = {}
        for layout, space in pairs:
            owner = (layout.instance.id, space)
            assert seen.setdefault(getattr(layout, derive)(space), owner) == owner


@given(spaces)
def test_network_names_and_bridges_suit_the_kernel_and_cni(space: Ref) -> None:
    assert len(OTHER.bridge(space)) <= 15
    assert re.fullmatch(r"[a-zA-Z0-9][a-zA-Z0-9_.-]*", OTHER.network(space))


@given(st.lists(cells, min_size=2, max_size=8, unique=True))
def test_cells_never_share_a_shim_cgroup_or_pin(some: list[Ref]) -> None:
    for derive in ("cgroup", "pins", "shm", "cell_dir"):
        assert len({getattr(DEFAULT, derive)(cell) for cell in some}) == len(some)
    # The shim is looked up inside the realm's containerd namespace.
    groups = {(cell.realm, DEFAULT.shim_group(cell)) for cell in some}
    assert len(groups) == len(some)


@given(long_names, long_names)
def test_the_longest_names_fit(first: str, second: str) -> None:
    space = Ref(first, second)
    assert len(OTHER.network(space).encode()) <= 255
    assert len(OTHER.bridge(space)) <= 15


@given(names)
def test_a_realm_is_found_again_by_its_namespace(realm: str) -> None:
    try:
        namespace = DEFAULT.namespace(realm)
    except errors.Invalid:
        assert "--" in realm
        return
    assert DEFAULT.realm_of(namespace) == realm


@pytest.mark.parametrize(
    "foreign", ["moby", "kukeon.io", ".kukeon.io", "a.b.kukeon.io", "r.kukeon.io.x", "R.kukeon.io"]
)
def test_foreign_namespaces_are_nobodys_realm(foreign: str) -> None:
    assert DEFAULT.realm_of(foreign) is None


def test_a_realm_may_name_its_namespace_but_containerd_has_a_say() -> None:
    assert DEFAULT.namespace("r", "k8s.io") == "k8s.io"
    assert DEFAULT.namespace("r", "") == "r.kukeon.io"
    for wrong in ("a/b", "..", "a..b", "-a", "x" * 77, "a b"):
        with pytest.raises(errors.Invalid):
            DEFAULT.namespace("r", wrong)


def test_a_realm_name_too_long_for_containerd_is_refused_up_front() -> None:
    layout = Layout(Instance("", "/opt/kukeon", "a-rather-long-suffix.example.org", "/kukeon", "10.88.0.0/16"))
    with pytest.raises(errors.Invalid, match="containerd takes 76"):
        layout.namespace("r" * 63)


def test_a_cell_called_tasks_does_not_meet_the_kernels_file_of_that_name() -> None:
    assert DEFAULT.cgroup(Ref("tasks", "tasks")) == "/kukeon/tasks_/tasks_"


def test_container_cgroups_take_containerd_ids_only() -> None:
    cell = Ref("r", "s", "t", "c")
    assert DEFAULT.container_cgroup(cell, "s_t_c_web") == "/kukeon/r/s/t/c/s_t_c_web"
    for wrong in ("..", "a/b", "", "a\n"):
        with pytest.raises(errors.Invalid):
            DEFAULT.container_cgroup(cell, wrong)


def test_files_of_a_cell_stand_beside_any_container() -> None:
    cell = Ref("r", "s", "t", "c")
    ours = {DEFAULT.etc_file(cell, name) for name in ("hosts", "hostname", "resolv.conf")}
    ours.add(DEFAULT.metadata(cell))
    for path in ours:
        with pytest.raises(errors.Invalid):
            cell.child(Path(path).name)
    with pytest.raises(ValueError, match="passwd"):
        DEFAULT.etc_file(cell, "passwd")


def test_a_reference_of_another_kind_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="not a Cell"):
        DEFAULT.cell_dir(Ref("r", "s"))
    with pytest.raises(ValueError, match="not a Space"):
        DEFAULT.bridge(Ref("r"))
    with pytest.raises(ValueError, match="Container"):
        DEFAULT.metadata(Ref("r", "s", "t", "c", "web"))


def test_a_socket_path_that_the_kernel_can_not_take_is_refused_with_a_hint() -> None:
    limit = "/" + "a" * 106
    assert check_socket_path(limit) == limit
    with pytest.raises(errors.Invalid, match="108 bytes") as caught:
        check_socket_path(limit + "a")
    assert "shorter run path" in caught.value.hint
    deep = Layout(Instance("0123abcd", "/" + "d" * 120, "kukeon.io", "/k", "10.88.0.0/16"))
    with pytest.raises(errors.Invalid):
        _ = deep.kukeond_socket
    # The embedded containerd's is in /run, whatever the run path's length.
    assert len(deep.containerd_socket) < 60


def test_run_paths_of_the_listing_are_unique() -> None:
    layout = DEFAULT
    fixed = sorted(
        [
            layout.data,
            layout.pause_dir,
            layout.containerd_root,
            layout.containerd_log,
            layout.instance_file,
            layout.lock_file,
        ]
    )
    assert all(not second.startswith(f"{first}/") and first != second for first, second in pairwise(fixed))
