"""Problem and APIError: what is wrong with an input, and an error as it travels."""

from __future__ import annotations

import msgspec


# These two are not `model.Model`s only because the model needs `errors`; they keep the same struct options.
class Problem(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True, rename="camel"
):
    """One thing wrong with an input: where it is, what is wrong, and what was probably meant.

    `line` counts from 1 (0: unknown), `document` is the 0-based position in the stream (None: not in a stream),
    `subject` what the document is, like `Cell "web"`.
    """

    source: str = ""
    line: int = 0
    document: int | None = None
    subject: str = ""
    path: str = ""
    message: str
    suggestion: str = ""

    def __str__(self) -> str:
        """Return one line: `web.yaml:7: Cell "web": spec.containers[0].imgae: unknown field (...)`.

        Where the line is not known the document is told, counted from 1 as people do.
        """
        where = f"{self.source}:{self.line}" if self.source and self.line else self.source
        subject = self.subject
        if self.document is not None and not (self.source and self.line):
            number = f"document {self.document + 1}"
            subject = f"{number} ({self.subject})" if self.subject else number
        parts = [part for part in (where, subject, self.path, self.message) if part]
        return ": ".join(parts) + (f" ({self.suggestion})" if self.suggestion else "")


class APIError(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True, rename="camel"
):
    """An error as it travels: `kind` identifies the class, `message` is verbatim what `str(error)` was."""

    kind: str
    message: str
    hint: str = ""
    problems: tuple[Problem, ...] = ()
