"""`kuke create registry-credential`: how a realm logs in to a registry."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from kukeon_cli import lazy, options

if TYPE_CHECKING:
    from kukeon_api import model
    from kukeon_api.model import Ref
    from kukeon_cli.output import Output
    from kukeon_cli.session import Session
    from kukeon_sdk.client import Client

_MAX_BYTES = 64 << 10
"""Tokens of the largest registries have a few KiB."""
_ATTEMPTS = 5
"""How often somebody else may change the realm meanwhile."""


class Outcome(msgspec.Struct, frozen=True, rename="camel"):
    """What became of a credential."""

    realm: str
    server_address: str
    username: str
    action: str


_FIELDS = {"serverAddress": "--server", "username": "--username", "password": "the password"}


def put(client: Client, realm: Ref, credential: model.RegistryCredentials, out: Output) -> None:
    """Give the realm this credential for its server, in place of the one that it has; the others stay.

    Raises `RealmNotFound`, and whatever the realm is refused for.
    """
    from kukeon_api import errors, model
    from kukeon_cli import container_flags

    alone = model.RealmDoc(
        metadata=model.Metadata(name=realm.name), spec=model.RealmSpec(registry_credentials=(credential,))
    )
    paths = {f"spec.registryCredentials[0].{field}": flag for field, flag in _FIELDS.items()}
    container_flags.check(alone, paths, "change")
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            outcome = _put(client, realm, credential)
            break
        except errors.StaleResource:
            # Somebody changed the realm between our reading and our writing it.
            if attempt == _ATTEMPTS:
                raise
    server = credential.server_address
    what = f'Registry credential for "{server}"' if server else "Registry credential for Docker Hub"
    line = f'{what} in realm "{realm.name}": {outcome.action}'
    out.result(outcome, [line], [f"registry-credential/{server or '*'}"])


def _put(client: Client, ref: Ref, credential: model.RegistryCredentials) -> Outcome:
    from kukeon_api import errors, model
    from kukeon_cli import output, resources

    realm = resources.get(client, ref)
    assert isinstance(realm, model.RealmDoc)
    before = {each.server_address: each for each in realm.spec.registry_credentials}
    merged = {**before, credential.server_address: credential}
    spec = msgspec.structs.replace(realm.spec, registry_credentials=tuple(merged.values()))
    # With the generation that was read: what somebody else adds meanwhile is not overwritten.
    wanted = model.RealmDoc(metadata=realm.metadata, spec=spec)
    (result,) = client.apply_documents(output.yaml_text(output.document(wanted)).encode()).resources
    if result.action is model.ApplyAction.FAILED:
        kind = result.details.get("kind", "")
        cls = errors.KINDS.get(kind, errors.HostError)
        raise cls(result.error, hint=result.details.get("hint", ""), kind=kind or None)
    action = "created" if credential.server_address not in before else str(result.action)
    return Outcome(ref.name, credential.server_address, credential.username, action)


def secret(from_file: str | None) -> str:
    """Return the password on standard input, or in a file; without the newline that editors and `echo` add."""
    from kukeon_api import errors
    from kukeon_cli import streams, terminal

    try:
        if from_file is None:
            if terminal.is_terminal(sys.stdin):
                raise errors.Invalid(
                    "cannot read a password from the terminal, which would show it", hint="pipe it in: < FILE"
                )
            raw = streams.read(streams.standard_input(), _MAX_BYTES + 1)
        else:
            with Path(from_file).open("rb") as stream:
                raw = streams.read(stream, _MAX_BYTES + 1)
        text = raw.decode()
    except OSError as exc:
        what = streams.STDIN if from_file is None else repr(from_file)
        raise errors.Invalid(f"cannot read {what}: {exc.strerror}") from exc
    except UnicodeDecodeError:
        raise errors.Invalid("cannot use the password: it is no text") from None
    text = text.removesuffix("\n").removesuffix("\r")
    if not text or len(raw) > _MAX_BYTES or "\n" in text:
        why = "it is empty" if not text else "it is not one line of at most 64 KiB"
        raise errors.Invalid(f"cannot use the password: {why}")
    return text


@click.command("registry-credential", cls=lazy.Command)
@options.name("realm", shown="REALM", variable="KUKE_CREATE_REGISTRY_CREDENTIAL_NAME")
@click.option("--server", required=True, metavar="HOST[:PORT]", help="The registry, like ghcr.io.")
@click.option("--username", required=True, metavar="NAME", help="Who logs in.")
@click.option("--password-stdin", is_flag=True, help="Read the password or token from standard input.")
@click.option("--from-file", metavar="FILE", type=click.Path(), help="Read the password or token from a file.")
@options.output()
@click.pass_obj
def command(
    session: Session,
    name: str,
    server: str,
    username: str,
    password_stdin: bool,
    from_file: str | None,
    output: str,
) -> None:
    """Have a realm log in to a registry.

    One credential for each server: another one for it takes its place, those of other servers stay. The password is
    never an argument, which everybody on the host could read, and nothing shows it again.

    \b
        kuke create registry-credential default --server ghcr.io --username me --password-stdin < token
    """
    from kukeon_api import model
    from kukeon_cli import resources

    if password_stdin == (from_file is not None):
        raise click.UsageError("give exactly one of --password-stdin and --from-file")
    ref = resources.Scope().at("Realm", name)
    credential = model.RegistryCredentials(username=username, password=secret(from_file), server_address=server)
    put(session.client, ref, credential, session.output(output))
