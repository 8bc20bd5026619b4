"""One kukeon of its own: run path, socket, namespace suffix, cgroup root, and a containerd that kukeond starts."""

import json
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import kukeon_sdk
from kuketest import traces
from kuketest.waiting import PATIENCE, until

PROGRAMS = Path(sys.executable).parent


@dataclass(frozen=True)
class Done:
    """A program that has ended."""

    command: str
    code: int
    out: str
    err: str

    def __str__(self) -> str:
        return f"$ {self.command}\n{self.out}{self.err}[exit {self.code}]"

    def json(self) -> Any:
        return json.loads(self.out)


@dataclass
class Instance:
    """A kukeond under test. Nothing in it is shared with another instance but the host itself."""

    home: Path
    name: str
    options: tuple[str, ...] = ("--containerd", "embedded")
    programs: Path = PROGRAMS
    daemon: subprocess.Popen[bytes] | None = field(default=None, init=False)
    shim_sockets: set[str] = field(default_factory=set, init=False)

    @classmethod
    def make(cls, options: Sequence[str] = ("--containerd", "embedded"), programs: Path = PROGRAMS) -> "Instance":
        # Short, below /tmp: unix socket paths end at 107 bytes, and in the virtual machine this is a tmpfs, on which
        # overlayfs can sit.
        name = f"kt-{secrets.token_hex(3)}"
        home = Path(tempfile.gettempdir()) / name
        home.mkdir(mode=0o755)
        made = cls(home=home, name=name, options=tuple(options), programs=programs)
        # No test asks Docker Hub: what has no registry in its name leads to a port without a program.
        nowhere = made.registries / "docker.io"
        nowhere.mkdir(parents=True)
        nowhere.joinpath("hosts.toml").write_text('server = "http://127.0.0.1:1"\n')
        return made

    @property
    def run_path(self) -> Path:
        return self.home / "run"

    @property
    def socket(self) -> Path:
        return self.run_path / "kukeond.sock"

    @property
    def registries(self) -> Path:
        return self.home / "registries"

    @property
    def suffix(self) -> str:
        return f"{self.name}.local"

    @property
    def cgroup_root(self) -> str:
        return f"/{self.name}"

    @property
    def log(self) -> Path:
        return self.home / "kukeond.log"

    def serve_command(self, *more: str) -> list[str]:
        return [
            *(str(self.programs / "kukeond"), "serve"),
            *("--run-path", str(self.run_path)),
            *("--socket", str(self.socket)),
            *("--containerd-namespace-suffix", self.suffix),
            *("--cgroup-root", self.cgroup_root),
            *self.options,
            *more,
        ]

    def environment(self) -> dict[str, str]:
        """Nothing of the person who runs the tests: no settings, no home."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("KUKE", "XDG_", "PYTEST"))}
        return kept | {
            "HOME": str(self.home),
            "KUKEON_HOST": f"unix://{self.socket}",
            "KUKEOND_REGISTRY_CONFIG_DIR": str(self.registries),
            "LANG": "C.UTF-8",
        }

    def start(self) -> None:
        """Start kukeond and return when it answers."""
        assert self.daemon is None
        with self.log.open("ab") as log:
            self.daemon = subprocess.Popen(
                self.serve_command(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self.environment(),
                start_new_session=True,
            )
        until(self.answers, f"kukeond of {self.name} to answer", 60)

    def answers(self) -> bool:
        assert self.daemon is not None
        code = self.daemon.poll()
        if code is not None:
            raise AssertionError(f"kukeond ended with {code}:\n{self.log.read_text()[-4000:]}")
        try:
            with self.client() as client:
                return bool(client.ping(timeout=5.0 * PATIENCE).ok)
        except kukeon_sdk.errors.KukeonError:
            return False

    def stop(self) -> None:
        """Stop kukeond as its supervisor would; cells keep running."""
        if self.daemon is None:
            return
        daemon, self.daemon = self.daemon, None
        daemon.terminate()
        try:
            code = daemon.wait(30 * PATIENCE)
        except subprocess.TimeoutExpired:
            daemon.kill()
            daemon.wait()
            raise AssertionError(f"kukeond did not stop when it was told to:\n{self.log_tail()}") from None
        assert code == 0, f"kukeond ended with {code}:\n{self.log_tail()}"

    def sigkill(self) -> None:
        assert self.daemon is not None
        self.daemon.kill()
        self.daemon.wait(30)
        self.daemon = None

    def client(self) -> kukeon_sdk.Client:
        return kukeon_sdk.dial(f"unix://{self.socket}")

    def spawn_kuke(self, *arguments: str, stdin: IO[bytes] | int = subprocess.DEVNULL) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [str(self.programs / "kuke"), *arguments],
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=self.environment(),
            cwd=self.home,
            text=True,
        )

    def kuke(
        self,
        *arguments: str,
        manifest: str | None = None,
        code: int | None = 0,
        environment: Mapping[str, str] | None = None,
        prefix: Sequence[str] = (),
    ) -> Done:
        """Run `kuke`, giving it `manifest` on standard input, and fail unless it exits with `code` (None: any)."""
        command = [*prefix, str(self.programs / "kuke"), *arguments]
        ended = subprocess.run(
            command,
            input=manifest or "",
            capture_output=True,
            text=True,
            timeout=120 * PATIENCE,
            env=self.environment() | dict(environment or {}),
            cwd=self.home,
        )
        done = Done(f"kuke {' '.join(arguments)}", ended.returncode, ended.stdout, ended.stderr)
        assert "Traceback" not in done.err, done
        assert code is None or done.code == code, f"{done}\nkukeond's log:\n{self.log_tail()}"
        return done

    def apply(self, manifest: str, code: int | None = 0) -> Done:
        done = self.kuke("apply", "-f", "-", manifest=manifest, code=code)
        self.remember_shims()
        return done

    def cell(self, name: str) -> Any:
        """The cell as `get -o json` prints it."""
        return self.kuke("get", "cell", name, "-o", "json").json()

    def state(self, name: str) -> str:
        return str(self.cell(name)["status"]["state"])

    def address(self, name: str) -> str:
        """The cell's address without the length of its network."""
        return str(self.cell(name)["status"]["network"]["address"]).split("/")[0]

    def log_tail(self) -> str:
        return self.log.read_text()[-6000:] if self.log.exists() else "(none)"

    def containerd_log_tail(self) -> str:
        path = self.run_path / "containerd.log"
        return path.read_text()[-12000:] if path.exists() else "(none)"

    # The independent witness: containerd's own client, which knows nothing of kukeon.

    @property
    def containerd_socket(self) -> str:
        record = json.loads((self.run_path / ".kukeon-instance.json").read_text())
        return str(record["containerd"]["socket"])

    def ctr(self, *arguments: str, realm: str = "default") -> str:
        command = ["ctr", "--address", self.containerd_socket, "--namespace", f"{realm}.{self.suffix}", *arguments]
        ended = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60 * PATIENCE)
        assert ended.returncode == 0, f"{' '.join(command)}: {ended.stderr}"
        return ended.stdout

    def find_task_pid(self, container: str, cell: str) -> int | None:
        """The process id of a container's running task, as containerd says it."""
        wanted = f"default_default_{cell}_{container}"
        for line in self.ctr("tasks", "ls").splitlines()[1:]:
            task, pid, status = line.split()
            if task == wanted and status == "RUNNING":
                return int(pid)
        return None

    def task_pid(self, container: str, cell: str) -> int:
        pid = self.find_task_pid(container, cell)
        assert pid is not None, f"no task of {container} in {cell} runs:\n{self.ctr('tasks', 'ls')}"
        return pid

    def remember_shims(self) -> None:
        """Note the sockets that our shims listen on, to see at the end that none is left behind."""
        self.shim_sockets |= traces.shim_sockets(self)

    def uninstall(self) -> Done:
        """Remove the instance by the product's own means."""
        self.stop()
        return Instance.kuke(self, "--run-path", str(self.run_path), "uninstall", "-y", environment={"KUKEON_HOST": ""})

    def leave_nothing(self) -> None:
        """Uninstall, and fail when anything of the instance is left on the host; once is enough."""
        if not self.home.exists():
            return
        self.stop()
        bridges = traces.bridges(self)
        traces.instance_id(self)
        if self.run_path.exists():
            done = self.uninstall()
            left = traces.of_host(self, bridges)
            assert not left, f"{self.name} left traces: {left}\nafter {done}\nkukeond's log:\n{self.log_tail()}"
        shutil.rmtree(self.home)


@dataclass
class InProcess(Instance):
    """The same without kukeond: each `kuke` does the work in its own process. Only the first start needs one."""

    @property
    def prepared(self) -> bool:
        return (self.run_path / ".kukeon-instance.json").exists()

    def start(self) -> None:
        """Make the host ready, as the first start of kukeond does; nobody serves afterwards."""
        if not self.prepared:
            super().start()
            self.stop()

    def environment(self) -> dict[str, str]:
        return super().environment() | {"KUKEON_RUN_PATH": str(self.run_path)}

    def kuke(
        self,
        *arguments: str,
        manifest: str | None = None,
        code: int | None = 0,
        environment: Mapping[str, str] | None = None,
        prefix: Sequence[str] = (),
    ) -> Done:
        more = ("--no-daemon", *arguments)
        return super().kuke(*more, manifest=manifest, code=code, environment=environment, prefix=prefix)

    def spawn_kuke(self, *arguments: str, stdin: IO[bytes] | int = subprocess.DEVNULL) -> subprocess.Popen[str]:
        return super().spawn_kuke("--no-daemon", *arguments, stdin=stdin)
