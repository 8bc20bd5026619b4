"""Pulls that are cut off, that meet, and that deal with registries which do not do what they should."""

import asyncio
import json
import re
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from kukeon_runner.testing import registry
from kukeon_runner.testing.registry import PASS, Behaviour, Call, Reply, ServedRegistry
from kuketest import archives, manifests, registries
from kuketest.instance import Instance
from kuketest.registries import Half
from kuketest.waiting import until, until_equal
from kuketest.web import wait_page


@pytest.fixture
def served() -> Iterator[ServedRegistry]:
    with registries.served() as serving:
        yield serving


def remains(kukeon: Instance) -> dict[str, set[str]]:
    """Everything that images and what is on its way to become one occupy, as containerd's own client sees it."""
    return {
        "images": set(kukeon.ctr("images", "ls", "-q").split()),
        "content": set(kukeon.ctr("content", "ls", "-q").split()),
        "unfinished": set(kukeon.ctr("content", "active").splitlines()[1:]),
        "snapshots": {line.split()[0] for line in kukeon.ctr("snapshots", "ls").splitlines()[1:]},
        "leases": set(kukeon.ctr("leases", "ls", "-q").split()),
    }


def sizes_on_the_way(kukeon: Instance) -> list[str]:
    """What has come, in containerd's words, of each blob that is on its way."""
    return [line.split()[1] for line in kukeon.ctr("content", "active").splitlines()[1:]]


def fetched(served: ServedRegistry) -> dict[str, int]:
    """How often each blob was asked for."""
    paths = [call.path for call in served.calls if call.method == "GET" and "/blobs/" in call.path]
    return {path: paths.count(path) for path in paths}


def test_kukeond_is_killed_in_the_middle_of_a_pull(
    kukeon: Instance, served: ServedRegistry, image_archive: Path
) -> None:
    before = remains(kukeon)
    layers = [archives.layer_of(3_000_000) for _ in range(3)]
    name = registries.image(served, image_archive, "team/app", "1", *layers)
    for later in ("prune", "pull"):
        half = Half(served)
        with kukeon.spawn_kuke("image", "pull", name) as pulling:
            until_equal(lambda: half.waiting, 3, "the downloads to be half-way")  # noqa: B023 - it ends in the round
            until(lambda: sum(size[:1] != "0" for size in sizes_on_the_way(kukeon)) == 3, "what came to be kept")
            kukeon.sigkill()
            _, err = pulling.communicate(timeout=60)
            assert pulling.returncode
            assert err.startswith("Error: cannot "), err
        half.go_on()
        kukeon.start()
        assert name not in remains(kukeon)["images"]
        if later == "prune":
            kukeon.kuke("image", "prune")
            assert remains(kukeon) == before
            continue
        served.calls.clear()
        kukeon.kuke("image", "pull", name)
        begun = [call.headers["range"] for call in served.calls if "range" in call.headers]
        assert len(begun) == 3, "what had come is not fetched again"
        kukeon.kuke("image", "delete", name)
        assert remains(kukeon) == before


def test_who_wants_the_same_shares_the_work(kukeon: Instance, served: ServedRegistry, image_archive: Path) -> None:
    before = remains(kukeon)
    layers = [archives.layer_of(300_000) for _ in range(4)]
    name = registries.image(served, image_archive, "team/app", "1", *layers)
    other = registries.image(served, image_archive, "team/app", "2", *layers, archives.layer_of(200_000))
    manifest = kukeon.home / "sharing.yaml"
    manifest.write_text(manifests.server("sharing", name))
    half = Half(served)
    with kukeon.client() as client, kukeon.client() as second:
        pulls = [client.pull_image("default", name), second.pull_image("default", name)]
        pulls.append(client.pull_image("default", other))
        for pull in pulls:
            next(pull)
        with kukeon.spawn_kuke("apply", "-f", str(manifest)) as applying:
            until(lambda: half.waiting >= 3, "downloads to be half-way")
            half.go_on()
            results = [[*pull][-1].result for pull in pulls]
            out, err = applying.communicate(timeout=60)
            assert applying.returncode == 0, out + err
    kukeon.remember_shims()
    assert [each.image for each in results if each] == [name, name, other]
    assert set(fetched(served).values()) == {1}
    assert wait_page(kukeon.address("sharing")) == "page of sharing\n"
    kukeon.kuke("delete", "cell", "sharing")
    for each in (name, other):
        kukeon.kuke("image", "delete", each)
    assert remains(kukeon) == before


