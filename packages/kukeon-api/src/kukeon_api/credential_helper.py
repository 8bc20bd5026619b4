"""Run docker-credential-NAME (door): the host goes in by standard input, the login comes back as JSON.

The protocol is that of docker-credential-helpers. What such a program prints may be a secret, so none of it is shown.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import threading

from kukeon_api import errors

_NOT_FOUND = b"credentials not found"
"""How all of them begin to say that they know nothing, on standard output and with exit code 1."""


def get(helper: str, server: str, *, timeout_s: float, limit_bytes: int) -> bytes | None:
    """Return what the helper prints about `server`; None when it knows nothing.

    `helper` has been checked to be a plain name. Raises CredentialHelperFailed.
    """
    program = f"docker-credential-{helper}"
    path = shutil.which(program)
    if path is None:
        raise errors.CredentialHelperFailed(
            f"cannot log in to {server!r}: there is no program {program!r}",
            hint="install it, or take it out of docker's config.json",
        )
    try:
        process = subprocess.Popen(
            [path, "get"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
    except OSError as error:
        raise errors.CredentialHelperFailed(
            f"cannot log in to {server!r}: cannot run {path!r}: {error.strerror}"
        ) from error
    late = threading.Event()

    def give_up() -> None:
        late.set()
        _end(process)

    timer = threading.Timer(timeout_s, give_up)
    with process:
        timer.start()
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            # One that needs no input may have closed it.
            with contextlib.suppress(BrokenPipeError), process.stdin:
                process.stdin.write(server.encode())
            output = process.stdout.read(limit_bytes + 1)
            if len(output) > limit_bytes:
                _end(process)
                raise errors.CredentialHelperFailed(f"cannot log in to {server!r}: {program} prints without end")
            process.wait()
        finally:
            timer.cancel()
            _end(process)
    if late.is_set():
        raise errors.CredentialHelperFailed(
            f"cannot log in to {server!r}: {program} took longer than {timeout_s:g} s",
            hint=f"try it: echo {server} | {program} get",
        )
    if process.returncode == 0:
        return output
    if output.lstrip().startswith(_NOT_FOUND):
        return None
    raise errors.CredentialHelperFailed(
        f"cannot log in to {server!r}: {program} failed with exit code {process.returncode}",
        hint=f"try it: echo {server} | {program} get",
    )


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the helper and all that it started in its session, unless it has been waited for."""
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
