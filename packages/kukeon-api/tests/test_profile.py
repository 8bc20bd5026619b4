"""Profiles: which values their parameters get, where these go, and everything that is wrong with either."""

from __future__ import annotations

import jsonschema
import pytest
import yaml

from kukeon_api import errors, labels, manifest, model, names, plain, profile, rules, schema

HEAD = "kind: CellProfile\nmetadata: {name: dev}\n"


def cell(
    body: str, given: dict[str, str] | None = None, *, environ: dict[str, str] | None = None, name: str = ""
) -> model.CellDoc:
    values = [profile.Given(key, value) for key, value in (given or {}).items()]
    return profile.load(HEAD + body, "dev.yaml").cell(values, environ=environ or {}, name=name)


def spec(parameters: str, container: str = "") -> str:
    return (
        f"spec:\n  parameters: [{parameters}]\n"
        f"  cell: {{containers: [{{id: main, image: busybox{', ' if container else ''}{container}}}]}}\n"
    )


def complaints(body: str, given: dict[str, str] | None = None) -> list[str]:
    with pytest.raises(errors.ProfileInvalid) as raised:
        cell(body, given)
    return [str(each).removeprefix("dev.yaml:").replace('CellProfile "dev": ', "") for each in raised.value.problems]


def argument(parameters: str, given: dict[str, str] | None = None, environ: dict[str, str] | None = None) -> str:
    made = cell(spec(parameters, 'args: ["<${X}>"]'), given, environ=environ)
    return made.spec.containers[0].args[0]


@pytest.mark.parametrize(
    ("parameter", "given", "environ", "value"),
    [
        ("{name: X}", {}, {}, "<>"),
        ("{name: X}", {"X": "given"}, {}, "<given>"),
        ("{name: X, default: d}", {}, {}, "<d>"),
        ("{name: X, default: ''}", {}, {"X": "e"}, "<>"),
        ("{name: X, default: d, required: true}", {}, {}, "<d>"),
        ("{name: X, default: d}", {"X": ""}, {}, "<>"),
        ("{name: X, default: d, fromEnv: E}", {}, {"E": "e"}, "<d>"),
        ("{name: X, fromEnv: E, required: true}", {}, {"E": "e"}, "<e>"),
        ("{name: X, fromEnv: E, required: true}", {}, {"E": ""}, "<>"),
        ("{name: X, fromEnv: E}", {}, {}, "<>"),
        ("{name: X, fromEnv: E}", {"X": "given"}, {"E": "e"}, "<given>"),
    ],
)
def test_where_a_value_comes_from(parameter: str, given: dict[str, str], environ: dict[str, str], value: str) -> None:
    assert argument(parameter, given, environ) == value


def test_a_variable_of_the_same_name_changes_nothing_until_the_parameter_says_so() -> None:
    assert argument("{name: X}", environ={"X": "from outside"}) == "<>"
    words = complaints(spec("{name: X, required: true, description: the thing}", "args: ['${X}']"))
    assert words == ["4: spec.parameters[0]: the parameter 'X' (the thing) has no value (pass --param X=VALUE)"]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("${A}${B}", "ab"),
        ("$A ${A}", "$A a"),
        ("${BAD-NAME} ${}", "${BAD-NAME} ${}"),
        ("$${A}", "$a"),
        ("${C}", "${A}"),
    ],
)
def test_substitution_is_one_pass_over_references(text: str, value: str) -> None:
    parameters = "{name: A, default: a}, {name: B, default: b}, {name: C, default: '${A}'}"
    assert cell(spec(parameters, f"args: ['{text}']")).spec.containers[0].args == (value,)


def test_values_become_what_the_field_is() -> None:
    body = spec(
        "{name: N, default: '5'}, {name: T, default: 'yes'}, {name: NONE}, {name: WORD, default: 'null'}",
        "resources: {pidsLimit: '${N}'}, readOnlyRootFilesystem: \"${T}\", user: '${NONE}', command: '${WORD}'",
    )
    made = cell(body).spec.containers[0]
    assert made.resources == model.Resources(pids_limit=5)
    assert (made.read_only_root_filesystem, made.user, made.command) == (True, None, "null")


def test_an_empty_value_is_an_item_of_a_list_and_leaves_a_field_out() -> None:
    made = cell(spec("{name: E}", "args: ['${E}', b], user: '${E}'")).spec.containers[0]
    assert (made.args, made.user) == (("", "b"), None)


