"""Images are built by a builder of the host, here buildah, and run like any other."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from kuketest.instance import Done, Instance

Build = Callable[..., Done]

RECIPE = """FROM scratch AS base
COPY rootfs/ /

FROM base AS main
ARG GREETING=hello
RUN echo "$GREETING from a build" >/greeting
ENV WHO=world
CMD ["/bin/sh", "-c", "cat /greeting; echo $WHO"]
"""


@pytest.fixture(scope="module")
def context(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with a root file system of busybox, and how to build an image of it."""
    directory = tmp_path_factory.mktemp("context")
    programs = directory / "rootfs" / "bin"
    programs.mkdir(parents=True)
    shutil.copy("/bin/busybox", programs)
    for name in ("sh", "cat"):
        (programs / name).symlink_to("busybox")
    (directory / "Dockerfile").write_text(RECIPE)
    return directory


@pytest.fixture
def build(kukeon: Instance, tmp_path: Path) -> Build:
    """Runs `kuke build` with a buildah that keeps everything in a directory of its own."""
    if shutil.which("buildah") is None:
        pytest.skip("these tests need buildah")
    storage = tmp_path / "storage.conf"
    storage.write_text(
        f'[storage]\ndriver = "vfs"\ngraphroot = "{tmp_path}/storage"\nrunroot = "{tmp_path}/storage-run"\n'
    )
    (tmp_path / "tmp").mkdir()
    environment = {
        "CONTAINERS_STORAGE_CONF": str(storage),
        # Steps need no namespaces of their own then, so that this works in a container as well.
        "BUILDAH_ISOLATION": "chroot",
        "TMPDIR": str(tmp_path / "tmp"),
    }

    def run(*arguments: str, code: int | None = 0) -> Done:
        done = kukeon.kuke("build", "--builder", "buildah", *arguments, code=code, environment=environment)
        assert list((tmp_path / "tmp").iterdir()) == []
        return done

    return run


def test_built_and_run(kukeon: Instance, context: Path, build: Build) -> None:
    done = build("-t", "built:1", "-t", "built:also", "--build-arg", "GREETING=hi", str(context))
    assert "STEP" in done.err
    assert "docker.io/library/built:1\n" in done.out
    ran = kukeon.kuke("run", "--rm", "--image", "built:also")
    assert ran.out == "hi from a build\nworld\n"
    # containerd's own client sees the image by this name, with all of its content.
    assert "docker.io/library/built:1 " in kukeon.ctr("images", "check")
    for name in ("built:1", "built:also"):
        kukeon.kuke("image", "delete", name)


def test_a_stage_for_another_platform(kukeon: Instance, context: Path, build: Build) -> None:
    done = build("-t", "built:arm", "--target", "base", "--platform", "linux/arm64", "-o", "json", str(context))
    assert json.loads(done.out)["images"] == ["docker.io/library/built:arm"]
    found = kukeon.kuke("image", "inspect", "built:arm", "-o", "json").json()
    assert [each["platform"] for each in found["platforms"]] == ["linux/arm64"]
    kukeon.kuke("image", "delete", "built:arm")


def test_a_step_that_fails(kukeon: Instance, context: Path, tmp_path: Path, build: Build) -> None:
    recipe = tmp_path / "Failing"
    recipe.write_text(f"{RECIPE}RUN exit 9\n")
    images = kukeon.ctr("images", "ls", "-q")
    done = build("-t", "built:never", "-f", str(recipe), str(context), code=1)
    assert "Error: cannot build: buildah ended with code" in done.err
    assert kukeon.ctr("images", "ls", "-q") == images
