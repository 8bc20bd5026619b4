"""What a cell needs of its host before it can run: images, and the paths that its volumes name."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from kukeon_api import errors, image_rules, image_ways, model
from kukeon_runner import manifest_hash, observed, seccomp_file, spec, wanted
from kukeon_runner.plan import reuse
from kukeon_runner.runner import ports, pulling
from kukeon_runner.together import together

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Mapping

    from kukeon_runner.runner.context import Context

Found = observed.Image | errors.ImageNotFound
"""An image, or the error that says it is not there."""

Pulled = observed.Image | errors.KukeonError
"""An image, or why it could not be pulled."""


async def images(context: Context, doc: model.CellDoc, site: wanted.Site) -> dict[str, Found]:
    """What there is of each image that `doc` names."""

    async def find(ref: str) -> Found:
        try:
            return await context.host.images.find(site.namespace, ref)
        except errors.ImageNotFound as error:
            return error

    refs = sorted({each.image for each in doc.spec.containers})
    return dict(zip(refs, await together(*map(find, refs)), strict=True))


async def cell(
    context: Context,
    doc: model.CellDoc,
    site: wanted.Site,
    seen: observed.Cell,
    *,
    only: Container[str] | None = None,
    pull: bool = True,
) -> wanted.Cell:
    """The cell as `doc` asks for it. With `pull`, an image that some container has to be made from is pulled where its
    policy says so, see `lacking`. With `only`, the images of all other containers may be missing.

    Raises what `check` and `fulfilled` raise, and what registries have to say.
    """
    await check(context, doc)
    found = await images(context, doc, site)
    if pull:
        had = await pulled(context, doc, site, lacking(doc, site, seen, found, only))
        for error in unpulled(had).values():
            raise error
        found |= {name: each for name, each in had.items() if isinstance(each, observed.Image)}
    return await fulfilled(context, doc, site, seen, found, only)


async def check(context: Context, doc: model.CellDoc) -> None:
    """Raise PortTaken, VolumeSourceNotFound or SecretNotFound where this host has not what `doc` names."""
    await ports.check(context, doc)
    await _check_volumes(context, doc)
    for secret in (secret for each in doc.spec.containers for secret in each.secrets):
        await context.host.kernel.check_secret(secret)


def lacking(
    doc: model.CellDoc,
    site: wanted.Site,
    seen: observed.Cell,
    found: Mapping[str, Found],
    only: Container[str] | None = None,
    *,
    asked: bool = True,
) -> tuple[str, ...]:
    """The images to pull before `doc`, or of its containers `only` these, can be made: by the policies of those that
    have to be made anew. Pure.

    Unless somebody `asked` for the cell, one that is there is good enough also for Always: no registry keeps a cell
    down.
    """

    def pulls(each: model.ContainerSpec) -> bool:
        if not _needed(each, only):
            return False
        if each.image_pull_policy == image_rules.NEVER or _reused(doc, each, site, seen):
            return False
        missing = isinstance(found[each.image], errors.ImageNotFound)
        return missing or (asked and each.image_pull_policy == image_rules.ALWAYS)

    return tuple(sorted({each.image for each in doc.spec.containers if pulls(each)}))


async def pulled(context: Context, doc: model.CellDoc, site: wanted.Site, names: Iterable[str]) -> dict[str, Pulled]:
    """Pull the images `names` for the cell, and return what came of it. The first failure ends all of them.

    The cell must not go meanwhile: whoever deletes it has to end this first.
    """
    came: dict[str, Pulled] = {}

    async def have(name: str) -> None:
        try:
            await pulling.needed(context, doc.spec.realm_id, site.namespace, name)
            came[name] = await context.host.images.find(site.namespace, name)
        except errors.KukeonError as error:
            came[name] = error
            raise

    with contextlib.suppress(errors.KukeonError):  # it stands in what is returned
        await together(*map(have, names))
    return came


def unpulled(came: Mapping[str, Pulled]) -> dict[str, errors.KukeonError]:
    """Those of the images that could not be pulled, and why."""
    return {name: each for name, each in came.items() if isinstance(each, errors.KukeonError)}


async def fulfilled(
    context: Context,
    doc: model.CellDoc,
    site: wanted.Site,
    seen: observed.Cell,
    found: Mapping[str, Found],
    only: Container[str] | None = None,
) -> wanted.Cell:
    """The cell as `doc` asks for it, of the images `found`; with `only`, those of all other containers may be missing.

    Raises ImageNotFound for one that is not there, DeviceNotFound, Invalid for a container without a program or a
    seccomp profile that is none. A container that exists needs its image no more: it has its own copy of what it was
    made from, and so of devices and profile.
    """
    ref = model.ref_of(doc)
    things: dict[str, observed.Found] = {}
    usable: dict[str, observed.Image] = {}
    for each in doc.spec.containers:
        image = found[each.image]
        reused = _reused(doc, each, site, seen)
        if not reused:
            things[each.id] = await _found(context, each)
        if isinstance(image, errors.ImageNotFound):
            if not reused and _needed(each, only):
                raise errors.ImageNotFound(
                    f"cannot find image {each.image!r} in realm {ref.realm!r}",
                    hint=image_ways.to_have(each.image, ref.realm),
                )
            image = observed.Image(each.image, "", "")
        elif not spec.arguments(each, image):
            raise errors.Invalid(
                f"cannot run container {each.id!r}: neither it nor its image {each.image!r} names a program",
                hint="set the container's command",
            )
        usable[each.image] = image
    kernel = context.host.kernel
    on_host = any(each.host_network for each in doc.spec.containers)
    return wanted.cell(
        site,
        doc,
        usable,
        await kernel.resolv_conf(),
        lambda name: context.layout.container_log(ref.child(name)),
        found=things,
        host_files=wanted.HostFiles(*await kernel.own_etc()) if on_host else None,
        announced=await context.host.network.members.member(ref),
    )


def _needed(each: model.ContainerSpec, only: Container[str] | None) -> bool:
    """Whether `each` comes up with `only` these; a root container does with any."""
    return only is None or each.root or each.id in only


def _reused(doc: model.CellDoc, each: model.ContainerSpec, site: wanted.Site, seen: observed.Cell) -> bool:
    existing = seen.containers.get(site.container_id(each.id, root=each.root))
    digest = manifest_hash.spec_hash(each, nested=doc.spec.nested_cgroup_runtime)
    return reuse.reusable(digest, existing, needs_snapshot=True) or (
        existing is not None and reuse.intact(digest, existing)
    )


async def _found(context: Context, spec_: model.ContainerSpec) -> observed.Found:
    """What there is on the host of what a container names. Raises DeviceNotFound, Invalid for a seccomp profile."""
    kernel = context.host.kernel
    devices = {each.path: each for each in await kernel.devices()} if spec_.privileged else {}
    for path in spec_.devices:
        devices[path] = await kernel.device(path)
    profile = None
    if path := spec.seccomp_file(spec_):
        try:
            content = await kernel.read_bounded(path, seccomp_file.MAX_BYTES)
        except errors.Invalid as error:
            raise errors.Invalid(
                f"cannot use the seccomp profile of container {spec_.id!r}: {error}",
                hint="make the file on this host, or correct the container's securityOpts",
            ) from error
        host = kernel.abilities
        granted = spec.granted(spec_, host)
        profile = seccomp_file.parse(content, path, granted, host.machine, host.kernel)
    return observed.Found(tuple(devices.values()), profile)


async def _check_volumes(context: Context, doc: model.CellDoc) -> None:
    for each in doc.spec.containers:
        for volume in each.volumes:
            if volume.source and not await context.host.kernel.exists(volume.source):
                raise errors.VolumeSourceNotFound(
                    f"cannot mount {volume.source!r} in container {each.id!r}: there is no such path on this host",
                    hint="make the directory, or correct the volume's source",
                )
