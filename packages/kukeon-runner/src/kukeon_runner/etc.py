"""The files of a cell that its containers see under /etc. Pure text."""

from __future__ import annotations

import ipaddress

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


def host_hosts(host: str, hostname: str) -> str:
    """The host's own hosts file with the cell's name, which programs on the host's network resolve as well."""
    known = {name for line in host.splitlines() for name in line.partition("#")[0].split()[1:]}
    text = host if not host or host.endswith("\n") else f"{host}\n"
    return text if hostname in known else f"{text}127.0.1.1\t{hostname}\n"


def hostname(name: str) -> str:
    return f"{name}\n"


def resolv(host: str) -> str:
    """The host's resolver configuration without name servers on its loopback, which a cell cannot reach."""
    kept = [line for line in host.splitlines() if not _on_loopback(line)]
    return "".join(f"{line}\n" for line in kept)


def _on_loopback(line: str) -> bool:
    words = line.split()
    return len(words) > 1 and words[0] == "nameserver" and (words[1].startswith("127.") or words[1] == "::1")


def nameservers(text: str) -> tuple[str, ...]:
    """The IPv4 name servers that a resolver configuration names."""
    words = [line.split() for line in text.splitlines()]
    return tuple(each[1] for each in words if len(each) > 1 and each[0] == "nameserver" and _is_ipv4(each[1]))


def _is_ipv4(text: str) -> bool:
    try:
        ipaddress.IPv4Address(text)
    except ValueError:
        return False
    return True
