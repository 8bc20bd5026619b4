"""Reading the two settings files, ~/.kuke/kuke.yaml and kukeond.yaml, and writing the second one for `init`."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from kukeon_api import model

DEFAULT_SERVER_FILE = "/etc/kukeon/kukeond.yaml"

_MAX_BYTES = 1 << 20
"""A settings file is a few hundred bytes; more is a mistake (or /dev/zero)."""


def read_client(path: Path) -> model.ClientConfiguration | None:
    """Return the client's settings, None when there is no such file; raises `ClientConfigurationInvalid`."""
    raw = _read(path)
    if raw is None:
        return None
    from kukeon_api import manifest

    return manifest.parse_client_configuration(raw, source=str(path))


def read_server(path: Path) -> model.ServerConfiguration | None:
    """Return kukeond's settings, None when there is no such file; raises `ServerConfigurationInvalid`."""
    raw = _read(path)
    if raw is None:
        return None
    from kukeon_api import manifest

    return manifest.parse_server_configuration(raw, source=str(path))


def _read(path: Path) -> bytes | None:
    from kukeon_api import errors

    try:
        with path.open("rb") as file:
            raw = file.read(_MAX_BYTES + 1)
    except FileNotFoundError:
        return None
    except PermissionError as exc:
        import stat

        from kukeon_sdk import reach

        hint = reach.permission_hint(str(path), stat.S_IRGRP)
        raise errors.Denied(f"cannot read {str(path)!r}: {exc.strerror}", hint=hint) from exc
    except OSError as exc:
        raise errors.HostError(f"cannot read {str(path)!r}: {exc.strerror}") from exc
    if len(raw) > _MAX_BYTES:
        raise errors.Invalid(f"cannot use {str(path)!r}: larger than {_MAX_BYTES} bytes")
    return raw


def server_text(spec: model.ServerConfigurationSpec) -> str:
    """Return the file that says `spec`, with a comment on top."""
    import yaml

    from kukeon_api import model, plain

    named = model.ServerConfiguration(metadata=model.ConfigurationMetadata(name="kukeond"), spec=spec)
    body = yaml.safe_dump(plain.to_builtins(named), sort_keys=False, default_flow_style=False, allow_unicode=True)
    return "# Settings of kukeond, written by `kuke init`. Restart it after a change: kuke daemon restart\n" + body


def write_server(path: Path, text: str) -> bool:
    """Write the file unless it is there; return whether it was written.

    Whoever reads it sees all of it: it is complete before it gets its name.
    """
    path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o644)
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        try:
            # link(2) refuses to replace, rename(2) does not.
            os.link(temporary, path)
        except FileExistsError:
            return False
        return True
    finally:
        temporary.unlink()
