"""`kuke build`: which builder, what it is told, and what becomes of what it makes.

The builders here behave like the real ones as far as kuke can see: they record what they are told and make an archive
where that one would. buildah itself is in the stories.
"""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import sys
import threading
from typing import TYPE_CHECKING

import pytest

from kukeon_api import errors
from kukeon_cli import builders

if TYPE_CHECKING:
    from pathlib import Path

    from memory_client import MemoryClient

    from conftest import Kuke

APP = "docker.io/library/app:1"

BUILDER = """#!{python}
import json, os, sys
words = sys.argv[1:]
with open({record!r}, "a") as file:
    file.write(json.dumps([os.path.basename(sys.argv[0]), *words]) + "\\n")
print("step 1/1", file=sys.stderr)
{body}
def value(option):
    return words[words.index(option) + 1]
match os.path.basename(sys.argv[0]):
    case "buildctl":
        sys.stdout.write(value("--output").removeprefix("type=oci,name="))
    case "buildah":
        print("step 1/1 on standard output")
        path, _, name = value("--tag").removeprefix("oci-archive:").partition(":")
        open(path, "w").write(name)
    case "docker":
        print(words[-1] if words[0] == "save" else "step", end="")
"""


class Builders:
    """Programs on a PATH of their own, and what they were told."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._record = directory / "record"
        (directory / "bin").mkdir()
        (directory / "tmp").mkdir()
        self.environ = {"PATH": str(directory / "bin"), "TMPDIR": str(directory / "tmp")}

    def install(self, *names: str, body: str = "") -> None:
        for name in names:
            path = self.directory / "bin" / name
            path.write_text(BUILDER.format(python=sys.executable, record=str(self._record), body=body))
            path.chmod(0o755)

    @property
    def told(self) -> list[list[str]]:
        return [json.loads(line) for line in self._record.read_text().splitlines()] if self._record.exists() else []

    @property
    def left(self) -> list[str]:
        return [path.name for path in (self.directory / "tmp").iterdir()]


@pytest.fixture
def installed(tmp_path: Path) -> Builders:
    return Builders(tmp_path)


@pytest.fixture
def context(tmp_path: Path) -> Path:
    directory = tmp_path / "context"
    directory.mkdir()
    (directory / "Dockerfile").write_text("FROM scratch\n")
    return directory


FLAGS = ("--build-arg", "A=1", "--build-arg", "FROM_ENV", "--build-arg", "NOT_THERE", "--target", "last", "--no-cache")


def test_buildctl(kuke: Kuke, memory: MemoryClient, installed: Builders, context: Path) -> None:
    installed.install("buildctl")
    result = kuke(
        *("build", "-t", "app:1", "--platform", "linux/amd64,linux/arm64", *FLAGS, str(context)),
        environ={**installed.environ, "FROM_ENV": "two, three"},
    )
    assert result.code == 0, result.err
    assert (
        result.out == f'built by buildctl and loaded into realm "default" (namespace "default.kukeon.io"):\n  - {APP}\n'
    )
    assert installed.told == [
        [
            *("buildctl", "build", "--frontend", "dockerfile.v0"),
            *("--local", f"context={context}", "--local", f"dockerfile={context}", "--opt", "filename=Dockerfile"),
            *("--opt", "build-arg:A=1", "--opt", "build-arg:FROM_ENV=two, three"),
            *("--opt", "platform=linux/amd64,linux/arm64", "--opt", "target=last", "--no-cache"),
            *("--output", f"type=oci,name={APP}"),
        ]
    ]
    assert memory.received == [APP.encode()]
    assert installed.left == []


def test_buildah(kuke: Kuke, memory: MemoryClient, installed: Builders, context: Path, tmp_path: Path) -> None:
    installed.install("buildah")
    recipe = tmp_path / "other.Dockerfile"
    recipe.touch()
    result = kuke(
        *("build", "-t", "app:1", "-f", str(recipe), "--platform", "linux/arm64", *FLAGS, str(context)),
        environ=installed.environ,
    )
    assert result.code == 0, result.err
    ((*words, tag, name, last),) = installed.told
    assert words == [
        *("buildah", "build", "--format", "oci", "--no-cache", "--file", str(recipe)),
        *("--build-arg", "A=1", "--build-arg", "FROM_ENV", "--build-arg", "NOT_THERE"),
        *("--platform", "linux/arm64", "--target", "last"),
    ]
    assert (tag, last) == ("--tag", str(context))
    assert name.startswith(f"oci-archive:{tmp_path}/tmp/kuke-build-")
    assert name.endswith(f"/image.tar:{APP}")
    assert memory.received == [APP.encode()]
    assert installed.left == []


def test_docker(kuke: Kuke, memory: MemoryClient, installed: Builders, context: Path) -> None:
    installed.install("docker")
    (context / "Dockerfile").rename(context / "Containerfile")
    result = kuke("build", "-t", "app:1", *FLAGS, str(context), environ=installed.environ)
    assert result.code == 0, result.err
    assert installed.told == [
        [
            *("docker", "build", "--no-cache", "--file", f"{context}/Containerfile"),
            *("--build-arg", "A=1", "--build-arg", "FROM_ENV", "--build-arg", "NOT_THERE", "--target", "last"),
            *("--tag", APP, str(context)),
        ],
        ["docker", "save", APP],
    ]
    assert memory.received == [APP.encode()]
    assert installed.left == []


def test_without_no_cache_nothing_is_forgotten(kuke: Kuke, installed: Builders, context: Path) -> None:
    installed.install("buildctl", "buildah", "docker")
    for name in builders.NAMES:
        assert kuke("build", "-t", "app:1", "--builder", name, str(context), environ=installed.environ).code == 0
    assert not any("--no-cache" in words for words in installed.told)
    assert "--layers" in installed.told[1]


@pytest.mark.parametrize(
    ("names", "chosen"),
    [
        (("buildctl", "buildah", "docker"), "buildah"),
        (("buildctl", "docker"), "docker"),
        (("buildctl",), "buildctl"),
        (("docker", "buildah"), "buildah"),
    ],
)
def test_the_first_that_is_there_builds(
    kuke: Kuke, installed: Builders, context: Path, names: tuple[str, ...], chosen: str
) -> None:
    installed.install(*names)
    assert kuke("build", "-t", "app:1", str(context), environ=installed.environ).code == 0
    assert installed.told[0][0] == chosen


def test_buildctl_is_the_first_with_its_daemon(installed: Builders, tmp_path: Path) -> None:
    installed.install(*builders.NAMES)
    assert builders.choose("", {**installed.environ, "BUILDKIT_HOST": "tcp://buildkit:1234"}) == "buildctl"
    (tmp_path / "buildkit").mkdir()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "buildkit" / "buildkitd.sock"))
        assert builders.choose("", {**installed.environ, "XDG_RUNTIME_DIR": str(tmp_path)}) == "buildctl"
    assert builders.choose("docker", installed.environ) == "docker"


def test_more_names(kuke: Kuke, memory: MemoryClient, installed: Builders, context: Path) -> None:
    installed.install("buildah")
    result = kuke(
        *("build", "-t", "app:1", "-t", "registry.example/app:2", "-t", "app:1", "-o", "json", str(context)),
        environ=installed.environ,
    )
    assert json.loads(result.out)["images"] == [APP, "registry.example/app:2"]
    assert set(memory.world.images["default"]) == {APP, "registry.example/app:2"}
    # What the builder prints is for people.
    assert "step 1/1" not in result.out


def test_no_builder(kuke: Kuke, installed: Builders, context: Path) -> None:
    result = kuke("build", "-t", "app:1", str(context), environ=installed.environ)
    assert result.code == 7
    assert result.err == (
        "Error: cannot build: none of buildctl, buildah, docker is installed\n"
        "hint: install one, such as buildah (Debian: apt-get install buildah), or build elsewhere and load the "
        "archive: kuke image load FILE\n"
    )
    installed.install("docker")
    result = kuke("build", "-t", "app:1", "--builder", "buildah", str(context), environ=installed.environ)
    assert (result.code, "'buildah' is not installed" in result.err) == (7, True)


@pytest.mark.parametrize(
    ("line", "code", "words"),
    [
        (("-t", "app:1", "{tmp}/none"), 2, "cannot build '{tmp}/none': there is no such directory"),
        (("-t", "app:1", "{tmp}/context/Dockerfile"), 2, "it is no directory"),
        (("-t", "app:1", "{tmp}"), 2, "cannot build '{tmp}': it has no Dockerfile"),
        (("-t", "app:1", "-f", "none", "{tmp}/context"), 2, "cannot read 'none': there is no such file"),
        (("-t", "app:1", "-f", "{tmp}", "{tmp}/context"), 2, "cannot read '{tmp}': it is no file"),
        (("-t", "App", "{tmp}/context"), 2, "upper case is not allowed"),
        (("-t", f"app@sha256:{'0' * 64}", "{tmp}/context"), 2, "a digest is not chosen"),
        (("-t", "app:1", "--platform", "arm", "{tmp}/context"), 2, "cannot use 'arm' as a platform"),
        (("-t", "app:1", "--platform", "all", "{tmp}/context"), 2, "cannot build for all platforms"),
        (("-t", "app:1", "--platform", "linux/amd64,", "{tmp}/context"), 2, "cannot build for all platforms"),
        (
            ("-t", "app:1", "--platform", "linux/amd64,linux/arm64", "{tmp}/context"),
            7,
            "several platforms with buildah",
        ),
        (("-t", "app:1", "--builder", "kaniko", "{tmp}/context"), 2, "kaniko"),
        (("-t", "app:1", "--realm", "none", "{tmp}/context"), 3, "cannot find realm 'none'"),
        (("{tmp}/context",), 2, "--tag"),
    ],
)
def test_what_is_refused_before_anything_is_built(
    kuke: Kuke, installed: Builders, context: Path, tmp_path: Path, line: tuple[str, ...], code: int, words: str
) -> None:
    installed.install("buildah")
    result = kuke("build", *(word.format(tmp=tmp_path) for word in line), environ=installed.environ)
    assert (result.code, installed.told) == (code, [])
    assert words.format(tmp=tmp_path) in result.err


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("sys.exit(3)", "cannot build: buildah ended with code 3\nhint: what it said is above\n"),
        ("os.kill(os.getpid(), 9)", "cannot build: buildah was ended by signal 9\n"),
        ("sys.exit(0)", "cannot build: buildah has made no archive: No such file or directory\n"),
    ],
)
def test_a_build_that_fails(
    kuke: Kuke, memory: MemoryClient, installed: Builders, context: Path, body: str, words: str
) -> None:
    installed.install("buildah", body=body)
    result = kuke("build", "-t", "app:1", str(context), environ=installed.environ)
    assert result.code == 1
    assert words in result.err
    assert memory.received == []
    assert installed.left == []


def test_a_program_that_is_none(kuke: Kuke, installed: Builders, context: Path) -> None:
    path = installed.directory / "bin" / "buildah"
    path.write_text("no program")
    path.chmod(0o755)
    result = kuke("build", "-t", "app:1", str(context), environ=installed.environ)
    assert (result.code, "cannot run 'buildah': Exec format error" in result.err) == (1, True)


def test_an_archive_that_is_refused(kuke: Kuke, memory: MemoryClient, installed: Builders, context: Path) -> None:
    installed.install("buildah")
    memory.trouble["load_image"] = [errors.InvalidArchive("cannot use the image: it has no layers")]
    result = kuke("build", "-t", "app:1", str(context), environ=installed.environ)
    assert (result.code, result.err.splitlines()[-1]) == (2, f"Error: cannot load {APP!r}: it has no layers")
    assert installed.left == []


def test_an_image_of_another_name(kuke: Kuke, installed: Builders, context: Path) -> None:
    body = "sys.argv[-2] = sys.argv[-2].replace('app:1', 'other:2'); words = sys.argv[1:]"
    installed.install("buildah", body=body)
    result = kuke("build", "-t", "app:1", str(context), environ=installed.environ)
    assert result.code == 1
    assert f"cannot build {APP!r}: buildah has made 'docker.io/library/other:2' instead" in result.err


def test_nowhere_to_put_the_archive(kuke: Kuke, installed: Builders, context: Path, tmp_path: Path) -> None:
    installed.install("buildah")
    line = ("build", "-t", "app:1", str(context))
    result = kuke(*line, environ={**installed.environ, "TMPDIR": "/none"})
    assert (result.code, "cannot make a directory in '/none'" in result.err) == (1, True)
    colon = tmp_path / "a:b"
    colon.mkdir()
    result = kuke(*line, environ={**installed.environ, "TMPDIR": str(colon)})
    assert (result.code, "buildah takes no ':'" in result.err) == (1, True)


def test_who_is_interrupted_leaves_no_builder_behind(installed: Builders, context: Path, tmp_path: Path) -> None:
    told = tmp_path / "pid"
    os.mkfifo(told)
    hears = os.open(told, os.O_RDONLY | os.O_NONBLOCK)
    installed.install("buildah", body=f"import time; open({str(told)!r}, 'w').write(str(os.getpid())); time.sleep(300)")
    build = builders.Build(name=APP, context=context, file=context / "Dockerfile")

    def interrupt() -> None:
        select.select([hears], [], [], 30)
        main = threading.main_thread().ident
        assert main is not None
        signal.pthread_kill(main, signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(KeyboardInterrupt), builders.built("buildah", build, installed.environ):
        pytest.fail("it was interrupted")
    thread.join()
    with pytest.raises(ProcessLookupError):
        os.kill(int(os.read(hears, 20)), 0)
    os.close(hears)
    assert installed.left == []
