"""When something is away or closed, the exit code says which, and the hint says what to do."""

import os
import signal
import subprocess
from collections.abc import Callable

from kuketest import traces
from kuketest.instance import Instance
from kuketest.waiting import until


def test_no_daemon(kukeon: Instance) -> None:
    down = kukeon.kuke("get", "cells", code=8, environment={"KUKEON_HOST": "unix:///tmp/kt-nowhere.sock"})
    assert "/tmp/kt-nowhere.sock" in down.err
    assert "hint: " in down.err


def test_stopped_daemon(kukeon: Instance) -> None:
    kukeon.stop()
    # A variable that is there counts, even when it is empty.
    where = {"KUKEON_RUN_PATH": str(kukeon.run_path)}
    down = kukeon.kuke("get", "cells", code=8, environment=where, prefix=["env", "-u", "KUKEON_HOST"])
    assert str(kukeon.socket) in down.err
    assert "daemon start" in down.err
    kukeon.start()


def test_closed_socket(kukeon: Instance) -> None:
    # Root without the capability to ignore modes, and not the socket's owner: as any user is, but able to run programs
    # wherever this environment lives.
    closed = kukeon.kuke(
        "get",
        "cells",
        code=6,
        prefix=[
            *("setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"),
            *("--inh-caps", "+dac_read_search", "--ambient-caps", "+dac_read_search", "--"),
        ],
    )
    assert str(kukeon.socket) in closed.err
    mode = kukeon.socket.stat().st_mode & 0o777
    assert ("usermod -aG" if mode == 0o660 else "repeat the command with sudo") in closed.err
    assert mode in {0o600, 0o660}, f"the socket is {mode:o}"


def test_unknown_scheme(kukeon: Instance) -> None:
    refused = kukeon.kuke("get", "cells", code=None, environment={"KUKEON_HOST": "tcp://127.0.0.1:1"})
    assert refused.code in {2, 7}, refused
    assert "unix://" in refused.err


def test_system_containerd_that_is_not_there(new_instance: Callable[..., Instance]) -> None:
    instance = new_instance("--containerd", "system", "--containerd-socket", "/tmp/kt-no-containerd.sock")
    refused = subprocess.run(
        instance.serve_command(), capture_output=True, text=True, timeout=90, env=instance.environment(), check=False
    )
    assert refused.returncode == 8, refused
    assert "/tmp/kt-no-containerd.sock" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_containerd_dies_and_comes_back(new_instance: Callable[..., Instance]) -> None:
    instance = new_instance()
    instance.start()
    server = [pid for pid, command in traces.processes(instance) if command.split()[0].endswith("containerd")]
    assert len(server) == 1
    os.kill(server[0], signal.SIGKILL)
    # kukeond starts its own containerd again, by itself or at its next start; either way a restart is enough.
    instance.stop()
    instance.start()
    until(lambda: instance.kuke("get", "realms", code=None).code == 0, "realms to be listed again")
