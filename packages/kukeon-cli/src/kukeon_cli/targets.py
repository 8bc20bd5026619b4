"""Which container of a cell somebody wants to talk to, and whether that can be done."""

from __future__ import annotations

from kukeon_api import errors, model


def to_run(cell: model.CellDoc, container: str | None, *, of_image: bool) -> model.Ref:
    """Return the container that running in the foreground is about, see `to_attach`.

    The one container of a cell that is made of an image (`of_image`) needs no terminal: its output is shown.
    """
    if of_image:
        ref = model.ref_of(cell)
        own = cell.spec.containers[0].id
        if container not in (None, own):
            raise errors.ContainerNotFound(f"cannot find container {container!r} in cell {ref.name!r}: it has {own}")
        return ref.child(own)
    return to_attach(cell, container)


def to_attach(cell: model.CellDoc, container: str | None) -> model.Ref:
    """Return the container that running in the foreground is about, in this order: the one named, the one that the
    cell's `tty.default` names, the first that is attachable.

    Raises `AttachNotSupported` when that one has no terminal, or none has; `ContainerNotFound` for one that there
    isn't. Both name the choice.
    """
    ref = model.ref_of(cell)
    own = {each.id: each for each in cell.spec.containers if not each.root}
    attachable = [each.id for each in own.values() if each.attachable]
    stated = container or (cell.spec.tty.default if cell.spec.tty is not None else "")
    if not stated:
        if attachable:
            return ref.child(attachable[0])
        raise errors.AttachNotSupported(
            f"cannot run cell {ref.name!r} in the foreground: none of its containers is attachable",
            hint="say 'attachable: true' for one of them, or pass -d/--detach",
        )
    choice = f"attachable are {', '.join(attachable)}" if attachable else "none is attachable: say 'attachable: true'"
    if stated not in own:
        raise errors.ContainerNotFound(f"cannot find container {stated!r} in cell {ref.name!r}", hint=choice)
    if stated not in attachable:
        raise errors.AttachNotSupported(
            f"cannot attach to container {stated!r} of cell {ref.name!r}: it is not attachable", hint=choice
        )
    return ref.child(stated)
