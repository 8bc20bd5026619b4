#!/usr/bin/env python3
"""Pulling a large image from a registry on loopback: our rate beside containerd's own client, and kukeond's memory."""

import subprocess
import sys
import tempfile
from pathlib import Path

import large_image
import measuring

from kukeon_runner.testing.docker_registry import docker_registry


def main() -> None:
    with (
        measuring.instance() as instance,
        tempfile.TemporaryDirectory() as directory,
        docker_registry(Path(directory) / "registry") as registry,
    ):
        archive = Path(directory) / "large.tar"
        name = f"{registry.address}/team/large:1"
        large_image.write(archive, name)
        subprocess.run(
            ["skopeo", "copy", "-q", "--dest-tls-verify=false", f"oci-archive:{archive}", f"docker://{name}"],
            check=True,
        )
        archive.unlink()
        instance.start()
        large_image.compare(
            instance,
            name,
            ("ctr images pull", lambda: instance.ctr("images", "pull", "--plain-http", name)),
            ("kuke image pull", lambda: instance.kuke("image", "pull", name)),
        )


if __name__ == "__main__":
    sys.exit(main())
