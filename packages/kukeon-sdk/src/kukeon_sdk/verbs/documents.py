"""Documents: any number of resources at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from kukeon_api import model


class Documents(Protocol):
    """Verbs of documents that name any number of resources."""

    def apply_documents(
        self, raw_yaml: bytes, dry_run: bool = False, prune: str = "", *, timeout: float | None = None
    ) -> model.ApplyDocumentsResult:
        """Make the host match the YAML documents; each resource's outcome is in the result, failures too.

        `dry_run` changes nothing and tells what would be done. `prune` is a label selector (`app=shop,tier!=test`):
        everything that matches it and that the documents do not name is deleted afterwards, unless one of them failed.
        Raises `Invalid` with every problem of every document, and then nothing was changed.
        """
        ...

    def delete_documents(
        self, raw_yaml: bytes, cascade: bool = False, force: bool = False, *, timeout: float | None = None
    ) -> model.DeleteDocumentsResult:
        """Delete what the YAML documents name, the innermost first; each resource's outcome is in the result.

        What is not there is `not found`, which is no failure: twice is fine. Raises `Invalid` with every problem of
        every document, and then nothing was deleted.
        """
        ...
