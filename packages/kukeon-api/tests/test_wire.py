"""The wire: model and proto agree, nothing is lost on the way, and nothing wrong gets in."""

import datetime as dt
import enum

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kukeon_api import agreement, codec, errors, messages, methods, model, testing, wire

CARRIED = sorted(
    {
        *(kind for method in methods.METHODS.values() for _, kind in method.params if issubclass(kind, model.Model)),
        *(method.returns for method in methods.METHODS.values() if issubclass(method.returns, model.Model)),
        *(
            kind
            for method in methods.METHODS.values()
            for kind in (*method.asks.values(), *method.tells.values())
            if issubclass(kind, model.Model)
        ),
        errors.APIError,
    },
    key=lambda kind: kind.__name__,
)


@pytest.mark.parametrize("kind", CARRIED, ids=lambda kind: kind.__name__)
def test_model_and_message_agree(kind: type[model.Model]) -> None:
    assert agreement.check(kind, wire.message_class(kind).DESCRIPTOR) == []


@settings(max_examples=150)
@given(data=st.data())
def test_everything_the_types_allow_survives_the_wire(data: st.DataObject) -> None:
    kind = data.draw(st.sampled_from(CARRIED))
    value = data.draw(testing.any_model(kind))
    sent = wire.to_proto(value).SerializeToString()
    assert wire.from_proto(wire.message_class(kind).FromString(sent), kind) == value


def cell(**spec: object) -> model.CellDoc:
    place = {"realm_id": "r", "space_id": "s", "stack_id": "t"}
    return model.CellDoc(metadata=model.Metadata(name="web"), spec=model.CellSpec(**place, **spec))


@pytest.mark.parametrize("value", [None, False, True])
def test_unset_and_false_differ(value: bool | None) -> None:
    doc = cell(containers=(model.ContainerSpec(id="a", read_only_root_filesystem=value),))
    message = wire.to_proto(doc)
    assert message.spec.containers[0].HasField("read_only_root_filesystem") == (value is not None)
    assert wire.from_proto(message, model.CellDoc) == doc


@pytest.mark.parametrize("value", [None, (), ("no-new-privileges",)])
def test_unset_and_empty_lists_differ(value: tuple[str, ...] | None) -> None:
    doc = cell(containers=(model.ContainerSpec(id="a", security_opts=value, tmpfs=None if value is None else ()),))
    assert wire.from_proto(wire.to_proto(doc), model.CellDoc) == doc


def test_a_message_is_filled_in_place() -> None:
    message = messages.message_class("CreateCellArgs")()
    assert wire.to_proto(cell(), message.doc) is not None
    assert message.doc.metadata.name == "web"


def test_every_problem_of_a_bad_message_is_named_with_its_path() -> None:
    message = messages.message_class("CellDoc")()
    message.metadata.name = "Bad_"
    message.spec.realm_id = "r"
    message.spec.containers.add(id="..")
    message.spec.containers.add(id="fine").volumes.add(kind=77)
    message.status.state = 99
    message.status.created_at.seconds = 10**15
    with pytest.raises(errors.Invalid) as caught:
        wire.from_proto(message, model.CellDoc)
    assert [problem.path for problem in caught.value.problems] == [
        "metadata.name",
        "spec.spaceId",
        "spec.stackId",
        "spec.containers[0].id",
        "spec.containers[1].volumes[0].kind",
        "status.state",
        "status.createdAt",
    ]
    assert "spec.spaceId: is required" in str(caught.value)


def test_an_empty_message_is_refused() -> None:
    with pytest.raises(errors.Invalid, match=r"metadata\.name: is required"):
        wire.from_proto(messages.message_class("RealmDoc")(), model.RealmDoc)


def test_an_unset_state_is_the_default_and_a_required_word_is_required() -> None:
    message = messages.message_class("RealmDoc")()
    message.metadata.name = "r"
    assert wire.from_proto(message, model.RealmDoc).status.state is model.RealmState.PENDING
    with pytest.raises(errors.Invalid, match="action: is required"):
        wire.from_proto(messages.message_class("ApplyResourceResult")(), model.ApplyResourceResult)


