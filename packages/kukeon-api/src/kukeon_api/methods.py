"""The methods of the service, as one table: client, daemon and command line are driven by it.

Importing this brings neither gRPC nor protobuf; `calls` packs and unpacks the messages.
"""

from __future__ import annotations

import dataclasses
import re
from typing import TYPE_CHECKING, Any

from kukeon_api import model, names

if TYPE_CHECKING:
    from collections.abc import Mapping

SERVICE = "KukeonV1"
"""The service's name; the suffix is the version of the wire, a breaking change becomes KukeonV2."""

PACKAGE = "kukeon.v1"

_LEVELS = frozenset(kind.lower() for kind in model.KINDS)


@dataclasses.dataclass(frozen=True)
class Method:
    """One method.

    `params` are the parameters of the Python method in order, each a field of `<name>Args`.  Those in `defaults` may be
    left out; their defaults are what an absent field reads as, so peers that do not know a parameter agree on it.
    `returns` is the type of the result, or of its items where `listed` names the reply's repeated field: the Python
    method then returns a tuple.
    `paged` lists come in several replies (`page_token`, `next_page_token`).  `upload` names the parameter that travels
    as a stream of `chunk`s.  `writes` tells methods that change something from those that look.
    `error_in_reply`: an `Invalid` travels in the reply's `error`, whole, because a status is too small for it.
    `stream` is "server" where any number of replies come, each with some of the items `listed`, and "both" where the
    client goes on sending, too: `asks` and `tells` then are the parts that requests and replies have, one at a time, by
    name; `params` are the fields of the part `start`, which comes first, and `started` is the first reply.
    """

    name: str
    params: tuple[tuple[str, type], ...] = ()
    returns: type = object
    listed: str = ""
    paged: bool = False
    upload: str = ""
    writes: bool = False
    error_in_reply: bool = False
    stream: str = ""
    asks: Mapping[str, type] = dataclasses.field(default_factory=dict, hash=False)
    tells: Mapping[str, type] = dataclasses.field(default_factory=dict, hash=False)
    defaults: Mapping[str, Any] = dataclasses.field(default_factory=dict, hash=False)

    @property
    def python(self) -> str:
        """The name of the Python method: `CreateRealm` -> `create_realm`."""
        return re.sub(r"(?<!^)(?=[A-Z])", "_", self.name).lower()

    @property
    def full_name(self) -> str:
        """The name in logs and errors: `KukeonV1.CreateRealm`."""
        return f"{SERVICE}.{self.name}"

    def check_names(self, values: Mapping[str, Any]) -> None:
        """Raise `Invalid` when an argument that is the name of a resource is none; "" is one where it has a default.

        The names in documents are checked by their types; this is for `realm`, `space_name` and so on.
        """
        for name, kind in self.params:
            level = name.removesuffix("_name")
            if kind is str and level in _LEVELS and (values.get(name) or name not in self.defaults):
                names.check_name(values[name], level)

    @property
    def path(self) -> str:
        """The path of gRPC: `/kukeon.v1.KukeonV1/CreateRealm`."""
        return f"/{PACKAGE}.{SERVICE}/{self.name}"


def _lists(name: str, listed: str, item: type, *within: str) -> Method:
    params = tuple((field, str) for field in within)
    return Method(name, params, item, listed=listed, paged=True, defaults=dict.fromkeys(within, ""))


def _writes(name: str, doc: type, returns: type, *switches: str) -> Method:
    params = (("doc", doc), *((switch, bool) for switch in switches))
    return Method(name, params, returns, writes=True, defaults=dict.fromkeys(switches, False))


def _documents(name: str, returns: type, **options: Any) -> Method:
    params: tuple[tuple[str, type], ...] = tuple((option, type(default)) for option, default in options.items())
    params = (("raw_yaml", bytes), *params)
    return Method(name, params, returns, writes=True, error_in_reply=True, defaults=options)


