"""Having images that are not there, for whoever asks and for cells that need them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kukeon_api import errors, image_ref, image_ways, model
from kukeon_runner.host.transfer import logins

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager

    from kukeon_runner.credentials import Credentials
    from kukeon_runner.host.transfer.progress import Progress
    from kukeon_runner.runner.context import Context
    from kukeon_runner.runner.pulls import Pull
    from kukeon_runner.runner.realm import Realms

NOBODY = model.RegistryLogin()


def joined(
    context: Context, realms: Realms, realm: str, ref: image_ref.ImageRef, platform: str, login: model.RegistryLogin
) -> AbstractAsyncContextManager[Pull]:
    """Join or begin the pull of an image into a realm, which stays meanwhile; see `Pulls.joined`."""

    async def work(progress: Progress) -> model.TransferResult:
        async with realms.held(realm) as namespace:
            return await _pull(context, realm, namespace, await realms.logins(realm), ref, platform, login, progress)

    return context.pulls.joined((realm, str(ref), platform, login), work)


async def needed(context: Context, realm: str, namespace: str, name: str) -> None:
    """Have the image `name` for a cell of the realm, whose lock its caller holds.

    Raises what the registry has to say, in words about what the cell lacks.
    """

    async def work(progress: Progress) -> model.TransferResult:
        stored = await context.passwords(realm)
        return await _pull(context, realm, namespace, stored, image_ref.parse(name), "", NOBODY, progress)

    try:
        # Never with one that somebody asked for: that one may wait for a lock that is held here.
        async with context.pulls.joined((namespace, name), work) as pull:
            await pull.wait()
            await pull.task
    except errors.KukeonError as error:
        way = image_ways.to_have(name, realm, pulled=True)
        hint = f"{error.hint}; or {way}" if error.hint else way
        words = error.message.removeprefix("cannot ")
        message = f"cannot find image {name!r} in realm {realm!r}, nor {words}"
        raise type(error)(message, kind=error.kind, hint=hint) from error


async def _pull(
    context: Context,
    realm: str,
    namespace: str,
    stored: Credentials,
    ref: image_ref.ImageRef,
    platform: str,
    login: model.RegistryLogin,
    progress: Progress,
) -> model.TransferResult:
    credentials = logins.credentials(stored, login)
    digest, size, changed = await context.host.images.pull(namespace, ref, platform, credentials, progress)
    return model.TransferResult(
        realm=realm, namespace=namespace, image=str(ref), digest=digest, size=size, changed=changed
    )
