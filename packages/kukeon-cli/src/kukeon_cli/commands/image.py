"""`kuke image`: archives into a realm, and images out of it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import click

from kukeon_cli import lazy, options, tree

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from kukeon_api import errors, model
    from kukeon_cli.output import Output
    from kukeon_cli.session import Session
    from kukeon_sdk.client import Client

_PIECE_BYTES = 1 << 16
STDIN = "-"
_LOOK_TIMEOUT_S = 2.0
"""A note is worth this much waiting."""


def load(
    client: Client,
    stream: BinaryIO | Iterable[bytes],
    label: str,
    total: int | None,
    realm: str,
    out: Output,
    platform: str = "",
) -> None:
    """Send the archive on `stream` and print the images that it held; `total` is its size in bytes where known."""
    result = send(client, stream, label, total, realm, platform)
    noun = "image" if len(result.images) == 1 else "images"
    place = f' (namespace "{result.namespace}")' if result.namespace else ""
    ending = ":" if result.images else ""
    lines = [f'loaded {len(result.images)} {noun} into realm "{realm}"{place}{ending}']
    lines += [f"  - {name}" for name in result.images]
    out.result(result, lines, (f"image/{name}" for name in result.images))


def send(
    client: Client, stream: BinaryIO | Iterable[bytes], label: str, total: int | None, realm: str, platform: str
) -> model.LoadImageResult:
    """Send the archive on `stream`, showing how far it is; what is wrong with it is said of `label`."""
    from kukeon_api import errors, model
    from kukeon_cli import resources, terminal

    with terminal.Progress(f"loading {label}") as progress:
        pieces = _pieces(stream, lambda sent: progress.update(_progress(label, sent, total)))
        try:
            return client.load_image(realm, pieces, platform=platform)
        except errors.RealmNotFound as exc:
            raise resources.with_hint(client, model.Ref(realm), exc) from exc
        except errors.KukeonError as exc:
            raise _named(exc, label) from exc
        except OSError as exc:
            raise errors.HostError(f"cannot read {label}: {exc.strerror}") from exc


def _named(exc: errors.KukeonError, label: str) -> errors.KukeonError:
    """Return `exc` with the user's own name for the archive where its message has none."""
    from kukeon_api import errors

    for start in ("cannot load the archive", "cannot load an image", "cannot use the image"):
        if exc.message.startswith(start):
            what = "it is empty" if isinstance(exc, errors.TarballRequired) else exc.message[len(start) :].lstrip(": ")
            hint = "" if isinstance(exc, errors.TarballRequired) else exc.hint
            return type(exc)(f"cannot load {label}: {what}", hint=hint, kind=exc.kind, problems=exc.problems)
    return exc


def _pieces(stream: BinaryIO | Iterable[bytes], sent: Callable[[int], None]) -> Iterator[bytes]:
    count = 0
    for piece in iter(lambda: stream.read(_PIECE_BYTES), b"") if hasattr(stream, "read") else stream:
        yield piece
        count += len(piece)
        sent(count)


def _progress(label: str, sent: int, total: int | None) -> str:
    from kukeon_cli import quantities

    if not total:
        return f"loading {label}: {quantities.size(sent)}"
    if sent >= total:
        return f"loading {label}: unpacking"
    return f"loading {label}: {quantities.size(sent)} of {quantities.size(total)}, {100 * sent // total} %"


def delete(client: Client, refs: Sequence[str], realm: str, out: Output) -> int:
    """Remove each image from the realm and say so; return the exit code."""
    from kukeon_cli import several

    done, code = several.each(
        refs, lambda ref: _delete(client, realm, ref), lambda ref: f"deleting {ref}", "kuke get images"
    )
    if done:
        results = several.one_or_many([result for _, result in done], len(refs))
        lines = []
        for ref, result in done:
            place = f' (namespace "{result.namespace}")' if result.namespace else ""
            lines.append(f'Deleted image "{result.ref or ref}" from realm "{realm}"{place}')
        out.result(results, lines, [f"image/{result.ref or ref}" for ref, result in done])
        _tell_cells(client, realm, {result.ref or ref for ref, result in done})
    return code