def test_what_is_on_its_way_is_not_pruned(kukeon: Instance, served: ServedRegistry, image_archive: Path) -> None:
    before = remains(kukeon)
    name = registries.image(
        served, image_archive, "team/app", "1", archives.layer_of(90_000), archives.layer_of(4_000_000)
    )
    half = Half(served)
    kukeon.kuke("create", "realm", "other")
    with kukeon.client() as client, kukeon.client() as second:
        given_up, pull = client.pull_image("default", name), second.pull_image("other", name)
        for each in (given_up, pull):
            next(each)
        until_equal(lambda: half.waiting, 2, "both downloads to be half-way")
        # The same blob, but not the same download: that of one realm is nothing to the other.
        given_up.close()
        until_equal(lambda: remains(kukeon)["leases"], set(), "the pull to be given up")
        kukeon.kuke("image", "prune", "--realm", "other")
        kukeon.kuke("image", "prune")
        assert remains(kukeon) == before
        half.go_on()
        assert [*pull][-1].result
    kukeon.kuke("image", "delete", name, "--realm", "other")
    kukeon.kuke("delete", "realm", "other")


@pytest.mark.exercises("PullImage")
def test_a_pull_that_stands_still_is_ended_by_its_user(
    either: Instance, served: ServedRegistry, image_archive: Path
) -> None:
    before = remains(either)
    name = registries.image(served, image_archive, "team/app", "1", archives.layer_of(900_000))
    half = Half(served)
    with either.spawn_kuke("image", "pull", name) as pulling:
        until_equal(lambda: half.waiting, 1, "the download to be half-way")
        assert name not in either.kuke("get", "images").out
        pulling.send_signal(signal.SIGINT)
        pulling.communicate(timeout=60)
        assert pulling.returncode == 130
    until_equal(lambda: remains(either)["leases"], before["leases"], "the lease of the pull that was ended")
    either.kuke("image", "prune")
    assert remains(either) == before
    half.go_on()
    either.kuke("image", "pull", name)
    either.kuke("image", "delete", name)


def image_of(kukeon: Instance, cell: str) -> dict[str, object]:
    """The status of the cell's only container."""
    (status,) = kukeon.cell(cell)["status"]["containers"]
    return dict(status)


def test_a_cell_waits_for_a_registry_that_is_away(
    kukeon: Instance, served: ServedRegistry, image_archive: Path
) -> None:
    name = registries.image(served, image_archive, "team/app", "1", archives.layer_of(300_000))
    served.behaviour = answering(registry.error(404, "MANIFEST_UNKNOWN", ""), "/manifests/")
    waiting = {**manifests.container("web", manifests.SERVER, name), "restartPolicy": "always"}
    kukeon.apply(manifests.cell("waiting", waiting), code=3)
    kukeon.apply(manifests.cell("failed", {**waiting, "restartPolicy": "no"}), code=3)
    assert kukeon.state("failed") == "Failed"
    assert image_of(kukeon, "failed")["reason"] == "ImagePullFailed"
    told = kukeon.kuke("get", "cell", "waiting")
    assert "Pending" in told.out
    assert "MANIFEST_UNKNOWN" in told.err or "has no tag" in told.err, told
    assert "ImagePullFailed" in kukeon.kuke("get", "cell", "waiting", "-o", "wide").out
    assert "Pending (ImagePullFailed)" in kukeon.kuke("status", code=None).out
    until(lambda: int(str(image_of(kukeon, "waiting").get("restartAttempts", 0))) >= 2, "the pull to be tried again")
    assert "Next start:" in kukeon.kuke("describe", "cell", "waiting").out
    # What is known of it outlives kukeond, and others are looked after meanwhile.
    kukeon.sigkill()
    kukeon.start()
    assert int(str(image_of(kukeon, "waiting")["restartAttempts"])) >= 2
    half = Half(served)
    until(lambda: half.waiting, "the pull to be half-way", 60)
    crashing = {
        **manifests.container("main", "sleep 0.1; exit 1"),
        "restartPolicy": "always",
        "restartBackoffSeconds": 0,
    }
    kukeon.apply(manifests.cell("crashing", crashing))
    until(lambda: int(str(image_of(kukeon, "crashing").get("restartCount", 0))) >= 3, "others to be started again")
    kukeon.kuke("delete", "cell", "crashing")
    assert kukeon.state("waiting") == "Pending"
    half.go_on()
    until_equal(lambda: kukeon.state("waiting"), "Ready", "the cell to come up")
    kukeon.remember_shims()
    assert wait_page(kukeon.address("waiting")) == "page of waiting\n"
    assert "reason" not in image_of(kukeon, "waiting")
    assert kukeon.state("failed") == "Failed"
    for cell in ("waiting", "failed"):
        kukeon.kuke("delete", "cell", cell)
    kukeon.kuke("image", "delete", name)
    kukeon.kuke("image", "prune")


