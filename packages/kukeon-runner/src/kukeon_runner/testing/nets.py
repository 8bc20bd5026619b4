"""Network namespaces of a test's own, for real packets through real rules: a host, two spaces and an outside.

outside 192.0.2.2 --- 192.0.2.1 host 10.88.0.1 -k-one- a 10.88.0.2, b 10.88.0.3
                                     10.88.1.1 -k-two- c 10.88.1.2
    other 198.51.100.2 --- 198.51.100.1 host: not a bridge of ours
"""

from __future__ import annotations

import ipaddress
import subprocess
import sys
from typing import TYPE_CHECKING, Any

from kukeon_runner.firewall import BridgeNet, Wall

if TYPE_CHECKING:
    from collections.abc import Callable

DEADLINE_S = 20.0
ONE = BridgeNet("k-one", ipaddress.IPv4Network("10.88.0.0/24"))
TWO = BridgeNet("k-two", ipaddress.IPv4Network("10.88.1.0/24"))
OUTSIDE, HOST, OTHER = "192.0.2.2", "192.0.2.1", "198.51.100.2"
CELLS = {"a": "10.88.0.2", "b": "10.88.0.3", "c": "10.88.1.2"}
PORT = 8080

SERVE = """
import socket, sys
if sys.argv[3] == "udp":
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind((sys.argv[1], int(sys.argv[2])))
    print("ready", flush=True)
    while True:
        _, peer = server.recvfrom(100)
        server.sendto(peer[0].encode(), peer)
family = socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET
server = socket.create_server((sys.argv[1], int(sys.argv[2])), family=family)
print("ready", flush=True)
while True:
    connection, peer = server.accept()
    connection.sendall(peer[0].encode())
    connection.close()
"""
ASK = """
import socket, sys
if sys.argv[4] == "udp":
    asking = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    asking.connect((sys.argv[1], int(sys.argv[2])))
    asking.settimeout(float(sys.argv[3]))
    asking.send(b"?")
    print(asking.recv(100).decode())
    sys.exit()
connection = socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=float(sys.argv[3]))
print(connection.recv(100).decode())
"""
CONVERSE = """
import socket, sys
asking = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
asking.connect((sys.argv[1], int(sys.argv[2])))
asking.settimeout(0.7)
for _ in sys.stdin:
    try:
        asking.send(b"?")
        print(asking.recv(100).decode(), flush=True)
    except TimeoutError:
        print(flush=True)
    except OSError as error:
        print(type(error).__name__, flush=True)
"""


def wall(*nets: BridgeNet, **rest: Any) -> Wall:
    return Wall(nets, **rest)


class Net:
    """Network namespaces held by a sleeping process each, and programs in them."""

    def __init__(self) -> None:
        self.holders: dict[str, subprocess.Popen[str]] = {}
        self.programs: list[subprocess.Popen[str]] = []
        for name in ("host", "outside", "other", *CELLS):
            script = "ip link set lo up && echo ready && exec sleep 1000"
            holder = subprocess.Popen(["unshare", "--net", "sh", "-c", script], stdout=subprocess.PIPE, text=True)
            self.holders[name] = holder
            assert holder.stdout is not None
            assert holder.stdout.readline() == "ready\n"

    def path(self, name: str) -> str:
        return f"/proc/{self.holders[name].pid}/ns/net"

    def enter(self, name: str, *command: str) -> list[str]:
        return ["nsenter", f"--net={self.path(name)}", "--", *command]

    def run(self, name: str, *command: str, check: bool = True) -> str:
        done = subprocess.run(self.enter(name, *command), capture_output=True, text=True, timeout=DEADLINE_S)
        assert not check or done.returncode == 0, f"{command}: {done.stderr}"
        return done.stdout

    def script(self, name: str, lines: str) -> None:
        for line in lines.strip().splitlines():
            self.run(name, *line.split())

    def wire(self) -> None:
        """Connect them as in the picture."""
        pids = {name: holder.pid for name, holder in self.holders.items()}
        self.script(
            "host",
            f"""
            ip link add out0 type veth peer name eth0 netns {pids["outside"]}
            ip addr add {HOST}/24 dev out0
            ip link set out0 up
            ip link add oth0 type veth peer name eth0 netns {pids["other"]}
            ip addr add 198.51.100.1/24 dev oth0
            ip link set oth0 up
            ip link add k-one type bridge
            ip link add k-two type bridge
            ip addr add 10.88.0.1/24 dev k-one
            ip addr add 10.88.1.1/24 dev k-two
            ip link set k-one up
            ip link set k-two up
            sysctl -qw net.ipv4.ip_forward=1
            sysctl -qw net.ipv6.conf.all.forwarding=1
            """,
        )
        self.script("outside", f"ip addr add {OUTSIDE}/24 dev eth0\nip link set eth0 up")
        # A neighbour that knows the way in.
        self.script("outside", f"ip route add 10.88.0.0/16 via {HOST}\nip route add 198.51.100.0/24 via {HOST}")
        self.script("other", f"ip addr add {OTHER}/24 dev eth0\nip link set eth0 up")
        self.script("other", "ip route add default via 198.51.100.1")
        for name, address in CELLS.items():
            bridge = "k-one" if address.startswith("10.88.0.") else "k-two"
            gateway = address.rpartition(".")[0] + ".1"
            self.script(
                "host",
                f"""
                ip link add v-{name} type veth peer name eth0 netns {pids[name]}
                ip link set v-{name} master {bridge} up
                ip link set v-{name} type bridge_slave hairpin on
                """,
            )
            self.script(
                name,
                f"""
                ip addr add {address}/24 dev eth0
                ip link set eth0 up
                ip route add default via {gateway}
                """,
            )

    def serve(self, name: str, address: str, port: int = PORT, protocol: str = "tcp") -> None:
        """Answer every connection with the address it came from."""
        command = self.enter(name, sys.executable, "-IS", "-c", SERVE, address, str(port), protocol)
        program = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        self.programs.append(program)
        assert program.stdout is not None
        assert program.stdout.readline() == "ready\n"

    def ask(
        self, name: str, address: str, port: int = PORT, patience_s: float = 5.0, protocol: str = "tcp"
    ) -> str | None:
        """Return the address under which a server sees `name`, None when nothing comes back."""
        command = self.enter(name, sys.executable, "-IS", "-c", ASK, address, str(port), str(patience_s), protocol)
        done = subprocess.run(command, capture_output=True, text=True, timeout=DEADLINE_S)
        return done.stdout.strip() if done.returncode == 0 else None

    def refused(self, name: str, address: str, port: int = PORT, protocol: str = "tcp") -> bool:
        return self.ask(name, address, port, patience_s=0.7, protocol=protocol) is None

    def converse(self, name: str, address: str, port: int) -> Callable[[], str | None]:
        """Return what asks a UDP server again over one socket: its answer, None for none, or the error's name."""
        command = self.enter(name, sys.executable, "-IS", "-c", CONVERSE, address, str(port))
        program = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.programs.append(program)
        asking, answers = program.stdin, program.stdout
        assert asking is not None
        assert answers is not None

        def ask() -> str | None:
            asking.write("\n")
            asking.flush()
            return answers.readline().strip() or None

        return ask

    def end(self) -> None:
        for process in [*self.programs, *self.holders.values()]:
            process.kill()
            process.wait()
            assert process.stdout is not None
            process.stdout.close()
            if process.stdin is not None:
                process.stdin.close()