_CELLS_NAMED = 3
"""As many as fit on a line."""


def _tell_cells(client: Client, realm: str, deleted: set[str]) -> None:
    """Say on stderr which cells name what was deleted: they go on, and lack it when they are made anew."""
    from kukeon_api import errors, image_ref
    from kukeon_cli import resources, terminal

    try:
        cells = client.list_cells(realm, timeout=_LOOK_TIMEOUT_S)
        named = [
            repr("/".join(resources.place(cell)))
            for cell in cells
            if not deleted.isdisjoint(image_ref.normalise(each.image) for each in cell.spec.containers if each.image)
        ]
    except errors.KukeonError:
        # The deletion is done; what is only worth a note must not make it look otherwise.
        return
    if named:
        rest = len(named) - _CELLS_NAMED
        more = f" and {rest} more" if rest > 0 else ""
        which = ", ".join(named[:_CELLS_NAMED])
        cells_word, go = ("cell", "goes") if len(named) == 1 else ("cells", "go")
        text = f"note: {cells_word} {which}{more} {go} on with what was made from it; made anew, it is needed again"
        print(terminal.printable(text), file=sys.stderr)


def _delete(client: Client, realm: str, ref: str) -> Any:
    from kukeon_cli import resources

    with resources.looking_in(client, realm, ref, wanted=False):
        return client.delete_image(realm, ref)


@click.command("load", cls=lazy.Command)
@click.argument("file", metavar="[FILE]", required=False, type=click.Path())
@click.option("--from-docker", metavar="REF", help="Take the image REF from docker, by `docker save`.")
@options.platform("load")
@options.scope("realm")
@options.output()
@click.pass_obj
def load_command(
    session: Session, file: str | None, from_docker: str | None, platform: str, realm: str | None, output: str
) -> None:
    """Load an OCI or docker archive into a realm.

    FILE may be compressed with gzip or zstd, or be a directory with what such an archive holds; - reads standard input.

    \b
        kuke image load app.tar --realm shop
        kuke image load ./layout --platform all
        docker save app | kuke image load -
        kuke image load --from-docker app:1
    """
    from kukeon_api import errors
    from kukeon_cli import resources, streams, terminal

    if (file is None) == (from_docker is None):
        raise click.UsageError("give exactly one of FILE and --from-docker")
    where = resources.realm_of(realm)
    out = session.output(output)
    if from_docker is not None:
        from kukeon_cli import docker

        with docker.saved(from_docker) as archive:
            load(session.client, archive, f"{from_docker!r} from docker", None, where, out, platform)
        return
    assert file is not None
    if file == STDIN:
        if terminal.is_terminal(sys.stdin):
            raise errors.Invalid(
                "cannot read an archive from the terminal", hint="pipe it in: docker save app | kuke image load -"
            )
        load(session.client, streams.standard_input(), streams.STDIN, None, where, out, platform)
        return
    path = Path(file)
    if path.is_dir():
        from kukeon_sdk import layout_directory

        load(session.client, layout_directory.archive(path), repr(file), None, where, out, platform)
        return
    try:
        stream = path.open("rb")
    except OSError as exc:
        raise errors.Invalid(f"cannot load {file!r}: {exc.strerror}") from exc
    with stream:
        size = path.stat().st_size if path.is_file() else None
        load(session.client, stream, repr(file), size, where, out, platform)


@click.command("delete", cls=lazy.Command)
@options.name("image", parameter="refs", shown="REF", many=True, variable="KUKE_DELETE_IMAGE_NAME")
@options.scope("realm")
@options.output()
@click.pass_obj
def delete_command(session: Session, refs: tuple[str, ...], realm: str | None, output: str) -> int:
    """Remove images from a realm.

    Cells that run from them go on, since containers have a copy of their own; which ones name it is told.

    \b
        kuke image delete app:1 --realm shop
    """
    from kukeon_cli import resources

    return delete(session.client, options.refs_given(refs), resources.realm_of(realm), session.output(output))


group = lazy.LazyGroup("image", entries=tree.IMAGE, help="Pull, push, load, save, list and delete images.")
