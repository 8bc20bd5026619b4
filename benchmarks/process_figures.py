"""What processes take of memory and of the processor, as proc(5) tells it."""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

TICKS_PER_S = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Memory:
    """Megabytes of a process. PSS counts a page that several share by its part for this one."""

    rss_mb: float
    pss_mb: float
    private_mb: float

    def __str__(self) -> str:
        return f"RSS {self.rss_mb:.1f} MB, PSS {self.pss_mb:.1f} MB, private {self.private_mb:.1f} MB"


def memory(pid: int) -> Memory:
    rows = {}
    for row in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]:
        name, value = row.split(":")
        rows[name] = int(value.split()[0]) * 1024 / 1e6
    return Memory(rows["Rss"], rows["Pss"], rows["Private_Clean"] + rows["Private_Dirty"])


def used_s(pid: int) -> float:
    """Processor seconds of a process with all its threads, in user and system mode; without its children."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_PER_S


def switches(pid: int) -> int:
    """How often the threads of a process gave the processor up to wait: each wake-up ends in one."""
    count = 0
    for path in Path(f"/proc/{pid}/task").glob("*/status"):
        rows = path.read_text().splitlines()
        count += sum(int(row.split()[1]) for row in rows if row.startswith("voluntary_ctxt_switches"))
    return count


def pids(words: Iterable[str]) -> list[int]:
    """The processes whose command line has all of `words`."""
    found = []
    for directory in Path("/proc").iterdir():
        if directory.name.isdigit():
            try:
                command = (directory / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            except (FileNotFoundError, ProcessLookupError):
                continue
            if all(word in command for word in words):
                found.append(int(directory.name))
    return found
