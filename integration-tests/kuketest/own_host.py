"""A host of one's own for the main instance: /run, /etc, /opt and the network are private to it, and vanish with it."""

import contextlib
import os
import signal
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from kuketest.instance import Done, Instance

# Everything is written to the fresh /run. Without the machine's /run there is no systemd to ask for anything.
_SET_UP = """\
set -e
mount -t tmpfs own /run
mkdir -p /run/lock /run/own/{etc,work,opt,cgroup}
mount -t overlay own -o lowerdir=/etc,upperdir=/run/own/etc,workdir=/run/own/work /etc
# A kukeon that this machine may have is not seen from here, let alone touched.
rm -rf /etc/kukeon
for accounts in passwd group shadow gshadow; do
    [ ! -e /etc/$accounts ] || sed -i '/^kukeon:/d' /etc/$accounts
done
# containerd keeps snapshots in /opt, and an overlay cannot lie on another: fresh memory, with what is there put back.
mount --rbind /opt /run/own/opt
mount -t tmpfs own /opt
for there in /run/own/opt/*/; do
    [ -d "$there" ] && [ "$there" != /run/own/opt/kukeon/ ] || continue
    mkdir "/opt/$(basename "$there")"
    mount --rbind "$there" "/opt/$(basename "$there")"
done
# /sys/class/net shows the network namespace that its sysfs was mounted in, sysfs(5).
mount --rbind /sys/fs/cgroup /run/own/cgroup
mount -t sysfs own /sys
mount --rbind /run/own/cgroup /sys/fs/cgroup
ip link set lo up
echo ready
exec sleep infinity
"""


class OwnHost:
    """Mount and network namespaces; `prefix` runs a program in them, `root` is what it sees there as /."""

    def __init__(self) -> None:
        self._keeper = subprocess.Popen(
            ["unshare", "--mount", "--net", "bash", "-c", _SET_UP], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE
        )
        assert self._keeper.stdout is not None
        assert self._keeper.stdout.readline() == b"ready\n"
        at = f"/proc/{self._keeper.pid}"
        self.root = Path(at, "root")
        self.prefix = ("nsenter", f"--mount={at}/ns/mnt", f"--net={at}/ns/net", "--")

    def run(self, *command: str) -> str:
        return subprocess.run([*self.prefix, *command], capture_output=True, text=True, check=True).stdout

    def path(self, path: str | Path) -> Path:
        """The same file, seen from outside."""
        return self.root / str(path).lstrip("/")

    def processes(self) -> dict[int, str]:
        """What runs on it, but for the one that keeps it: process id -> command line."""
        mine = Path(f"/proc/{self._keeper.pid}/ns/mnt").stat().st_ino
        found = {}
        for directory in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if int(directory.name) != self._keeper.pid and (directory / "ns/mnt").stat().st_ino == mine:
                    found[int(directory.name)] = (directory / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        return found

    def close(self) -> None:
        """End everything on it: a story that failed half-way leaves no process behind."""
        while running := self.processes():
            for pid in running:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        assert self._keeper.stdout is not None
        self._keeper.kill()
        self._keeper.wait()
        self._keeper.stdout.close()


@dataclass
class MainInstance(Instance):
    """The main instance of a host: at the default paths, used without saying where it is."""

    host: OwnHost = field(default_factory=OwnHost)

    @property
    def run_path(self) -> Path:
        return self.host.path("/opt/kukeon")

    @property
    def socket(self) -> Path:
        return self.host.path("/run/kukeon/kukeond.sock")

    @property
    def containerd_socket(self) -> str:
        return str(self.host.path(super().containerd_socket))

    def environment(self) -> dict[str, str]:
        return {name: value for name, value in super().environment().items() if name != "KUKEON_HOST"}

    def run(self, *arguments: str, code: int | None = 0, manifest: str | None = None) -> Done:
        """Run `kuke` on the own host."""
        return self.kuke(*arguments, code=code, manifest=manifest, prefix=self.host.prefix)

    def initialise(self, *options: str) -> Done:
        return self.run(
            *("init", "--containerd", "embedded", "--containerd-namespace-suffix", self.suffix),
            *("--cgroup-root", self.cgroup_root, *options),
        )

    def log_tail(self) -> str:
        logs = (self.host.path("/opt/kukeon/kukeond.log"), self.run_path / "kukeond.log")
        return next((log.read_text()[-6000:] for log in logs if log.exists()), "(none)")
