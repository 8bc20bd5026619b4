"""Fetching a page as a stranger would, with nothing but the standard library."""

import http.client

from kuketest.waiting import PATIENCE, until


def page(address: str, port: int = 8080, timeout_s: float = 2.0 * PATIENCE) -> str:
    """Return the page at once, or raise OSError."""
    connection = http.client.HTTPConnection(address, port, timeout=timeout_s)
    try:
        connection.request("GET", "/")
        answer = connection.getresponse()
        text = answer.read().decode()
        if answer.status != 200:
            raise OSError(f"http://{address}:{port}/ answered {answer.status}")
        return text
    finally:
        connection.close()


def wait_page(address: str, port: int = 8080) -> str:
    """Return the page as soon as somebody serves it: a program that runs need not listen yet."""

    def fetched() -> str:
        try:
            return page(address, port)
        except OSError:
            return ""

    return until(fetched, f"a page at http://{address}:{port}/", 15)
