"""The examples are manifests that kuke accepts as they are."""

from __future__ import annotations

from pathlib import Path

import pytest

from kukeon_api import manifest, model

EXAMPLES = Path(__file__).parents[3] / "examples"


def test_there_are_examples() -> None:
    assert {path.name for path in EXAMPLES.glob("*.yaml")} >= {"hello-world.yaml", "first-stack.yaml"}


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.yaml")), ids=lambda path: path.name)
def test_an_example_is_valid(path: Path) -> None:
    documents = manifest.parse(path.read_bytes(), source=path.name)
    assert manifest.parse(manifest.dump(document.doc for document in documents))
    if path.name == "hello-world.yaml":
        (document,) = documents
        assert isinstance(document.doc, model.CellDoc)
        assert str(model.ref_of(document.doc)) == "default/default/default/hello-world"
