"""In which fields a cell or container that is there differs from the one that is described now."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from kukeon_api import diff, errors, model, normalise

if TYPE_CHECKING:
    from kukeon_sdk.client import Client


def differences(wanted: model.CellDoc, found: model.CellDoc, space: model.SpaceSpec) -> list[str]:
    """Return paths like `spec.containers[web].image`; both sides with the defaults of their space filled in.

    Labels are no reason to call it another cell.
    """
    before, after = (normalise.effective(normalise.normalise(doc), space) for doc in (found, wanted))
    return [change.path for change in diff.cell(before, after) if change.path.startswith("spec.")]


def kept(client: Client, wanted: model.CellDoc | model.ContainerDoc) -> list[str]:
    """Return in which fields what is there is not what `wanted` says, for a creation leaves it as it was.

    Only what `wanted` says counts: containers and labels beside those are no difference. Empty, too, when kukeond can't
    be asked: this is told beside something else, which it must not hide.
    """
    from kukeon_cli import resources

    ref = model.ref_of(wanted)
    place = ref.parent if isinstance(wanted, model.ContainerDoc) else ref
    assert place is not None
    try:
        found = resources.find(client, place)
        space = resources.find(client, model.Ref(ref.realm, ref.space))
    except errors.KukeonError:
        return []
    if not isinstance(found, model.CellDoc) or not isinstance(space, model.SpaceDoc):
        return []
    if isinstance(wanted, model.ContainerDoc):
        stated = {wanted.metadata.name: normalise.normalise(wanted).spec}
        labels: list[str] = []
    else:
        stated = {each.id: each for each in wanted.spec.containers}
        own = found.metadata.labels
        labels = [f"metadata.labels.{key}" for key, value in wanted.metadata.labels.items() if own.get(key) != value]
    containers = tuple(stated.pop(each.id, each) for each in found.spec.containers)
    as_wanted = msgspec.structs.replace(found, spec=msgspec.structs.replace(found.spec, containers=containers))
    # A single container that is not in the cell is not there at all.
    missing = [f"spec.containers[{id}]" for id in stated] if isinstance(wanted, model.CellDoc) else []
    return [*labels, *differences(as_wanted, found, space.spec), *missing]


def refuse(client: Client, wanted: model.CellDoc, found: model.CellDoc, source: str) -> None:
    """Raise `CellSpecDrift` naming the fields in which the cell that is there differs from the one wanted."""
    place = model.ref_of(wanted)
    metadata, spec = model.Metadata(name=place.space), model.SpaceSpec(realm_id=place.realm)
    space = client.get_space(model.SpaceDoc(metadata=metadata, spec=spec)).space
    fields = differences(wanted, found, space.spec)
    if fields:
        raise errors.CellSpecDrift(
            f"cannot run cell {str(place)!r}: it exists and differs in {', '.join(fields)}",
            hint=f"change it with: kuke apply -f {source}",
        )
