#!/usr/bin/env python3
"""Applying what is there already: 500 documents on a host in memory, and what looking at a real cell adds."""

import statistics
import time
from collections.abc import Callable

import engine
import measuring
import yaml

import kukeon_sdk
from kukeon_api import manifest, model
from kuketest import manifests

DOCUMENTS = 500
GOAL_MS = 1000.0
FEW, MANY = 10, 50
ROUNDS = 7


def documents() -> list[model.Doc]:
    """Ten spaces, twenty stacks, and cells with two workloads each."""
    spaces = [f"space-{number}" for number in range(10)]
    stacks = [(space, name) for space in spaces for name in ("front", "back")]
    docs: list[model.Doc] = []
    for name in spaces:
        docs.append(model.SpaceDoc(metadata=model.Metadata(name=name), spec=model.SpaceSpec(realm_id="default")))
    for space, name in stacks:
        spec = model.StackSpec(realm_id="default", space_id=space)
        docs.append(model.StackDoc(metadata=model.Metadata(name=name), spec=spec))
    for number in range(DOCUMENTS - len(docs)):
        space, stack = stacks[number % len(stacks)]
        docs.append(engine.wanted_cell(number, space, stack))
    return docs


def timed(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def apply(client: kukeon_sdk.Client, text: bytes) -> None:
    actions = {each.action for each in client.apply_documents(text).resources}
    assert actions == {model.ApplyAction.UNCHANGED}, actions


def in_memory() -> float:
    text = manifest.dump(documents()).encode()
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    floors, parses, applies = [], [], []
    with (
        engine.run_path() as run_path,
        engine.running(run_path) as socket,
        kukeon_sdk.dial(f"unix://{socket}") as client,
    ):
        client.apply_documents(text)
        for _ in range(ROUNDS):
            floors.append(timed(lambda: list(yaml.load_all(text, Loader=loader))))
            parses.append(timed(lambda: manifest.parse(text)))
            applies.append(timed(lambda: apply(client, text)))
    floor, middle = statistics.median(floors), statistics.median(applies)
    measuring.line("libyaml into plain dicts", measuring.milliseconds(floors))
    measuring.line("parsed, checked, every problem found", measuring.milliseconds(parses))
    measuring.line(f"{DOCUMENTS} documents, unchanged, in memory", measuring.milliseconds(applies))
    measuring.line("ratios: parsing, applying", f"{statistics.median(parses) / floor:7.1f}, {middle / floor:.1f}")
    return middle


def on_this_host() -> float:
    """What one more running cell adds to an apply of all cells that there are."""
    with measuring.image_archive() as archive, measuring.instance() as instance:
        instance.start()
        instance.kuke("image", "load", str(archive))
        middles = []
        with instance.client() as client:
            for count in (FEW, MANY):
                text = manifests.many(*(manifests.sleeper(f"cell-{number}") for number in range(count))).encode()
                client.apply_documents(text)
                instance.remember_shims()
                times = [timed(lambda: apply(client, text)) for _ in range(2 * ROUNDS)]  # noqa: B023 - called at once
                measuring.line(f"{count} running cells, unchanged", measuring.milliseconds(times))
                middles.append(statistics.median(times))
    few, many = middles
    each = (many - few) / (MANY - FEW)
    measuring.line("one running cell more", f"{each * 1000:7.2f} ms")
    return each


def main() -> None:
    whole = in_memory()
    measuring.verdict("500 documents in memory, median", whole * 1000, GOAL_MS, " ms")
    each = on_this_host()
    measuring.verdict("500 running cells, by what one more adds", each * DOCUMENTS * 1000, GOAL_MS, " ms")


if __name__ == "__main__":
    main()
