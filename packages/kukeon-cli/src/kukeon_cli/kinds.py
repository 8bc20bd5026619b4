"""Resources as people write them in one word: `cell/web`, `ce/web`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kukeon_cli import tree

if TYPE_CHECKING:
    from kukeon_api.model import Kind


def kind(word: str, text: str) -> Kind:
    """Return the kind that `word` of `text` means, in any of the forms that `kuke get` takes; raises `Invalid`."""
    from kukeon_api import errors, model
    from kukeon_cli import near

    known = {name: entry.name for entry in tree.GET for name in (entry.name, *entry.aliases)}
    found = known.get(word.lower(), "").capitalize()
    for each in model.KINDS:
        if found == each:
            return each
    words = [each.lower() for each in model.KINDS]
    meant = near.nearest(word, words)
    raise errors.Invalid(
        f"cannot use {text!r}: {word!r} is no kind of resource",
        hint=f"did you mean {meant!r}?" if meant else f"kinds are {', '.join(words)}",
    )


def named(text: str) -> tuple[Kind, str]:
    """Return kind and name of `KIND/NAME`; raises `Invalid`."""
    from kukeon_api import errors, model, names

    word, separator, name = text.partition("/")
    if not separator:
        words = {each.lower() for each in model.KINDS}
        example = f"{text}/NAME" if text in words else f"cell/{text or 'NAME'}"
        raise errors.Invalid(f"cannot use {text!r}: it is not KIND/NAME", hint=f"write {example}")
    found = kind(word, text)
    return found, names.check_name(name, found)
