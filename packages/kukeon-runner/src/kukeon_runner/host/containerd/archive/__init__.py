"""Image archives: OCI layouts and what `docker save` writes, streamed straight into and out of containerd.

An archive is hostile until proved otherwise.  It is read once, front to back, and never held: each file goes into the
content store as it passes, under a lease, and only when everything that an image needs has been found, checked and
unpacked does its name appear.  When anything is wrong nothing is listed, the lease ends and the garbage collector
takes the rest.
"""

from kukeon_runner.host.containerd.archive.load import import_archive
from kukeon_runner.host.containerd.archive.save import export

__all__ = ["export", "import_archive"]
