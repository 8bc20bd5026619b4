"""What `create` and `run` share: asking kukeond to make something, and telling what of it was there before."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from contextlib import AbstractContextManager

    from kukeon_api import errors, model
    from kukeon_api.model import Ref
    from kukeon_sdk.client import Client

_FEW = 3
"""Fields that are named where something differs."""

_PARTS = {
    "Realm": (("metadata", "metadata"), ("containerd namespace", "containerd_namespace"), ("cgroup", "cgroup")),
    "Space": (("metadata", "metadata"), ("network", "cni_network"), ("cgroup", "cgroup")),
    "Stack": (("metadata", "metadata"), ("cgroup", "cgroup")),
    "Cell": (("metadata", "metadata"), ("cgroup", "cgroup"), ("root container", "root_container")),
    "Container": (("container", "container"),),
}
"""Kind -> what it is made of: its name for people, and the field of the result without its ending."""


def make(
    client: Client,
    ref: Ref,
    work: Callable[[], Any],
    doing: str = "creating",
    wanted: model.CellDoc | model.ContainerDoc | None = None,
) -> Any:
    """Return what `work` returns, which makes `ref`; the errors of it come with hints.

    What is there already is left as it is; when that is not what is `wanted`, it is said.
    """
    from kukeon_api import errors
    from kukeon_cli import drift, interruption, resources, terminal

    look: AbstractContextManager[None] = interruption.kukeond_goes_on(f"kuke get {ref.kind.lower()}s")
    try:
        with look, terminal.Progress(f"{doing} {resources.described(ref)}"):
            result = work()
    except (
        errors.ImageNotFound,
        errors.VolumeSourceNotFound,
        errors.DeviceNotFound,
        errors.SecretNotFound,
        errors.InvalidUser,
        errors.HostError,
    ) as exc:
        # What was accepted and cannot run on this host as it is.
        hint = exc.hint
        differing = drift.kept(client, wanted) if wanted is not None else []
        if differing:
            hint = f"{_as_it_was(ref, differing)}; {_CHANGE}"
        raise type(exc)(exc.message, hint=hint, kind=exc.kind, problems=exc.problems) from exc
    except errors.NotFound as exc:
        raise resources.with_hint(client, _missing(ref, exc), exc) from exc
    if wanted is not None and not _made(result):
        differing = drift.kept(client, wanted)
        if differing:
            print(f"note: {terminal.printable(_as_it_was(ref, differing))}", file=sys.stderr)
            print(f"hint: {_CHANGE}", file=sys.stderr)
    return result


_CHANGE = "change it with `kuke apply`, or delete it first"


def _made(result: model.CreateCellResult | model.CreateContainerResult) -> bool:
    """Tell whether it was not there before, so that there is nothing to compare it with."""
    from kukeon_api import model

    return result.created if isinstance(result, model.CreateCellResult) else result.container_created


def _as_it_was(ref: Ref, differing: Sequence[str]) -> str:
    where = ", ".join(differing[:_FEW])
    more = f" and {len(differing) - _FEW} more" if len(differing) > _FEW else ""
    stays = f"{ref.kind.lower()} {ref.name!r} is there already and stays as it was first described"
    return f"{stays}: {where}{more} {'differs' if len(differing) == 1 else 'differ'}"


def _missing(ref: Ref, exc: errors.NotFound) -> Ref:
    """Return which of the parents of `ref` the error says is missing: the nearest one where it does not say."""
    assert ref.parent is not None
    named = [parent for parent in ref.ancestors if exc.kind == f"{parent.kind}NotFound"]
    return named[0] if named else ref.parent


def lines(ref: Ref, result: Any) -> Iterator[str]:
    """Yield what was made, for people: a heading and a row for each part."""
    yield _heading(ref, result)
    for label, field in _PARTS[ref.kind]:
        before, after = getattr(result, f"{field}_exists_pre"), getattr(result, f"{field}_exists_post")
        yield f"  - {label}: {outcome(before, after)}"
    if ref.kind == "Cell":
        yield from _of_cell(result)
    if ref.kind == "Container":
        yield f"  - container: {'started' if result.started else 'not started'}"


def _heading(ref: Ref, result: Any) -> str:
    match ref.kind:
        case "Realm":
            namespace = result.realm.spec.namespace
            return f'Realm "{ref.realm}"' + (f' (namespace "{namespace}")' if namespace else "")
        case "Space":
            return f'Space "{ref.space}" (realm "{ref.realm}")'
        case "Container":
            own = result.container.spec.containerd_id
            place = f'realm "{ref.realm}", space "{ref.space}", stack "{ref.stack}"'
            return f'Container "{ref.name}"' + (f' (ID: "{own}")' if own else "") + f' in cell "{ref.cell}" ({place})'
        case _:
            place = ", ".join(f'{parent.kind.lower()} "{parent.name}"' for parent in ref.ancestors)
            return f'{ref.kind} "{ref.name}" ({place})'


def _of_cell(result: model.CreateCellResult) -> Iterator[str]:
    for container in result.containers:
        yield f'  - container "{container.name}": {outcome(container.exists_pre, container.exists_post)}'
    if not result.containers:
        yield "  - containers: none defined"
    running = "already running" if result.started_post else "not started"
    yield f"  - containers: {'started' if result.started else running}"
    network = result.cell.status.network
    if network is not None and network.address:
        yield f"  - address: {network.address.partition('/')[0]}"


def outcome(before: bool, after: bool) -> str:
    """Return `created`, `already existed` or `missing`."""
    if not after:
        return "missing"
    return "already existed" if before else "created"


def unknown(error: BaseException) -> bool:
    """Whether nobody can tell what became of what was to be made: kukeond, or containerd, is away."""
    from kukeon_api import errors

    # With a registry away kukeond is there, and has answered.
    return isinstance(error, errors.Unavailable | errors.TimedOut) and not _of_registry(error)


def refused(error: errors.KukeonError) -> bool:
    """Whether it is kukeond that we may not ask."""
    from kukeon_api import errors

    return isinstance(error, errors.Denied) and not _of_registry(error)


def _of_registry(error: errors.KukeonError) -> bool:
    return error.kind.startswith("Registry")
