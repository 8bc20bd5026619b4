"""Hostile requests at every method, over the wire, to the real engine over a host in memory.

No request makes UNKNOWN, a traceback or an end of the daemon.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import grpc
import pytest
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_contract import engine

from conftest import WAIT_S, Served
from kukeon_api import calls, errors, methods, model, status
from kukeon_sdk import UnixClient
from kukeon_sdk.testing import archives

if TYPE_CHECKING:
    from collections.abc import Iterator

    from google.protobuf.descriptor import Descriptor

    from kukeon_api.methods import Method

TEXTS = st.sampled_from(
    [
        *("", "default", "web", "root", "kuke-system", "x" * 64, "../../etc", "a/b", "a_b", ".", "A", "--", "a--b"),
        *("\n", "\x1b[2J", "\u202e", "ünï", "docker.io/library/busybox:latest", "busybox@sha256:0", "10.0.0.0/8"),
        *("/", "/proc/self", "relative/path", "CAP_SYS_ADMIN", "ALL", "-1", "1:2:3", "always", "app in (", "x" * 5000),
    ]
) | st.text(max_size=20)
DOCUMENTS = st.sampled_from(
    [
        b"",
        b"\xff\xfe",
        b"kind: Realm\nmetadata: {name: x}\n",
        b"kind: Cell\nmetadata: {name: [1]}\nspec: 3\n",
        b"a: &a [*a]\n",
        b"!!python/object:os.system x\n",
        b"[" * 2000,
        b"kind: Space\nmetadata: {name: s}\nspec: {realmId: kuke-system}\n",
        b"kind: Realm\nmetadata: {name: default, generation: 99999999999999999999999}\n",
    ]
) | st.binary(max_size=50)
_INTEGERS = {
    FieldDescriptor.CPPTYPE_INT32: (-(2**31), 2**31 - 1),
    FieldDescriptor.CPPTYPE_INT64: (-(2**63), 2**63 - 1),
    FieldDescriptor.CPPTYPE_UINT32: (0, 2**32 - 1),
    FieldDescriptor.CPPTYPE_UINT64: (0, 2**64 - 1),
}


def scalars(field: FieldDescriptor) -> st.SearchStrategy[Any]:
    if field.cpp_type in _INTEGERS:
        low, high = _INTEGERS[field.cpp_type]
        return st.sampled_from([low, -1 if low else 0, 0, 1, high]) | st.integers(low, high)
    if field.cpp_type == FieldDescriptor.CPPTYPE_BOOL:
        return st.booleans()
    if field.cpp_type == FieldDescriptor.CPPTYPE_ENUM:
        return st.sampled_from([0, 1, 2, 9999, -1])
    if field.type == FieldDescriptor.TYPE_BYTES:
        return DOCUMENTS
    return TEXTS


@st.composite
def filled(draw: st.DrawFn, message: Any, depth: int = 5) -> Any:
    """Fill a message with anything that its fields can hold."""
    descriptor: Descriptor = message.DESCRIPTOR
    for field in descriptor.fields:
        if not draw(st.booleans()):
            continue
        value = getattr(message, field.name)
        if isinstance(value, Message):
            value.SetInParent()
            draw(filled(value, depth - 1) if depth else st.none())
        elif hasattr(value, "keys"):
            for key in draw(st.lists(TEXTS, max_size=2)):
                value[key] = draw(TEXTS)
        elif field.message_type is not None:
            for _ in range(draw(st.integers(0, 2)) if depth else 0):
                draw(filled(value.add(), depth - 1))
        elif hasattr(value, "extend"):
            value.extend(draw(st.lists(scalars(field), max_size=2)))
        else:
            setattr(message, field.name, draw(scalars(field)))
    return message


AT_ONCE_S = 1.0


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with engine(tmp_path_factory.mktemp("k")) as served:
        with UnixClient(str(served.path)) as client:
            client.load_image("default", archives.oci("busybox"))
        yield served


@pytest.fixture(scope="module")
def channel(served: Served) -> Iterator[grpc.Channel]:
    with grpc.insecure_channel(f"unix:{served.path}") as channel:
        yield channel


def send(channel: grpc.Channel, method: Method, *requests: bytes) -> str:
    """Return the code of the answer; fail unless the error of a refusal is whole."""
    try:
        if method.stream:
            return _send_stream(channel, method, *requests)
        if method.upload:
            channel.stream_unary(method.path)(iter(requests), timeout=WAIT_S)
        else:
            channel.unary_unary(method.path)(requests[0], timeout=WAIT_S)
    except grpc.RpcError as error:
        failed: Any = error
        code: str = failed.code().name
        trailers = dict(failed.trailing_metadata() or ())
        told = status.from_status(code, failed.details(), trailers.get(status.TRAILER))
        assert code != "UNKNOWN", told
        assert isinstance(told, errors.BRANCHES), told
        assert "internal error" not in str(told), told
        assert str(told)
        return code
    return "OK"


def _send_stream(channel: grpc.Channel, method: Method, *requests: bytes) -> str:
    """Send and look at the first reply, if any comes at once: some streams wait for what may never happen."""
    if method.stream == "both":
        call = channel.stream_stream(method.path)(iter(requests), timeout=AT_ONCE_S)
    else:
        call = channel.unary_stream(method.path)(requests[0], timeout=AT_ONCE_S)
    try:
        next(call, None)
    except grpc.RpcError as error:
        failed: Any = error
        if failed.code() is not grpc.StatusCode.DEADLINE_EXCEEDED:
            raise
    finally:
        call.cancel()
    return "OK"


def check_alive(served: Served) -> None:
    with UnixClient(str(served.path)) as client:
        assert client.ping(timeout=WAIT_S).ok


hostile = settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])


@pytest.mark.parametrize("method", methods.METHODS.values(), ids=lambda method: method.name)
class TestHostile:
    """Every method, and whatever may be sent to it."""

    @hostile
    @given(data=st.data())
    def test_any_message(
        self,
        served: Served,
        channel: grpc.Channel,
        caplog: pytest.LogCaptureFixture,
        method: Method,
        data: st.DataObject,
    ) -> None:
        message = data.draw(filled(calls.args_class(method)()))
        requests = [message.SerializeToString()]
        if method.upload:
            requests += [calls.chunk(method, b).SerializeToString() for b in (data.draw(DOCUMENTS), b"")]
        send(channel, method, *requests)
        assert not [record for record in caplog.records if record.exc_info]

    @hostile
    @given(request_bytes=st.binary(max_size=200))
    def test_any_bytes(self, served: Served, channel: grpc.Channel, method: Method, request_bytes: bytes) -> None:
        send(channel, method, request_bytes, request_bytes)

    def test_the_daemon_is_still_there(self, served: Served, channel: grpc.Channel, method: Method) -> None:
        assert send(channel, method, b"\xff\xff\xff") == "INVALID_ARGUMENT"
        check_alive(served)


class Careless:
    """A controller with a bug in everything."""

    def __init__(self, error: BaseException) -> None:
        self.error = error

    def __getattr__(self, name: str) -> Any:
        async def method(*_: Any) -> Any:
            raise self.error

        return method


def realm(name: str) -> model.RealmDoc:
    return model.RealmDoc(metadata=model.Metadata(name=name))


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (ZeroDivisionError("secret words"), r"internal error [0-9a-f]{8}$"),
        (ExceptionGroup("several", [ValueError("secret words")]), r"internal error [0-9a-f]{8}$"),
        (errors.KukeonError("cannot say what it is"), "cannot say what it is"),
        (RecursionError(), r"internal error [0-9a-f]{8}$"),
        (MemoryError(), r"internal error [0-9a-f]{8}$"),
        (errors.HostError("a\0b\udc80" * 5000), "a"),
    ],
    ids=["bug", "group", "no branch", "recursion", "memory", "words that cannot travel"],
)
def test_a_bug_is_internal_and_never_unknown(
    tmp_path: Any, caplog: pytest.LogCaptureFixture, error: Exception, told: str
) -> None:
    async def make() -> Careless:
        return Careless(error)

    served = Served(tmp_path / "k.sock", make)
    try:
        with grpc.insecure_channel(f"unix:{served.path}") as channel:
            for name in ("CreateRealm", "GetRealm", "ListRealms", "ApplyDocuments"):
                method = methods.METHODS[name]
                with pytest.raises(grpc.RpcError) as caught:
                    channel.unary_unary(method.path)(_request(method), timeout=WAIT_S)
                failed: Any = caught.value
                assert failed.code() is grpc.StatusCode.INTERNAL
                assert "secret" not in failed.details()
        with UnixClient(str(served.path)) as client, pytest.raises(errors.KukeonError, match=told):
            client.get_realm(realm("x"))
    finally:
        served.close()


def _request(method: Method) -> bytes:
    values = {"doc": realm("x"), "raw_yaml": b"x", "dry_run": False, "prune": ""}
    packed: bytes = calls.pack_args(method, values).SerializeToString()
    return packed


@pytest.mark.parametrize("result", [None, "text", 7, (1, 2)], ids=repr)
def test_a_result_that_cannot_travel_is_a_bug_too(tmp_path: Any, result: Any) -> None:
    class Odd:
        def __getattr__(self, name: str) -> Any:
            async def method(*_: Any) -> Any:
                return result

            return method

    async def make() -> Odd:
        return Odd()

    served = Served(tmp_path / "k.sock", make)
    try:
        with UnixClient(str(served.path)) as client:
            for call in (
                lambda: client.get_realm(realm("x")),
                client.list_realms,
                lambda: client.create_realm(realm("x")),
            ):
                with pytest.raises(errors.HostError, match="internal error"):
                    call()
    finally:
        served.close()
