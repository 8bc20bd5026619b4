"""Passwords of registries: kept apart, never shown, never lost by accident."""

from __future__ import annotations

import asyncio
import stat
import traceback
from typing import TYPE_CHECKING, Any

import pytest

from kukeon_api import errors, manifest, model
from kukeon_runner import credentials
from kukeon_runner.testing.cells import controller
from kukeon_runner.testing.host import FakeHost

if TYPE_CHECKING:
    from pathlib import Path

    from kukeon_runner.controller import Controller

GHCR = model.RegistryCredentials(username="me", password="s3cret-one", server_address="ghcr.io")
OTHER = model.RegistryCredentials(username="you", password="s3cret-two", server_address="registry.example:5000")


def realm(*entries: model.RegistryCredentials, name: str = "default", **fields: Any) -> model.RealmDoc:
    spec = model.RealmSpec(registry_credentials=entries)
    return model.RealmDoc(metadata=model.Metadata(name=name, **fields), spec=spec)


def blank(entry: model.RegistryCredentials) -> model.RegistryCredentials:
    return model.RegistryCredentials(username=entry.username, server_address=entry.server_address)


async def apply(found: Controller, doc: model.RealmDoc) -> model.ApplyResourceResult:
    (result,) = (await found.apply_documents(manifest.dump([doc]).encode())).resources
    return result


def everything_but_the_file(run_path: Path) -> str:
    return "\n".join(
        path.read_text() for path in run_path.rglob("*") if path.is_file() and path.name != credentials.FILE
    )


async def test_a_password_stands_in_a_file_of_its_own_that_root_alone_reads(tmp_path: Path) -> None:
    found = controller(FakeHost(), tmp_path)
    made = await found.create_realm(realm(GHCR, OTHER))
    assert made.realm.spec.registry_credentials == (blank(GHCR), blank(OTHER))
    assert (await found.get_realm(realm())).realm.spec == made.realm.spec
    assert [each.spec for each in await found.list_realms()] == [made.realm.spec]
    assert "s3cret" not in everything_but_the_file(tmp_path)
    file = tmp_path / "data/default" / credentials.FILE
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert await found.runner.realms.logins("default") == (GHCR, OTHER)


async def test_what_was_asked_with_comes_back_without_its_password(tmp_path: Path) -> None:
    found = controller(FakeHost(), tmp_path)
    got = await found.get_realm(realm(GHCR))
    assert (got.metadata_exists, got.realm.spec.registry_credentials) == (False, (blank(GHCR),))
    with pytest.raises(errors.RealmNotFound):
        await found.runner.realms.logins("default")


async def test_what_was_read_can_be_applied_again(tmp_path: Path) -> None:
    found = controller(FakeHost(), tmp_path)
    assert (await apply(found, realm(GHCR, OTHER))).action is model.ApplyAction.CREATED
    (shown,) = await found.list_realms()
    for doc in (realm(GHCR, OTHER), realm(*shown.spec.registry_credentials), realm(blank(GHCR), OTHER)):
        assert (await apply(found, doc)).action is model.ApplyAction.UNCHANGED
    assert await found.runner.realms.logins("default") == (GHCR, OTHER)


async def test_a_new_password_is_told_and_not_shown(tmp_path: Path) -> None:
    found = controller(FakeHost(), tmp_path)
    await apply(found, realm(GHCR, OTHER))
    fresh = model.RegistryCredentials(username="me", password="s3cret-new", server_address="ghcr.io")
    result = await apply(found, realm(fresh, blank(OTHER)))
    assert result.action is model.ApplyAction.UPDATED
    assert any("ghcr.io" in line for line in result.changes), result
    assert "s3cret" not in str(result)
    assert await found.runner.realms.logins("default") == (fresh, OTHER)
    assert (await apply(found, realm(fresh, OTHER))).action is model.ApplyAction.UNCHANGED


