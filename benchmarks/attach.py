#!/usr/bin/env python3
"""How soon a person who types `kuke attach` has a prompt, at a real terminal, beside `kuke get cells` in the same run.

The shell answers a line that is typed at once, in words that nobody typed: what is measured ends when the program
itself was reached and has answered. The replay of what it wrote before, which comes first, is told on its own.
"""

import statistics
import subprocess
import time

import measuring

from kuketest import manifests
from kuketest.instance import Instance
from kuketest.pseudo_terminal import terminal

ROUNDS = 20
WARM_UP = 2
GOAL_MS = 100
PROMPT = b"/ # "
DETACH = b"\x1d\x1d"


def attach(instance: Instance, number: int) -> tuple[float, float]:
    """Seconds from the command to the prompt, and to the answer to a line that was typed before anything came."""
    command = [str(instance.programs / "kuke"), "attach", "shell"]
    began = time.perf_counter()
    with terminal(command, instance.environment(), str(instance.home)) as screen:
        screen.shows(b"Attached to")
        screen.shows(PROMPT)
        prompt = time.perf_counter() - began
        # Its sum is in no echo of it.
        screen.type(f"echo $(({number} + 1000000))\r".encode())
        screen.shows(str(number + 1000000).encode())
        answer = time.perf_counter() - began
        screen.type(DETACH)
        assert screen.ends() == 0
    return prompt, answer


def listing(instance: Instance) -> float:
    began = time.perf_counter()
    subprocess.run(
        [str(instance.programs / "kuke"), "get", "cells"],
        env=instance.environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        check=True,
    )
    return time.perf_counter() - began


def main() -> None:
    with measuring.image_archive() as archive, measuring.instance() as instance:
        instance.start()
        instance.kuke("image", "load", str(archive))
        shell = manifests.container("main", "") | {"command": "/bin/sh", "args": [], "attachable": True}
        instance.apply(manifests.cell("shell", shell))
        listings, prompts, answers = [], [], []
        for number in range(-WARM_UP, ROUNDS):
            listed = listing(instance)
            prompt, answer = attach(instance, number + WARM_UP)
            if number >= 0:
                listings.append(listed)
                prompts.append(prompt)
                answers.append(answer)
        measuring.line("kuke get cells", measuring.milliseconds(listings))
        measuring.line("kuke attach, to the prompt", measuring.milliseconds(prompts))
        measuring.line("kuke attach, to the answer of the program", measuring.milliseconds(answers))
        longer = (statistics.median(prompts) - statistics.median(listings)) * 1000
        measuring.verdict("prompt later than the list of cells, medians", longer, GOAL_MS, " ms")
        longer = (statistics.median(answers) - statistics.median(listings)) * 1000
        measuring.verdict("answer later than the list of cells, medians", longer, GOAL_MS, " ms")


if __name__ == "__main__":
    main()