_EXEC = Method(
    "Exec",
    (
        ("doc", model.ContainerDoc),
        ("command", tuple),
        ("tty", bool),
        ("env", tuple),
        ("user", str),
        ("working_dir", str),
        ("rows", int),
        ("columns", int),
    ),
    stream="both",
    asks={"stdin": bytes, "stdin_closed": bool, "resize": model.WindowSize, "signal": int},
    tells={
        "started": model.ExecStarted,
        "stdout": bytes,
        "stderr": bytes,
        "exit": model.ExitStatus,
        "stdin_taken": int,
    },
    writes=True,
    defaults={"tty": False, "env": (), "user": "", "working_dir": "", "rows": 0, "columns": 0},
)
_ATTACH = Method(
    "Attach",
    (("doc", model.ContainerDoc), ("rows", int), ("columns", int), ("position", int)),
    stream="both",
    asks={"input": bytes, "resize": model.WindowSize, "leave": bool},
    tells={"started": bool, "output": bytes, "ended": model.AttachEnded, "position": int},
    defaults={"rows": 0, "columns": 0, "position": 0},
)
_EVENTS = Method(
    "Events",
    (
        ("realm", str),
        ("space", str),
        ("stack", str),
        ("cell", str),
        ("kinds", tuple),
        ("since", str),
        ("follow", bool),
    ),
    model.Event,
    listed="events",
    stream="server",
    defaults={"realm": "", "space": "", "stack": "", "cell": "", "kinds": (), "since": "", "follow": False},
)
_LOGS = Method(
    "Logs",
    (("doc", model.ContainerDoc), ("follow", bool), ("tail", int), ("since", str), ("previous", bool)),
    model.LogEntry,
    listed="entries",
    stream="server",
    defaults={"follow": False, "tail": -1, "since": "", "previous": False},
)

