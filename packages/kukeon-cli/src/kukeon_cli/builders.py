"""Programs that build images: which is there, what each is told, and the archive that it makes (door).

There is no builder of our own. buildctl is BuildKit's client and needs its daemon, buildah needs none, and docker keeps
what it has built as well.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from kukeon_api import errors

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

NAMES = ("buildctl", "buildah", "docker")
"""In the order in which they are looked for."""

FILES = ("Dockerfile", "Containerfile")

_STOP_S = 3.0
"""How long a builder may take to clean up after us."""


@dataclass(frozen=True)
class Build:
    """What is to be built. `platforms` is empty for the host's own."""

    name: str
    """In full, as `image_ref` writes it."""
    context: Path
    file: Path
    arguments: tuple[str, ...] = ()
    """NAME=VALUE, or NAME to take the value from the environment."""
    platforms: tuple[str, ...] = ()
    target: str = ""
    no_cache: bool = False


def recipe(context: Path, file: str) -> Path:
    """Return the file that says how to build: `file` or, when that is empty, what the context has.

    Raises Invalid when it cannot be read, or `context` is no directory.
    """
    if not context.is_dir():
        hint = "give a directory" if context.exists() else ""
        what = "it is no directory" if context.exists() else "there is no such directory"
        raise errors.Invalid(f"cannot build {str(context)!r}: {what}", hint=hint)
    if file:
        path = Path(file)
        if not path.is_file():
            raise errors.Invalid(
                f"cannot read {file!r}: {'it is no file' if path.exists() else 'there is no such file'}"
            )
        return path
    for name in FILES:
        if (context / name).is_file():
            return context / name
    raise errors.Invalid(
        f"cannot build {str(context)!r}: it has no {FILES[0]}", hint="say how to build it: -f FILE, or write one"
    )


def choose(wanted: str, environment: Mapping[str, str]) -> str:
    """Return the builder to use: `wanted`, or the first one that is installed and whose daemon, if any, is there.

    Raises Unsupported when there is none.
    """
    path = environment.get("PATH", os.defpath)
    installed = [name for name in ((wanted,) if wanted else NAMES) if shutil.which(name, path=path)]
    if not installed:
        what = f"{wanted!r} is not installed" if wanted else f"none of {', '.join(NAMES)} is installed"
        raise errors.Unsupported(
            f"cannot build: {what}",
            hint="install one, such as buildah (Debian: apt-get install buildah), or build elsewhere and load the "
            "archive: kuke image load FILE",
        )
    # One without its daemon is better than none: it says itself what it lacks.
    return next((name for name in installed if _answers(name, environment)), installed[0])


def _answers(name: str, environment: Mapping[str, str]) -> bool:
    if name == "buildctl":
        runtime = environment.get("XDG_RUNTIME_DIR", "")
        sockets = ["/run/buildkit/buildkitd.sock", *([f"{runtime}/buildkit/buildkitd.sock"] if runtime else [])]
        return bool(environment.get("BUILDKIT_HOST")) or any(Path(each).is_socket() for each in sockets)
    return True


@contextlib.contextmanager
def built(builder: str, build: Build, environment: Mapping[str, str]) -> Iterator[BinaryIO]:
    """Run `builder` and give the archive of the image that it built; its own words go to standard error.

    The archive is removed afterwards. Raises HostError when the builder fails.
    """
    with _Directory(environment) as directory:
        archive = Path(directory) / "image.tar"
        for command, output in COMMANDS[builder](build, archive, environment):
            _run(command, output, environment)
        try:
            stream = archive.open("rb")
        except OSError as error:
            raise errors.HostError(f"cannot build: {builder} has made no archive: {error.strerror}") from error
        with stream:
            yield stream


