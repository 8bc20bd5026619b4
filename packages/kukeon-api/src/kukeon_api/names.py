"""What a name may be, and the ids composed of names.

Every name and every reference to one is a DNS label, so it is safe as a path segment, in a cgroup, in a containerd id
and as a host name; nothing derived from names needs quoting.
"""

from __future__ import annotations

import os
import re

from kukeon_api import errors

NAME_PATTERN = r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$"
OPTIONAL_NAME_PATTERN = r"^([a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)?$"
NAME_RULE = "1 to 63 lower-case letters, digits and '-', beginning and ending with a letter or digit"
MAX_NAME_LENGTH = 63

ROOT = "root"
"""The id that every cell's own sandbox has; a container of the user has it only when it is the root container."""

DEFAULT_REALM = "default"
DEFAULT_SPACE = "default"
DEFAULT_STACK = "default"
SYSTEM_REALM = "kuke-system"
"""Reserved for kukeon's own cells: users can look at it, not change it."""

# containerd refuses longer identifiers: containerd/identifiers, maxLength.
MAX_CONTAINERD_ID_LENGTH = 76

_NAME = re.compile(NAME_PATTERN.replace("$", r"\Z"))


def is_name(text: str) -> bool:
    """Tell whether `text` may name a realm, space, stack, cell or container."""
    return _NAME.match(text) is not None


def check_name(name: str, kind: str = "") -> str:
    """Return `name`, or raise `Invalid` (kinds `<Kind>NameRequired`, `InvalidRealmName`, `InvalidName`).

    `kind` is what is named ("cell", "Realm", ...); it only serves the message and the error's kind.
    """
    if is_name(name):
        return name
    noun = kind.lower()
    what = f"{noun} name" if noun else "name"
    if not name:
        raise errors.KINDS.get(f"{noun.capitalize()}NameRequired", errors.InvalidName)(f"{what} is required")
    cls = errors.InvalidRealmName if noun == "realm" else errors.InvalidName
    raise cls(f"cannot use {name[:80]!r} as {what}: it must be {NAME_RULE}")


GENERATED_LENGTH = 7
"""Of what `generated` adds: '-' and six hexadecimal digits."""


def generated(prefix: str) -> str:
    """Return a name that begins with `prefix` and that hardly anything has yet; `prefix` must be a name.

    Raises `InvalidName` when the prefix is too long.
    """
    return check_name(f"{prefix}-{os.urandom(3).hex()}", "cell")


def containerd_id(space: str, stack: str, cell: str, container: str) -> str:
    """Return the containerd id of a container, or raise `Invalid` when a part is no name or the whole is too long.

    Names have no underscore, so the composition is injective; the realm is the containerd namespace.
    """
    for kind, name in (("space", space), ("stack", stack), ("cell", cell), ("container", container)):
        check_name(name, kind)
    composed = f"{space}_{stack}_{cell}_{container}"
    if "--" in composed:
        raise errors.InvalidName(
            f"cannot use the container id {composed!r}: containerd takes single '-', never two in a row",
            hint="choose names without '--'",
        )
    if len(composed) > MAX_CONTAINERD_ID_LENGTH:
        raise errors.InvalidName(
            f"cannot use the container id {composed!r}: it has {len(composed)} characters,"
            f" containerd allows {MAX_CONTAINERD_ID_LENGTH}",
            hint="shorten the names of the space, stack, cell or container",
        )
    return composed
