"""One terminal: a container's program on one side, a capture file and any number of clients on the other."""
# ruff: noqa: PTH108 - pathlib would cost memory

from __future__ import annotations

import contextlib
import os

from kukeon_runner.tty import frames, sockets
from kukeon_runner.tty.capture import Capture
from kukeon_runner.tty.client import Client
from kukeon_runner.tty.loop import READ, WRITE
from kukeon_runner.tty.ring import Ring

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from kukeon_runner.tty.loop import Loop
    from kukeon_runner.tty.records import Record

RING_BYTES = 128 * 1024
"""How much a late client gets to see."""

MAX_CLIENTS = 32
MAX_TYPED_BYTES = 64 * 1024
"""Input that the program has not read; beyond it, clients are not read either."""

TYPING_DELAY_S = 0.5
"""How long after its start a program may be silent before what is to be typed is typed."""
UNKNOWN_START_S = 5.0
"""The same when nobody told of the start."""

CODE_PATIENCE_S = 0.2
"""How long after the end of output to wait for kukeond to tell the exit code."""

DRAIN_PIECES = 32
"""More than a pipe holds: when a terminal is closed whose program still writes, that is what is passed on."""

_READ_BYTES = 64 * 1024


class Place:
    """Where the files of terminals are, and who may connect."""

    def __init__(self, directory: str, gid: int) -> None:
        self.directory = directory
        self.hidden = f"{directory}/.bind"
        self.gid = gid

    def stdin(self, name: str) -> str:
        return f"{self.directory}/{name}.in"

    def stdout(self, name: str) -> str:
        return f"{self.directory}/{name}.out"

    def socket(self, name: str) -> str:
        return f"{self.directory}/{name}.sock"


