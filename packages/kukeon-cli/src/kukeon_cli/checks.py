"""What `kuke status` found: a row for each check, for people and for programs."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kukeon_cli.output import Output


class Verdict(enum.StrEnum):
    """What a check found, from good to bad."""

    OK = "OK"
    WARN = "WARN"
    FAIL = "FAIL"


@dataclass(frozen=True)
class Check:
    """One row: what was looked at, how it is, what to do about it, and the exit code that it means when it FAILs."""

    section: str
    name: str
    verdict: Verdict
    detail: str
    remediation: str = ""
    code: int = 1


@dataclass
class Status:
    """Everything found, in the order of looking."""

    checks: list[Check] = field(default_factory=list)

    def add(
        self, section: str, name: str, verdict: Verdict, detail: str, remediation: str = "", *, code: int = 1
    ) -> None:
        self.checks.append(Check(section, name, verdict, detail, remediation, code))

    @property
    def verdict(self) -> Verdict:
        """The worst of all."""
        return max((check.verdict for check in self.checks), key=list(Verdict).index, default=Verdict.OK)

    @property
    def exit_code(self) -> int:
        """That of the first failure, which is the cause of what fails after it; 0 when nothing fails."""
        return next((check.code for check in self.checks if check.verdict is Verdict.FAIL), 0)

    def value(self) -> dict[str, Any]:
        """Return the status for programs."""
        rows = []
        for check in self.checks:
            row = {
                "section": check.section,
                "name": check.name,
                "status": str(check.verdict),
                "detail": check.detail,
            }
            rows.append({**row, "remediation": check.remediation} if check.remediation else row)
        return {"status": str(self.verdict), "ok": self.verdict is not Verdict.FAIL, "checks": rows}


def lines(status: Status, out: Output, *, verbose: bool) -> list[str]:
    """Return the status for people: a title a section, a row a check, what to do below what is not well."""
    from kukeon_cli import terminal

    text: list[str] = []
    section, width = "", 0
    for check in status.checks:
        if check.section != section:
            text += [""] * bool(section) + [check.section.upper()]
            section = check.section
            width = max(len(other.name) for other in status.checks if other.section == section)
        verdict = terminal.coloured(f"{check.verdict:4}", str(check.verdict), out.stream)
        name, detail = terminal.printable(check.name), terminal.printable(check.detail)
        text.append(f"  {name:{width}}  {verdict}  {detail}".rstrip())
        if check.remediation and (verbose or check.verdict is not Verdict.OK):
            text.append(f"  {'':{width}}  ↳ {terminal.printable(check.remediation)}")
    word = str(status.verdict)
    return [*text, "", f"Status: {terminal.coloured(word, word, out.stream)}"]
