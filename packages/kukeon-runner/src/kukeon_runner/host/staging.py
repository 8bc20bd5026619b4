"""Secrets on their way into containers: read where a manifest says, and staged as files on a tmpfs of root's alone.

Everything on the way is hostile: a manifest names the file, and whoever may write its directory may put anything
there. Values are in no message. All functions are synchronous.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from kukeon_api import errors
from kukeon_runner.host import foreign_files, mounts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kukeon_api import model

MAX_BYTES = 1024 * 1024
"""Of one secret; as much as Kubernetes takes."""

MOUNT_BYTES = 64 * 1024 * 1024
"""Of all secrets of a cell."""

_FLAGS = mounts.MS_NOSUID | mounts.MS_NODEV | mounts.MS_NOEXEC


def mount(path: str) -> None:
    """Have a tmpfs at the directory `path` that root alone may enter, and that is never swapped out if the kernel can.

    Raises HostError.
    """
    if os.path.ismount(path):
        return
    data = f"size={MOUNT_BYTES},mode=0700"
    try:
        # Since Linux 6.4, tmpfs(5).
        mounts.mount("tmpfs", path, "tmpfs", _FLAGS, f"{data},noswap")
    except errors.HostError:
        mounts.mount("tmpfs", path, "tmpfs", _FLAGS, data)


def value(secret: model.ContainerSecret) -> bytes:
    """What the secret is now. Raises SecretNotFound, which names the place and never the value."""
    return _of_file(secret.name, secret.from_file) if secret.from_file else _of_environment(secret)


def text(secret: model.ContainerSecret) -> str:
    """The value for an environment variable. Raises SecretNotFound, Invalid for what no variable can be."""
    content = value(secret)
    try:
        decoded = content.decode()
    except UnicodeDecodeError:
        decoded = "\0"
    if "\0" in decoded:
        raise errors.Invalid(
            f"cannot use secret {secret.name!r} as an environment variable: it is not text",
            hint="give it a mountPath: a file can hold anything",
        )
    return decoded


def stage(directory: str, secrets: Sequence[model.ContainerSecret], owner: tuple[int, int]) -> None:
    """Write each secret into a file of its name in `directory`, which `owner` (uid, gid) alone may read.

    What was there before is replaced as a whole; a container that still runs keeps the files it has.
    """
    values = [(secret.name, value(secret)) for secret in secrets]
    remove(directory)
    try:
        Path(directory).mkdir(mode=0o700)
        for name, content in values:
            _write(Path(directory, name), content, owner)
    except OSError as error:
        raise errors.HostError(f"cannot stage secrets in {directory!r}: {error.strerror}") from error


def remove(directory: str) -> None:
    """Remove what is staged for one container, if anything is."""
    try:
        shutil.rmtree(directory)
    except FileNotFoundError:
        return
    except OSError as error:
        raise errors.HostError(f"cannot remove {directory!r}: {error.strerror}") from error


def _write(path: Path, content: bytes, owner: tuple[int, int]) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    handle = os.open(path, flags, 0o400)
    try:
        os.fchown(handle, *owner)
        os.fchmod(handle, 0o400)
        view = memoryview(content)
        while view:
            view = view[os.write(handle, view) :]
    finally:
        os.close(handle)


def _of_environment(secret: model.ContainerSecret) -> bytes:
    found = os.environb.get(os.fsencode(secret.from_env))
    if found is None:
        raise errors.SecretNotFound(
            f"cannot provide secret {secret.name!r}: kukeond has no environment variable {secret.from_env!r}",
            hint="set it for kukeond (under systemd: Environment= or LoadCredential=), or use fromFile",
        )
    return found


def _of_file(name: str, path: str) -> bytes:
    try:
        return foreign_files.read(path, MAX_BYTES)
    except foreign_files.Unreadable as error:
        raise errors.SecretNotFound(
            f"cannot provide secret {name!r} from {path!r}: {error}",
            hint="correct the secret's fromFile, or make the file",
        ) from None
