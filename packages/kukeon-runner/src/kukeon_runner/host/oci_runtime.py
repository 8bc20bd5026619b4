"""Which program makes containers: crun where it is installed and able, else runc.

crun starts a container in about half the time. It is tried before it is trusted, by a container of the pause program:
versions of it refuse hosts with cgroup v1 or both, and some are built without what a container of ours needs.
"""

from __future__ import annotations

import json
import logging
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

log = logging.getLogger(__name__)

CRUN, RUNC = "crun", "runc"

TRIAL_TIMEOUT_S = 20.0


def installed(name: str) -> bool:
    """Whether there is a program of that name where containerd looks for it."""
    return shutil.which(name) is not None


def choose(cgroup_mode: str, rootfs: str, cgroup: str) -> str:
    """The runtime for new containers on this host.

    `rootfs` is that of the pause program, `cgroup` one that is nobody's yet. Waits for programs: call it on a thread.
    """
    program = shutil.which(CRUN)
    if program is None or cgroup_mode != "v2":
        return RUNC
    if (why := _trial(program, rootfs, cgroup)) is None:
        return CRUN
    log.warning("using runc, because crun made no container: %s", why)
    return RUNC


def _trial(program: str, rootfs: str, cgroup: str) -> str | None:
    """Make a container and remove it again; None when that went well, else why not."""
    with tempfile.TemporaryDirectory(prefix="kukeon-trial-") as scratch:
        bundle, state = Path(scratch, "bundle"), Path(scratch, "state")
        bundle.mkdir()
        (bundle / "config.json").write_text(json.dumps(_document(rootfs, cgroup)))
        command = [program, "--root", str(state)]
        try:
            made = _run([*command, "create", "--bundle", str(bundle), "trial"])
            gone = _run([*command, "delete", "--force", "trial"])
        except (OSError, subprocess.TimeoutExpired) as error:
            return str(error)
    # A creation that failed left nothing to delete, which the other call then says.
    return made if made is not None else gone


def _run(command: list[str]) -> str | None:
    # A file, not a pipe: the container inherits it, and a pipe would not end before it does.
    with tempfile.TemporaryFile() as words:
        ended = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=words,
            timeout=TRIAL_TIMEOUT_S,
            check=False,
            start_new_session=True,
        )
        if ended.returncode == 0:
            return None
        words.seek(0)
        return words.read().decode(errors="replace").strip()[-200:] or f"exit code {ended.returncode}"


def _document(rootfs: str, cgroup: str) -> dict[str, Any]:
    return {
        "ociVersion": "1.0.2",
        "process": {"args": ["/kukepause"], "cwd": "/", "user": {"uid": 65534, "gid": 65534}, "noNewPrivileges": True},
        "root": {"path": rootfs, "readonly": True},
        "mounts": [
            {"destination": "/proc", "type": "proc", "source": "proc"},
            {"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "mode=755", "size=64k"]},
        ],
        "linux": {
            "cgroupsPath": cgroup,
            "namespaces": [{"type": each} for each in ("pid", "mount", "cgroup", "network", "ipc", "uts")],
            "resources": {"pids": {"limit": 10}},
            "seccomp": {"defaultAction": "SCMP_ACT_ALLOW"},
        },
    }