async def test_an_entry_that_goes_takes_its_password_along(tmp_path: Path) -> None:
    found = controller(FakeHost(), tmp_path)
    await apply(found, realm(GHCR, OTHER))
    assert (await apply(found, realm(GHCR))).action is model.ApplyAction.UPDATED
    assert await found.runner.realms.logins("default") == (GHCR,)
    assert (await apply(found, realm(GHCR, blank(OTHER)))).error
    assert (await apply(found, realm())).action is model.ApplyAction.UPDATED
    assert not (tmp_path / "data/default" / credentials.FILE).exists()


@pytest.mark.parametrize("existing", [False, True])
async def test_a_password_that_is_not_known_is_missed_before_anything_is_touched(
    existing: bool, tmp_path: Path
) -> None:
    host = FakeHost()
    found = controller(host, tmp_path)
    if existing:
        await found.create_realm(realm(GHCR))
    before, done = await found.list_realms(), host.faults.done
    stranger = model.RegistryCredentials(username="stranger", server_address="ghcr.io")
    with pytest.raises(errors.Invalid, match=r"spec\.registryCredentials\[0\]\.password: is required"):
        await found.runner.realms.converge(realm(stranger), update=True)
    assert (await found.list_realms(), host.faults.done) == (before, done)
    if existing:
        assert await found.runner.realms.logins("default") == (GHCR,)


async def test_they_go_with_the_realm(tmp_path: Path) -> None:
    found = controller(FakeHost(), tmp_path)
    for verb in (found.delete_realm, found.purge_realm):
        await found.create_realm(realm(GHCR))
        await verb(realm(), False, False)
        assert not list(tmp_path.rglob(credentials.FILE))  # noqa: ASYNC240 - nobody else waits
    await found.create_realm(realm())
    assert await found.runner.realms.logins("default") == ()


async def test_a_failure_while_storing_them_loses_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whichever file cannot be written: every registry of the stored document still has its password."""
    found = controller(FakeHost(), tmp_path)
    await found.create_realm(realm(GHCR))
    wanted = realm(OTHER)

    def full(*_: object) -> Any:
        raise errors.HostError("cannot write: no space left on device")

    for where, name in ((found.runner.context.credentials, "save"), (found.runner.context.store, "save")):
        with monkeypatch.context() as patched:
            patched.setattr(where, name, full)
            with pytest.raises(errors.HostError):
                await found.runner.realms.update(wanted)
        (stored,) = await found.list_realms()
        assert stored.spec.registry_credentials == (blank(GHCR),)
        assert GHCR in await found.runner.realms.logins("default")
    await found.runner.realms.update(wanted)
    assert await found.runner.realms.logins("default") == (OTHER,)


async def test_a_damaged_file_is_named_and_not_quoted_nor_overwritten(tmp_path: Path) -> None:
    found = controller(FakeHost(), tmp_path)
    await found.create_realm(realm(GHCR))
    file = tmp_path / "data/default" / credentials.FILE
    file.write_text('{"registryCredentials": [{"password": "s3cret-one", "torn')
    with pytest.raises(errors.CorruptMetadata, match=credentials.FILE) as caught:
        await found.runner.realms.logins("default")
    assert "s3cret" not in "".join(traceback.format_exception(caught.value))
    with pytest.raises(errors.CorruptMetadata):
        await found.runner.realms.update(realm(OTHER))
    labelled = await found.runner.realms.update(realm(labels={"team": "a"}))
    assert labelled.doc.metadata.labels["team"] == "a"
    assert "torn" in file.read_text()


async def test_two_at_once_leave_one_whole_set(tmp_path: Path) -> None:
    found = controller(FakeHost(), tmp_path)
    await found.create_realm(realm(GHCR, OTHER))
    sets = [
        tuple(
            model.RegistryCredentials(username="me", password=f"{server}-{number}", server_address=server)
            for server in ("ghcr.io", "quay.io")
        )
        for number in range(4)
    ]
    await asyncio.gather(*(found.runner.realms.update(realm(*each)) for each in sets))
    assert await found.runner.realms.logins("default") in sets