def test_who_stops_a_cell_ends_its_pull(kukeon: Instance, served: ServedRegistry, image_archive: Path) -> None:
    name = registries.image(served, image_archive, "team/app", "1", archives.layer_of(900_000))
    served.behaviour = answering(registry.error(404, "MANIFEST_UNKNOWN", ""), "/manifests/")
    waiting = {**manifests.container("web", manifests.SERVER, name), "restartPolicy": "always"}
    before = remains(kukeon)["leases"]
    for verb in ("stop", "delete"):
        kukeon.apply(manifests.cell("waiting", waiting), code=3)
        half = Half(served)
        until(lambda: half.waiting, "the pull to be half-way")  # noqa: B023 - it ends in the round
        kukeon.kuke(verb, "cell", "waiting")
        assert remains(kukeon)["leases"] == before
        half.go_on()
        served.behaviour = answering(registry.error(404, "MANIFEST_UNKNOWN", ""), "/manifests/")
    assert name not in kukeon.kuke("get", "images").out
    kukeon.kuke("image", "prune")


def answering(reply: Reply, what: str) -> Behaviour:
    """Answer so whatever's path contains `what`."""
    return lambda call, _writer: reply if re.search(what, call.path) else PASS


LAYER = archives.layer_of(200_000)


def _altered(call: Call) -> Reply:
    return Reply(200, bytes(len(LAYER))) if call.path.endswith(registries.digest_of(LAYER)) else PASS


async def _cut(call: Call, writer: asyncio.StreamWriter) -> Reply | None:
    if not call.path.endswith(registries.digest_of(LAYER)):
        return PASS
    writer.write(f"HTTP/1.1 200 OK\r\nContent-Length: {len(LAYER)}\r\n\r\n".encode() + LAYER[:1000])
    await writer.drain()
    return None


def _page(call: Call, _writer: asyncio.StreamWriter) -> Reply:
    return Reply(200, b"<html>hello</html>", {"Content-Type": "text/html"})


REFUSED = Reply(429, headers={"Retry-After": "3600"})
# What the registry does, how kuke exits, and what it says.
TROUBLES: dict[str, tuple[Behaviour, int, str]] = {
    "closes": (_cut, 8, "closed the connection half-way"),
    "length": (answering(Reply(200, b"x" * 10), "/blobs/"), 1, "says 10 bytes"),
    "content": (lambda call, _: _altered(call), 1, "sends other content for sha256:"),
    "blob is missing": (answering(registry.error(404, "BLOB_UNKNOWN", ""), "/blobs/"), 3, "not its part sha256:"),
    "nothing there": (answering(registry.error(404, "MANIFEST_UNKNOWN", ""), "/manifests/"), 3, "has no tag '1'"),
    "wants a login": (answering(registry.error(401, "UNAUTHORIZED", ""), "/v2/"), 6, "wants to know who asks"),
    "forbids": (answering(registry.error(403, "DENIED", "\x1b[31mno"), "/manifests/"), 6, "does not allow it"),
    "too many": (answering(REFUSED, "/manifests/"), 8, "takes no more requests for now"),
    "fails": (answering(Reply(500, b"oops"), "/manifests/"), 8, "failed with status 500"),
    "a page": (_page, 1, "is no registry"),
}