class Terminal:
    def __init__(self, loop: Loop, place: Place, record: Record, gone: Callable[[Terminal], None]) -> None:
        """Open the FIFOs that are there and serve. Raises OSError when they are not, or the socket can't be made."""
        self.record = record
        self.clients: set[Client] = set()
        self._loop = loop
        self._place = place
        self._gone = gone
        self._typed = bytearray()
        self._code: int | None = None
        self._ending = False
        self._stdin = self._stdout = -1
        self._listener: sockets.Listener | None = None
        try:
            # Read and write: input would be dead for ever if the shim once saw nobody there to write.
            self._stdin = os.open(place.stdin(record.name), os.O_RDWR | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
            self._stdout = os.open(
                place.stdout(record.name), os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC
            )
            bound = sockets.listen(place.socket(record.name), place.hidden, mode=0o660, gid=place.gid)
        except OSError:
            self._release()
            raise
        self._capture = Capture(
            record.capture,
            record.gid,
            max_bytes=record.max_bytes,
            max_files=record.max_files,
            rotated=record.rotated,
        )
        shown = self._capture.written - record.begun
        self._ring = Ring(RING_BYTES, max(0, shown))
        if shown > 0:
            self._ring.recall(self._capture.tail(min(shown, RING_BYTES)))
        loop.watch(self._stdout, READ, self._output_ready)
        self._listener = sockets.Listener(loop, bound, "a client", self._connected)
        if record.typing and not record.typed:
            delay_s = TYPING_DELAY_S if record.started else UNKNOWN_START_S
            loop.call_in((self, "typing"), delay_s, self._type_first)

    def begin(self) -> None:
        """Everything that was captured so far is of an earlier program."""
        self.record.begun = self._capture.written
        self._ring = Ring(RING_BYTES)

    def started(self) -> None:
        """The program runs from now on."""
        self.record.started = True
        self._save()
        if self.record.typing and not self.record.typed:
            self._loop.call_in((self, "typing"), TYPING_DELAY_S, self._type_first)

    def ended(self, code: int | None) -> None:
        """kukeond says how the program ended; what it wrote is still shown first."""
        self._code = code
        if self._ending:
            self.close()

    def close(self) -> None:
        """Show what is left, tell the clients, and leave nothing but the capture file."""
        if self._stdout < 0:
            return
        for _ in range(DRAIN_PIECES):
            if not self._read_output():
                break
        for client in tuple(self.clients):
            client.finish(self._code)
        name = self.record.name
        self._release()
        for path in (self._place.socket(name), *_files(self._place, name)):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)
        self._gone(self)

    def greet(self, client: Client, version: int, position: int | None, *, replay: bool) -> None:
        """Welcome `client` with what it has missed."""
        if position is None and not replay:
            position = self._ring.end
        begin, missed = self._ring.since(position)
        client.send(frames.welcome(version, begin))
        for at in range(0, len(missed), frames.MAX_PAYLOAD):
            client.send(frames.frame(frames.OUTPUT, missed[at : at + frames.MAX_PAYLOAD]))
        client.send(frames.frame(frames.LIVE))
        if self._ending:
            client.finish(self._code)

    def left(self, client: Client) -> None:
        self.clients.discard(client)

    def type(self, data: bytes) -> None:
        """Give `data` to the program as if it were typed."""
        self._typed += data
        self._pass_input()

    def _type_first(self) -> None:
        """Type what the manifest says, once: it is noted before, so that a crash types it less rather than twice."""
        self._loop.forget((self, "typing"))
        if not self.record.typed and self.record.typing:
            self.record.typed = True
            self._save()
            self.type(self.record.typing.encode())

    def _input_ready(self, _: int) -> None:
        self._pass_input()

    def _pass_input(self) -> None:
        if self._stdin < 0:
            return
        try:
            while self._typed:
                del self._typed[: os.write(self._stdin, self._typed[:_READ_BYTES])]
        except BlockingIOError:
            pass
        self._loop.watch(self._stdin, WRITE if self._typed else 0, self._input_ready)
        full = len(self._typed) > MAX_TYPED_BYTES
        for client in tuple(self.clients):
            client.pause(full)

    def _output_ready(self, _: int) -> None:
        if self._read_output() is not None:
            return
        # All writers are gone: the shim closes its end when the program has ended.
        self._loop.watch(self._stdout, 0, self._output_ready)
        self._ending = True
        if self._code is not None:
            self.close()
        else:
            self._loop.call_in((self, "code"), CODE_PATIENCE_S, self.close)

    def _read_output(self) -> bool | None:
        """Pass on what the program wrote; False when there is nothing now, None when there will never be."""
        try:
            chunk = os.read(self._stdout, _READ_BYTES)
        except BlockingIOError:
            return False
        if not chunk:
            return None
        self._ring.append(chunk)
        if self._capture.append(chunk):
            self.record.rotated = self._capture.rotated
            self._save()
        if self.clients:
            frame = frames.frame(frames.OUTPUT, chunk)
            for client in tuple(self.clients):
                if client.greeted:
                    client.send(frame)
        if not self.record.typed:
            self._type_first()
        return True

    def _connected(self, connection: socket.socket) -> None:
        if len(self.clients) >= MAX_CLIENTS:
            for each in tuple(self.clients):
                each.close_if_hung_up()
        client = Client(self._loop, self, connection)
        self.clients.add(client)
        if len(self.clients) > MAX_CLIENTS:
            client.drop(f"dropped: {MAX_CLIENTS} clients are the most")

    def _save(self) -> None:
        try:
            self.record.save(self._place.directory)
        except OSError as error:
            print(f"cannot keep the state of terminal {self.record.name}: {error.strerror}", flush=True)

    def _release(self) -> None:
        for what in ("typing", "code"):
            self._loop.forget((self, what))
        for fd in (self._stdin, self._stdout):
            if fd >= 0:
                self._loop.watch(fd, 0, self._output_ready)
                os.close(fd)
        self._stdin = self._stdout = -1
        if self._listener is not None:
            self._listener.close()
            self._listener = None
        capture = self.__dict__.get("_capture")
        if capture is not None:
            capture.close()


def _files(place: Place, name: str) -> tuple[str, ...]:
    return place.stdin(name), place.stdout(name), f"{place.directory}/{name}.json"


def create(loop: Loop, place: Place, record: Record, gone: Callable[[Terminal], None]) -> Terminal:
    """Make the FIFOs of a new terminal and serve it. Raises OSError, and then nothing is left."""
    try:
        for path in (place.stdin(record.name), place.stdout(record.name)):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)
            os.mkfifo(path, 0o600)
        made = Terminal(loop, place, record, gone)
    except OSError:
        for path in _files(place, record.name):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)
        raise
    made.begin()
    try:
        record.save(place.directory)
    except OSError:
        made.close()
        raise
    return made