@pytest.mark.parametrize(
    "spec", [model.Resources(pids_limit=2**63), model.Resources(pids_limit=-(2**63) - 1)], ids=["over", "under"]
)
def test_numbers_beyond_the_wire_are_refused(spec: model.Resources) -> None:
    with pytest.raises(errors.Invalid, match="cannot send"):
        wire.to_proto(cell(containers=(model.ContainerSpec(id="a", resources=spec),)))


def test_text_that_is_no_unicode_is_refused() -> None:
    with pytest.raises(errors.Invalid, match="cannot send"):
        wire.to_proto(cell(containers=(model.ContainerSpec(id="a", command="\udcff"),)))


def test_times_without_a_zone_are_a_mistake_of_the_program() -> None:
    with pytest.raises(TypeError):
        wire.to_proto(model.ImageInfo(name="a", created_at=dt.datetime(2026, 1, 1)))


def test_messages_are_found_by_name_only() -> None:
    with pytest.raises(LookupError, match="Nonsense"):
        messages.message_class("Nonsense")


class TestCheck:
    """`check` sees every kind of difference."""

    def differences(self, kind: type[model.Model], message: str) -> list[str]:
        return agreement.check(kind, wire.message_class(message).DESCRIPTOR)

    def test_fields_of_one_side_only(self) -> None:
        class Metadata(model.Model):
            name: str = ""
            extra: int = 0

        assert self.differences(Metadata, "Metadata") == [
            "Metadata.extra: only in the model",
            "Metadata.generation: only in the proto",
            "Metadata.labels: only in the proto",
        ]

    def test_types_shapes_presence_and_paper_names(self) -> None:
        class Tmpfs(model.Model):
            path: int = 0
            size_bytes: int = 0
            options: str = ""

        assert self.differences(Tmpfs, "Tmpfs") == [
            "Tmpfs.options: is a one in the model",
            "Tmpfs.path: is int, not str",
            "Tmpfs.size_bytes: `| None` and `optional` go together",
        ]

        class TtyStage(model.Model):
            script: str = msgspec.field(name="SCRIPT", default="")

        assert self.differences(TtyStage, "TtyStage") == ["TtyStage.script: paper says SCRIPT, proto says script"]

    def test_defaults_that_the_wire_would_lose(self) -> None:
        class EgressRule(model.Model):
            host: str = "example.org"
            cidr: str = ""
            ports: tuple[int, ...] = ()

        [difference] = self.differences(EgressRule, "EgressRule")
        assert difference == "EgressRule.host: a default other than zero needs `| None` and `optional`"

    def test_words_that_differ(self) -> None:
        class VolumeKind(enum.StrEnum):
            BIND = "bind"

        class VolumeMount(model.Model):
            kind: VolumeKind | None = None
            source: str = ""
            target: str = ""
            read_only: bool = False
            size_bytes: int | None = None
            mode: int | None = None

        assert self.differences(VolumeMount, "VolumeMount") == ["VolumeMount.kind: the values differ"]

    def test_differences_further_in(self) -> None:
        class Metadata(model.Model):
            name: str = ""
            labels: dict[str, int] = msgspec.field(default_factory=dict)
            generation: bool = False

        class RealmDoc(model.Model):
            metadata: Metadata
            spec: model.RealmSpec = model.RealmSpec()
            status: tuple[str, ...] | None = None

        assert self.differences(RealmDoc, "RealmDoc") == [
            "Metadata.generation: is bool, not int",
            "Metadata.labels: is int, not str",
            "RealmDoc.status: a list that may be absent needs a message with the one field `items`",
        ]


def test_the_prefix_of_words_follows_the_name_of_their_type() -> None:
    assert codec.enum_prefix(model.ContainerState) == "CONTAINER_STATE_"


def test_maps_arrive_in_the_order_of_their_keys() -> None:
    labels = {f"key-{number}": "x" for number in range(50, 0, -1)}
    doc = model.RealmDoc(metadata=model.Metadata(name="r", labels=labels))
    message = type(wire.to_proto(doc)).FromString(wire.to_proto(doc).SerializeToString())
    found = wire.from_proto(message, model.RealmDoc).metadata.labels
    assert (found, list(found)) == (labels, sorted(labels))
