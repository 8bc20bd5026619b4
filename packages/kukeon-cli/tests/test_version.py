"""`kuke version`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from kukeon_api import errors

if TYPE_CHECKING:
    from memory_client import MemoryClient

    from conftest import Kuke


def test_version(kuke: Kuke, memory: MemoryClient) -> None:
    assert kuke("version").out == "Client: 0.1.0\nDaemon: 0.1.0\n"
    assert kuke("--version").out == "0.1.0\n"
    memory.trouble["ping"] = [errors.Unavailable("cannot reach kukeond")]
    result = kuke("version", "-o", "json")
    assert (result.code, json.loads(result.out)["daemon"]) == (0, None)
