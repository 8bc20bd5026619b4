"""Uploads against a real gRPC server on a real socket."""

from __future__ import annotations

import io
import os
import threading
from typing import TYPE_CHECKING, Any

import pytest

from kukeon_api import errors, model

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conftest import Daemon
    from kukeon_sdk import UnixClient

MIB = 1 << 20
WAIT_S = 30.0


class TestLoadImage:
    """Uploads: from anything, flat in memory, and never mistaken for complete when they are not."""

    @pytest.fixture(autouse=True)
    def importing(self, daemon: Daemon) -> list[bytes]:
        received: list[bytes] = []

        def load_image(realm: str, tarball: Iterator[bytes], platform: str) -> model.LoadImageResult:
            received.extend(tarball)
            return model.LoadImageResult(realm=realm, images=("it",))

        daemon.answers["load_image"] = load_image
        return received

    @pytest.mark.parametrize("size", [0, 1, MIB - 1, MIB, 3 * MIB + 17])
    @pytest.mark.parametrize("kind", ["bytes", "memoryview", "file", "crumbs", "lumps"])
    def test_from_anything(self, client: UnixClient, importing: list[bytes], size: int, kind: str) -> None:
        data = os.urandom(size)
        sources: dict[str, Any] = {
            "bytes": data,
            "memoryview": memoryview(data),
            "file": io.BytesIO(data),
            "crumbs": [data[start : start + 70_001] for start in range(0, size, 70_001)],
            "lumps": [data[: size // 2], b"", data[size // 2 :]],
        }
        assert client.load_image("r", sources[kind], timeout=WAIT_S).images == ("it",)
        assert b"".join(importing) == data
        assert all(importing)

    def test_from_a_pipe(self, client: UnixClient, importing: list[bytes]) -> None:
        reader, writer = os.pipe()
        with os.fdopen(reader, "rb") as file:

            def send() -> None:
                os.write(writer, b"abc")
                os.write(writer, b"def")
                os.close(writer)

            sender = threading.Thread(target=send)
            sender.start()
            client.load_image("r", file, timeout=WAIT_S)
            sender.join()
        assert b"".join(importing) == b"abcdef"

    def test_what_reading_raises_is_raised_and_the_daemon_sees_no_end(self, daemon: Daemon, client: UnixClient) -> None:
        arrived, ended = threading.Event(), threading.Event()
        outcome: list[str] = []

        def load_image(realm: str, tarball: Iterator[bytes], platform: str) -> model.LoadImageResult:
            try:
                for _ in tarball:
                    arrived.set()
                outcome.append("regular end")
            except Exception:
                outcome.append("aborted")
                raise
            finally:
                ended.set()
            return model.LoadImageResult(realm=realm)

        daemon.answers["load_image"] = load_image

        def broken() -> Iterator[bytes]:
            yield b"x" * MIB
            assert arrived.wait(WAIT_S)
            raise OSError("the disk is gone")

        with pytest.raises(OSError, match="the disk is gone"):
            client.load_image("r", broken(), timeout=WAIT_S)
        assert ended.wait(WAIT_S)
        assert outcome == ["aborted"]

    def test_text_is_refused(self, client: UnixClient) -> None:
        text: Any = io.StringIO("text")
        with pytest.raises(errors.Invalid, match="bytes"):
            client.load_image("r", text, timeout=WAIT_S)
        path: Any = "/a/path"
        with pytest.raises(errors.Invalid) as caught:
            client.load_image("r", path, timeout=WAIT_S)
        assert '"rb"' in caught.value.hint

    def test_an_early_refusal_ends_the_upload(self, daemon: Daemon, client: UnixClient) -> None:
        def refuse(realm: str, tarball: Iterator[bytes], platform: str) -> None:
            next(tarball)
            raise errors.InvalidArchive("cannot load the image: this is no archive")

        daemon.answers["load_image"] = refuse

        def endless() -> Iterator[bytes]:
            while True:
                yield b"x" * MIB

        with pytest.raises(errors.InvalidArchive, match="no archive"):
            client.load_image("r", endless(), timeout=WAIT_S)
