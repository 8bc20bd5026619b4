"""What makes a container's devices, secrets and shares of the host right, beyond their types."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from kukeon_api import place_rules
from kukeon_api.errors import Problem

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kukeon_api import model

# A secret's name is that of a file or of a variable, and part of a path on the host.
_SECRET_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
# IEEE Std 1003.1, 8.1: what programs can rely on.
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}")

# Directories of /dev that each container has its own of.
_OWN_DEVICES = ("/dev/pts/", "/dev/shm/", "/dev/mqueue/")  # noqa: S108 - in the container


def problems(spec: model.ContainerSpec) -> Iterator[Problem]:
    """Yield everything wrong with what a container shares with the host, and with its secrets."""
    for index, path in enumerate(spec.devices):
        yield from _device(f"devices[{index}]", path)
        if path in spec.devices[:index]:
            yield Problem(path=f"devices[{index}]", message=f"{path[:200]!r} is there already")
    first: dict[str, str] = {}
    for index, secret in enumerate(spec.secrets):
        path = f"secrets[{index}]"
        yield from _secret(path, secret)
        if secret.name and secret.name in first:
            yield Problem(path=f"{path}.name", message=f"{secret.name[:80]!r} is already that of {first[secret.name]}")
        first.setdefault(secret.name, path)
    if spec.host_network and spec.ports:
        yield Problem(
            path="ports",
            message="are for containers on the cell's network: on the host's, every port it listens on is the host's",
            suggestion="leave them out",
        )


def _device(path: str, device: str) -> Iterator[Problem]:
    wrong = list(place_rules.absolute(path, device))
    yield from wrong
    if wrong:
        return
    if place_rules.clean(device) != device or not device.startswith("/dev/"):
        yield Problem(path=path, message=f"{device[:200]!r} is not the path of a device below /dev")
    elif device.startswith(_OWN_DEVICES):
        yield Problem(path=path, message=f"{device[:200]!r}: each container has that part of /dev for itself")


def _secret(path: str, secret: model.ContainerSecret) -> Iterator[Problem]:
    known = _SECRET_NAME if secret.mount_path else _VARIABLE
    if not secret.name:
        yield Problem(path=f"{path}.name", message="is required")
    elif not known.fullmatch(secret.name):
        what = "a secret" if secret.mount_path else "an environment variable"
        yield Problem(
            path=f"{path}.name",
            message=f"{secret.name[:80]!r} cannot be the name of {what}",
            suggestion="letters, digits and _" + (", . and -" if secret.mount_path else ""),
        )
    if bool(secret.from_file) is bool(secret.from_env):
        yield Problem(path=path, message="needs one of fromFile and fromEnv, and only one")
    if secret.from_file:
        yield from place_rules.absolute(f"{path}.fromFile", secret.from_file)
    if secret.from_env and not _VARIABLE.fullmatch(secret.from_env):
        yield Problem(
            path=f"{path}.fromEnv", message=f"{secret.from_env[:80]!r} cannot be the name of an environment variable"
        )
    if secret.mount_path:
        yield from place_rules.mount_point(f"{path}.mountPath", secret.mount_path)
