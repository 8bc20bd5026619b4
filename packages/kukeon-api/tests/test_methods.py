"""The table of methods and the generic packing of their messages."""

from __future__ import annotations

import collections
import datetime as dt
from typing import Any, cast

import pytest

from kukeon_api import calls, errors, methods, model, parts
from kukeon_api._pb.kukeon.v1 import service_pb2
from kukeon_api.methods import METHODS

SERVICE = service_pb2.DESCRIPTOR.services_by_name[methods.SERVICE]


def test_the_table_and_the_service_have_the_same_methods() -> None:
    assert {method.name for method in SERVICE.methods} == METHODS.keys()


@pytest.mark.parametrize("method", METHODS.values(), ids=lambda method: method.name)
def test_parameters_and_results_are_fields_of_the_messages(method: methods.Method) -> None:
    proto = SERVICE.methods_by_name[method.name]
    assert proto.input_type.name == f"{method.name}Args"
    assert proto.output_type.name == f"{method.name}Reply"
    takes = [name if name != method.upload else "chunk" for name, _ in method.params]
    takes += ["page_token"] if method.paged else []
    if method.stream == "both":
        agree_on_parts(method, proto, takes)
        return
    assert [field.name for field in proto.input_type.fields] == takes
    gives = [method.listed or "result"]
    gives += ["next_page_token"] if method.paged else []
    gives += ["error"] if method.error_in_reply else []
    assert [field.name for field in proto.output_type.fields] == gives
    assert proto.output_type.fields[0].message_type.name == method.returns.__name__


def agree_on_parts(method: methods.Method, proto: Any, takes: list[str]) -> None:
    asked, told = proto.input_type.oneofs_by_name["part"], proto.output_type.oneofs_by_name["part"]
    assert [field.name for field in asked.fields] == ["start", *method.asks]
    assert [field.name for field in asked.fields[0].message_type.fields] == takes
    assert [field.name for field in told.fields] == [*method.tells]
    assert told.fields[0].name == "started"
    for part in (asked, told):
        assert len(part.fields) == len(part.containing_type.fields)


def test_names() -> None:
    method = METHODS["CreateRealm"]
    assert method.python == "create_realm"
    assert method.full_name == "KukeonV1.CreateRealm"
    assert method.path == "/kukeon.v1.KukeonV1/CreateRealm"
    assert methods.METHOD_CREATE_REALM == "KukeonV1.CreateRealm"
    assert methods.METHOD_PING == "KukeonV1.Ping"
    assert methods.BY_PYTHON["apply_documents"] is METHODS["ApplyDocuments"]
    with pytest.raises(AttributeError, match="METHOD_NONSENSE"):
        _ = methods.METHOD_NONSENSE


def test_reading_and_writing_are_told_apart() -> None:
    looking = {name for name, method in METHODS.items() if not method.writes}
    looks = ("Get", "List", "Ping", "Log", "Attach", "Events", "ResizeTerminal", "SaveImage", "PushImage")
    assert looking == {name for name in METHODS if name.startswith(looks)}


REALM = model.RealmDoc(metadata=model.Metadata(name="r"))


def travel(message: object) -> object:
    return type(message).FromString(message.SerializeToString())  # type: ignore[attr-defined]


def test_arguments_travel() -> None:
    method = METHODS["DeleteRealm"]
    values = {"doc": REALM, "force": True, "cascade": False}
    assert calls.unpack_args(method, travel(calls.pack_args(method, values))) == values


@pytest.mark.parametrize("method", METHODS.values(), ids=lambda method: method.name)
def test_defaults_are_what_an_absent_field_reads_as(method: methods.Method) -> None:
    message: Any = calls.args_class(method)()
    message = message.start if method.stream == "both" else message
    if "doc" in dict(method.params):
        message.doc.metadata.name = "x"
        for level in ("realm_id", "space_id", "stack_id", "cell_id"):
            if level in message.doc.spec.DESCRIPTOR.fields_by_name:
                setattr(message.doc.spec, level, "x")
    if "realm" not in method.defaults and "realm" in dict(method.params):
        message.realm = "x"
    read = calls.unpack_args(method, message)
    assert {name: read[name] for name in method.defaults} == method.defaults
    after_the_first_default = [name in method.defaults for name, _ in method.params]
    assert after_the_first_default == sorted(after_the_first_default)