def test_keys_and_declarations_stay_and_labels_do_not() -> None:
    body = (
        "spec:\n  parameters: [{name: A, default: a, description: 'like ${B}'}]\n"
        "  cell: {containers: [{id: main, image: busybox, labels: {'${A}': '${A}'}}]}\n"
    )
    assert [each.split(": ", 1)[1] for each in complaints(body)] == [
        "spec.cell.containers[0].labels.${A}: a label's key is letters, digits and -_./, beginning and ending with a"
        " letter or digit"
    ]
    assert cell(body.replace("'${A}':", "a:")).spec.containers[0].labels == {"a": "a"}


def test_aliases_and_merges_are_filled_too() -> None:
    body = (
        "spec:\n  parameters: [{name: A, default: a}]\n  cell:\n    containers:\n"
        "    - &first {id: one, image: busybox, command: '${A}'}\n"
        "    - {<<: *first, id: two}\n"
    )
    assert [each.command for each in cell(body).spec.containers] == ["a", "a"]


def test_what_a_cell_of_a_profile_is() -> None:
    body = (
        "spec:\n  prefix: box\n  realm: lab\n  parameters: [{name: S, default: blue}]\n  space: ${S}\n"
        "  cell: {containers: [{id: a, image: b}, {id: c, image: d, env: [KUKEON_CELL_PROFILE_NAME=mine]}]}\n"
    )
    made = cell(body)
    assert made.metadata.name.startswith("box-")
    assert len(made.metadata.name) == len("box-") + 6
    assert made.metadata.labels == {labels.PROFILE: "dev"}
    assert model.ref_of(made).parts[:3] == ("lab", "blue", "default")
    assert [each.env for each in made.spec.containers] == [
        ("KUKEON_CELL_PROFILE_NAME=dev",),
        ("KUKEON_CELL_PROFILE_NAME=mine",),
    ]
    assert rules.problems(made) == ()
    assert manifest.parse(manifest.dump(made))
    assert cell(body).metadata.name != made.metadata.name
    assert cell(body, name="web").metadata.name == "web"


def test_flags_say_the_place_where_the_profile_does_not() -> None:
    found = profile.load(HEAD + "spec: {space: blue, cell: {containers: []}}", "x")
    made = found.cell(parents={"realm": "lab", "space": "red"})
    assert model.ref_of(made).parts[:3] == ("lab", "blue", "default")


def test_everything_that_is_wrong_at_once() -> None:
    body = """\
spec:
  prefix: BOX
  foo: 1
  parameters:
    - {name: TEAM, default: red}
    - {name: N, required: true}
    - {name: N}
    - {name: 9x}
    - {nme: 9x}
  cell:
    id: foo
    realmId: lab
    containers:
      - id: main
        imgae: "${TEEM}"
        resources:
          pidsLimit: "${N}"
          cpuShares: "${TEAM}"
"""
    lines = [each.split(": ") for each in complaints(body, {"TEEM": "x"})]
    assert [(each[0], each[1]) for each in lines] == [
        ("--param", "'TEEM' is no parameter of profile 'dev' (did you mean \"TEAM\"?)"),
        ("4", "spec.prefix"),
        ("5", "spec.foo"),
        ("8", "spec.parameters[1]"),
        ("9", "spec.parameters[2].name"),
        ("10", "spec.parameters[3].name"),
        ("11", "spec.parameters[4].nme"),
        ("13", "spec.cell.id"),
        ("14", "spec.cell.realmId"),
        ("17", "spec.cell.containers[0].imgae"),
        ("20", "spec.cell.containers[0].resources.cpuShares"),
    ]


def test_a_reference_that_is_not_declared_is_told_with_the_one_that_was_meant() -> None:
    (words,) = complaints(spec("{name: TEAM}", "args: ['${TAEM}']"))
    assert words == (
        '5: spec.cell.containers[0].args[0]: ${TAEM} is no parameter of the profile (did you mean "${TEAM}"?)'
    )


