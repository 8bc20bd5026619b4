"""Which addresses requests go to, and who counts as this machine."""

import pytest

from kukeon_runner.host.registry.origins import Origin, is_loopback, origin


@pytest.mark.parametrize(
    ("url", "found", "netloc"),
    [
        ("https://Quay.io/v2", Origin("https", "quay.io", 443), "quay.io"),
        ("https://quay.io:443", Origin("https", "quay.io", 443), "quay.io"),
        ("http://quay.io:443/", Origin("http", "quay.io", 443), "quay.io:443"),
        ("http://[::1]:5000/x?y=http://other", Origin("http", "::1", 5000), "[::1]:5000"),
        ("https://a_b-c.example#d", Origin("https", "a_b-c.example", 443), "a_b-c.example"),
    ],
)
def test_origins(url: str, found: Origin, netloc: str):
    assert origin(url) == found
    assert origin(url).netloc == netloc


@pytest.mark.parametrize(
    "url",
    [
        "",
        "quay.io",
        "//quay.io/x",
        "ftp://quay.io",
        "https://",
        "https:///x",
        "https://ann@quay.io",
        "https://ann:pw@quay.io",
        "https://@quay.io",
        "https://quay.io:99999",
        "https://quay.io:x",
        "https://quay.io\\@other.example/",
        "https://quay.io\\other.example",
        "https://quay io",
        "https://quay%2Eio",
        "https://qu\u00e4y.io",
        "https://[::1",
        "https://[fe80::1%25eth0]",
    ],
)
def test_what_is_no_origin(url: str):
    with pytest.raises(ValueError, match=r"."):
        origin(url)


@pytest.mark.parametrize("host", ["localhost", "a.localhost", "127.0.0.1", "127.9.9.9", "::1"])
def test_this_machine(host: str):
    assert is_loopback(host)


@pytest.mark.parametrize(
    "host", ["0.0.0.0", "localhost.example", "127.0.0.1.example", "10.0.0.1", "::", "::ffff:1.2.3.4"]
)
def test_another_machine(host: str):
    assert not is_loopback(host)
