"""The passwords of a realm's registries, in a file of their own that only root reads (door).

A realm's document says which registries it can log in to, and as whom; it is shown to everybody. What proves it stands
in `.credentials.json` beside it and leaves kukeon towards the registry only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import msgspec

from kukeon_api import errors, model
from kukeon_runner import durable, tree

if TYPE_CHECKING:
    from collections.abc import Iterable

    from kukeon_runner.layout import Layout

FILE = ".credentials.json"
FILE_MODE = 0o600

Credentials: TypeAlias = tuple[model.RegistryCredentials, ...]


class _Record(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """The file. It is never written by hand, so what it does not know is damage."""

    registry_credentials: Credentials = ()


def blank(credentials: Credentials) -> Credentials:
    """Return `credentials` without their passwords, as everybody may see them."""
    return tuple(msgspec.structs.replace(each, password="") for each in credentials)


def blanked(doc: model.RealmDoc) -> model.RealmDoc:
    """Return `doc` without passwords."""
    spec = msgspec.structs.replace(doc.spec, registry_credentials=blank(doc.spec.registry_credentials))
    return msgspec.structs.replace(doc, spec=spec)


def completed(wanted: Credentials, stored: Credentials) -> Credentials:
    """Return `wanted` with the stored password of the same registry and user where it says none.

    What is read can be applied again that way. Raises Invalid, naming each entry for which nothing is stored.
    """
    known = {_key(each): each.password for each in stored}
    found = tuple(msgspec.structs.replace(each, password=each.password or known.get(_key(each), "")) for each in wanted)
    problems = [
        errors.Problem(
            path=f"spec.registryCredentials[{index}].password",
            message=f"is required: none is stored for {_words(each)}",
        )
        for index, each in enumerate(found)
        if not each.password
    ]
    if problems:
        raise errors.Invalid(f"cannot use the registry credentials: {problems[0]}", problems=problems)
    return found


def changed(before: Credentials, after: Credentials) -> tuple[str, ...]:
    """Return a line for each registry and user known to both whose password differs; never the password."""
    known = {_key(each): each.password for each in before}
    return tuple(
        f"password of {_words(each)}" for each in after if known.get(_key(each), each.password) != each.password
    )


class Store:
    """The files of all realms. Methods block for a small file operation."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout

    def load(self, realm: model.Ref) -> Credentials:
        """Return what is stored for `realm`, nothing when there is none.

        Raises CorruptMetadata, which names the file, and Denied for whoever is not root.
        """
        path = self._path(realm)
        with durable.host_errors("read", path):
            try:
                with durable.directory(self._layout.run_path, tree.parts_of(realm)) as fd:
                    content = durable.read(fd, FILE)
            except FileNotFoundError:
                return ()
        try:
            return msgspec.json.decode(content, type=_Record).registry_credentials
        except msgspec.DecodeError:
            # Its words might quote what stands there.
            raise errors.CorruptMetadata(
                f"cannot read {path!r}: it is damaged",
                hint="remove it, then apply the realm with its passwords again",
            ) from None

    def save(self, realm: model.Ref, credentials: Credentials) -> None:
        """Store `credentials` durably in place of what was stored; the realm's directory exists. No file for none."""
        with (
            durable.host_errors("write", self._path(realm)),
            durable.directory(self._layout.run_path, tree.parts_of(realm)) as fd,
        ):
            if credentials:
                content = msgspec.json.encode(_Record(credentials)) + b"\n"
                durable.replace(fd, FILE, content, mode=FILE_MODE)
            else:
                durable.remove(fd, FILE)

    def _path(self, realm: model.Ref) -> str:
        return f"{self._layout.realm_dir(realm)}/{FILE}"


class DryStore(Store):
    """A store over another that is only read; what is saved stays in memory."""

    def __init__(self, below: Store) -> None:
        self._below = below
        self._changed: dict[model.Ref, Credentials] = {}

    def load(self, realm: model.Ref) -> Credentials:
        return self._changed[realm] if realm in self._changed else self._below.load(realm)

    def save(self, realm: model.Ref, credentials: Credentials) -> None:
        self._changed[realm] = credentials


def union(*several: Iterable[model.RegistryCredentials]) -> Credentials:
    """Return the entries of all, of two for one registry and user the later."""
    return tuple({_key(each): each for entries in several for each in entries}.values())


def _key(entry: model.RegistryCredentials) -> tuple[str, str]:
    return entry.server_address, entry.username


def _words(entry: model.RegistryCredentials) -> str:
    server = repr(entry.server_address) if entry.server_address else "every other registry"
    return f"{server} as {entry.username!r}"