def test_a_value_of_the_wrong_type_is_told_where_it_goes() -> None:
    (words,) = complaints(spec("{name: N}", "resources: {pidsLimit: '${N}'}"), {"N": "many"})
    assert words == "5: spec.cell.containers[0].resources.pidsLimit: 'many' is not a whole number"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "there is no document in it"),
        ("a: [", "is not YAML"),
        ("kind: Cell\nmetadata: {name: dev}", "kind: is 'Cell', not CellProfile"),
        ("metadata: {name: dev}", "kind: is required"),
        ("kind: CellProfile", "metadata.name: is required"),
        ("kind: CellProfile\nmetadata: {name: '${A}'}", "metadata.name: '${A}' is not a name"),
        ("kind: CellProfile\napiVersion: v2\nmetadata: {name: a}", "unsupported apiVersion 'v2'"),
        ("- kind: CellProfile", "a document must be a mapping"),
        (f"{HEAD}spec: {{cell: {{containers: []}}}}\n---\nkind: Cell", "a file has one profile only"),
        (HEAD, "spec.cell: is required"),
        (f"{HEAD}spec: {{cell: ~}}", "spec.cell: is required"),
        (f"{HEAD}spec: {{cell: []}}", "spec.cell: must be a mapping"),
        (f"{HEAD}spec: {{cell: {{}}}}", "spec.cell.containers: is required"),
        (
            f"{HEAD}spec: {{realm: kuke-system, cell: {{containers: []}}}}",
            "spec.realm: realm 'kuke-system' is reserved",
        ),
        (f"{HEAD}spec: {{prefix: {'x' * 57}, cell: {{containers: []}}}}", "is too long for what names begin with"),
    ],
)
def test_what_is_no_profile(text: str, words: str) -> None:
    with pytest.raises(errors.ProfileInvalid) as raised:
        profile.load(text, "x.yaml").cell()
    assert any(words in str(each) for each in raised.value.problems), raised.value.problems
    assert raised.value.exit_code == 2


def test_aliases_that_grow_are_bounded() -> None:
    lines = ["a0: &a0 ['${A}']", *(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 9))]
    with pytest.raises(errors.ProfileInvalid, match="1 problem"):
        profile.load(HEAD + "\n".join(lines), "x")


def test_a_file_of_values() -> None:
    content = b"\xef\xbb\xbf# a comment\n\nA=1\r\nB= two=2 \nC=\n A=x\nnothing\n9=x\nD=\xff\n"
    found, problems = profile.values_in(content, "p.env")
    assert [(each.name, each.value, each.line) for each in found] == [("A", "1", 3), ("B", " two=2 ", 4), ("C", "", 5)]
    assert [str(each) for each in problems] == [
        "p.env:6: is not NAME=VALUE",
        "p.env:7: is not NAME=VALUE",
        "p.env:8: is not NAME=VALUE",
        "p.env:9: D: is not UTF-8",
    ]


def test_a_later_value_wins() -> None:
    found = profile.load(HEAD + spec("{name: X}", "command: '${X}'"), "x")
    made = found.cell([profile.Given("X", "file", "p.env", 1), profile.Given("X", "flag")])
    assert made.spec.containers[0].command == "flag"


def test_generated_names() -> None:
    assert names.is_name(names.generated("x" * 56))
    with pytest.raises(errors.InvalidName):
        names.generated("x" * 57)


def test_the_schema_takes_references_where_values_may_stand() -> None:
    validator = jsonschema.Draft202012Validator(schema.json_schema("CellProfile"))
    body = spec("{name: N}, {name: B, default: 'true'}", "resources: {pidsLimit: '${N}'}, root: '${B}', env: ['${N}']")
    assert list(validator.iter_errors(yaml.safe_load(HEAD + body))) == []
    for wrong in ("resources: {pidsLimit: many}", "root: perhaps", "realmId: [1]"):
        assert list(validator.iter_errors(yaml.safe_load(HEAD + spec("{name: N}", wrong))))
    with_id = yaml.safe_load(HEAD + "spec: {cell: {id: a, containers: []}}")
    assert [each.json_path for each in validator.iter_errors(with_id)] == ["$.spec.cell"]


def test_it_is_explained() -> None:
    found = schema.explain("cellprofile.spec.cell.containers.resources.pidsLimit")
    assert (found.type, found.supported) == ("integer", True)
    assert [each.name for each in schema.explain("CellProfile.spec.parameters").fields] == [
        "name",
        "description",
        "default",
        "required",
        "fromEnv",
    ]
    stated = {each.name for each in schema.explain("CellProfile.spec.cell").fields}
    assert stated == {each.name for each in schema.explain("Cell.spec").fields} - {
        "id",
        "realmId",
        "spaceId",
        "stackId",
    }


def test_apply_says_what_a_profile_is_for() -> None:
    with pytest.raises(errors.UnknownKind) as raised:
        manifest.parse(HEAD + spec(""), "x.yaml")
    (problem,) = raised.value.problems
    assert "kuke run -p" in problem.message
    assert plain.to_builtins(problem)["line"] == 1