_ALL = (
    Method("Ping", (), model.PingResult),
    _documents("ApplyDocuments", model.ApplyDocumentsResult, dry_run=False, prune=""),
    _documents("DeleteDocuments", model.DeleteDocumentsResult, cascade=False, force=False),
    _writes("CreateRealm", model.RealmDoc, model.CreateRealmResult),
    _writes("CreateSpace", model.SpaceDoc, model.CreateSpaceResult),
    _writes("CreateStack", model.StackDoc, model.CreateStackResult),
    _writes("CreateCell", model.CellDoc, model.CreateCellResult, "no_start"),
    _writes("CreateContainer", model.ContainerDoc, model.CreateContainerResult),
    Method("GetRealm", (("doc", model.RealmDoc),), model.GetRealmResult),
    Method("GetSpace", (("doc", model.SpaceDoc),), model.GetSpaceResult),
    Method("GetStack", (("doc", model.StackDoc),), model.GetStackResult),
    Method("GetCell", (("doc", model.CellDoc),), model.GetCellResult),
    Method("GetContainer", (("doc", model.ContainerDoc),), model.GetContainerResult),
    _lists("ListRealms", "realms", model.RealmDoc),
    _lists("ListSpaces", "spaces", model.SpaceDoc, "realm_name"),
    _lists("ListStacks", "stacks", model.StackDoc, "realm_name", "space_name"),
    _lists("ListCells", "cells", model.CellDoc, "realm_name", "space_name", "stack_name"),
    _lists("ListContainers", "containers", model.ContainerSpec, "realm_name", "space_name", "stack_name", "cell_name"),
    _writes("StartCell", model.CellDoc, model.StartCellResult),
    _writes("StopCell", model.CellDoc, model.StopCellResult),
    _writes("KillCell", model.CellDoc, model.KillCellResult),
    _writes("RestartCell", model.CellDoc, model.RestartCellResult),
    _writes("StartContainer", model.ContainerDoc, model.StartContainerResult),
    _writes("StopContainer", model.ContainerDoc, model.StopContainerResult),
    _writes("KillContainer", model.ContainerDoc, model.KillContainerResult),
    _writes("RestartContainer", model.ContainerDoc, model.RestartContainerResult),
    _writes("DeleteRealm", model.RealmDoc, model.DeleteRealmResult, "force", "cascade"),
    _writes("DeleteSpace", model.SpaceDoc, model.DeleteSpaceResult, "force", "cascade"),
    _writes("DeleteStack", model.StackDoc, model.DeleteStackResult, "force", "cascade"),
    _writes("DeleteCell", model.CellDoc, model.DeleteCellResult),
    _writes("DeleteContainer", model.ContainerDoc, model.DeleteContainerResult),
    _writes("PurgeRealm", model.RealmDoc, model.PurgeRealmResult, "force", "cascade"),
    _writes("PurgeSpace", model.SpaceDoc, model.PurgeSpaceResult, "force", "cascade"),
    _writes("PurgeStack", model.StackDoc, model.PurgeStackResult, "force", "cascade"),
    _writes("PurgeCell", model.CellDoc, model.PurgeCellResult, "force", "cascade"),
    _writes("PurgeContainer", model.ContainerDoc, model.PurgeContainerResult),
    Method("RefreshAll", (), model.RefreshAllResult, writes=True),
    Method("AttachContainer", (("doc", model.ContainerDoc),), model.AttachContainerResult),
    Method("LogContainer", (("doc", model.ContainerDoc),), model.LogContainerResult),
    Method(
        "LoadImage",
        (("realm", str), ("tarball", bytes), ("platform", str)),
        model.LoadImageResult,
        upload="tarball",
        writes=True,
        defaults={"platform": ""},
    ),
    Method("ListImages", (("realm", str),), model.ListImagesResult),
    Method("GetImage", (("realm", str), ("ref", str)), model.GetImageResult),
    Method("DeleteImage", (("realm", str), ("ref", str)), model.DeleteImageResult, writes=True),
    Method(
        "PullImage",
        (("realm", str), ("ref", str), ("platform", str), ("login", model.RegistryLogin)),
        model.TransferEvent,
        listed="events",
        stream="server",
        writes=True,
        defaults={"platform": "", "login": model.RegistryLogin()},
    ),
    Method(
        "PushImage",
        (("realm", str), ("ref", str), ("destination", str), ("platform", str), ("login", model.RegistryLogin)),
        model.TransferEvent,
        listed="events",
        stream="server",
        defaults={"destination": "", "platform": "", "login": model.RegistryLogin()},
    ),
    Method(
        "SaveImage",
        (("realm", str), ("refs", tuple), ("platform", str), ("format", str)),
        model.ArchivePiece,
        listed="pieces",
        stream="server",
        defaults={"platform": "", "format": "oci"},
    ),
    Method("TagImage", (("realm", str), ("ref", str), ("name", str)), model.TagImageResult, writes=True),
    Method(
        "PruneImages",
        (("realm", str), ("all", bool), ("dry_run", bool)),
        model.PruneImagesResult,
        writes=True,
        defaults={"all": False, "dry_run": False},
    ),
    _EVENTS,
    _LOGS,
    _EXEC,
    _ATTACH,
    Method(
        "ResizeTerminal",
        (("doc", model.ContainerDoc), ("rows", int), ("columns", int)),
        model.ResizeTerminalResult,
    ),
)

METHODS: dict[str, Method] = {method.name: method for method in _ALL}
"""Name -> method: `METHODS["CreateRealm"]`."""

BY_PYTHON: dict[str, Method] = {method.python: method for method in _ALL}
"""Python name -> method: `BY_PYTHON["create_realm"]`."""


def __getattr__(name: str) -> Any:
    """Serve the constants `METHOD_CREATE_REALM` == "KukeonV1.CreateRealm" and so on."""
    if name.startswith("METHOD_"):
        found = BY_PYTHON.get(name.removeprefix("METHOD_").lower())
        if found is not None:
            return found.full_name
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
