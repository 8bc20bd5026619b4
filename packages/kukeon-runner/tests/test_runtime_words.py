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


TASKS = "/run/containerd/io.containerd.runtime.v2.task"


@pytest.mark.parametrize(
    ("words", "taken_away"),
    [
        (
            f"OCI runtime create failed: unable to retrieve OCI runtime error (open {TASKS}/r.local/s_t_c_x/log.json:"
            " no such file or directory): runc did not terminate successfully: exit status 1: unknown",
            True,
        ),
        (
            f"failed to start shim: start failed: open {TASKS}/r.local/s_t_c_main/address: no such file or directory",
            True,
        ),
        (
            "failed to create shim task: failed to mount rootfs component &{overlay overlay [lowerdir=/x:/y]}:"
            " no such file or directory: unknown",
            True,
        ),
        (f"failed to create shim task: mkdir {TASKS}/r.local/s_t_c_main/rootfs: no such file or directory", True),
        ("failed to start shim: start failed: io.containerd.runc.v2: getwd: no such file or directory: exit 1", True),
        (CHAIN + 'exec: "/no": stat /no: no such file or directory: unknown', False),
        (f"failed to start shim: mkdir {TASKS}/r.local/s_t_c_main: file exists", False),
        ('error mounting "/srv/x" to rootfs at "/x": stat /srv/x: no such file or directory', False),
    ],
)
def test_a_directory_that_vanished_is_told_from_other_trouble(words: str, taken_away: bool) -> None:
    assert runtime_words.is_taken_away(words) is taken_away
