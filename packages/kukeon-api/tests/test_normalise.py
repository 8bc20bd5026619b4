"""The normal form: the same for every way in, and doing it twice changes nothing."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kukeon_api import errors, image_ref, model, normalise, testing

PLACE = {"realm_id": "r", "space_id": "s", "stack_id": "t"}


def cell(*containers: model.ContainerSpec, **spec: Any) -> model.CellDoc:
    return model.CellDoc(
        metadata=model.Metadata(name="web"), spec=model.CellSpec(**{**PLACE, "containers": containers, **spec})
    )


@settings(max_examples=100)
@given(testing.documents)
def test_twice_is_once(doc: model.Doc) -> None:
    once = normalise.normalise(doc)
    assert normalise.normalise(once) == once
    assert model.ref_of(once) == model.ref_of(doc)


def test_containers_learn_their_place_and_ids() -> None:
    doc = normalise.normalise(cell(model.ContainerSpec(id="main", image="busybox")))
    assert doc.spec.id == "web"
    [container] = doc.spec.containers
    assert container == model.ContainerSpec(
        id="main",
        containerd_id="s_t_web_main",
        cell_id="web",
        image="docker.io/library/busybox:latest",
        **PLACE,
    )


@pytest.mark.parametrize(
    ("flags", "root"), [((False, True), ""), ((False, False), "b"), ((False, True), "b")], ids=["flag", "id", "both"]
)
def test_the_root_is_marked_both_ways(flags: tuple[bool, bool], root: str) -> None:
    first, second = flags
    doc = normalise.normalise(
        cell(
            model.ContainerSpec(id="a", image="x", root=first),
            model.ContainerSpec(id="b", image="x", root=second),
            root_container_id=root,
        )
    )
    assert doc.spec.root_container_id == "b"
    assert [(each.root, each.containerd_id) for each in doc.spec.containers] == [
        (False, "s_t_web_a"),
        (True, "s_t_web_root"),
    ]


def test_a_cell_without_a_root_gets_none() -> None:
    assert normalise.normalise(cell(model.ContainerSpec(id="a", image="x"))).spec.root_container_id == ""


def test_spelling() -> None:
    doc = normalise.normalise(
        cell(
            model.ContainerSpec(
                id="a",
                image="x",
                capabilities=model.Capabilities(drop=("all",), add=("net_admin", "CAP_chown")),
                security_opts=("seccomp:unconfined", "no-new-privileges", "no-new-privileges=true"),
            )
        )
    )
    [container] = doc.spec.containers
    assert container.capabilities == model.Capabilities(drop=("ALL",), add=("CAP_NET_ADMIN", "CAP_CHOWN"))
    assert container.security_opts == ("seccomp=unconfined", "no-new-privileges", "no-new-privileges=true")


def test_documents_that_only_say_where_need_nothing_more() -> None:
    assert normalise.normalise(cell()).spec.containers == ()
    place = model.ContainerSpec(cell_id="web", **PLACE)
    doc = normalise.normalise(model.ContainerDoc(metadata=model.Metadata(name="main"), spec=place))
    assert (doc.spec.id, doc.spec.containerd_id, doc.spec.image) == ("main", "s_t_web_main", "")
    stack = model.StackDoc(metadata=model.Metadata(name="t"), spec=model.StackSpec(realm_id="r", space_id="s"))
    assert normalise.normalise(stack).spec.id == "t"


def test_bad_names_are_refused() -> None:
    with pytest.raises(errors.InvalidName):
        normalise.normalise(cell(space_id="../x"))


class TestEffective:
    DEFAULTS = model.ContainerDefaults(
        user="1000",
        read_only_root_filesystem=True,
        capabilities=model.Capabilities(drop=("all",)),
        security_opts=("seccomp:unconfined",),
        tmpfs=(model.Tmpfs(path="/run"),),
        resources=model.Resources(pids_limit=5),
    )
    SPACE = model.SpaceSpec(realm_id="r", defaults=model.SpaceDefaults(container=DEFAULTS))

    def test_fills_in_what_is_unset_in_normal_form(self) -> None:
        [container] = normalise.effective(cell(model.ContainerSpec(id="a")), self.SPACE).spec.containers
        assert container == model.ContainerSpec(
            id="a",
            user="1000",
            read_only_root_filesystem=True,
            capabilities=model.Capabilities(drop=("ALL",)),
            security_opts=("seccomp=unconfined",),
            tmpfs=(model.Tmpfs(path="/run"),),
            resources=model.Resources(pids_limit=5),
        )

    def test_leaves_alone_what_is_set_even_if_empty(self) -> None:
        own = model.ContainerSpec(
            id="a",
            user="",
            read_only_root_filesystem=False,
            capabilities=model.Capabilities(),
            security_opts=(),
            tmpfs=(),
            resources=model.Resources(memory_limit_bytes=1),
        )
        assert normalise.effective(cell(own), self.SPACE) == cell(own)

    def test_reaches_roots_too(self) -> None:
        [root] = normalise.effective(cell(model.ContainerSpec(id="a", root=True)), self.SPACE).spec.containers
        assert root.user == "1000"

    @pytest.mark.parametrize("defaults", [None, model.SpaceDefaults()])
    def test_without_defaults_changes_nothing(self, defaults: model.SpaceDefaults | None) -> None:
        doc = cell(model.ContainerSpec(id="a"))
        assert normalise.effective(doc, model.SpaceSpec(realm_id="r", defaults=defaults)) == doc

    @settings(max_examples=50)
    @given(testing.cells(), testing.spaces)
    def test_twice_is_once(self, doc: model.CellDoc, space: model.SpaceDoc) -> None:
        once = normalise.effective(normalise.normalise(doc), space.spec)
        assert normalise.effective(once, space.spec) == once
        assert normalise.normalise(once) == once

    def test_spaces_have_a_normal_form(self) -> None:
        doc = normalise.normalise(model.SpaceDoc(metadata=model.Metadata(name="s"), spec=self.SPACE))
        assert doc.spec.defaults is not None
        assert doc.spec.defaults.container == msgspec.structs.replace(
            self.DEFAULTS,
            capabilities=model.Capabilities(drop=("ALL",)),
            security_opts=("seccomp=unconfined",),
        )


DIGEST = "sha256:" + "0123456789abcdef" * 4


class TestImageReferences:
    @pytest.mark.parametrize(
        ("short", "full"),
        [
            ("busybox", "docker.io/library/busybox:latest"),
            ("busybox:1.36", "docker.io/library/busybox:1.36"),
            (f"busybox@{DIGEST}", f"docker.io/library/busybox@{DIGEST}"),
            (f"busybox:1@{DIGEST}", f"docker.io/library/busybox:1@{DIGEST}"),
            ("user/app", "docker.io/user/app:latest"),
            ("docker.io/busybox", "docker.io/library/busybox:latest"),
            ("index.docker.io/a/b", "docker.io/a/b:latest"),
            ("quay.io/a/b/c:x_1", "quay.io/a/b/c:x_1"),
            ("localhost/app", "localhost/app:latest"),
            ("registry:5000/app:1", "registry:5000/app:1"),
            ("[::1]:5000/app", "[::1]:5000/app:latest"),
            ("x/a__b-c.d", "docker.io/x/a__b-c.d:latest"),
        ],
    )
    def test_full_form(self, short: str, full: str) -> None:
        assert image_ref.normalise(short) == full
        assert image_ref.normalise(full) == full

    @pytest.mark.parametrize(
        "text",
        [
            "",
            " ",
            "Busybox",
            "a b",
            "a:b:c",
            "a:",
            "a@",
            "a@sha256:12",
            "a@" + DIGEST.upper(),
            f"a@{DIGEST}0",
            "-a",
            "a/..",
            "../a",
            "/a",
            "a//b",
            "a/",
            "a\n",
            "https://a/b",
            "x" * 300,
            "x" * 2000,
            "a:" + "t" * 129,
            "ü/a",
        ],
    )
    def test_what_is_no_reference(self, text: str) -> None:
        with pytest.raises(errors.InvalidImage):
            image_ref.parse(text)

    @given(st.text(max_size=60))
    def test_any_text_gets_an_answer(self, text: str) -> None:
        try:
            full = image_ref.normalise(text)
        except errors.InvalidImage:
            return
        assert image_ref.normalise(full) == full
