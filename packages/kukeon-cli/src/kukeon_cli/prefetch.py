"""Images that cells are about to need, fetched beforehand: with the user's own logins, and where progress is seen."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kukeon_api import errors, image_ref, image_rules, model

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from kukeon_sdk.client import Client


def missing(client: Client, docs: Iterable[model.Doc]) -> None:
    """Pull what the containers of `docs` need and their realms lack.

    Nothing fails here: a realm may come with the same documents, and kukeond, which pulls what is still missing, says
    best what is wrong.  Ctrl-C ends it.
    """
    from kukeon_cli import transfers

    present: dict[str, set[str]] = {}
    for realm, name in dict.fromkeys(_needed(docs)):
        try:
            if realm not in present:
                present[realm] = {image.name for image in client.list_images(realm).images}
            if name not in present[realm]:
                transfers.follow(client.pull_image(realm, name, login=transfers.login(name)), f"pulling {name}")
        except errors.KukeonError:
            continue


def _needed(docs: Iterable[model.Doc]) -> Iterator[tuple[str, str]]:
    for doc in docs:
        if isinstance(doc, model.CellDoc):
            realm, containers = doc.spec.realm_id, doc.spec.containers
        elif isinstance(doc, model.ContainerDoc):
            realm, containers = doc.spec.realm_id, (doc.spec,)
        else:
            continue
        for each in containers:
            if each.image_pull_policy == image_rules.NEVER:
                continue
            try:
                yield realm or model.DEFAULT_REALM, image_ref.normalise(each.image)
            except errors.InvalidImage:
                continue
