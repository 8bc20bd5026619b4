"""Looking at an instance as somebody else than root: its group may, others may not."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from kukeon_runner import Options, instance
from kukeon_runner.testing.cells import cell, prepared
from kukeon_runner.testing.host import FakeHost

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.host

GROUP, OUTSIDER = 65533, 65534

LOOK = """
import asyncio, sys
from kukeon_api import errors, model
from kukeon_runner import Options, open_controller

async def look():
    async with open_controller(Options(run_path=sys.argv[1]), exclusive=False) as found:
        realm = model.RealmDoc(metadata=model.Metadata(name="default"))
        print(*(each.metadata.name for each in await found.list_cells()))
        got = await found.get_realm(realm)
        print(got.metadata_exists, got.containerd_namespace_exists, got.realm.spec.registry_credentials)
        try:
            await found.delete_realm(realm, False, True)
        except errors.Denied as error:
            print("denied:", error)

try:
    asyncio.run(look())
except errors.Denied as error:
    sys.exit(f"{error} ({error.hint})")
"""


@pytest.fixture
def run_path() -> Iterator[Path]:
    """A run path that belongs to GROUP, in a directory that everybody may pass."""
    with tempfile.TemporaryDirectory(prefix="kt-") as home:
        Path(home).chmod(0o755)
        path = Path(home, "run")
        instance.ensure_instance(Options(run_path=str(path), group_gid=GROUP))
        asyncio.run(_fill(path))
        yield path


async def _fill(path: Path) -> None:
    found = await prepared(FakeHost(), path, gid=GROUP)
    await found.create_cell(cell("hello"))


def _as(gid: int, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Python as OUTSIDER, and in group `gid` only."""
    # The interpreter of a virtual environment may have two names, of which one leads into somebody's home.
    for program in (sys.executable, f"{sys.prefix}/bin/python"):
        command = ["setpriv", f"--reuid={OUTSIDER}", f"--regid={gid}", "--clear-groups", program]
        tried = subprocess.run([*command, "-c", "import kukeon_runner"], capture_output=True, check=False, cwd="/")
        if tried.returncode == 0:
            return subprocess.run(
                [*command, *arguments], capture_output=True, text=True, timeout=60, check=False, cwd="/"
            )
    pytest.skip("needs a Python that others than root can run")


def look(run_path: Path, gid: int) -> subprocess.CompletedProcess[str]:
    return _as(gid, "-c", LOOK, str(run_path))


def test_the_group_reads_and_changes_nothing(run_path: Path) -> None:
    done = look(run_path, GROUP)
    assert (done.returncode, done.stderr) == (0, "")
    cells, realm, denied = done.stdout.splitlines()
    assert (cells, realm) == ("hello", "True False ()")
    assert denied.startswith("denied: cannot delete realm")


def test_others_are_told_why_they_may_not(run_path: Path) -> None:
    done = look(run_path, OUTSIDER)
    assert done.returncode == 1
    assert "permission denied" in done.stderr
    assert "run as root, or use the daemon" in done.stderr


def test_where_nothing_was_set_up_anybody_may_look(run_path: Path) -> None:
    done = look(run_path.with_name("never"), OUTSIDER)
    assert (done.returncode, done.stdout.splitlines()[:2]) == (0, ["", "False False ()"])