def test_what_a_peer_does_not_send_is_the_default() -> None:
    method = METHODS["ApplyDocuments"]
    message = travel(calls.pack_args(method, {"raw_yaml": b"x"}))
    assert calls.unpack_args(method, message) == {"raw_yaml": b"x", "dry_run": False, "prune": ""}
    with pytest.raises(KeyError, match="raw_yaml"):
        calls.pack_args(method, {"dry_run": True})


def test_pages_travel() -> None:
    method = METHODS["ListRealms"]
    asked = calls.pack_args(method, {}, page_token="7")
    assert asked.page_token == "7"
    reply = travel(calls.pack_reply(method, (REALM,), next_page_token="8"))
    assert calls.unpack_reply(method, reply) == (REALM,)
    assert calls.next_page_token(reply) == "8"
    assert calls.unpack_reply(method, travel(calls.pack_reply(method, ()))) == ()


def test_results_travel() -> None:
    method = METHODS["CreateRealm"]
    result = model.CreateRealmResult(realm=REALM, created=True)
    assert calls.unpack_reply(method, travel(calls.pack_reply(method, result))) == result


def test_all_problems_travel_in_the_reply() -> None:
    method = METHODS["ApplyDocuments"]
    problems = [errors.Problem(path=f"spec.x{number}", message="is wrong" * 20) for number in range(200)]
    sent = travel(calls.pack_error(method, errors.InvalidManifest("invalid manifest", problems=problems)))
    with pytest.raises(errors.InvalidManifest, match="invalid manifest") as caught:
        calls.unpack_reply(method, sent)
    assert list(caught.value.problems) == problems
    fine = model.ApplyDocumentsResult()
    assert calls.unpack_reply(method, travel(calls.pack_reply(method, fine))) == fine


def test_an_upload_opens_with_its_parameters() -> None:
    method = METHODS["LoadImage"]
    first = travel(calls.first_chunk(method, {"realm": "r"}))
    assert calls.unpack_args(method, first) == {"realm": "r", "platform": ""}
    first = travel(calls.first_chunk(method, {"realm": "r", "platform": "all"}))
    assert calls.unpack_args(method, first) == {"realm": "r", "platform": "all"}
    assert travel(calls.chunk(method, b"\0\1")).chunk == b"\0\1"  # type: ignore[attr-defined]


def test_values_that_cannot_be_sent_are_refused() -> None:
    with pytest.raises(errors.Invalid, match="cannot send realm_name"):
        calls.pack_args(METHODS["ListSpaces"], {"realm_name": "\udcff"})


CELL = model.CellDoc(metadata=model.Metadata(name="c"), spec=model.CellSpec(realm_id="r", space_id="s", stack_id="t"))


@pytest.mark.parametrize(
    ("method", "values", "words"),
    [
        ("ListSpaces", {"realm_name": 7}, "cannot send realm_name: expected str, got int"),
        ("DeleteRealm", {"doc": CELL, "force": False}, "cannot send doc: expected RealmDoc, got CellDoc"),
        ("DeleteRealm", {"doc": "lab", "force": False}, "cannot send doc: expected RealmDoc, got str"),
        ("DeleteCell", {"doc": None}, "cannot send doc: expected CellDoc, got NoneType"),
        ("PullImage", {"realm": "r", "ref": "i", "login": "me"}, "cannot send login: expected RegistryLogin, got str"),
        ("ApplyDocuments", {"raw_yaml": "kind: Cell"}, "cannot send raw_yaml: expected bytes, got str"),
        ("Events", {"kinds": "Cell"}, "cannot send kinds: expected a list of texts, got str"),
        ("Events", {"kinds": {"Cell": 1}}, "cannot send kinds: expected a list of texts, got dict"),
        ("Events", {"kinds": ["Cell", 1]}, "cannot send kinds: expected a list of texts, got one with int"),
        ("Events", {"follow": "yes"}, "cannot send follow: expected bool, got str"),
    ],
)
def test_what_is_of_another_type_is_told_in_the_words_of_python(method: str, values: Any, words: str) -> None:
    with pytest.raises(errors.Invalid) as caught:
        calls.pack_args(METHODS[method], values)
    assert str(caught.value) == words


