"""What every part of the controller starts from."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from kukeon_api import errors, model, normalise, rules

if TYPE_CHECKING:
    from kukeon_runner.runner import HostRunner

D = TypeVar("D", bound=model.Doc)


class Base:
    def __init__(self, runner: HostRunner) -> None:
        self.runner = runner

    def accepted(self, doc: D) -> D:
        """`doc` in normal form. Raises InvalidManifest with every problem: a program's document met no parser."""
        rules.check(doc)
        return normalise.normalise(doc)

    def changeable(self, ref: model.Ref, verb: str = "change") -> model.Ref:
        """`ref`, unless it is in the realm that belongs to kukeon itself; then ReservedRealm says what was wanted."""
        if ref.realm == model.SYSTEM_REALM:
            raise errors.ReservedRealm(
                f"cannot {verb} {ref.kind.lower()} {str(ref)!r}: realm {model.SYSTEM_REALM!r} is kukeon's own",
                hint="choose another realm",
            )
        return ref
