"""Memory goes back to the kernel: seen in a process of its own, whose heap nobody else has a part of."""

import subprocess
import sys

PROGRAM = """
import os
import pathlib

from kukeon_runner.host import freed_memory

def resident() -> int:
    return int(pathlib.Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")

# One larger than all others was there before, and something small and lasting lies between them.
largest = bytes(8 << 20)
del largest
before, pieces, small = resident(), [], []
with freed_memory.given_back():
    for number in range(64):
        pieces.append(b"x" * (1 << 20))
        small.append(bytearray(2000))
    pieces.clear()
print(resident() - before)
"""


def test_what_was_freed_between_things_that_last_goes_back():
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 4 << 20
