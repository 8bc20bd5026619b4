"""What people and type checkers see of the package: its names, its help, its types."""

from __future__ import annotations

import pydoc
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import kukeon_sdk
from kukeon_api import methods
from kukeon_sdk import aio, testing

if TYPE_CHECKING:
    from types import ModuleType

README = Path(__file__).resolve().parents[1] / "README.md"

PROGRAM = """
import asyncio
import signal

import kukeon_sdk
from kukeon_sdk import aio, errors, model
from kukeon_sdk.testing import FakeClient, MemoryClient, programs


def main(client: kukeon_sdk.Client, container: model.ContainerDoc) -> int:
    cells: tuple[model.CellDoc, ...] = client.list_cells("default", timeout=5)
    print(*(cell.metadata.name for cell in cells), kukeon_sdk.METHOD_EXEC, kukeon_sdk.SERVICE_NAME)
    with client.events("default", kinds=["Cell"], follow=True) as events:
        for event in events:
            kind: model.EventType = event.type
            print(kind, event.ref, event.exit_code)
            events.close()
    lines: list[bytes] = [entry.data for entry in client.logs(container, tail=3)]
    with client.exec(container, ["cat"], env=["A=b"], tty=True) as session:
        session.write(b"x")
        session.signal(signal.SIGTERM)
        for stream, data in session:
            print(stream, data)
        status: model.ExitStatus = session.wait(timeout=3)
    with client.attach(container) as terminal:
        shown: bytes = terminal.read()
    try:
        client.stop_cell(cells[0])
    except errors.CellNotFound as error:
        print(error.hint)
    return status.code + len(lines) + len(shown)


async def later(container: model.ContainerDoc) -> bytes:
    async with aio.dial() as client:
        async with client.logs(container, follow=True) as entries:
            async for entry in entries:
                print(entry.data)
        async with await client.exec(container, ["cat"]) as session:
            done = await session.communicate(b"x")
        return done.stdout


def greet(process: programs.Process) -> int:
    for line in process.stdin:
        process.stdout.write(b"hello " + line)
    return 3


memory = MemoryClient()
memory.programs["greet"] = greet
clients: list[kukeon_sdk.Client] = [memory, FakeClient(), kukeon_sdk.dial(), kukeon_sdk.UnixClient("/run/k.sock")]
asyncio.run(later(model.ContainerDoc(metadata=model.Metadata(name="x"), spec=model.ContainerSpec())))
"""


def test_lazy_names_are_listed() -> None:
    listed = dir(kukeon_sdk)
    assert set(kukeon_sdk.__all__) <= set(listed)
    assert {"METHOD_PING", "METHOD_EXEC", "__version__"} <= set(listed)
    assert all(hasattr(kukeon_sdk, name) for name in listed)
    assert listed == sorted(listed)


def test_a_type_checker_knows_the_same_constants() -> None:
    declared = re.findall(r"^    METHOD_(\w+): str$", Path(kukeon_sdk.__file__).read_text(), re.MULTILINE)
    assert declared == [name.upper() for name in methods.BY_PYTHON]


@pytest.mark.parametrize("module", [kukeon_sdk, aio, testing], ids=lambda each: each.__name__)
def test_everything_can_be_imported_at_once(module: ModuleType) -> None:
    found: dict[str, object] = {}
    exec(f"from {module.__name__} import *", found)
    assert set(module.__all__) <= found.keys()


def test_help_tells_of_all_names() -> None:
    text = pydoc.plain(pydoc.render_doc(kukeon_sdk))
    for name in kukeon_sdk.__all__:
        assert re.search(rf"\b{name}\b", text), name
    assert "Run a program in a running container" in text
    assert "Wait until the program has ended" in text
    for client in (kukeon_sdk.UnixClient, testing.MemoryClient, aio.AsyncUnixClient):
        told = pydoc.plain(pydoc.render_doc(client.exec))
        assert "command: 'Sequence[str]'" in told
        assert "Run a program in a running container" in told


def checked(tmp_path: Path, *programs: str) -> list[str]:
    """Return what mypy has to say."""
    paths = [tmp_path / f"program_{number}.py" for number in range(len(programs))]
    for path, program in zip(paths, programs, strict=True):
        path.write_text(program)
    command = [sys.executable, "-m", "mypy", "--strict", "--cache-dir", str(tmp_path / "cache"), *map(str, paths)]
    told = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert told.returncode in (0, 1), told.stderr
    return [line.partition(": error: ")[2] for line in told.stdout.splitlines() if ": error: " in line]


def test_client_programs_are_typed(tmp_path: Path) -> None:
    assert checked(tmp_path, PROGRAM) == []
    wrong = PROGRAM.replace("kukeon_sdk.dial()", "kukeon_sdk.dail()").replace("wait(timeout=3)", 'wait("x")')
    wrong = wrong.replace("client.logs(container, tail=3)", 'client.logs(container, tail="3")')
    assert [line.partition(" ")[0] for line in sorted(checked(tmp_path, wrong))] == ["Argument", "Argument", "Module"]


def test_the_examples_of_the_readme_are_typed(tmp_path: Path) -> None:
    examples = re.findall(r"^```python\n(.*?)^```$", README.read_text(), re.MULTILINE | re.DOTALL)
    first, container, *streams, later, memory, programs = examples
    assert checked(tmp_path, first, *(container + each for each in streams), later, memory + programs) == []
