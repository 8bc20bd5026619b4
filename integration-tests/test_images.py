"""Images come from archives: good ones, missing ones, broken ones and hostile ones."""

import re
from pathlib import Path

import pytest

from kuketest import archives, manifests
from kuketest.instance import Instance
from kuketest.waiting import until_equal
from kuketest.web import wait_page


def content(kukeon: Instance) -> set[str]:
    return set(kukeon.ctr("content", "ls", "-q").split())


def test_missing_image_then_loaded(kukeon: Instance, image_archive: Path) -> None:
    manifest = manifests.server("late", image="registry.invalid/late:1")
    refused = kukeon.apply(manifest, code=1)
    assert "registry.invalid/late:1" in refused.out + refused.err
    assert "hint:" in refused.err
    assert "kuke image load" in refused.err
    status = kukeon.cell("late")["status"]
    assert status["state"] == "Failed"
    assert "registry.invalid/late:1" in status["message"]
    assert status["reason"]
    table = kukeon.kuke("get", "cells").out
    assert re.search(r"late .*Failed", table)

    archive = kukeon.home / "late.tar"
    archives.renamed(image_archive, archive, "registry.invalid/late:1")
    kukeon.kuke("image", "load", str(archive))
    kukeon.apply(manifest)
    assert kukeon.state("late") == "Ready"
    assert wait_page(kukeon.address("late")) == "page of late\n"
    kukeon.kuke("delete", "cell", "late")
    kukeon.kuke("image", "delete", "registry.invalid/late:1")
    assert "registry.invalid" not in kukeon.kuke("get", "images").out


def test_docker_archive(kukeon: Instance, image_archive: Path) -> None:
    archive = kukeon.home / "docker.tar"
    archives.as_docker(image_archive, archive, "example.invalid/from-docker:2")
    done = kukeon.kuke("image", "load", str(archive))
    assert "example.invalid/from-docker:2" in done.out
    kukeon.apply(manifests.server("docked", image="example.invalid/from-docker:2"))
    assert wait_page(kukeon.address("docked")) == "page of docked\n"
    kukeon.kuke("delete", "cell", "docked")
    kukeon.kuke("image", "delete", "example.invalid/from-docker:2")


@pytest.mark.parametrize("harm", sorted(archives.HARMS))
def test_harmful_archive_is_refused(kukeon: Instance, image_archive: Path, harm: str) -> None:
    images = kukeon.ctr("images", "ls", "-q").split()
    before = content(kukeon)
    archive = kukeon.home / "harm.tar"
    archives.HARMS[harm](image_archive, archive)
    refused = kukeon.kuke("image", "load", str(archive), code=None)
    assert refused.code in {1, 2}, refused
    assert refused.err.startswith("Error: cannot "), refused
    assert kukeon.ctr("images", "ls", "-q").split() == images
    assert kukeon.ctr("leases", "ls", "-q").split() == []
    kukeon.ctr("content", "prune", "references")
    until_equal(lambda: content(kukeon) - before, set(), "what the refused archive left in the content store")
    assert not Path("/kt-escaped").exists()
    assert not (kukeon.home / "kt-escaped").exists()
    kukeon.kuke("get", "cells")


def test_image_of_another_realm_is_not_seen(kukeon: Instance) -> None:
    kukeon.kuke("create", "realm", "other")
    assert "busybox" not in kukeon.kuke("get", "images", "--realm", "other").out
    kukeon.kuke("delete", "realm", "other")
    assert kukeon.kuke("image", "delete", "nothing.invalid/here:1", code=3).out == ""
