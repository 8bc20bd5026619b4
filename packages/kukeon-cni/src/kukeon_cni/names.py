"""The grammars of the CNI specification, checked before a name becomes a file name or an environment value."""

import re
from collections.abc import Sequence
from pathlib import PurePath

from kukeon_cni.errors import InvalidName

__all__ = [
    "check_absolute",
    "check_container_id",
    "check_ifname",
    "check_network_name",
    "check_plugin_type",
    "format_args",
]

# Specification, sections "Network configuration format" and "Parameters": alphanumeric first, then also `_ . -`.
_IDENTIFIER = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*", re.ASCII)
# Both become one path component (255 bytes at most), with room for the interface name and a suffix of ours.
_LONGEST = 200
# IFNAMSIZ of <linux/if.h> is 16 with the closing NUL.
_LONGEST_IFNAME = 15
_ARGUMENT = re.compile(r"[^;=\x00-\x1f\x7f]+")


def check_network_name(name: str) -> str:
    """Return `name` when it may name a network; raise `InvalidName` otherwise."""
    return _identifier("network name", name)


def check_container_id(container_id: str) -> str:
    """Return `container_id` when it may stand in CNI_CONTAINERID; raise `InvalidName` otherwise."""
    return _identifier("container id", container_id)


def check_plugin_type(type_: str) -> str:
    """Return `type_` when it may be the file name of a plugin; raise `InvalidName` otherwise."""
    return _identifier("plugin type", type_)


def check_ifname(name: str) -> str:
    """Return `name` when Linux and the specification accept it as interface name; raise `InvalidName` otherwise."""
    # The kernel's dev_valid_name() refuses the empty name, ".", "..", "/", ":" and white space; we add what is
    # not printable ASCII, since such a name could not be shown.
    fits = 0 < len(name) <= _LONGEST_IFNAME and name not in {".", ".."}
    if not fits or not all("!" <= c <= "~" and c not in "/:" for c in name):
        raise InvalidName(
            None, f"cannot use {name[:40]!r} as interface name: 1 to 15 printable characters without '/' and ':'"
        )
    return name


def check_absolute(what: str, path: str) -> str:
    """Return `path` when it is absolute, without `..` and control characters; raise `InvalidName` otherwise."""
    if not path.startswith("/") or ".." in PurePath(path).parts or not path.isprintable():
        raise InvalidName(None, f"cannot use {path[:200]!r} as {what}: an absolute path without '..' is needed")
    return path


def format_args(args: Sequence[tuple[str, str]]) -> str:
    """Return CNI_ARGS for key and value pairs; raise `InvalidName` for text that would forge another pair."""
    for pair in args:
        if not all(_ARGUMENT.fullmatch(text) for text in pair):
            raise InvalidName(None, f"cannot pass the CNI argument {pair!r}: no ';', '=' or control characters")
    return ";".join(f"{key}={value}" for key, value in args)


def _identifier(what: str, text: str) -> str:
    if len(text) > _LONGEST or not _IDENTIFIER.fullmatch(text):
        raise InvalidName(
            None,
            f"cannot use {text[:80]!r} as {what}: "
            f"a letter or digit, then letters, digits, '_', '.', '-'; {_LONGEST} characters at most",
        )
    return text
