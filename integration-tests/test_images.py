"""Images come from archives: good ones, missing ones, broken ones and hostile ones."""

import re
import subprocess
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
    refused = kukeon.apply(manifest, code=8)
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


@pytest.mark.exercises("TagImage", "PruneImages")
def test_tag_and_prune(either: Instance, image_archive: Path) -> None:
    archive = either.home / "prune.tar"
    archives.renamed(image_archive, archive, "")
    nameless = either.kuke("image", "load", str(archive), "-o", "json").json()["images"][0]
    assert nameless.startswith("localhost/import-")
    layout = archives.Layout(image_archive)
    layout.with_layer(archives.layer_of(200_000), "example.invalid/big:1")
    layout.write(archive)
    either.kuke("image", "load", str(archive))
    either.kuke("image", "tag", "example.invalid/big:1", "example.invalid/same:1")
    listed = either.ctr("images", "ls", "-q").split()
    assert {nameless, "example.invalid/big:1", "example.invalid/same:1", manifests.IMAGE} <= set(listed)

    either.kuke("create", "cell", "user", "--image", "example.invalid/same:1", "--no-start", "--", "/big")
    would = either.kuke("image", "prune", "--all", "--dry-run", "-o", "json").json()
    assert {nameless, "example.invalid/big:1"} <= {each["name"] for each in would["images"]}
    assert either.ctr("images", "ls", "-q").split() == listed
    assert [each["name"] for each in either.kuke("image", "prune", "-o", "json").json()["images"]] == [nameless]
    either.kuke("image", "tag", manifests.IMAGE, "example.invalid/keep:1")
    done = either.kuke("image", "prune", "--all", "-o", "json").json()
    gone = {each["name"]: each["size"] for each in done["images"]}
    assert gone["example.invalid/big:1"] == 0, "the cell's image is made of the same"
    assert "example.invalid/same:1" not in gone
    either.kuke("delete", "cell", "user")
    before = content(either)
    done = either.kuke("image", "prune", "--all", "-o", "json").json()
    assert done["reclaimedBytes"] > 400_000, "the layer, and what it was unpacked to"
    assert len(before - content(either)) >= 3
    assert either.ctr("images", "ls", "-q").split() == []
    assert either.ctr("snapshots", "ls").splitlines()[1:] == []
    either.kuke("image", "load", str(image_archive))


def test_a_directory_as_umoci_writes_it_and_zstd(kukeon: Instance, image_archive: Path) -> None:
    layout = kukeon.home / "layout"
    run("skopeo", "copy", "-q", f"oci-archive:{image_archive}", f"oci:{layout}:made")
    run("umoci", "config", "--image", f"{layout}:made", "--config.user", "7:8", "--config.env", "COLOUR=red")
    named = kukeon.kuke("image", "load", str(layout), "-o", "json").json()["images"][0]
    told = kukeon.kuke("image", "inspect", named, "-o", "json").json()
    assert told["config"]["user"] == "7:8"
    assert "COLOUR=red" in told["config"]["env"]
    assert told["digest"] == run("skopeo", "inspect", "--format", "{{.Digest}}", f"oci:{layout}:made").strip()
    packed = kukeon.home / "image.tar.zst"
    run("zstd", "-q", "-f", str(image_archive), "-o", str(packed))
    assert manifests.IMAGE in kukeon.kuke("image", "load", str(packed)).out
    listed = {line.split()[0]: line.split()[2] for line in kukeon.ctr("images", "ls").splitlines()[1:]}
    for each in kukeon.kuke("get", "images", "-o", "json").json():
        if each["realm"] == "default":
            assert listed[each["name"]] == each["digest"]
    kukeon.kuke("image", "delete", named)


def digest_at(place: str) -> str:
    return run("skopeo", "inspect", "--format", "{{.Digest}}", place).strip()


