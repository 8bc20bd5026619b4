"""`kuke explain`: every kind and field can be looked up, by people and by programs."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
import yaml

from kukeon_api import schema

if TYPE_CHECKING:
    from conftest import Kuke


def test_all_kinds_are_listed(kuke: Kuke) -> None:
    assert [line.split()[0] for line in kuke("explain").out.splitlines()[: len(schema.TYPES)]] == list(schema.TYPES)
    assert [each["kind"] for each in json.loads(kuke("explain", "-o", "json").out)] == list(schema.TYPES)


@pytest.mark.parametrize("kind", list(schema.TYPES))
def test_a_kind_is_its_schema_for_programs(kuke: Kuke, kind: str) -> None:
    assert json.loads(kuke("explain", kind, "-o", "json").out) == schema.json_schema(kind)
    assert yaml.safe_load(kuke("explain", kind.lower(), "-o", "yaml").out) == schema.json_schema(kind)
    names = kuke("explain", kind, "--recursive", "-o", "name").out.split()
    assert f"{kind}.spec" in names
    for name in names:
        shown = kuke("explain", name)
        assert shown.code == 0
        assert shown.out.startswith(f"FIELD  {name} <")


def test_a_field_is_described(kuke: Kuke) -> None:
    out = kuke("explain", "cell.spec.containers").out
    assert out.splitlines()[0] == "FIELD  Cell.spec.containers <list of objects>  (required)"
    assert "\nFIELDS\n  id <string>" in out
    deep = kuke("explain", "cell", "--recursive").out
    assert "      image <string>  (required)" in deep.splitlines()
    assert "not supported yet" in kuke("explain", "cell.spec.containers").out
    value = json.loads(kuke("explain", "cell.spec.containers", "-o", "json").out)
    assert (value["path"], value["required"], value["supported"]) == ("Cell.spec.containers", True, True)


@pytest.mark.parametrize(
    ("path", "words"),
    [("cel", '"Cell"'), ("cell.spec.containrs", '"cell.spec.containers"'), ("cell.metadata.name.x", "hint:")],
)
def test_what_is_none_is_told_with_a_suggestion(kuke: Kuke, path: str, words: str) -> None:
    result = kuke("explain", path)
    assert (result.code, result.out) == (2, "")
    assert words in result.err
