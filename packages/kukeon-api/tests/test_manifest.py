"""Manifests: what is read, how it is read, and that dumps read back."""

from __future__ import annotations

import json

import msgspec
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from kukeon_api import errors, manifest, model, normalise, plain, testing, yaml_nodes

CELL = """\
apiVersion: v1beta1
kind: Cell
metadata:
  name: web
spec:
  realmId: default
  spaceId: default
  stackId: default
  containers:
  - id: main
    image: busybox
"""


@pytest.fixture(params=["libyaml", "python"], autouse=True)
def parser(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Read with both parsers: PyYAML comes with and without libyaml."""
    if request.param == "python":
        monkeypatch.setattr(yaml_nodes, "_parser", yaml.SafeLoader)
    elif not hasattr(yaml, "CSafeLoader"):
        pytest.fail("this PyYAML has no libyaml")
    return str(request.param)


def one(text: str) -> model.Doc:
    [document] = manifest.parse(text)
    return document.doc


def problems(text: str | bytes) -> list[str]:
    with pytest.raises(errors.InvalidManifest) as caught:
        manifest.parse(text, "web.yaml")
    return [str(problem) for problem in caught.value.problems]


class TestScalars:
    """Read by the type that is wanted, from the source text."""

    def test_text_stays_as_written(self) -> None:
        doc = one(CELL + "    user: 1000:10\n    args: [1.10, yes, 0x10, '007', null-ish, 2026-01-01, 1e3]\n")
        assert isinstance(doc, model.CellDoc)
        assert doc.spec.containers[0].user == "1000:10"
        assert doc.spec.containers[0].args == ("1.10", "yes", "0x10", "007", "null-ish", "2026-01-01", "1e3")

    def test_a_number_is_a_name(self) -> None:
        assert one("kind: Realm\nmetadata: {name: 8080}").metadata.name == "8080"

    @pytest.mark.parametrize(
        ("text", "value"),
        [("true", True), ("no", False), ("On", True), ("OFF", False), ("y", True), ("N", False), ("Yes", True)],
    )
    def test_booleans(self, text: str, value: bool) -> None:
        doc = one(CELL + f"    readOnlyRootFilesystem: {text}\n")
        assert isinstance(doc, model.CellDoc)
        assert doc.spec.containers[0].read_only_root_filesystem is value

    @pytest.mark.parametrize(
        ("text", "value"),
        [("0", 0), ("4096", 4096), ("0x10", 16), ("0o17", 15), ("0755", 493), ("0b101", 5), ("+3", 3), ("00", 0)],
    )
    def test_whole_numbers(self, text: str, value: int) -> None:
        doc = one(CELL + f"    resources: {{memoryLimitBytes: {text}}}\n")
        assert isinstance(doc, model.CellDoc)
        assert doc.spec.containers[0].resources == model.Resources(memory_limit_bytes=value)

    @pytest.mark.parametrize(
        ("text", "complaint"),
        [
            ("64Mi", "'64Mi' is not a whole number (write 67108864)"),
            ("1 GB", "'1 GB' is not a whole number (write 1000000000)"),
            ("1.5", "'1.5' is not a whole number"),
            ("'5'", "'5' is text, not a whole number (leave out the quotes)"),
            ("08", "'08' is not a whole number"),
            ("9223372036854775808", "'9223372036854775808' is not a whole number of 64 bits"),
            ("9" * 5000, f"'{'9' * 40}...' is not a whole number of 64 bits"),
            ("[1]", "must be a whole number, not a list"),
            ("{a: 1}", "must be a whole number, not a mapping"),
        ],
    )
    def test_what_is_no_whole_number(self, text: str, complaint: str) -> None:
        assert problems(CELL + f"    resources: {{memoryLimitBytes: {text}}}\n") == [
            'web.yaml:12: Cell "web": spec.containers[0].resources.memoryLimitBytes: ' + complaint
        ]

    @pytest.mark.parametrize("text", ['"true"', "1", "tru", "[true]"])
    def test_what_is_no_boolean(self, text: str) -> None:
        [problem] = problems(CELL + f"    root: {text}\n")
        assert "spec.containers[0].root: " in problem
        assert "true" in problem

    def test_nothing_means_unset(self) -> None:
        doc = one(CELL + "    user: ~\n    resources:\n    securityOpts: null\n    args: []\n    env:\n")
        assert doc == one(CELL)

    def test_empty_differs_from_unset_where_a_space_has_defaults(self) -> None:
        doc = one(CELL + "    user: ''\n    securityOpts: []\n    tmpfs: []\n    capabilities: {}\n")
        assert isinstance(doc, model.CellDoc)
        [container] = doc.spec.containers
        assert (container.user, container.security_opts, container.tmpfs) == ("", (), ())
        assert container.capabilities == model.Capabilities()

    def test_an_empty_volume_kind_is_bind(self) -> None:
        doc = one(CELL + "    volumes: [{kind: '', source: /a, target: /b}]\n")
        assert isinstance(doc, model.CellDoc)
        assert doc.spec.containers[0].volumes[0].kind is model.VolumeKind.BIND

    def test_block_scalars_may_contain_separators(self) -> None:
        doc = one(CELL + "    command: |\n      a\n      ---\n      b\n")
        assert isinstance(doc, model.CellDoc)
        assert doc.spec.containers[0].command == "a\n---\nb\n"


class TestStream:
    def test_documents_keep_order_index_and_line(self) -> None:
        text = f"# a comment\n---\n---\n{CELL}---\n\n---\nkind: Realm\nmetadata: {{name: default}}\n...\n"
        found = manifest.parse(text, "x.yaml")
        assert [(each.index, each.doc.kind, each.line, each.source) for each in found] == [
            (0, "Cell", 4, "x.yaml"),
            (1, "Realm", 18, "x.yaml"),
        ]

    @pytest.mark.parametrize("text", ["", b"", "\n\n", "---\n", "---\n---\n# nothing\n---", "# only a comment"])
    def test_nothing_is_an_error(self, text: str | bytes) -> None:
        with pytest.raises(errors.InvalidManifest, match="no documents found in input"):
            manifest.parse(text)

    def test_line_endings_and_byte_order_marks(self) -> None:
        assert one("\ufeff" + CELL.replace("\n", "\r\n")) == one(CELL)
        [document] = manifest.parse(b"\xef\xbb\xbf" + CELL.encode())
        assert document.doc == one(CELL)

    @pytest.mark.parametrize("line", ["", "apiVersion: ''\n", "apiVersion: v1beta1\n"])
    def test_the_version_may_be_left_out(self, line: str) -> None:
        assert one(f"{line}kind: Realm\nmetadata: {{name: a}}\n") == model.RealmDoc(metadata=model.Metadata(name="a"))

    def test_json_is_yaml(self) -> None:
        assert one(json.dumps(plain.to_builtins(one(CELL)))) == one(CELL)

    def test_aliases_and_merges(self) -> None:
        doc = one(
            CELL.replace("- id: main\n", "- &base\n    id: main\n")
            + "    env: [A=1]\n  - {<<: *base, id: second}\n  - <<: [{user: nobody, image: x}, *base]\n    id: third\n"
        )
        assert isinstance(doc, model.CellDoc)
        main, second, third = doc.spec.containers
        assert second == msgspec.structs.replace(main, id="second")
        assert (third.id, third.image, third.user, third.env) == ("third", "x", "nobody", ("A=1",))

    def test_the_same_resource_twice(self) -> None:
        assert problems(f"{CELL}---\n{CELL}") == [
            "web.yaml:13: Cell \"web\": metadata.name: 'default/default/default/web' is there twice; first on line 1"
        ]

    def test_the_same_resource_in_two_inputs(self) -> None:
        both = [*manifest.parse(CELL, "a.yaml"), *manifest.parse(f"# again\n{CELL}", "b.yaml")]
        [problem] = manifest.duplicates(both)
        assert str(problem) == (
            "b.yaml:2: Cell \"web\": metadata.name: 'default/default/default/web' is there twice; first in a.yaml:1"
        )
        assert manifest.duplicates(both[:1]) == ()

    def test_a_list_is_its_documents(self) -> None:
        docs = [one("kind: Realm\nmetadata: {name: a}"), one(CELL), one("kind: Realm\nmetadata: {name: b}")]
        text = json.dumps([plain.to_builtins(doc) for doc in docs], indent=1)
        found = manifest.parse(
            f"{text}\n---\nkind: Realm\nmetadata: {{name: c}}\n---\n- kind: Realm\n  metadata: {{name: d}}"
        )
        assert [each.doc for each in found[:3]] == docs
        assert [each.index for each in found] == [0, 1, 2, 3, 4]
        assert [each.doc.metadata.name for each in found[3:]] == ["c", "d"]
        lines = text.split("\n")
        assert all(lines[each.line - 1] == " {" for each in found[:3])

    def test_what_is_wrong_in_a_list_is_told_of_its_item(self) -> None:
        text = (
            "- kind: Realm\n  metadata: {name: a}\n- kind: Foo\n- null\n- [x]\n- kind: Realm\n  metadata: {name: a}\n"
        )
        assert problems(text) == [
            "web.yaml:3: Foo: kind: unknown kind 'Foo'",
            "web.yaml:4: a document must be a mapping",
            "web.yaml:5: a document must be a mapping",
            "web.yaml:6: Realm \"a\": metadata.name: 'a' is there twice; first on line 1",
        ]

    def test_an_empty_list_is_no_documents(self) -> None:
        with pytest.raises(errors.InvalidManifest, match="no documents found in input"):
            manifest.parse("[]")


class TestEnvelope:
    @pytest.mark.parametrize(
        ("text", "complaint"),
        [
            ("apiVersion: v1\nkind: Realm\nmetadata: {name: a}", "unsupported apiVersion 'v1', expected 'v1beta1'"),
            ("kind: Cel\nmetadata: {name: a}", "kind: unknown kind 'Cel' (did you mean \"Cell\"?)"),
            ("kind: realm\nmetadata: {name: a}", "kind: unknown kind 'realm' (did you mean \"Realm\"?)"),
            ("metadata: {name: a}", "kind: is required (one of Realm, Space, Stack, Cell, Container)"),
            ("kind: CellProfile", "a CellProfile is a template, from which `kuke run -p NAME` makes cells"),
            ("kind: [Realm]", "kind: must be text"),
            ("- a", "a document must be a mapping"),
            ("text", "a document must be a mapping"),
            ("kind: Realm", "metadata.name: is required"),
            ("kind: Realm\nmetadata: {}", "metadata.name: is required"),
            ("kind: Realm\nmetadata: a", "metadata: must be a mapping, not 'a'"),
            ("kind: Realm\nmetadata: {name: Foo_}", "metadata.name: 'Foo_' is not a name"),
            ("kind: Realm\nmetadata: {name: a}\nkind: Realm", "kind: is there twice; first on line 1"),
            ("kind: Realm\nmetadata: {name: kuke-system}", "realm 'kuke-system' is reserved for kukeon itself"),
            ("kind: Space\nmetadata: {name: a}", "spec.realmId: is required"),
            ("kind: Realm\nmetadata: {name: a}\n? [x]\n: y", "a key must be text, not a list"),
        ],
    )
    def test_what_is_wrong_with_it(self, text: str, complaint: str) -> None:
        [problem] = problems(text)
        assert complaint in problem

    def test_only_kukeon_itself_has_a_system_realm(self) -> None:
        [document] = manifest.parse("kind: Realm\nmetadata: {name: kuke-system}", system=True)
        assert document.doc.metadata.name == "kuke-system"


def test_all_problems_of_all_documents_at_once() -> None:
    text = """\
kind: Cell
metadata:
  name: web
  lables: {a: b}
spec:
  realmId: default
  spaceId: Default
  stackId: default
  autoDelete: true
  containers:
  - id: a
    imgae: busybox
    args: foo
    env: [A=b, c, null]
    volumes:
    - {kind: Tmpfs, target: data}
  - id: a
    image: x
    capabilities: {add: [net_admn]}
    repos: [x]
---
foo: [
---
kind: Realm
metadata: {name: fine}
---
kind: Realm
metadata: {name: a, name: b}
"""
    # The parsers word syntax errors differently; lines, documents and paths are the same.
    assert [problem.split(": is not YAML")[0] for problem in problems(text)] == [
        'web.yaml:4: Cell "web": metadata.lables: unknown field (did you mean "labels"?)',
        "web.yaml:7: Cell \"web\": spec.spaceId: 'Default' is not a name: 1 to 63 lower-case letters,"
        " digits and '-', beginning and ending with a letter or digit",
        'web.yaml:12: Cell "web": spec.containers[0].imgae: unknown field (did you mean "image"?)',
        "web.yaml:13: Cell \"web\": spec.containers[0].args: must be a list, not 'foo' (write [foo])",
        'web.yaml:14: Cell "web": spec.containers[0].env[2]: must not be empty',
        'web.yaml:14: Cell "web": spec.containers[0].env[1]: is not KEY=VALUE (an empty value is written KEY=)',
        "web.yaml:16: Cell \"web\": spec.containers[0].volumes[0].kind: 'Tmpfs' is none of bind, tmpfs"
        ' (did you mean "tmpfs"?)',
        "web.yaml:17: Cell \"web\": spec.containers[1].id: 'a' is already the id of spec.containers[0]",
        "web.yaml:19: Cell \"web\": spec.containers[1].capabilities.add[0]: unknown capability 'net_admn'"
        ' (did you mean "CAP_NET_ADMIN"?)',
        'web.yaml:20: Cell "web": spec.containers[1].repos: is not supported yet',
        "web.yaml:23",
        'web.yaml:28: Realm "b": metadata.name: is there twice; first on line 28',
    ]


def test_the_error_says_how_many_and_carries_them() -> None:
    with pytest.raises(errors.Invalid, match=r"^invalid manifest 'web.yaml': 2 problems$") as caught:
        manifest.parse("kind: A\n---\nkind: B\n", "web.yaml")
    assert [(each.source, each.line, each.document, each.path) for each in caught.value.problems] == [
        ("web.yaml", 1, 0, "kind"),
        ("web.yaml", 3, 1, "kind"),
    ]
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    "field", ["args", "env", "securityOpts", "capabilities: {add: [[x]]}", "capabilities: {drop: [{a: b}]}"]
)
def test_what_stands_for_a_wrong_item_is_an_item(field: str) -> None:
    [problem] = problems(CELL + f"    {field if ':' in field else field + ': [[x]]'}\n")
    assert "[0]: must be text, not a" in problem


class TestRoundTrip:
    @settings(max_examples=100)
    @given(docs=st.lists(testing.documents, min_size=1, max_size=3, unique_by=model.ref_of))
    def test_dumps_read_back(self, docs: list[model.Doc]) -> None:
        assert [each.doc for each in manifest.parse(manifest.dump(docs))] == docs

    @settings(max_examples=50)
    @given(doc=testing.cells(), status=testing.any_model(model.CellStatus))
    def test_what_get_prints_can_be_applied_again(self, doc: model.CellDoc, status: model.CellStatus) -> None:
        stored = msgspec.structs.replace(
            normalise.normalise(doc),
            metadata=msgspec.structs.replace(doc.metadata, generation=7),
            status=status,
        )
        [read] = manifest.parse(manifest.dump(stored))
        again = normalise.normalise(read.doc)
        assert again.metadata.generation == 7
        assert again.spec == normalise.normalise(doc).spec

    def test_what_only_the_server_sets_is_passed_over(self) -> None:
        text = CELL + "    containerdId: nonsense\nstatus: {state: Ready, invented: [1]}\n"
        assert one(text) == one(CELL)

    @pytest.mark.parametrize(
        ("text", "complaint"), [("-1", "-1 is no generation: they count from 1"), ("x", "'x' is not a whole number")]
    )
    def test_a_generation_says_what_a_change_is_based_on(self, text: str, complaint: str) -> None:
        assert one(CELL.replace("  name: web\n", "  name: web\n  generation: 3\n")).metadata.generation == 3
        [problem] = problems(CELL.replace("  name: web\n", f"  name: web\n  generation: {text}\n"))
        assert f"metadata.generation: {complaint}" in problem

    def test_labels_of_a_container_stand_in_its_metadata(self) -> None:
        container = (
            "kind: Container\nmetadata: {{name: a{}}}\n"
            "spec: {{realmId: r, spaceId: s, stackId: t, cellId: c, image: x{}}}"
        )
        above = normalise.normalise(one(container.format(", labels: {tier: web}", "")))
        below = normalise.normalise(one(container.format("", ", labels: {tier: web}")))
        both = normalise.normalise(one(container.format(", labels: {tier: web}", ", labels: {tier: web}")))
        assert above == below == both
        assert isinstance(above, model.ContainerDoc)
        assert above.metadata.labels == above.spec.labels == {"tier": "web"}
        shown = plain.to_builtins(above)
        assert shown["metadata"] == {"name": "a", "labels": {"tier": "web"}}
        assert "labels" not in shown["spec"]
        [problem] = problems(container.format(", labels: {tier: web}", ", labels: {tier: db}"))
        assert "spec.labels: differs from metadata.labels (leave it out)" in problem

    def test_yaml_and_json_have_the_same_content(self) -> None:
        doc = normalise.normalise(one(CELL))
        assert yaml.safe_load(manifest.dump(doc)) == json.loads(json.dumps(manifest.to_builtins(doc)))

    def test_streams_have_separators_and_a_stable_order(self) -> None:
        text = manifest.dump([one("kind: Realm\nmetadata: {name: a}"), one(CELL)])
        assert text == (
            "apiVersion: v1beta1\nkind: Realm\nmetadata:\n  name: a\n---\n"
            "apiVersion: v1beta1\nkind: Cell\nmetadata:\n  name: web\nspec:\n  realmId: default\n  spaceId: default\n"
            "  stackId: default\n  containers:\n  - id: main\n    image: busybox\n"
        )


EMPTY_CELL = """\
kind: Cell
metadata: {name: web}
spec: {realmId: r, spaceId: s, stackId: t%s}
"""


@pytest.mark.parametrize("containers", ["", ", containers: ~"])
def test_a_cell_without_containers_is_hardly_meant(containers: str) -> None:
    with pytest.raises(errors.InvalidManifest) as raised:
        manifest.parse(EMPTY_CELL % containers)
    assert [(each.path, each.message) for each in raised.value.problems] == [("spec.containers", "is required")]


def test_a_cell_may_be_empty_when_that_is_said() -> None:
    [document] = manifest.parse(EMPTY_CELL % ", containers: []")
    assert isinstance(document.doc, model.CellDoc)
    assert document.doc.spec.containers == ()
    [again] = manifest.parse(manifest.dump(document.doc))
    assert again.doc == document.doc
