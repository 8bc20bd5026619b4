"""What is left of resources whose documents are lost or damaged: enough to remove them.

A crash can leave a directory without a document, and a disk can lose or spoil one. Everything on the host is found
again by the resource's name alone, so such a resource can still be deleted, and deletes with its parent.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from kukeon_api import errors, names
from kukeon_runner import documents

if TYPE_CHECKING:
    from kukeon_api import model
    from kukeon_runner.documents import D
    from kukeon_runner.store import Store

log = logging.getLogger(__name__)


def of(store: Store, ref: model.Ref, kind: type[D]) -> D:
    """The document of `ref`, or a bare one where only its directory is left. Raises `<Kind>NotFound`."""
    try:
        return store.load(ref, kind)
    except errors.CorruptMetadata as error:
        log.warning("going by the name alone: %s", error)
    except errors.NotFound:
        if ref.name not in store.leftovers(ref.parent):
            raise
        log.warning("%s %s has no document: going by the name alone", ref.kind.lower(), ref)
    bare = documents.bare(ref)
    assert isinstance(bare, kind)
    return bare


def whatever(store: Store, ref: model.Ref, kind: type[D]) -> tuple[D, bool]:
    """The document of `ref` and True, or one that says no more than its name and False."""
    try:
        return store.load(ref, kind), True
    except (errors.NotFound, errors.CorruptMetadata):
        bare = documents.bare(ref)
        assert isinstance(bare, kind)
        return bare, False


def below(store: Store, ref: model.Ref | None) -> list[str]:
    """The names of the resources inside `ref` (of the realms, for None), with those that have only a directory."""
    return sorted({*store.children(ref), *filter(names.is_name, store.leftovers(ref))})
