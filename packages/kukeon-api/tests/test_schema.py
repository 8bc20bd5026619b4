"""JSON Schemas and explanations: that they are the model's, and agree with what `manifest.parse` says."""

from __future__ import annotations

import contextlib
import copy
import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from kukeon_api import errors, manifest, model, normalise, plain, schema, schema_source, testing, unsupported
from kukeon_api.fields import fields_of

TOP = Path(__file__).parents[3]


def validator(kind: str) -> jsonschema.Draft202012Validator:
    return jsonschema.Draft202012Validator(schema.json_schema(kind))


VALIDATORS = {kind: validator(kind) for kind in schema.TYPES}


def complaints(document: Any) -> list[str]:
    return [each.json_path for each in VALIDATORS[document["kind"]].iter_errors(document)]


@pytest.mark.parametrize("kind", schema.TYPES)
def test_the_files_are_what_the_model_says(kind: str) -> None:
    assert schema.json_schema(kind) == json.loads(json.dumps(schema_source.build(kind)))


@pytest.mark.parametrize("kind", schema.TYPES)
def test_they_are_schemas(kind: str) -> None:
    found = schema.json_schema(kind)
    jsonschema.Draft202012Validator.check_schema(found)
    assert found["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert found["title"] == kind


@pytest.mark.parametrize("kind", schema.TYPES)
def test_every_field_is_described(kind: str) -> None:
    def walk(node: dict[str, Any], path: str) -> None:
        for name, each in node.get("properties", {}).items():
            here = f"{path}.{name}"
            assert each["description"].endswith("."), here
            assert each["description"][0].isupper(), here
            assert "`_" not in each["description"], here
            walk(each.get("items", each), here)

    walk(schema.json_schema(kind), kind)


@settings(max_examples=150)
@given(testing.documents)
def test_good_documents_are_valid(doc: model.Doc) -> None:
    assert complaints(plain.to_builtins(doc)) == []
    assert complaints(plain.to_builtins(normalise.normalise(doc))) == []


@settings(max_examples=50)
@given(doc=testing.cells(), status=testing.any_model(model.CellStatus))
def test_what_get_prints_is_valid(doc: model.CellDoc, status: model.CellStatus) -> None:
    whole = plain.to_builtins(doc) | {"status": plain.to_builtins(status)}
    assert complaints(whole) == []


def manifests() -> list[Path]:
    return sorted((TOP / "examples").rglob("*.yaml"))


@pytest.mark.skipif(not (TOP / "examples").is_dir(), reason="the package is tested without its repository")
def test_the_examples_are_valid() -> None:
    assert manifests()
    for path in manifests():
        for document in yaml.safe_load_all(path.read_text()):
            assert complaints(document) == [], path.name


CELL = {
    "kind": "Cell",
    "metadata": {"name": "web"},
    "spec": {"realmId": "r", "spaceId": "s", "stackId": "t", "containers": [{"id": "a", "image": "busybox"}]},
}
REALM = {"kind": "Realm", "metadata": {"name": "r"}}
SPACE = {"kind": "Space", "metadata": {"name": "s"}, "spec": {"realmId": "r"}}
CONTAINER = {
    "kind": "Container",
    "metadata": {"name": "a"},
    "spec": {"realmId": "r", "spaceId": "s", "stackId": "t", "cellId": "c", "image": "busybox"},
}
GONE = object()


def changed(document: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    whole: Any = copy.deepcopy(document)
    *steps, last = [int(step) if step.isdecimal() else step for step in path.split(".")]
    holder = whole
    for step in steps:
        holder = holder[step] if isinstance(step, int) else holder.setdefault(step, {})
    if value is GONE:
        del holder[last]
    else:
        holder[last] = value
    return dict(whole)


@pytest.mark.parametrize("document", [CELL, REALM, SPACE, CONTAINER], ids=lambda each: str(each["kind"]))
def test_these_are_good(document: dict[str, Any]) -> None:
    assert complaints(document) == []
    assert manifest.parse(json.dumps(document))


@pytest.mark.parametrize(
    ("document", "path", "value"),
    [
        (CELL, "apiVersion", "v1"),
        (CELL, "metadata", GONE),
        (CELL, "metadata.name", GONE),
        (CELL, "metadata.name", "A_b"),
        (CELL, "metadata.name", "a" * 64),
        (CELL, "metadata.generation", -1),
        (CELL, "metadata.lables", {}),
        (CELL, "metadata.labels", {"a b": "c"}),
        (CELL, "spec", GONE),
        (CELL, "spec.realmId", GONE),
        (CELL, "spec.stackId", ""),
        (CELL, "spec.containers", GONE),
        (CELL, "spec.autoDelete", "true"),
        (CELL, "spec.containers.0.id", GONE),
        (CELL, "spec.containers.0.id", "../a"),
        (CELL, "spec.containers.0.image", GONE),
        (CELL, "spec.containers.0.image", ""),
        (CELL, "spec.containers.0.imgae", "x"),
        (CELL, "spec.containers.0.args", "x"),
        (CELL, "spec.containers.0.env", ["A"]),
        (CELL, "spec.containers.0.ports", ["80"]),
        (CELL, "spec.containers.0.restartPolicy", "sometimes"),
        (CELL, "spec.containers.0.repos", ["x"]),
        (CELL, "spec.containers.0.devices", "/dev/x"),
        (CELL, "spec.containers.0.tty", {"logFile": "/x"}),
        (CELL, "spec.containers.0.volumes", [{"source": "/a"}]),
        (CELL, "spec.containers.0.volumes", [{"source": "/a", "target": "b"}]),
        (CELL, "spec.containers.0.volumes", [{"kind": "nfs", "source": "/a", "target": "/b"}]),
        (CELL, "spec.containers.0.volumes", [{"kind": "tmpfs", "target": "/b", "mode": 0o10000}]),
        (CELL, "spec.containers.0.tmpfs", [{}]),
        (CELL, "spec.containers.0.resources", {"memoryLimitBytes": -1}),
        (CELL, "spec.containers.0.resources", {"memoryLimitBytes": 2**63}),
        (CELL, "spec.containers.0.resources", {"cpuShares": 300000}),
        (CELL, "spec.containers.0.labels", {"": "x"}),
        (REALM, "spec.registryCredentials", [{"password": "x"}]),
        (REALM, "spec.registryCredentials", [{"username": "a:b"}]),
        (SPACE, "spec.realmId", GONE),
        (SPACE, "spec.network", {"egress": {"default": "maybe"}}),
        (SPACE, "spec.network", {"egress": {"allow": [{"cidr": "10.0.0.0/8", "ports": [0]}]}}),
        (SPACE, "spec.defaults", {"container": {"resources": {"pidsLimit": "many"}}}),
        (CONTAINER, "spec.cellId", GONE),
        (CONTAINER, "spec.image", GONE),
        (CONTAINER, "spec.secrets", [{"fromFile": "/x"}]),
        (CONTAINER, "spec.secrets", [{"name": "x", "fromFile": "x"}]),
    ],
)
def test_what_the_rules_refuse_the_schema_refuses(document: dict[str, Any], path: str, value: object) -> None:
    wrong = changed(document, path, value)
    assert complaints(wrong)
    with pytest.raises(errors.InvalidManifest):
        manifest.parse(json.dumps(wrong))


@pytest.mark.parametrize(
    ("document", "path", "value"),
    [
        (CELL, "status", {"invented": [1]}),
        (CELL, "metadata.generation", 7),
        (CELL, "spec.autoDelete", True),
        (CELL, "spec.tty", {}),
        (CELL, "spec.containers.0.containerdId", "x"),
        (CELL, "spec.containers.0.restartPolicy", "on-failure"),
        (CELL, "spec.containers.0.ports", []),
        (CELL, "spec.containers.0.tty", {"prompt": ""}),
        (CELL, "spec.containers.0.user", ""),
        (SPACE, "spec.network", {"egress": {"default": "allow", "allow": []}}),
        (REALM, "spec.registryCredentials", [{"username": "a", "serverAddress": "quay.io"}]),
    ],
)
def test_what_says_nothing_that_is_refused_is_valid(document: dict[str, Any], path: str, value: object) -> None:
    right = changed(document, path, value)
    assert complaints(right) == []
    assert manifest.parse(json.dumps(right))


@settings(max_examples=100)
@given(doc=testing.documents, data=st.data())
def test_a_field_of_another_type_is_refused_by_both(doc: model.Doc, data: st.DataObject) -> None:
    whole = plain.to_builtins(doc)
    spec = whole.get("spec")
    if not spec:
        return
    name = data.draw(st.sampled_from(sorted(spec)))
    wrong = changed(whole, f"spec.{name}", {"neither": ["this"]} if isinstance(spec[name], list) else [["nor", "that"]])
    assert complaints(wrong)
    with pytest.raises(errors.InvalidManifest):
        manifest.parse(json.dumps(wrong))


def test_settings() -> None:
    server = {"kind": "ServerConfiguration", "spec": {"runPath": "/opt/kukeon", "socketGID": 7, "logLevel": "debug"}}
    assert complaints(server) == []
    assert complaints(changed(server, "spec.logLevel", "loud"))
    assert complaints(changed(server, "spec.containerd", "docker"))
    assert complaints(changed(server, "spec.runPaht", "/x"))
    assert list(VALIDATORS["ClientConfiguration"].iter_errors({})) == []


class TestExplain:
    def test_a_kind(self) -> None:
        found = schema.explain("cell")
        assert (found.path, found.type, found.required, found.supported) == ("Cell", "object", True, True)
        assert found.description == "A cell: containers that share an address, a host name and a life."
        assert [field.name for field in found.fields] == ["apiVersion", "kind", "metadata", "spec", "status"]
        assert [field.required for field in found.fields] == [False, True, True, True, False]
        assert [field.set_by_server for field in found.fields] == [False, False, False, False, True]
        assert all(field.fields == () for field in found.fields)

    def test_a_list_of_objects_has_their_fields(self) -> None:
        found = schema.explain("cell.spec.containers")
        assert (found.type, found.required) == ("list of objects", True)
        names = {field.name: field for field in found.fields}
        assert names.keys() == {field.paper for field in fields_of(model.ContainerSpec)}
        assert names["image"].required
        assert names["args"].type == "list of strings"
        assert names["labels"].type == "map of strings"
        assert names["containerdId"].set_by_server
        assert names["ports"].supported
        assert names["root"].default == "false"
        assert schema.explain("Cell.spec.containers[0].image") == schema.explain("CELL.spec.containers[].image")

    def test_words_defaults_and_times(self) -> None:
        kind = schema.explain("container.spec.volumes.kind")
        assert (kind.values, kind.default, kind.type) == (("bind", "tmpfs"), "bind", "string")
        assert schema.explain("cell.status.createdAt").type == "time"
        assert schema.explain("cell.status.createdAt").set_by_server
        assert schema.explain("realm.spec.registryCredentials.username").required

    @pytest.mark.parametrize("kind", unsupported.FIELDS)
    def test_the_table_of_unsupported_fields_is_told(self, kind: str) -> None:
        for refused in unsupported.FIELDS[kind]:
            assert not schema.explain(f"{kind}.{refused.path}").supported

    @pytest.mark.parametrize("kind", schema.TYPES)
    def test_every_field_can_be_asked_for(self, kind: str) -> None:
        todo = [schema.explain(kind)]
        while todo:
            found = todo.pop()
            assert found.description
            todo += [schema.explain(field.path) for field in found.fields]

    @pytest.mark.parametrize(
        ("path", "message", "hint"),
        [
            ("", "there is no kind ''", "kinds are Realm, Space"),
            ("cel", "there is no kind 'cel'", 'did you mean "Cell"?'),
            ("cell.spec.containrs", "Cell.spec has no field 'containrs'", 'did you mean "cell.spec.containers"?'),
            ("cell.spec.qqq", "Cell.spec has no field 'qqq'", "its fields are id, realmId"),
            ("cell.spec.id.x", "Cell.spec.id has no fields", "try kuke explain cell.spec.id"),
            ("cell.spec.containers.repos", "repos of Cell.spec.containers is not supported yet", ""),
            (
                "cell.spec.containers.secrets.secretRef",
                "secretRef of Cell.spec.containers.secrets is not supported yet",
                "",
            ),
        ],
    )
    def test_what_there_is_not(self, path: str, message: str, hint: str) -> None:
        with pytest.raises(errors.Invalid) as caught:
            schema.explain(path)
        assert message in str(caught.value)
        assert caught.value.hint.startswith(hint)

    @given(st.text(max_size=50))
    def test_any_text_is_explained_or_invalid(self, path: str) -> None:
        with contextlib.suppress(errors.Invalid):
            assert schema.explain(path).description


def test_a_field_without_a_text_is_found() -> None:
    class Bare(model.Model):
        name: str = ""

    with pytest.raises(LookupError, match="Bare: no text below name"):
        schema_source.descriptions(Bare)