@pytest.mark.exercises("SaveImage")
def test_what_is_saved_skopeo_and_umoci_read(either: Instance, image_archive: Path) -> None:
    kuke, home = either.kuke, either.home
    digest = kuke("get", "image", manifests.IMAGE, "-o", "json").json()["digest"]
    kuke("image", "save", "busybox", "--to", f"{home}/oci.tar")
    assert digest_at(f"oci-archive:{home}/oci.tar:latest") == digest
    kuke("image", "save", "busybox", "--to", f"{home}/saved/")
    assert digest_at(f"oci:{home}/saved:latest") == digest
    run("umoci", "unpack", "--image", f"{home}/saved:latest", f"{home}/unpacked")
    assert (home / "unpacked" / "rootfs" / "bin" / "busybox").is_file()
    kuke("image", "save", "busybox", "--format", "docker", "--to", f"{home}/docker.tar")
    run("skopeo", "copy", "-q", f"docker-archive:{home}/docker.tar:{manifests.IMAGE}", f"oci:{home}/copied:again")
    run("umoci", "unpack", "--image", f"{home}/copied:again", f"{home}/unpacked-again")
    assert (home / "unpacked-again" / "rootfs" / "bin" / "busybox").is_file()
    # There and back again, by us and by containerd's own tool, nothing changes.
    kuke("image", "tag", "busybox", "example.invalid/round:1")
    kuke("image", "save", "example.invalid/round:1", "--format", "docker", "--to", f"{home}/round.tar")
    for form in ("oci.tar", "docker.tar"):
        assert kuke("image", "load", f"{home}/{form}", "-o", "json").json()["images"] == [manifests.IMAGE]
        assert kuke("get", "image", manifests.IMAGE, "-o", "json").json()["digest"] == digest
    kuke("image", "delete", "example.invalid/round:1")
    either.ctr("images", "import", f"{home}/round.tar")
    assert kuke("get", "image", "example.invalid/round:1", "-o", "json").json()["digest"] == digest
    either.ctr("images", "export", f"{home}/ctr.tar", "example.invalid/round:1")
    kuke("image", "delete", "example.invalid/round:1")
    kuke("image", "load", f"{home}/ctr.tar")
    assert kuke("get", "image", "example.invalid/round:1", "-o", "json").json()["digest"] == digest
    kuke("image", "delete", "example.invalid/round:1")
    refused = kuke("image", "save", "busybox", "--platform", "linux/riscv64", "--to", f"{home}/none.tar", code=2)
    assert "not for linux/riscv64" in refused.err
    assert not (home / "none.tar").exists()
    assert either.ctr("leases", "ls", "-q").split() == []


def test_an_image_for_two_platforms_keeps_its_digest(kukeon: Instance, image_archive: Path) -> None:
    home, name = kukeon.home, "example.invalid/two:1"
    layout = archives.Layout(image_archive)
    digest, other = layout.with_two_platforms(name, "linux/s390x")
    layout.write(home / "two.tar")

    def platforms() -> dict[str, bool]:
        found = kukeon.kuke("image", "inspect", name, "-o", "json").json()
        assert found["digest"] == digest
        return {each["platform"]: each["present"] for each in found["platforms"]}

    kukeon.kuke("image", "load", f"{home}/two.tar")
    until_equal(lambda: platforms()["linux/s390x"], False, "what was not asked for is collected a moment later")
    refused = kukeon.kuke("image", "save", name, "--platform", "all", "--to", f"{home}/all.tar", code=5)
    assert "part of its content is missing" in refused.err
    assert "again with --platform all" in refused.err
    kukeon.kuke("image", "save", name, "--to", f"{home}/half.tar")
    kukeon.kuke("image", "load", f"{home}/two.tar", "--platform", "all")
    assert all(platforms().values())
    kukeon.kuke("image", "save", name, "--platform", "all", "--to", f"{home}/all.tar")
    run("skopeo", "copy", "-q", "--all", f"oci-archive:{home}/all.tar:1", f"oci:{home}/both:1")
    kukeon.kuke("image", "save", name, "--platform", "linux/s390x", "--to", f"{home}/other.tar")
    assert digest_at(f"oci-archive:{home}/other.tar:1") == other
    for archive, expected in (("half.tar", False), ("all.tar", True)):
        kukeon.kuke("image", "delete", name)
        kukeon.kuke("image", "load", f"{home}/{archive}", "--platform", "all")
        until_equal(lambda: platforms()["linux/s390x"], expected, "the other platform")
    kukeon.kuke("image", "delete", name)
    kukeon.kuke("image", "load", f"{home}/other.tar", "--platform", "linux/s390x")
    assert kukeon.kuke("get", "image", name, "-o", "json").json()["digest"] == other
    refused = kukeon.kuke("create", "cell", "alien", "--image", name, "--", "/bin/sh", code=None)
    assert refused.code
    assert f"cannot use image '{name}': it is for linux/s390x" in refused.err
    for command in (("save", name, "--format", "docker"), ("push", name, "--platform", "linux/amd64")):
        refused = kukeon.kuke("image", *command, code=2)
        assert f"cannot {command[0]} image '{name}': it is for linux/s390x" in refused.err
    assert "linux/s390x" in refused.err
    kukeon.kuke("delete", "cell", "alien", code=None)
    kukeon.kuke("image", "delete", name)


def run(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True, stdin=subprocess.DEVNULL).stdout