def test_a_text_instead_of_a_list_is_told_how_to_write_one_and_not_repeated() -> None:
    with pytest.raises(errors.Invalid) as caught:
        parts.pack_start(METHODS["Exec"], {"doc": DOC, "command": "login --password hunter2"})
    assert caught.value.hint == 'write it like ["ls", "-l"]'


def test_any_sequence_of_texts_is_a_list() -> None:
    sent = calls.pack_args(METHODS["Events"], {"kinds": collections.deque(("Cell", "Realm"))})
    assert list(sent.kinds) == ["Cell", "Realm"]


def test_fields_of_another_type_are_told_with_their_place() -> None:
    doc: Any = model.RealmDoc(metadata=model.Metadata(name=cast("Any", 3)))
    with pytest.raises(errors.Invalid, match=r"cannot send doc: Expected `str`, got `int` - at `\$\.metadata\.name`"):
        calls.pack_args(METHODS["GetRealm"], {"doc": doc})


def test_arguments_that_are_wrong_are_refused_with_their_path() -> None:
    method = METHODS["GetRealm"]
    message = calls.args_class(method)()
    message.doc.metadata.name = "../etc"  # type: ignore[attr-defined]
    with pytest.raises(errors.Invalid, match=r"metadata\.name: '\.\./etc' is not a name"):
        calls.unpack_args(method, message)


@pytest.mark.parametrize(
    ("name", "values", "kind"),
    [
        ("ListSpaces", {"realm_name": "../etc"}, errors.InvalidRealmName),
        ("ListCells", {"realm_name": "r", "stack_name": "a_b"}, errors.InvalidName),
        ("ListImages", {"realm": ""}, errors.RealmNameRequired),
        ("GetImage", {"realm": "r/..", "ref": "busybox"}, errors.InvalidRealmName),
    ],
)
def test_names_among_the_arguments_are_names(name: str, values: dict[str, str], kind: type[errors.Invalid]) -> None:
    method = METHODS[name]
    with pytest.raises(kind):
        calls.unpack_args(method, travel(calls.pack_args(method, values)))
    with pytest.raises(kind):
        method.check_names(values)


def test_a_name_that_does_not_filter_is_empty() -> None:
    method = METHODS["ListCells"]
    method.check_names({"realm_name": "r", "space_name": "", "stack_name": ""})
    method.check_names({})
    METHODS["ApplyDocuments"].check_names({"raw_yaml": b"", "prune": "a=b"})


def test_requests_that_are_none_are_refused() -> None:
    with pytest.raises(errors.InvalidRequest, match="cannot do GetRealm: the request is no GetRealmArgs"):
        calls.parse_args(METHODS["GetRealm"], b"\xff\xff")


@pytest.mark.parametrize("content", [b"\x78\x01", b"\x0a\x05\x0a\x03\x0a\x01r\x78\x01", b"\x0a\x02\x78\x01"])
def test_what_a_newer_client_asks_beyond_this_version_is_not_passed_over(content: bytes) -> None:
    method = METHODS["GetRealm"]
    with pytest.raises(errors.NotSupportedYet, match="has fields that this version does not know"):
        calls.unpack_args(method, calls.parse_args(method, content))