def _buildctl(build: Build, archive: Path, environment: Mapping[str, str]) -> Iterator[tuple[list[str], Path | None]]:
    command = ["buildctl", "build", "--frontend", "dockerfile.v0"]
    command += ["--local", f"context={build.context}", "--local", f"dockerfile={build.file.parent}"]
    command += ["--opt", f"filename={build.file.name}"]
    for argument in build.arguments:
        # It knows values only; as with the others, one that the environment lacks is not given at all.
        name, given, value = argument.partition("=")
        if given or name in environment:
            command += ["--opt", f"build-arg:{name}={value if given else environment[name]}"]
    if build.platforms:
        command += ["--opt", f"platform={','.join(build.platforms)}"]
    if build.target:
        command += ["--opt", f"target={build.target}"]
    if build.no_cache:
        command.append("--no-cache")
    yield [*command, "--output", f"type=oci,name={build.name}"], archive


def _buildah(build: Build, archive: Path, _environment: Mapping[str, str]) -> Iterator[tuple[list[str], Path | None]]:
    if ":" in str(archive):
        raise errors.HostError(
            f"cannot build: buildah takes no ':' in {str(archive.parent)!r}", hint="set TMPDIR to another directory"
        )
    # Without --layers it would forget every step, unlike the others.
    command = ["buildah", "build", "--format", "oci", "--no-cache" if build.no_cache else "--layers"]
    command += _usual(build)
    yield [*command, "--tag", f"oci-archive:{archive}:{build.name}", str(build.context)], None


def _docker(build: Build, archive: Path, _environment: Mapping[str, str]) -> Iterator[tuple[list[str], Path | None]]:
    command = ["docker", "build", *(["--no-cache"] if build.no_cache else []), *_usual(build)]
    yield [*command, "--tag", build.name, str(build.context)], None
    yield ["docker", "save", build.name], archive


def _usual(build: Build) -> list[str]:
    """Return the arguments that buildah has taken over from docker."""
    found = ["--file", str(build.file)]
    for argument in build.arguments:
        found += ["--build-arg", argument]
    if build.platforms:
        found += ["--platform", build.platforms[0]]
    if build.target:
        found += ["--target", build.target]
    return found


COMMANDS: dict[str, Callable[[Build, Path, Mapping[str, str]], Iterator[tuple[list[str], Path | None]]]] = {
    "buildctl": _buildctl,
    "buildah": _buildah,
    "docker": _docker,
}
"""Builder -> the commands to run one after the other, each with the file for its output where that is the archive."""


class _Directory(tempfile.TemporaryDirectory[str]):
    """Where an archive lies: /var/tmp is on a disk (hier(7)), /tmp often in memory."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        place = environment.get("TMPDIR") or "/var/tmp"  # noqa: S108 (a directory of our own below it)
        try:
            super().__init__(prefix="kuke-build-", dir=place)
        except OSError as error:
            raise errors.HostError(
                f"cannot make a directory in {place!r}: {error.strerror}", hint="set TMPDIR to a directory with room"
            ) from error


def _run(command: Sequence[str], output: Path | None, environment: Mapping[str, str]) -> None:
    """Run a step of a build to its end. Raises HostError."""
    with contextlib.ExitStack() as opened:
        target: BinaryIO | int = opened.enter_context(output.open("wb")) if output else _standard_error()
        try:
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=target, stderr=_standard_error(), env=dict(environment)
            )
        except OSError as error:
            raise errors.HostError(f"cannot run {command[0]!r}: {error.strerror}") from error
        try:
            code = process.wait()
        except KeyboardInterrupt:
            # The terminal has told it, too; it may have containers to clean up.
            _wait(process)
            raise
        finally:
            if process.poll() is None:
                process.terminate()
                _wait(process)
                process.kill()
                process.wait()
    if code:
        how = f"ended with code {code}" if code > 0 else f"was ended by signal {-code}"
        raise errors.HostError(f"cannot build: {command[0]} {how}", hint="what it said is above")


def _wait(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(_STOP_S)


def _standard_error() -> int:
    try:
        return sys.stderr.fileno()
    except (OSError, ValueError, AttributeError):
        return subprocess.DEVNULL
