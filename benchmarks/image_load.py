#!/usr/bin/env python3
"""Loading a large image: our rate beside containerd's own client, and what it costs kukeond in memory."""

import sys
import tempfile
from pathlib import Path

import large_image
import measuring

NAME = "docker.io/library/large:latest"


def main() -> None:
    with measuring.instance() as instance, tempfile.TemporaryDirectory() as directory:
        archive = Path(directory) / "large.tar"
        large_image.write(archive, NAME)
        instance.start()
        large_image.compare(
            instance,
            NAME,
            ("ctr images import", lambda: instance.ctr("images", "import", "--digests=false", str(archive))),
            ("kuke image load", lambda: instance.kuke("image", "load", str(archive))),
        )


if __name__ == "__main__":
    sys.exit(main())