DOC = model.ContainerDoc(
    metadata=model.Metadata(name="c"),
    spec=model.ContainerSpec(id="c", realm_id="r", space_id="s", stack_id="t", cell_id="w"),
)


class TestParts:
    """What goes along streams both ways."""

    EXEC = METHODS["Exec"]

    def test_the_start_travels(self) -> None:
        values = {"doc": DOC, "command": ("sh", "-c", "exit"), "env": ("A=b",), "tty": True}
        read = parts.unpack_start(self.EXEC, travel(parts.pack_start(self.EXEC, values)))
        assert read == {**self.EXEC.defaults, **values}

    @pytest.mark.parametrize(
        "part",
        [
            ("stdin", b"\0\xff"),
            ("stdin", b""),
            ("stdin_closed", True),
            ("resize", model.WindowSize(rows=24, columns=80)),
            ("resize", model.WindowSize()),
            ("signal", 15),
        ],
        ids=str,
    )
    def test_what_is_asked_travels(self, part: parts.Part) -> None:
        assert parts.unpack_asked(self.EXEC, travel(parts.pack_asked(self.EXEC, *part))) == part

    @pytest.mark.parametrize(
        "part",
        [
            ("started", model.ExecStarted(pid=7)),
            ("stdout", b"x"),
            ("stderr", b""),
            ("exit", model.ExitStatus()),
            ("exit", model.ExitStatus(code=137, signal="SIGKILL")),
        ],
        ids=str,
    )
    def test_what_is_told_travels(self, part: parts.Part) -> None:
        assert parts.unpack_told(self.EXEC, travel(parts.pack_told(self.EXEC, *part))) == part

    def test_the_start_comes_first_and_once(self) -> None:
        start = parts.pack_start(self.EXEC, {"doc": DOC, "command": ("true",)})
        for early in (parts.pack_asked(self.EXEC, "stdin", b"x"), calls.args_class(self.EXEC)()):
            with pytest.raises(errors.InvalidRequest, match="does not tell what to start"):
                parts.unpack_start(self.EXEC, early)
        for late in (start, calls.args_class(self.EXEC)()):
            with pytest.raises(errors.InvalidRequest, match="cannot go on with Exec"):
                parts.unpack_asked(self.EXEC, late)

    def test_what_nobody_here_knows_is_not_supported_yet(self) -> None:
        for unpack in (parts.unpack_start, parts.unpack_asked):
            with pytest.raises(errors.NotSupportedYet):
                unpack(self.EXEC, calls.parse_args(self.EXEC, b"\x78\x01"))
        assert parts.unpack_told(self.EXEC, calls.reply_class(self.EXEC).FromString(b"\x78\x01")) is None

    def test_values_that_cannot_be_sent_are_refused(self) -> None:
        for name, value in (("stdin", "text"), ("signal", "TERM"), ("signal", 2**70)):
            with pytest.raises(errors.Invalid, match=f"cannot send {name}"):
                parts.pack_asked(self.EXEC, name, value)
        with pytest.raises(errors.Invalid, match="cannot send command"):
            parts.pack_start(self.EXEC, {"doc": DOC, "command": (1,)})


def test_no_limit_is_what_an_absent_tail_reads_as() -> None:
    method = METHODS["Logs"]
    sent = calls.pack_args(method, {"doc": DOC, "tail": 0})
    assert calls.unpack_args(method, travel(sent))["tail"] == 0
    assert calls.unpack_args(method, travel(calls.pack_args(method, {"doc": DOC})))["tail"] == -1


def test_events_travel_some_at_a_time() -> None:
    method = METHODS["Events"]
    event = model.Event(cursor="a-1", at=dt.datetime.now(dt.UTC), type=model.EventType.EXITED, exit_code=0)
    assert calls.unpack_reply(method, travel(calls.pack_reply(method, (event, event)))) == (event, event)
    assert calls.unpack_args(method, travel(calls.pack_args(method, {"kinds": ("Cell",)})))["kinds"] == ("Cell",)
