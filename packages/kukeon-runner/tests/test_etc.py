"""The files that containers see under /etc."""

from __future__ import annotations

import pytest

from kukeon_runner import etc


def test_hosts_name_the_cell_only_with_its_address() -> None:
    assert "hello" not in etc.hosts("hello")
    assert etc.hosts("hello", "10.88.0.2") == etc.hosts("hello") + "10.88.0.2\thello\n"
    assert etc.hosts("hello").splitlines()[0].split() == ["127.0.0.1", "localhost"]


def test_hostname_is_one_line() -> None:
    assert etc.hostname("hello") == "hello\n"


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("", ""),
        ("nameserver 192.0.2.1\nsearch a.b\noptions ndots:2\n", "nameserver 192.0.2.1\nsearch a.b\noptions ndots:2\n"),
        ("nameserver 127.0.0.53\nnameserver 192.0.2.1", "nameserver 192.0.2.1\n"),
        ("nameserver\t127.0.0.1\nnameserver ::1\nsearch x\n", "search x\n"),
        ("  nameserver   127.1.2.3 \n", ""),
        ("nameserver\n# nameserver 127.0.0.1\n", "nameserver\n# nameserver 127.0.0.1\n"),
        ("nameserver 128.0.0.1\r\n", "nameserver 128.0.0.1\n"),
        ("nameserver 2001:db8::1\n", "nameserver 2001:db8::1\n"),
    ],
)
def test_name_servers_that_a_cell_cannot_reach_are_left_out(host: str, expected: str) -> None:
    assert etc.resolv(host) == expected
