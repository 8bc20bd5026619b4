"""What runc and the shim say when a container cannot be made, in words that a person can act on. Pure."""

from __future__ import annotations

import re

_MISSING = re.compile(r'exec: \\?"(?P<program>[^"\\]+)\\?": (?:stat [^:]*: no such file|executable file not found)')
_CRUN_MISSING = re.compile(
    r"executable file `(?P<program>[^`]+)` not found|(?:cannot stat|cannot find|open executable) `?(?P<path>/[^`:]+)`?:"
)
_DENIED = re.compile(r'exec: \\?"(?P<program>[^"\\]+)\\?": (?:stat [^:]*: )?permission denied')
_FORMAT = re.compile(r"exec format error")
_CWD = re.compile(r'chdir to cwd \(\\?"(?P<directory>[^"\\]+)\\?"')
_MOUNT = re.compile(r'error mounting \\?"(?P<source>[^"\\]+)\\?" to rootfs at \\?"(?P<target>[^"\\]+)\\?"')
_LOST_BUNDLE = re.compile(
    r"failed to (?:start shim|create shim task): (?!OCI runtime).*: no such file or directory"
    r"|/io\.containerd\.runtime\.v2\.task/\S+/log\.json: no such file or directory"
)
_IN_THE_WAY = re.compile(r"mkdir (?P<path>/\S+): file exists")
_CHAIN = re.compile(
    r"^.*OCI runtime (?:create|start|exec) failed: (?:runc (?:create|start) failed: |exec failed: |crun: )?"
    r"(?:unable to start container process: )?"
)


def is_taken_away(words: str) -> bool:
    """Whether a creation failed because the directory of its container vanished under it: the shim, or runc, lost it.

    What runc misses by itself is what somebody asked for.
    """
    return _LOST_BUNDLE.search(words) is not None


def is_in_the_way(words: str) -> bool:
    """Whether a creation failed because containerd found something there that it was to make, or runc its own notes.

    What else a runtime finds in the way is in the container's own files, which are its image's to choose.
    """
    return "file exists" in words and ("OCI runtime" not in words or "mkdir /run/containerd/runc/" in words)


def directory_in_the_way(words: str) -> str:
    """The directory that containerd, which was to make it, found there; empty where it says something else."""
    found = _IN_THE_WAY.search(words)
    return found["path"] if found and "OCI runtime" not in words else ""


def explain(words: str) -> tuple[str, str]:
    """The reason in what the runtime said, and what to do about it (may be empty)."""
    if found := _MISSING.search(words):
        return f"there is no program {found['program']!r} in its image", "correct the container's command"
    if found := _CRUN_MISSING.search(words):
        return (
            f"there is no program {found['program'] or found['path']!r} in its image",
            "correct the container's command",
        )
    if found := _DENIED.search(words):
        return f"{found['program']!r} is not executable in its image", "correct the command, or the file's mode"
    if _FORMAT.search(words):
        return "its program is built for another processor, or has no '#!' line", ""
    if found := _CWD.search(words):
        return f"its working directory {found['directory']!r} cannot be entered", "correct the container's workingDir"
    if found := _MOUNT.search(words):
        return f"cannot mount {found['source']!r} at {found['target']!r}", "a file goes on a file, a directory on one"
    if "OOM-killed" in words or "memory limit" in words:
        return "its memory limit is too small for a container to start", "raise resources.memoryLimitBytes"
    return _CHAIN.sub("", words).removesuffix(": unknown"), ""


def explain_exec(words: str) -> tuple[str, bool]:
    """The reason why a program could not be run beside a container's own, and whether what was asked for is wrong."""
    if "cannot exec in a stopped" in words or "cannot exec in a paused" in words or "process already finished" in words:
        return "the container is not running any more", True
    reason, _ = explain(words)
    return reason, any(each.search(words) for each in (_MISSING, _CRUN_MISSING, _DENIED, _FORMAT, _CWD))
