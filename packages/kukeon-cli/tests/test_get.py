"""What `kuke get` prints."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from kukeon_api import errors, manifest, model
from kukeon_cli import columns

if TYPE_CHECKING:
    from memory_client import MemoryClient

    from conftest import Kuke

WEB = model.Ref("default", "default", "default", "web")


def table(text: str) -> list[list[str]]:
    return [line.split() for line in text.splitlines()]


def test_a_table_has_a_header_two_space_gaps_and_no_blanks_at_the_end(kuke: Kuke, memory: MemoryClient) -> None:
    memory.put(WEB)
    memory.put(model.Ref("default", "default", "default", "a-longer-name"))
    result = kuke("get", "cells")
    lines = result.out.splitlines()
    assert result.code == 0
    assert table(lines[0])[0] == ["NAME", "REALM", "SPACE", "STACK", "STATE", "AGE"]
    assert lines[0].startswith("NAME           REALM    SPACE    STACK    STATE  AGE")
    assert lines[1].startswith("a-longer-name  default  default  default  Ready  ")
    assert lines[2].startswith("web            default  default  default  Ready  ")
    assert all(line == line.rstrip() for line in lines)
    assert result.err == ""


@pytest.mark.parametrize(
    ("kind", "columns", "wide"),
    [
        ("realm", ["NAME", "STATE", "AGE"], ["NAMESPACE", "REASON"]),
        ("space", ["NAME", "REALM", "STATE", "AGE"], ["EGRESS", "REASON"]),
        ("stack", ["NAME", "REALM", "SPACE", "STATE", "AGE"], ["REASON"]),
        ("cell", ["NAME", "REALM", "SPACE", "STACK", "STATE", "AGE"], ["IP", "CONTAINERS", "BRIDGE", "REASON"]),
        (
            "container",
            ["NAME", "REALM", "SPACE", "STACK", "CELL", "STATE", "RESTARTS", "AGE"],
            ["IMAGE", "EXIT", "IP", "REASON"],
        ),
        ("image", ["NAME", "REALM", "SIZE", "AGE"], ["CREATED", "PLATFORMS", "DIGEST"]),
    ],
)
def test_columns(kuke: Kuke, memory: MemoryClient, kind: str, columns: list[str], wide: list[str]) -> None:
    memory.put(WEB)
    memory.load("default", "docker.io/library/busybox:latest")
    assert table(kuke("get", kind).out)[0] == columns
    assert table(kuke("get", kind, "-o", "wide").out)[0] == columns + wide


@pytest.mark.parametrize("word", ["cell", "cells", "ce"])
@pytest.mark.parametrize("verb", ["get", "g"])
def test_every_alias_means_the_same(kuke: Kuke, memory: MemoryClient, verb: str, word: str) -> None:
    memory.put(WEB)
    assert table(kuke(verb, word).out)[1][0] == "web"


@pytest.mark.parametrize("word", ["realms", "r", "spaces", "sp", "stacks", "st", "containers", "co", "images", "img"])
def test_plurals_and_short_kinds_are_known(kuke: Kuke, word: str) -> None:
    assert kuke("get", word).code == 0


def test_wide_cells_show_address_and_readiness(kuke: Kuke, memory: MemoryClient) -> None:
    memory.put(WEB)
    row = table(kuke("get", "cell", "-o", "wide").out)[1]
    assert row[-4:] == ["10.88.0.2", "1/1", "k-0123456789", "-"]


def test_what_is_wrong_with_one_is_noted(kuke: Kuke, memory: MemoryClient) -> None:
    failed = {"state": model.CellState.FAILED, "reason": "CreateCellFailed", "message": "no image\x1b"}
    memory.put(WEB, **failed, network=None, containers=())
    result = kuke("get", "cell", "web", "-o", "wide")
    assert table(result.out)[1][-1] == "CreateCellFailed"
    assert (result.code, result.err) == (0, "note: no image\\x1b\n")
    result = kuke("get", "container", "web", "--cell", "web")
    assert (table(result.out)[1][5], result.err) == ("NotCreated", "note: no image\\x1b\n")
    assert kuke("get", "cell", "web", "-o", "json").err == ""
    assert kuke("get", "cells").err == ""
    lost = model.ContainerStatus(
        name="web", state=model.ContainerState.ERROR, message="the shim is gone", reason="Lost"
    )
    memory.put(WEB, state=model.CellState.ERROR, containers=(lost,))
    assert kuke("get", "cell", "web").err == "note: container 'web': the shim is gone\n"
    result = kuke("get", "container", "web", "--cell", "web", "-o", "wide")
    assert (table(result.out)[1][-1], result.err) == ("Lost", "note: the shim is gone\n")


@pytest.mark.parametrize("kind", ["cells", "containers"])
def test_nothing_is_no_error(kuke: Kuke, kind: str) -> None:
    result = kuke("get", kind)
    assert (result.code, result.out, result.err) == (0, "", f"No {kind} found.\n")
    assert kuke("get", kind, "-o", "json").out == "[]\n"
    assert kuke("get", kind, "-o", "yaml").out == ""


def test_one_by_name_is_a_table_of_one_row(kuke: Kuke, memory: MemoryClient) -> None:
    memory.put(WEB)
    assert [row[0] for row in table(kuke("get", "cell", "web").out)] == ["NAME", "web"]


def test_names(kuke: Kuke, memory: MemoryClient) -> None:
    memory.put(WEB)
    assert kuke("get", "cells", "-o", "name").out == "cell/web\n"
    assert kuke("get", "container", "web", "--cell", "web", "-o", "name").out == "container/web\n"


def test_json_is_a_list_of_documents_or_one(kuke: Kuke, memory: MemoryClient) -> None:
    memory.put(WEB)
    many = json.loads(kuke("get", "cells", "-o", "json").out)
    one = json.loads(kuke("get", "cell", "web", "-o", "json").out)
    assert many == [one]
    assert one["kind"] == "Cell"
    assert one["apiVersion"] == "v1beta1"
    assert one["status"]["state"] == "Ready"
    assert one["status"]["containers"][0]["restartCount"] == 0


def test_yaml_is_applied_again_unchanged(kuke: Kuke, memory: MemoryClient, tmp_path: Any) -> None:
    memory.put(WEB)
    memory.load("default", "docker.io/library/busybox:latest")
    text = kuke("get", "cell", "web", "-o", "yaml").out
    assert yaml.safe_load(text)["status"]["network"]["address"] == "10.88.0.2/24"
    (document,) = manifest.parse(text)
    assert document.doc.spec == memory.docs[WEB].spec or document.doc.metadata.name == "web"
    result = kuke("apply", "-f", "-", stdin=text.encode())
    assert result.out == 'Cell "web": unchanged\n'


def test_yaml_of_many_is_a_stream(kuke: Kuke, memory: MemoryClient) -> None:
    memory.put(WEB)
    memory.put(model.Ref("default", "default", "default", "api"))
    names = [doc["metadata"]["name"] for doc in yaml.safe_load_all(kuke("get", "cells", "-o", "yaml").out)]
    assert names == ["api", "web"]


def test_a_list_is_filtered_by_the_flags_given_alone(kuke: Kuke, memory: MemoryClient) -> None:
    for space in ("default", "blue"):
        memory.put(model.Ref("default", space))
        memory.put(model.Ref("default", space, "default"))
        memory.put(model.Ref("default", space, "default", f"in-{space}"))
    assert len(table(kuke("get", "cells").out)) == 3
    assert [row[0] for row in table(kuke("get", "cells", "--space", "blue").out)] == ["NAME", "in-blue"]
    assert table(kuke("get", "cells", environ={"KUKE_GET_CELL_SPACE": "blue"}).out)[1][0] == "in-blue"
    assert table(kuke("get", "ce", environ={"KUKE_GET_CELL_SPACE": "blue"}).out)[1][0] == "in-blue"


def test_containers_come_with_their_states_in_one_call(kuke: Kuke, memory: MemoryClient) -> None:
    status = model.ContainerStatus(
        name="web", state=model.ContainerState.ERROR, restart_count=3, exit_code=137, exit_signal="SIGKILL"
    )
    memory.put(WEB, containers=(status,))
    row = table(kuke("get", "containers", "-o", "wide").out)[1]
    assert row[:7] == ["web", "default", "default", "default", "web", "Error", "3"]
    assert "137 (SIGKILL)" in kuke("get", "containers", "-o", "wide").out


def test_a_container_needs_its_cell(kuke: Kuke, memory: MemoryClient) -> None:
    memory.put(WEB)
    result = kuke("get", "container", "web")
    assert result.code == 2
    assert result.err == "Error: cell name is required (--cell)\n"
    assert kuke("get", "container", "web", "--cell", "web").code == 0
    assert kuke("get", "container", "db", "--cell", "web").code == 3


def test_the_output_format_may_come_from_the_environment(kuke: Kuke, memory: MemoryClient) -> None:
    memory.put(WEB)
    assert kuke("get", "cells", environ={"KUKE_GET_OUTPUT": "name"}).out == "cell/web\n"
    assert kuke("get", "cells", "-o", "json", environ={"KUKE_GET_OUTPUT": "name"}).out.startswith("[")


def test_controllers_are_a_column_when_asked_for(kuke: Kuke, memory: MemoryClient) -> None:
    memory.put(WEB, subtree_controllers=("cpu", "memory"))
    assert table(kuke("get", "cells", "--show-controllers").out)[1][-1] == "cpu,memory"


def test_images_of_all_realms_or_of_one(kuke: Kuke, memory: MemoryClient) -> None:
    memory.put(model.Ref("blue"))
    memory.load("blue", "docker.io/library/app:1")
    memory.load("default", "docker.io/library/busybox:latest")
    assert [row[1] for row in table(kuke("get", "images").out)[1:]] == ["blue", "default"]
    assert [row[1] for row in table(kuke("image", "ls", "--realm", "blue").out)[1:]] == ["blue"]
    assert kuke("image", "get", "busybox").code == 0
    assert json.loads(kuke("get", "image", "app:1", "--realm", "blue", "-o", "json").out)["realm"] == "blue"
    result = kuke("get", "image", "app:1")
    assert result.code == 3
    assert "--realm blue" in result.err


def test_control_characters_of_others_never_reach_the_terminal(kuke: Kuke, memory: MemoryClient) -> None:
    network = model.CellNetworkStatus(bridge_name="evil\x1b[2J")
    memory.put(WEB, network=network)
    assert "evil\\x1b[2J" in kuke("get", "cells", "-o", "wide").out
    memory.trouble["list_cells"] = [errors.HostError("bad\x1b[2J\nnews")]
    result = kuke("get", "cells")
    assert result.err == "Error: bad\\x1b[2J\nnews\n"


@pytest.mark.parametrize(
    ("line", "hint"),
    [
        (("get", "cells", "--realm", "defualt"), "there is no realm 'defualt'; did you mean 'default'?"),
        (("get", "cells", "--space", "net", "--realm", "default"), "space 'blue/net' exists: pass --realm blue"),
        (("get", "containers", "--cell", "shop", "--realm", "default"), "cell 'blue/net/front/shop' exists: pass"),
        (("get", "containers", "--cell", "sohp"), "there is no cell 'sohp'; did you mean 'shop'?"),
    ],
)
def test_an_empty_list_says_when_its_filter_names_nothing(
    kuke: Kuke, memory: MemoryClient, line: tuple[str, ...], hint: str
) -> None:
    for ref in (("blue",), ("blue", "net"), ("blue", "net", "front"), ("blue", "net", "front", "shop")):
        memory.put(model.Ref(*ref))
    result = kuke(*line)
    assert (result.code, result.out) == (0, "")
    assert f"\nhint: {hint}" in result.err


@pytest.mark.parametrize("line", [("get", "images"), ("get", "image", "app"), ("image", "delete", "app")])
def test_images_of_a_realm_that_is_none(kuke: Kuke, line: tuple[str, ...]) -> None:
    result = kuke(*line, "--realm", "defualt")
    assert (result.code, result.err) == (3, "Error: cannot find realm 'defualt'\nhint: did you mean 'default'?\n")


def test_a_table_without_headers(kuke: Kuke, memory: MemoryClient) -> None:
    memory.put(WEB)
    assert [row[0] for row in table(kuke("get", "cells", "--no-headers").out)] == ["web"]
    assert [row[0] for row in table(kuke("--no-headers", "get", "cells").err)][:1] == ["Error:"]
    assert kuke("get", "cells", "--no-headers", "-o", "json").out == kuke("get", "cells", "-o", "json").out


def test_the_generation_is_in_json_alone(kuke: Kuke, memory: MemoryClient) -> None:
    memory.put(WEB)
    assert json.loads(kuke("get", "cell", "web", "-o", "json").out)["metadata"]["generation"] == 1
    assert "generation" not in yaml.safe_load(kuke("get", "cell", "web", "-o", "yaml").out)["metadata"]


@pytest.mark.parametrize("word", ["cp", "top"])
def test_commands_of_later_are_refused_as_such(kuke: Kuke, word: str) -> None:
    result = kuke(word, "web")
    assert (result.code, result.out) == (7, "")
    assert "not supported yet" in result.err


def test_what_cannot_be_read_is_not_left_out_in_silence(kuke: Kuke, memory: MemoryClient) -> None:
    damaged = "cannot read '/opt/kukeon/data/r/metadata.json': it is empty"
    memory.answers["ping"] = [model.PingResult(ok=True, unreadable=(damaged,))] * 2
    for line in (("get", "realms", "-o", "json"), ("get", "containers")):
        result = kuke(*line)
        assert result.code == 0
        assert f"warning: not listed: {damaged}\n" in result.err


@pytest.mark.parametrize(
    ("policy", "told"),
    [
        (None, "allow"),
        (model.EgressPolicy(), "allow"),
        (model.EgressPolicy(default="deny"), "deny"),
        (model.EgressPolicy(default="deny", allow=(model.EgressRule(cidr="10.0.0.0/8"),)), "deny, 1 allowed"),
    ],
)
def test_a_wide_list_says_what_spaces_reach(policy: model.EgressPolicy | None, told: str) -> None:
    spec = model.SpaceSpec(realm_id="r", network=model.SpaceNetwork(egress=policy))
    assert columns.egress(model.SpaceDoc(metadata=model.Metadata(name="s"), spec=spec)) == told


def test_several_by_their_names(kuke: Kuke, memory: MemoryClient) -> None:
    memory.put(WEB)
    memory.put(model.Ref("default", "default", "default", "api"), state=model.CellState.FAILED, message="no room")
    result = kuke("get", "cells", "web", "api", "web")
    assert (result.code, [row[0] for row in table(result.out)]) == (0, ["NAME", "web", "api"])
    assert result.err == "note: api: no room\n"
    result = kuke("get", "cell", "web", "none", "api", "-o", "name")
    assert (result.code, result.out) == (9, "cell/web\ncell/api\n")
    assert result.err.startswith("Error: cannot find cell 'default/default/default/none'\n")
    # Asked for several, a program gets a list, however many there are.
    assert len(json.loads(kuke("get", "cell", "web", "none", "-o", "json").out)) == 1
    absent = kuke("get", "cell", "none", "neither", "-o", "json")
    assert (absent.code, absent.out) == (3, "")
    assert kuke("get", "container", "web", "none", "--cell", "web", "-o", "name").code == 9
    memory.load("default", "docker.io/library/busybox:latest")
    images = kuke("get", "image", "busybox", "none", "-o", "json")
    assert (images.code, len(json.loads(images.out))) == (9, 1)
    assert kuke("get", "cell", "-o", "name", environ={"KUKE_GET_CELL_NAME": "web api"}).out == "cell/web\ncell/api\n"
