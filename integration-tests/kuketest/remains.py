"""What the cells of an instance have on the host, so told that one life of a cell can be compared with the next."""

import re
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from kuketest import traces

if TYPE_CHECKING:
    from kuketest.instance import Instance

# What differs each time: addresses, names of interfaces, numbers of rules.
_PASSING = re.compile(r"\d+\.\d+\.\d+\.\d+|veth\w+|# handle \d+")

_NAMELESS = ("ports", "addresses", "shims")
"""Traces whose names are new each time, so that only their number can be compared."""


def of(instance: "Instance") -> dict[str, Counter[str]]:
    """What there is, by kind; equal for equal states."""
    runtime = traces.runtime_directory(instance)
    bridges = traces.bridges(instance)
    rules = (line.strip() for line in traces.ruleset().splitlines() if traces.mentions(line, instance, bridges))
    found = {what: Counter(names) for what, names in traces.of_cells(instance).items()}
    for what in _NAMELESS:
        found[what] = Counter({"": found[what].total()})
    return found | {
        "mounts": Counter(traces.mounts(instance)),
        "nft": Counter(_PASSING.sub("_", rule) for rule in rules),
        "terminals": Counter(path.name for path in runtime.glob("tty/*")),
        "programs": Counter(path.name for path in runtime.glob("exec/*")),
        "hosts": Counter(_hosts(instance)),
        "half written": Counter(str(path) for path in instance.run_path.glob("data/**/.[md]*-*")),
        "processes": Counter(_name(pid) for pid, _ in traces.processes(instance)),
    }


def differences(found: dict[str, Counter[str]], wanted: dict[str, Counter[str]]) -> dict[str, str]:
    """What `found` has more and less than `wanted`, by kind; empty when they are equal."""
    told = {}
    for what, has in found.items():
        more, less = has - wanted[what], wanted[what] - has
        if more or less:
            told[what] = f"more: {dict(more)}, less: {dict(less)}"
    return told


def _name(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""


def _hosts(instance: "Instance") -> list[str]:
    """The lines of all cells' hosts files."""
    return [
        f"{path}: {_PASSING.sub('_', line)}"
        for path in instance.run_path.glob("data/*/*/*/*/.etc-hosts")
        for line in path.read_text().splitlines()
    ]