@pytest.mark.parametrize("trouble", TROUBLES)
def test_registries_that_do_not_do_as_they_should(
    kukeon: Instance, served: ServedRegistry, image_archive: Path, trouble: str
) -> None:
    before = remains(kukeon)
    name = registries.image(served, image_archive, "team/app", "1", LAYER)
    served.behaviour, code, words = TROUBLES[trouble]
    refused = kukeon.kuke("image", "pull", name, code=None)
    assert (refused.code, refused.out) == (code, ""), refused
    assert refused.err.startswith(f"Error: cannot pull '{name}': "), refused
    assert f"'{served.address}'" in refused.err
    assert words in refused.err
    assert "\x1b" not in refused.err
    assert remains(kukeon) | {"unfinished": set()} == before
    kukeon.kuke("image", "prune")
    assert remains(kukeon) == before
    served.behaviour = lambda _call, _writer: PASS
    kukeon.kuke("image", "pull", name)
    kukeon.kuke("image", "delete", name)


def _manifest(**changes: object) -> dict[str, object]:
    return {"schemaVersion": 2, "mediaType": registry.MANIFEST, **changes}


def test_images_that_are_none_for_us(kukeon: Instance, served: ServedRegistry, image_archive: Path) -> None:
    before = remains(kukeon)
    registries.image(served, image_archive, "team/app", "1", LAYER)
    kind, content = served.manifests["team/app", "1"]
    good = json.loads(content)
    here = registries.on_paper(served.add_manifest("team/app", "1", content, kind))
    alien = {**here, "platform": {"os": "linux", "architecture": "s390x"}}
    config = json.loads(served.blobs[good["config"]["digest"]])
    config["rootfs"]["diff_ids"][-1] = f"sha256:{'0' * 64}"
    lying = served.add_blob(json.dumps(config).encode(), good["config"]["mediaType"])
    gone = {**good["layers"][-1], "digest": f"sha256:{'1' * 64}"}
    unknown = {**good["layers"][-1], "mediaType": "application/vnd.example.layer"}
    cases: dict[str, tuple[object, str, int, str]] = {
        "alien": (_manifest(mediaType=registry.INDEX, manifests=[alien]), registry.INDEX, 2, "linux/s390x"),
        "lying": ({**good, "config": registries.on_paper(lying)}, kind, 2, "its config says"),
        "gone": ({**good, "layers": [*good["layers"][:-1], gone]}, kind, 3, "not its part sha256:111"),
        "unknown": ({**good, "layers": [*good["layers"][:-1], unknown]}, kind, 2, "application/vnd.example.layer"),
        "empty": (_manifest(), kind, 2, "config"),
        "words": ("no manifest", kind, 2, "is malformed"),
    }
    for case, (document, media_type, code, words) in cases.items():
        served.add_manifest("team/app", case, json.dumps(document).encode(), media_type)
        reference = f"{served.address}/team/app:{case}"
        refused = kukeon.kuke("image", "pull", reference, code=None)
        assert (refused.code, refused.out) == (code, ""), refused
        assert refused.err.startswith(f"Error: cannot pull '{reference}': "), refused
        assert words in refused.err, refused
        assert remains(kukeon) == before, case


def test_a_realm_stays_while_an_image_is_pulled_into_it(
    kukeon: Instance, served: ServedRegistry, image_archive: Path
) -> None:
    name = registries.image(served, image_archive, "team/app", "1", LAYER)
    half = Half(served)
    kukeon.kuke("create", "realm", "other")
    with kukeon.spawn_kuke("image", "pull", name, "--realm", "other") as pulling:
        until_equal(lambda: half.waiting, 1, "the download to be half-way")
        refused = kukeon.kuke("delete", "realm", "other", "--cascade", code=5)
        assert "an image is being" in refused.err
        half.go_on()
        assert pulling.wait(60) == 0
        pulling.communicate()
    kukeon.kuke("delete", "realm", "other", "--cascade")
