"""The reference registry, Debian's docker-registry, as our own child on a loopback port."""

from __future__ import annotations

import contextlib
import json
import re
import signal
import subprocess
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from kukeon_runner.testing.certificates import Pair

START_TIMEOUT_S = 30.0
_LISTENING = re.compile(r"listening on 127\.0\.0\.1:(\d+)")


@dataclass(frozen=True)
class DockerRegistry:
    """A registry that runs."""

    port: int
    directory: Path
    """Holds what is stored, below `data`, and `log`."""
    pid: int

    @property
    def address(self) -> str:
        """How references name it."""
        return f"localhost:{self.port}"


@contextlib.contextmanager
def docker_registry(
    directory: Path, *, tls: Pair | None = None, users: Mapping[str, str] | None = None, port: int = 0
) -> Iterator[DockerRegistry]:
    """Run a registry that keeps everything in `directory`; with `users`, by name and password, nobody else may use it.

    Needs the programs docker-registry and, for users, htpasswd.
    """
    directory.mkdir(parents=True, exist_ok=True)
    http: dict[str, object] = {"addr": f"127.0.0.1:{port}", "secret": "of a test"}
    if tls is not None:
        http["tls"] = {"certificate": str(tls.certificate), "key": str(tls.key)}
    config: dict[str, object] = {
        "version": 0.1,
        "log": {"level": "info", "formatter": "text"},
        "storage": {"filesystem": {"rootdirectory": str(directory / "data")}, "delete": {"enabled": True}},
        "http": http,
    }
    if users is not None:
        passwords = directory / "htpasswd"
        passwords.write_text("")
        for name, password in users.items():
            # The registry takes bcrypt and nothing else.
            subprocess.run(
                ["htpasswd", "-i", "-B", "-C", "4", str(passwords), name],
                input=password.encode(),
                check=True,
                capture_output=True,
            )
        config["auth"] = {"htpasswd": {"realm": "test", "path": str(passwords)}}
    (directory / "config.yml").write_text(json.dumps(config))  # JSON is YAML
    log = directory / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            ["docker-registry", "serve", str(directory / "config.yml")],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        yield DockerRegistry(_wait_for_port(process, log), directory, process.pid)
    finally:
        process.send_signal(signal.SIGCONT)
        process.kill()
        process.wait()


def _wait_for_port(process: subprocess.Popen[bytes], log: Path) -> int:
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline and process.poll() is None:
        if found := _LISTENING.search(log.read_text(errors="replace")):
            return int(found[1])
        time.sleep(0.02)
    raise RuntimeError(f"docker-registry does not start:\n{log.read_text(errors='replace')[-4000:]}")
