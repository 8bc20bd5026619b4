"""`kuke image inspect`: everything about one image."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from kukeon_cli import lazy, options

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from kukeon_api import model
    from kukeon_cli import resources
    from kukeon_cli.output import Output
    from kukeon_cli.session import Session
    from kukeon_sdk.client import Client

_WIDTH = 14


def inspect(client: Client, refs: Sequence[str], realm: str, out: Output) -> int:
    """Print images: their platforms, layers and configuration; return the exit code."""
    from kukeon_cli import resources, several

    done, code = several.tried(refs, lambda ref: resources.RealmImage(realm, resources.get_image(client, realm, ref)))
    rows = [row for _, row in done]
    if rows:
        values = several.one_or_many([row.fields() for row in rows], len(refs))
        out.result(values, _one_below_the_other(rows), [f"image/{row.image.name}" for row in rows])
    return code


def _one_below_the_other(rows: Sequence[resources.RealmImage]) -> Iterator[str]:
    for number, row in enumerate(rows):
        if number:
            yield ""
        yield from _lines(row)


def _lines(row: resources.RealmImage) -> Iterator[str]:
    from kukeon_cli import quantities

    image = row.image
    yield _row("Name", image.name)
    yield _row("Realm", row.realm)
    yield _row("Digest", image.digest)
    yield _row("Type", image.media_type)
    yield _row("Size", quantities.size(image.size))
    yield _row("In the realm", f"since {quantities.stamp(image.created_at)}")
    yield _row("Built", quantities.stamp(image.built_at))
    yield _row("Platforms", "" if image.platforms else "-")
    for each in image.platforms:
        there = "" if each.present else ", not in the realm"
        yield f"  {each.platform}: {each.digest} ({quantities.size(each.size)}{there})"
    if image.layers:
        yield _row("Layers", str(len(image.layers)))
        for layer in image.layers:
            yield f"  {layer.digest} ({quantities.size(layer.size)})"
    if image.config is not None:
        yield "Config:"
        for label, value in _config(image.config):
            yield f"  {_row(label, value)}"


def _config(config: model.ImageConfig) -> Iterator[tuple[str, str]]:
    """Yield what the image says of itself, as far as it says something."""
    yield "User", config.user or "root"
    for label, words in (("Entrypoint", config.entrypoint), ("Command", config.cmd)):
        if words:
            yield label, _line(words)
    if config.working_dir:
        yield "Directory", config.working_dir
    if config.stop_signal:
        yield "Stop signal", config.stop_signal
    if config.healthcheck:
        yield "Health check", f"{_line(config.healthcheck)} (not run)"
    for label, values in (("Ports", config.exposed_ports), ("Volumes", config.volumes)):
        if values:
            yield label, ", ".join(values)
    for variable in config.env:
        yield "Environment", variable
    for key, value in sorted(config.labels.items()):
        yield "Label", f"{key}={value}"


def _line(words: Sequence[str]) -> str:
    import shlex

    return shlex.join(words)


def _row(label: str, value: str) -> str:
    return f"{f'{label}:'.ljust(_WIDTH)} {value}".rstrip()


@click.command("inspect", cls=lazy.Command)
@options.name("image", parameter="refs", shown="REF", many=True, variable="KUKE_IMAGE_INSPECT_REF")
@options.scope("realm")
@options.output()
@click.pass_obj
def command(session: Session, refs: tuple[str, ...], realm: str | None, output: str) -> int:
    """Tell everything about images.

    That is their platforms, their layers, and how they run.

    \b
        kuke image inspect app:1
        kuke image inspect app:1 -o json
    """
    from kukeon_cli import resources

    return inspect(session.client, options.refs_given(refs), resources.realm_of(realm), session.output(output))
