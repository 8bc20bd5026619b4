"""The contract of images."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from kukeon_api import errors, model
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

    def test_an_image_is_described(self, client: Client, place: Place) -> None:
        client.load_image(place.realm, archives.oci("tiny"), timeout=WAIT_S)
        (listed,) = client.list_images(place.realm, timeout=WAIT_S).images
        found = client.get_image(place.realm, "tiny", timeout=WAIT_S).image
        assert (listed.layers, listed.config) == ((), None)
        assert msgspec.structs.replace(found, layers=(), config=None) == listed
        assert found.config == model.ImageConfig()
        (layer,) = found.layers
        (platform,) = found.platforms
        assert platform.present
        assert platform.digest == found.digest
        assert found.size == platform.size > layer.size > 0

    def test_what_no_registry_has_is_not_pulled(self, client: Client, place: Place) -> None:
        name = "registry.invalid/none:1"
        secret = "-".join(("not", "to", "be", "shown"))
        login = model.RegistryLogin(server_address="registry.invalid", username="ann", password=secret)
        with pytest.raises((errors.ImageNotFound, errors.RegistryUnreachable)) as caught:
            list(client.pull_image(place.realm, name, login=login, timeout=WAIT_S))
        assert name in str(caught.value)
        assert secret not in f"{caught.value} {caught.value.hint} {login!r}"
        with pytest.raises((errors.ImageNotFound, errors.RegistryUnreachable)) as caught:
            client.create_cell(place.cell_doc("late", place.container(image=name)), timeout=WAIT_S)
        assert "kuke image load" in caught.value.hint
        assert place.cell("late").status.state is model.CellState.FAILED
        assert client.list_images(place.realm, timeout=WAIT_S).images == ()
        with raises_kind("RealmNotFound"):
            list(client.pull_image(f"{place.realm}-no", name, timeout=WAIT_S))
        with raises_kind("Invalid"):
            list(client.pull_image(place.realm, name, platform="arm", timeout=WAIT_S))
        with raises_kind("InvalidImage"):
            list(client.pull_image(place.realm, "Bad Name", timeout=WAIT_S))
        with raises_kind("ImageNotFound"):
            list(client.push_image(place.realm, name, timeout=WAIT_S))

    @pytest.mark.parametrize("form", ["oci", "docker"])
    def test_what_is_saved_is_loaded_again(self, client: Client, place: Place, form: str) -> None:
        client.load_image(place.realm, archives.oci("tiny"), timeout=WAIT_S)
        client.tag_image(place.realm, "tiny", "example.invalid/other:2", timeout=WAIT_S)
        before = client.list_images(place.realm, timeout=WAIT_S).images
        pieces = list(
            client.save_image(place.realm, ["tiny", "example.invalid/other:2", FULL], format=form, timeout=WAIT_S)
        )
        saved = b"".join(piece.data for piece in pieces)
        assert {piece.total_bytes for piece in pieces} == {len(saved)}
        for each in before:
            client.delete_image(place.realm, each.name, timeout=WAIT_S)
        loaded = client.load_image(place.realm, saved, timeout=WAIT_S)
        assert set(loaded.images) == {each.name for each in before}
        after = client.list_images(place.realm, timeout=WAIT_S).images
        assert [(each.name, each.digest, each.size) for each in after] == [
            (each.name, each.digest, each.size) for each in before
        ]

    def test_what_cannot_be_saved(self, client: Client, place: Place) -> None:
        client.load_image(place.realm, archives.oci("tiny"), timeout=WAIT_S)
        for kind, refs, options in (
            ("ImageNotFound", ["tiny", "absent"], {}),
            ("InvalidImage", [], {}),
            ("InvalidImage", ["Bad Name"], {}),
            ("Invalid", ["tiny"], {"format": "zip"}),
            ("Invalid", ["tiny"], {"platform": "arm"}),
        ):
            with raises_kind(kind):
                list(client.save_image(place.realm, refs, timeout=WAIT_S, **options))
        with raises_kind("RealmNotFound"):
            list(client.save_image(f"{place.realm}-no", ["tiny"], timeout=WAIT_S))

    def test_a_tag_is_one_more_name(self, client: Client, place: Place) -> None:
        client.load_image(place.realm, archives.oci("tiny"), timeout=WAIT_S)
        tagged = client.tag_image(place.realm, "tiny", "example.invalid/other:2", timeout=WAIT_S)
        assert (tagged.realm, tagged.image) == (place.realm, "example.invalid/other:2")
        assert tagged.digest == client.get_image(place.realm, "example.invalid/other:2", timeout=WAIT_S).image.digest
        client.delete_image(place.realm, "tiny", timeout=WAIT_S)
        assert client.get_image(place.realm, "example.invalid/other:2", timeout=WAIT_S).image.digest == tagged.digest
        with raises_kind("ImageNotFound"):
            client.tag_image(place.realm, "tiny", "again", timeout=WAIT_S)
        for bad in ("Bad Name", f"tiny@{tagged.digest}"):
            with raises_kind("InvalidImage"):
                client.tag_image(place.realm, "example.invalid/other:2", bad, timeout=WAIT_S)

    def test_prune_removes_what_no_cell_uses(self, client: Client, place: Place) -> None:
        nameless = client.load_image(place.realm, archives.oci(), timeout=WAIT_S).images
        client.load_image(place.realm, archives.oci("tiny"), timeout=WAIT_S)
        client.tag_image(place.realm, "tiny", "used", timeout=WAIT_S)
        doc = place.cell_doc("keeper", place.container(image="used"))
        client.create_cell(doc, no_start=True, timeout=WAIT_S)
        for every, expected in ((False, nameless), (True, (*nameless, FULL))):
            would = client.prune_images(place.realm, all=every, dry_run=True, timeout=WAIT_S)
            assert would.dry_run
            assert {each.name for each in would.images} == set(expected)
        assert len(client.list_images(place.realm, timeout=WAIT_S).images) == 3
        done = client.prune_images(place.realm, timeout=WAIT_S)
        assert [each.name for each in done.images] == list(nameless)
        assert not done.dry_run
        done = client.prune_images(place.realm, all=True, timeout=WAIT_S)
        assert [each.name for each in done.images] == [FULL]
        assert done.reclaimed_bytes == 0, "the other name still needs all of it"
        client.delete_cell(doc, timeout=WAIT_S)
        done = client.prune_images(place.realm, all=True, timeout=WAIT_S)
        assert [each.name for each in done.images] == ["docker.io/library/used:latest"]
        assert done.reclaimed_bytes >= sum(each.size for each in done.images) > 0
        assert client.list_images(place.realm, timeout=WAIT_S).images == ()

    def test_a_platform_that_is_none(self, client: Client, place: Place) -> None:
        with raises_kind("Invalid"):
            client.load_image(place.realm, archives.oci("tiny"), platform="arm 64", timeout=WAIT_S)
        assert client.load_image(place.realm, archives.oci("tiny"), platform="all", timeout=WAIT_S).images == (FULL,)

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
