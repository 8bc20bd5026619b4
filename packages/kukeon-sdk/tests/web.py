"""The container that tests of streams and sessions are about."""

from __future__ import annotations

from kukeon_api import model

WEB = model.ContainerDoc(
    metadata=model.Metadata(name="web"),
    spec=model.ContainerSpec(id="web", realm_id="r", space_id="s", stack_id="t", cell_id="c"),
)
