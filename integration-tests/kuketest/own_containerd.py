"""A containerd of a test's own that kukeond uses and does not start: it can be away for as long as a story wants."""

import os
import shutil
import signal
import subprocess
from pathlib import Path

from kuketest.waiting import PATIENCE, until

_CONFIG = """\
version = 2
root = "{home}/ctrd/root"
state = "{home}/ctrd/state"
disabled_plugins = ["io.containerd.grpc.v1.cri"]
[grpc]
  address = "{home}/ctrd/c.sock"
[ttrpc]
  address = "{home}/ctrd/c.sock.ttrpc"
[plugins."io.containerd.internal.v1.opt"]
  path = "{home}/ctrd/opt"
"""


class OwnContainerd:
    """Its places are below `home`, so that what it starts is known by that name."""

    def __init__(self, home: Path) -> None:
        self._home = home / "ctrd"
        self._home.mkdir()
        self._config = self._home / "config.toml"
        self._config.write_text(_CONFIG.format(home=home))
        self.socket = str(self._home / "c.sock")
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Have it running and answering."""
        with (self._home / "log").open("ab") as log:
            self._process = subprocess.Popen(
                ["containerd", "--config", str(self._config)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        until(self._answers, "containerd to answer", 30)

    def _answers(self) -> bool:
        return not subprocess.run(
            ["ctr", "--address", self.socket, "version"], capture_output=True, timeout=30 * PATIENCE
        ).returncode

    def stop(self) -> None:
        """End it as a service manager would; containers go on."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        self._end(signal.SIGKILL)

    def _end(self, number: signal.Signals) -> None:
        if self._process is not None:
            os.kill(self._process.pid, number)
            self._process.wait(30 * PATIENCE)
            self._process = None

    def remove(self) -> None:
        """End it and leave nothing of it."""
        self.stop()
        shutil.rmtree(self._home)
