"""A directory of plugins that record how they were called and do as they are told: for tests of whoever uses networks.

They are real programs, run by the real protocol; only what they would do to the kernel is left out.
"""

import json
import sys
from dataclasses import dataclass, field
from pathlib import Path

from kukeon_cni.jsons import Json

__all__ = ["PluginDir", "Run"]

# Appends what it was given to `log`, then does what `behaviour.json` says for "<type>.<command>". Without a word
# there it answers VERSION with what today's plugins say, ADD with one address and an interface named like itself.
_PROGRAM = """#!{python} -IS
import json, os, sys, time
here, type_ = os.path.split(os.path.abspath(sys.argv[0]))
command = os.environ["CNI_COMMAND"]
config = json.loads(sys.stdin.read() or "null")
with open(here + "/log", "a") as log:
    log.write(json.dumps({{"type": type_, "env": dict(os.environ), "config": config, "pid": os.getpid()}}) + "\\n")
try:
    with open(here + "/behaviour.json") as file:
        do = json.load(file).get(type_ + "." + command, {{}})
except FileNotFoundError:
    do = {{}}
sys.stderr.write(do.get("stderr", ""))
if do.get("hang"):
    time.sleep(1000)
if "stdout" in do:
    out = do["stdout"] * do.get("times", 1)
elif command == "VERSION":
    out = json.dumps({{"cniVersion": "1.0.0", "supportedVersions": ["0.3.1", "0.4.0", "1.0.0"]}})
elif command == "ADD":
    address = {{"address": "10.213.0.2/24", "gateway": "10.213.0.1"}}
    if config["cniVersion"] != "1.0.0":
        address["version"] = "4"
    result = config.get("prevResult") or {{"cniVersion": config["cniVersion"], "ips": [address], "interfaces": []}}
    result["interfaces"].append({{"name": type_, "sandbox": os.environ["CNI_NETNS"]}})
    out = json.dumps(result)
else:
    out = ""
sys.stdout.write(out)
sys.stdout.flush()
sys.exit(do.get("exit", 0))
"""


@dataclass(frozen=True)
class Run:
    """One execution of a recording plugin."""

    type: str
    env: dict[str, str]
    config: dict[str, Json]
    pid: int

    @property
    def command(self) -> str:
        """ADD, CHECK, DEL or VERSION."""
        return self.env["CNI_COMMAND"]


@dataclass
class PluginDir:
    """A directory of recording plugins; `path` must exist."""

    path: Path
    _behaviour: dict[str, dict[str, Json]] = field(default_factory=dict)

    def install(self, *types: str) -> None:
        """Put a plugin of each type there."""
        for type_ in types:
            file = self.path / type_
            file.write_text(_PROGRAM.format(python=sys.executable))
            file.chmod(0o755)

    def remove(self, type_: str) -> None:
        """Uninstall one."""
        (self.path / type_).unlink()

    def behave(self, type_: str, command: str, **what: Json) -> None:
        """From now on answer `command` with `stdout` (`times` repeated), `stderr`, `exit`, or `hang`."""
        self._behaviour[f"{type_}.{command}"] = what
        new = self.path / "behaviour.new"
        new.write_text(json.dumps(self._behaviour))
        new.replace(self.path / "behaviour.json")

    def runs(self, command: str | None = None) -> list[Run]:
        """Return what ran so far, in order; VERSION only when asked for."""
        try:
            lines = (self.path / "log").read_text().splitlines()
        except FileNotFoundError:
            return []
        runs = [Run(**json.loads(line)) for line in lines]
        return [run for run in runs if (run.command == command if command else run.command != "VERSION")]

    def sequence(self) -> list[str]:
        """Return the same as "ADD bridge" texts."""
        return [f"{run.command} {run.type}" for run in self.runs()]

    def forget(self) -> None:
        """Empty the record."""
        (self.path / "log").unlink(missing_ok=True)
