"""What runc says, as met with runc 1.1 behind containerd 1.6, told to people."""

from __future__ import annotations

import pytest

from kukeon_runner.host import runtime_words

CHAIN = (
    "cannot create task 'x' in namespace 'n': failed to create shim task: OCI runtime create failed: "
    "runc create failed: unable to start container process: "
)
CRUN = "cannot create task 'x' in namespace 'n': failed to create shim task: OCI runtime create failed: crun: "


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (
            CHAIN + 'exec: "/nonexistent": stat /nonexistent: no such file or directory: unknown',
            "there is no program '/nonexistent' in its image",
        ),
        (
            CHAIN + 'exec: "nope": executable file not found in $PATH: unknown',
            "there is no program 'nope' in its image",
        ),
        (CHAIN + 'exec: "/etc/passwd": permission denied: unknown', "'/etc/passwd' is not executable in its image"),
        (
            CHAIN + "exec /bin/x: exec format error: unknown",
            "its program is built for another processor, or has no '#!' line",
        ),
        (
            CHAIN
            + 'error during container init: error mounting "/srv" to rootfs at "/etc/hosts": mount: not a directory',
            "cannot mount '/srv' at '/etc/hosts'",
        ),
        (CHAIN + "something new: unknown", "something new"),
        (
            CRUN + "executable file `nope` not found in $PATH: No such file or directory: unknown",
            "there is no program 'nope' in its image",
        ),
        (CRUN + "something new: unknown", "something new"),
        ("words of another kind", "words of another kind"),
    ],
)
def test_reasons(words: str, reason: str) -> None:
    assert runtime_words.explain(words)[0] == reason
