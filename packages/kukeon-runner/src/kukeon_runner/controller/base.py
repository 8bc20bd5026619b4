"""What every part of the controller starts from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kukeon_api import errors, model

if TYPE_CHECKING:
    from kukeon_runner.runner import Runner


class Base:
    def __init__(self, runner: Runner) -> None:
        self.runner = runner

    def changeable(self, ref: model.Ref) -> model.Ref:
        """`ref`, unless it is in the realm that belongs to kukeon itself."""
        if ref.realm == model.SYSTEM_REALM:
            raise errors.Denied(
                f"cannot change {ref.kind.lower()} {str(ref)!r}: realm {model.SYSTEM_REALM!r} is kukeon's own",
                hint="choose another realm",
            )
        return ref
