"""Keeping trouble with one thing from all others, in work that nobody waits for."""

from __future__ import annotations

import contextlib
import logging
from typing import TYPE_CHECKING

from kukeon_api import errors

if TYPE_CHECKING:
    from collections.abc import Iterator

log = logging.getLogger(__name__)


@contextlib.contextmanager
def apart(what: str) -> Iterator[None]:
    """Log what goes wrong in the body as "cannot `what`", and go on; a mistake of ours with its traceback."""
    try:
        yield
    except errors.KukeonError as error:
        log.warning("cannot %s: %s", what, error)
    except Exception:  # the root of this work: whoever called has other things to look after
        log.exception("cannot %s", what)
