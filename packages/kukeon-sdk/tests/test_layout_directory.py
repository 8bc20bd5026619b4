"""Image directories that are sent as archives."""

from __future__ import annotations

import io
import shutil
import tarfile
from typing import TYPE_CHECKING

import pytest

from kukeon_api import errors
from kukeon_sdk import layout_directory
from kukeon_sdk.testing import MemoryClient, archives

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def layout(tmp_path: Path) -> Path:
    with tarfile.open(fileobj=io.BytesIO(archives.oci("busybox"))) as archive:
        archive.extractall(tmp_path / "busybox", filter="data")
    return tmp_path / "busybox"


def test_one_is_loaded_like_its_archive(layout: Path) -> None:
    client = MemoryClient()
    loaded = client.load_image("default", layout_directory.archive(layout))
    assert loaded.images == ("docker.io/library/busybox:latest",)


def test_what_links_elsewhere_is_left_out(layout: Path) -> None:
    (layout / "passwords").symlink_to("/etc/passwd")
    data = b"".join(layout_directory.archive(layout))
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        assert "passwords" not in archive.getnames()


def test_a_directory_in_it_that_cannot_be_read_is_no_empty_one(layout: Path) -> None:
    sending = layout_directory.archive(layout)
    next(sending)
    shutil.rmtree(layout / "blobs")
    with pytest.raises(OSError, match="blobs"):
        for _ in sending:
            pass


def test_a_directory_without_an_image_is_refused_at_once(tmp_path: Path) -> None:
    with pytest.raises(errors.Invalid, match="without oci-layout"):
        layout_directory.archive(tmp_path)
