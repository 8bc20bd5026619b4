"""`kuke describe` of several resources; what is told of each is among the tests of events."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from kukeon_api import model

if TYPE_CHECKING:
    from memory_client import MemoryClient

    from conftest import Kuke


def test_several_are_described_one_below_the_other(kuke: Kuke, memory: MemoryClient) -> None:
    for name in ("web", "api"):
        memory.put(model.Ref("default", "default", "default", name))
    alone = [kuke("describe", "cell", name).out for name in ("web", "api")]
    result = kuke("describe", "cell", "web", "none", "api")
    assert (result.code, result.out) == (9, "\n".join(alone))
    found = json.loads(kuke("describe", "cell", "web", "none", "-o", "json").out)
    assert [each["resource"]["metadata"]["name"] for each in found] == ["web"]
