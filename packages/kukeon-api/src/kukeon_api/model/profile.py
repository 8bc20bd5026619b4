"""CellProfile: a template of cells with parameters. Only kuke reads it; kukeond sees the cells made of it."""

from __future__ import annotations

from typing import ClassVar

from kukeon_api.model.base import API_VERSION, Metadata, Model, OptionalName
from kukeon_api.model.cell import CellSpec


class ProfileParameter(Model):
    """A value that a profile asks for; `default` and `from_env` are tried in this order when none is given."""

    name: str
    """What `${NAME}` in the profile refers to: letters, digits and '_', not beginning with a digit."""

    description: str = ""
    """What it is for, shown when it is missing."""

    default: str | None = None
    """Its value when none is given; may be empty. Default: none."""

    required: bool = False
    """Whether running without a value is an error; otherwise the value is empty then. Default: false."""

    from_env: str = ""
    """Environment variable of kuke that has the value when it is neither given nor has a default.

    Default: none, kuke's environment does not matter.
    """


class CellProfileSpec(Model, kw_only=True):
    """Where the cells go, what they are called, and what they are."""

    realm: OptionalName = ""
    """Realm of the cells. Default: that of kuke run's --realm, else default."""

    space: OptionalName = ""
    """Space of the cells. Default: that of kuke run's --space, else default."""

    stack: OptionalName = ""
    """Stack of the cells. Default: that of kuke run's --stack, else default."""

    prefix: OptionalName = ""
    """What the names of the cells begin with; a '-' and six hexadecimal digits follow.

    Default: the profile's own name.
    """

    parameters: tuple[ProfileParameter, ...] = ()
    """Values that the profile asks for. Each `${NAME}` in a value of the profile is replaced by one of them."""

    cell: CellSpec
    """What the cells shall be, as in the spec of a Cell, without its id and its parents."""


class CellProfile(Model):
    """A template of cells with parameters, kept in a file of its own, for `kuke run -p`."""

    api_version: ClassVar[str] = API_VERSION
    kind: ClassVar[str] = "CellProfile"

    metadata: Metadata
    """The name that it is run by, and labels for its cells."""

    spec: CellProfileSpec
    """What to make."""
