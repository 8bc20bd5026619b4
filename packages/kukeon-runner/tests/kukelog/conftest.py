"""Starts the container log writer, as it is shipped and as sanitizers watch it."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from kukelog_process import SOURCES, Logger, Start

from kukeon_runner import native, native_build


@pytest.fixture(scope="session")
def checked_program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same program, watched by the address and undefined behaviour sanitizers."""
    target = tmp_path_factory.mktemp("native") / "kukelog-checked"
    flags = ["-std=gnu11", "-g", "-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-DKUKEON_LIBC"]
    try:
        compiler = native_build.compiler()
    except native_build.BuildFailed as error:
        pytest.skip(str(error))  # no compiler: where one is required, a skip is a failure
    command = [*compiler, *flags, "-Wall", "-Wextra", "-Werror", "-o", str(target)]
    subprocess.run([*command, str(SOURCES / "logger.c")], check=True)
    return target


@pytest.fixture(params=["shipped", "checked"])
def program(request: pytest.FixtureRequest, checked_program: Path) -> Path:
    return native.path("kukelog") if request.param == "shipped" else checked_program


@pytest.fixture
def start(program: Path) -> Iterator[Start]:
    started: list[Logger] = []

    def begin(*arguments: str, umask: int = 0o022) -> Logger:
        started.append(Logger(program, list(arguments), umask))
        return started[-1]

    yield begin
    for logger in started:
        logger.abandon()
