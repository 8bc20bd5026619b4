"""`kuke refresh`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from kukeon_api import model

if TYPE_CHECKING:
    from memory_client import MemoryClient

    from conftest import Kuke


def test_counts_and_the_first_names(kuke: Kuke, memory: MemoryClient) -> None:
    for number in range(7):
        memory.put(model.Ref("default", "default", "default", f"c{number}"))
    lines = kuke("refresh").out.splitlines()
    assert lines[:2] == ["Refreshed statuses", "Realms: 1 (default)"]
    place = "default/default/default"
    assert lines[4] == f"Cells: 7 ({place}/c0, {place}/c1, {place}/c2, {place}/c3, {place}/c4, ...)"
    assert lines[6:] == ["Updated: (none)", "Errors: (none)"]


@pytest.mark.parametrize("output", ["table", "wide", "yaml", "json", "name"])
def test_what_could_not_be_told_is_an_error_in_each_format(kuke: Kuke, memory: MemoryClient, output: str) -> None:
    memory.answers["refresh_all"] = [
        model.RefreshAllResult(
            realms_found=("a", "b"), realms_updated=("a",), errors=("realm 'b': cannot read its metadata",)
        )
    ]
    result = kuke("refresh", "-o", output)
    assert result.code == 9
    assert "cannot read its metadata" in result.out + result.err
    match output:
        case "table":
            assert "Updated:\n  Realms: 1 (a)\nErrors:\n  realm 'b'" in result.out
        case "json":
            assert json.loads(result.out)["realmsUpdated"] == ["a"]
        case "name":
            assert result.out == "realm/a\nrealm/b\n"
