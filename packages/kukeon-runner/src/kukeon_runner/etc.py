"""The files of a cell that its containers see under /etc. Pure text."""

from __future__ import annotations

LOOPBACK = """\
127.0.0.1\tlocalhost
::1\tlocalhost ip6-localhost ip6-loopback
fe00::\tip6-localnet
ff00::\tip6-mcastprefix
ff02::1\tip6-allnodes
ff02::2\tip6-allrouters
"""


def hosts(hostname: str, ip: str = "") -> str:
    """A hosts file that resolves the cell's own name, once its address is known."""
    return f"{LOOPBACK}{ip}\t{hostname}\n" if ip else LOOPBACK


def hostname(name: str) -> str:
    return f"{name}\n"


def resolv(host: str) -> str:
    """The host's resolver configuration without name servers on its loopback, which a cell cannot reach."""
    kept = [line for line in host.splitlines() if not _on_loopback(line)]
    return "".join(f"{line}\n" for line in kept)


def _on_loopback(line: str) -> bool:
    words = line.split()
    return len(words) > 1 and words[0] == "nameserver" and (words[1].startswith("127.") or words[1] == "::1")
