"""The contract of images."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import pytest

from kukeon_api import errors
from kukeon_sdk.testing import archives
from kukeon_sdk.testing.contract.place import WAIT_S, Placed, raises_kind

if TYPE_CHECKING:
    from kukeon_sdk.client import Client
    from kukeon_sdk.testing.contract.place import Place

FULL = "docker.io/library/tiny:latest"


class Images(Placed):
    """Load, list, get and delete."""

    @pytest.mark.parametrize("form", ["oci", "docker"])
    def test_an_archive_is_loaded_and_found_by_its_name(self, client: Client, place: Place, form: str) -> None:
        archive = archives.oci("tiny") if form == "oci" else archives.docker("tiny")
        loaded = client.load_image(place.realm, archive, timeout=WAIT_S)
        assert loaded.images == (FULL,)
        assert loaded.realm == place.realm
        assert loaded.namespace == client.get_realm(place.realm_doc(), timeout=WAIT_S).realm.spec.namespace
        for ref in ("tiny", "library/tiny:latest", FULL):
            found = client.get_image(place.realm, ref, timeout=WAIT_S)
            assert (found.realm, found.namespace) == (loaded.realm, loaded.namespace)
            assert found.image.name == FULL
            assert found.image.digest.startswith("sha256:")
            assert found.image.created_at is not None
        listed = client.list_images(place.realm, timeout=WAIT_S)
        assert (listed.realm, listed.namespace) == (loaded.realm, loaded.namespace)
        assert [each.name for each in listed.images] == [FULL]

    def test_an_archive_may_have_several_names_or_none(self, client: Client, place: Place) -> None:
        loaded = client.load_image(
            place.realm, archives.docker("example.invalid/b:1", "example.invalid/a:1"), timeout=WAIT_S
        )
        assert set(loaded.images) == {"example.invalid/a:1", "example.invalid/b:1"}
        (nameless,) = client.load_image(place.realm, archives.oci(), timeout=WAIT_S).images
        digest = client.get_image(place.realm, nameless, timeout=WAIT_S).image.digest
        assert digest.removeprefix("sha256:")[:12] in nameless
        names = [each.name for each in client.list_images(place.realm, timeout=WAIT_S).images]
        assert names == ["example.invalid/a:1", "example.invalid/b:1", nameless]

    @pytest.mark.parametrize("source", ["bytes", "file", "parts"])
    def test_an_archive_comes_from_anything(self, client: Client, place: Place, source: str) -> None:
        archive = archives.oci("tiny")
        parts: Any = (archive[start : start + 1000] for start in range(0, len(archive), 1000))
        tarball = {"bytes": archive, "file": io.BytesIO(archive), "parts": parts}[source]
        assert client.load_image(place.realm, tarball, timeout=WAIT_S).images == (FULL,)

    def test_what_reading_raises_is_raised_and_nothing_is_loaded(self, client: Client, place: Place) -> None:
        def broken() -> Any:
            yield archives.oci("tiny")[:2000]
            raise OSError("the disk is gone")

        with pytest.raises(OSError, match="the disk is gone"):
            client.load_image(place.realm, broken(), timeout=WAIT_S)
        assert client.list_images(place.realm, timeout=WAIT_S).images == ()

    def test_what_is_no_archive_is_refused(self, client: Client, place: Place) -> None:
        archive = archives.oci("tiny")
        for wrong in (b"", b"this is no archive" * 100, archive[:3000], archives.docker("Bad Name")):
            with pytest.raises(errors.Invalid):
                client.load_image(place.realm, wrong, timeout=WAIT_S)
        with raises_kind("TarballRequired"):
            client.load_image(place.realm, b"", timeout=WAIT_S)
        with raises_kind("InvalidArchive"):
            client.load_image(place.realm, b"this is no archive" * 100, timeout=WAIT_S)
        assert client.list_images(place.realm, timeout=WAIT_S).images == ()

    def test_an_image_is_deleted_by_its_name(self, client: Client, place: Place) -> None:
        client.load_image(place.realm, archives.oci("tiny"), timeout=WAIT_S)
        gone = client.delete_image(place.realm, "tiny", timeout=WAIT_S)
        assert (gone.realm, gone.ref) == (place.realm, FULL)
        assert gone.namespace
        with raises_kind("ImageNotFound"):
            client.get_image(place.realm, "tiny", timeout=WAIT_S)

    def test_an_image_or_a_realm_that_is_absent(self, client: Client, place: Place) -> None:
        with raises_kind("ImageNotFound") as caught:
            client.get_image(place.realm, "absent", timeout=WAIT_S)
        assert "docker.io/library/absent:latest" in str(caught.value)
        with raises_kind("ImageNotFound"):
            client.delete_image(place.realm, "absent", timeout=WAIT_S)
        with raises_kind("InvalidImage"):
            client.get_image(place.realm, "Bad Name", timeout=WAIT_S)
        realm = f"{place.realm}-no"
        with raises_kind("RealmNotFound"):
            client.list_images(realm, timeout=WAIT_S)
        with raises_kind("RealmNotFound"):
            client.get_image(realm, "tiny", timeout=WAIT_S)
        with raises_kind("RealmNotFound"):
            client.delete_image(realm, "tiny", timeout=WAIT_S)
        with raises_kind("RealmNotFound"):
            client.load_image(realm, archives.oci("tiny"), timeout=WAIT_S)
