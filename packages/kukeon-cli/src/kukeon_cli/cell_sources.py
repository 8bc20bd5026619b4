"""What `kuke run` runs: a cell of a file, of a profile, of an image."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import msgspec

from kukeon_api import errors, image_ref, model, names
from kukeon_cli import container_flags, resources

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from kukeon_cli.manifests import Source
    from kukeon_cli.resources import Scope
    from kukeon_sdk.client import Client

_OF_IMAGE = {
    "spec.containers[0].image": "--image",
    "spec.containers[0].imagePullPolicy": "--image-pull-policy",
    "spec.containers[0].env": "--env",
    "spec.containers[0].command": "the command",
    "spec.containers[0].args": "the command's arguments",
    "spec.containers[0].attachable": "a terminal (-t)",
}
"""Path in the document -> what of the command line it comes from."""

_TRIES = 20
"""Names to try: that even two of sixteen million are taken is a sign of something else."""


def of_file(source: Source, scope: Scope) -> model.CellDoc:
    """Return the one cell in `source`; the scope flags, or `default`, stand in for parents that it leaves out.

    Raises `Invalid` for anything but one cell.
    """
    # Reading YAML takes a tenth of what a run of an image takes, which reads none.
    from kukeon_cli import manifests

    documents = manifests.parse([manifests.completed(source, scope.parents())])
    if len(documents) != 1 or not isinstance(documents[0].doc, model.CellDoc):
        held = ", ".join(f'{entry.doc.kind} "{entry.doc.metadata.name}"' for entry in documents)
        raise errors.Invalid(
            f"cannot run {source.name}: it must hold one Cell, and it holds {held}",
            hint=f"kuke apply -f {source.name}",
        )
    return documents[0].doc


def of_profile(
    name: str, scope: Scope, environ: Mapping[str, str], *, params: Sequence[str], files: Sequence[str], cell: str
) -> model.CellDoc:
    """Return a cell of the profile called `name`, itself called `cell` or by a name of its own.

    Raises `ProfileNotFound`, and `ProfileInvalid` with everything that is wrong with the profile and the values.
    """
    from kukeon_cli import profiles

    found = profiles.find(name, environ)
    given, problems = profiles.values(params, files)
    place = scope.at("Cell", cell or names.DEFAULT_STACK)
    stated = {level: getattr(place, level) for level in ("realm", "space", "stack")}
    return found.cell(given, name=cell, environ=environ, parents=stated, problems=problems)


def of_image(
    image: str, program: Sequence[str], scope: Scope, cell: str, *, terminal: bool, policy: str | None
) -> model.CellDoc:
    """Return a cell with one container of an image that is pulled by `policy`, called `cell` or after the image."""
    from kukeon_cli.commands import create_cell

    ref = scope.at("Cell", cell or names.generated(short_name(image)))
    bare = resources.cell_document(ref)
    first, *rest = program or ("",)
    container = model.ContainerSpec(
        id=create_cell.CONTAINER,
        image=image,
        command=first,
        args=tuple(rest),
        attachable=terminal,
        image_pull_policy=policy or "",
    )
    return msgspec.structs.replace(bare, spec=msgspec.structs.replace(bare.spec, containers=(container,)))


def short_name(image: str) -> str:
    """Return what a cell of an image is called before its number: `quay.io/team/my_app:1.2` -> `my-app`."""
    try:
        path = image_ref.normalise(image)
    except errors.Invalid:
        return "cell"  # which the rules tell
    last = path.rpartition("/")[2].partition("@")[0].partition(":")[0]
    word = re.sub("[^a-z0-9]+", "-", last.lower())[: names.MAX_NAME_LENGTH - names.GENERATED_LENGTH].strip("-")
    return word or "cell"


def with_free_name(client: Client, doc: model.CellDoc, prefix: str) -> model.CellDoc:
    """Return `doc`, which has a generated name, with one that no cell has."""
    for _ in range(_TRIES):
        if resources.find(client, model.ref_of(doc)) is None:
            return doc
        doc = msgspec.structs.replace(doc, metadata=msgspec.structs.replace(doc.metadata, name=names.generated(prefix)))
    raise errors.CellExists(f"cannot find a free name that begins with {prefix!r}", hint="pass --name")


def adapted(
    doc: model.CellDoc, *, remove: bool, env: Sequence[str], labels: Sequence[str], container: str | None, image: bool
) -> model.CellDoc:
    """Return `doc` with what the flags say; variables go to the container that is attached to.

    Raises `Invalid` that names the flag; `image`: the container comes from flags as well.
    """
    replace = msgspec.structs.replace
    if remove:
        doc = replace(doc, spec=replace(doc.spec, auto_delete=True))
    if labels:
        found = container_flags.pairs("--label", labels)
        doc = replace(doc, metadata=replace(doc.metadata, labels={**doc.metadata.labels, **found}))
    if env:
        doc = replace(doc, spec=_with_variables(doc, container_flags.variables(env), container))
    told = {"metadata.labels": "--label", "spec.autoDelete": "--rm"}
    if image:
        told |= _OF_IMAGE
    container_flags.check(doc, told, doing="run")
    return doc


def _with_variables(doc: model.CellDoc, variables: Sequence[str], container: str | None) -> model.CellSpec:
    chosen = container or _own(doc)
    if all(each.id != chosen for each in doc.spec.containers):
        raise errors.ContainerNotFound(f"cell {doc.metadata.name!r} has no container {chosen!r} (--container)")
    keys = tuple(f"{variable.partition('=')[0]}=" for variable in variables)
    containers = tuple(
        msgspec.structs.replace(each, env=(*(own for own in each.env if not own.startswith(keys)), *variables))
        if each.id == chosen
        else each
        for each in doc.spec.containers
    )
    return msgspec.structs.replace(doc.spec, containers=containers)


def _own(doc: model.CellDoc) -> str:
    """Return the container that variables are for: the one that attaching would choose, or the only one."""
    own = [each for each in doc.spec.containers if not each.root]
    if doc.spec.tty is not None and doc.spec.tty.default:
        return doc.spec.tty.default
    attachable = [each.id for each in own if each.attachable]
    if attachable:
        return attachable[0]
    if len(own) == 1:
        return own[0].id
    listed = ", ".join(each.id for each in own)
    raise errors.Invalid(
        f"cannot choose a container for --env: the cell has {listed or 'none'}", hint="pass --container NAME"
    )
