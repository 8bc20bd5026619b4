"""Which images run on this host: operating system, architecture, variant, and how well they fit."""

from __future__ import annotations

import dataclasses
import platform as python_platform

from kukeon_api import errors, image_platform

# uname -m -> Go's GOARCH and variant, the words of the OCI image index.
_MACHINES: dict[str, tuple[str, str]] = {
    "x86_64": ("amd64", ""),
    "aarch64": ("arm64", "v8"),
    "armv8l": ("arm", "v8"),
    "armv7l": ("arm", "v7"),
    "armv6l": ("arm", "v6"),
    "i386": ("386", ""),
    "i686": ("386", ""),
    "riscv64": ("riscv64", ""),
    "ppc64le": ("ppc64le", ""),
    "s390x": ("s390x", ""),
    "loongarch64": ("loong64", ""),
}

# The variant an image means when it names none, per architecture.
_DEFAULT_VARIANTS = {"amd64": "v1", "arm64": "v8", "arm": "v7"}


@dataclasses.dataclass(frozen=True)
class Platform:
    """An image's platform in the index's words, such as linux/arm/v7."""

    os: str
    architecture: str
    variant: str = ""

    def __str__(self) -> str:
        """Return os/architecture[/variant]."""
        return "/".join(part for part in (self.os, self.architecture, self.variant) if part)

    def misfit(self, wanted: Platform) -> int | None:
        """Return how far an image of this platform is from the best one for host `wanted`; None if it cannot run.

        0 is best.  A 32-bit ARM host of version n also runs the older versions, newest first; elsewhere the variant
        has to be the host's own, where naming none means the architecture's default.
        """
        if (self.os, self.architecture) != (wanted.os, wanted.architecture):
            return None
        have, want = _variant_number(self), _variant_number(wanted)
        if have == want:
            return 0
        if self.architecture == "arm" and 5 <= have < want:
            return want - have
        return None


def _variant_number(platform: Platform) -> int:
    """Return n of variant "vn"; -1 for a variant of another form, which fits only itself by name on no host."""
    variant = platform.variant or _DEFAULT_VARIANTS.get(platform.architecture, "v0")
    digits = variant.removeprefix("v").split(".")[0]
    return int(digits) if digits.isascii() and digits.isdigit() and len(digits) < 4 else -1


def wanted(text: str, host: Platform) -> Platform | None:
    """Return the platform that somebody asks for: `host` for "", None for every one.  Raises Invalid."""
    if not text:
        return host
    return None if text == image_platform.ALL else Platform(*image_platform.parse(text))


def host() -> Platform:
    """Return this host's platform, or raise Unsupported for a machine we know no name for."""
    machine = python_platform.machine()
    if machine not in _MACHINES:
        raise errors.Unsupported(f"cannot choose images: the machine type {machine!r} is not known")
    architecture, variant = _MACHINES[machine]
    return Platform("linux", architecture, variant)
