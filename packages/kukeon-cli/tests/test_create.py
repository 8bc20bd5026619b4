"""`kuke create`: all kinds, all flags."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from kukeon_api import errors, model, unsupported
from kukeon_cli.commands import create_container

if TYPE_CHECKING:
    from pathlib import Path

    from memory_client import MemoryClient

    from conftest import Kuke

BUSYBOX = "docker.io/library/busybox:latest"
WEB = model.Ref("default", "default", "default", "web")


def cell_of(memory: MemoryClient, ref: model.Ref = WEB) -> model.CellDoc:
    found = memory.docs[ref]
    assert isinstance(found, model.CellDoc)
    return found


@pytest.fixture
def image(memory: MemoryClient) -> str:
    memory.load("default", BUSYBOX)
    memory.load("default", "docker.io/library/debian:latest")
    return "busybox"


def test_levels_say_what_was_there(kuke: Kuke) -> None:
    assert kuke("create", "realm", "shop").out.splitlines() == [
        'Realm "shop" (namespace "shop.kukeon.io")',
        "  - metadata: created",
        "  - containerd namespace: created",
        "  - cgroup: created",
    ]
    assert kuke("c", "sp", "web", "--realm", "shop").out.splitlines()[0] == 'Space "web" (realm "shop")'
    assert kuke("c", "st", "front", "--realm", "shop", "--space", "web").code == 0
    again = kuke("create", "stack", "front", "--realm", "shop", "--space", "web")
    assert (again.code, again.out.splitlines()) == (
        0,
        ['Stack "front" (realm "shop", space "web")', "  - metadata: already existed", "  - cgroup: already existed"],
    )


def test_a_missing_parent_is_named_with_the_nearest(kuke: Kuke) -> None:
    result = kuke("create", "space", "web", "--realm", "defualt")
    assert result.code == 3
    assert result.err == "Error: cannot find realm 'defualt'\nhint: did you mean 'default'?\n"


def test_an_empty_cell(kuke: Kuke, memory: MemoryClient, image: str) -> None:
    result = kuke("create", "cell", "web")
    assert (result.code, result.err) == (0, "")
    lines = result.out.splitlines()
    assert lines[0] == 'Cell "web" (realm "default", space "default", stack "default")'
    assert {"  - metadata: created", "  - cgroup: created", "  - containers: none defined"} < set(lines)
    assert cell_of(memory).spec.containers == ()
    assert kuke("create", "container", "db", "--cell", "web", "--image", image).code == 0
    assert [each.id for each in cell_of(memory).spec.containers] == ["db"]


def test_a_cell_from_an_image(kuke: Kuke, memory: MemoryClient, image: str) -> None:
    line = ("create", "cell", "web", "--image", image, "--env", "A=b c", "--label", "app=web", "-o", "json")
    result = kuke(*line, "--", "sh", "-c", "echo $A")
    assert json.loads(result.out)["created"] is True
    cell = cell_of(memory)
    (container,) = cell.spec.containers
    assert (container.id, container.image, container.command, container.args, container.env) == (
        "main",
        BUSYBOX,
        "sh",
        ("-c", "echo $A"),
        ("A=b c",),
    )
    assert cell.metadata.labels["app"] == "web"
    assert cell.status.state is model.CellState.READY


def test_a_cell_that_is_not_started(kuke: Kuke, memory: MemoryClient, image: str) -> None:
    assert kuke("create", "cell", "web", "--image", image, "--no-start").code == 0
    assert cell_of(memory).status.state is model.CellState.STOPPED


@pytest.mark.parametrize(
    ("flags", "code", "words"),
    [
        (("--", "sh"), 2, "give --image too"),
        (("--image", "busybox", "--command", "a", "--", "b"), 2, "not both"),
        (("--image", "BAD//"), 2, "--image: "),
        (("--pull", "always"), 2, "--image-pull-policy is for a cell with a container: give --image too"),
        (("--image", "busybox", "--pull", "newer"), 2, "--image-pull-policy: 'newer' is none of Always, IfNotPresent"),
        (("--image", "x", "--pull", "never"), 3, "hint: pull it: kuke image pull x --realm default; or load it: "),
        (("--image", "localhost/x", "--pull", "never"), 3, "; or build it: kuke build -t localhost/x DIRECTORY"),
        (("--image", "busybox", "--env", "NOPE"), 2, "cannot use 'NOPE' for --env: it is not KEY=VALUE"),
        (("--image", "busybox", "--label", "a b=c"), 2, "--label: a label's key is"),
        (("--image", "busybox", "--label", "=x"), 2, "cannot use '=x' for --label"),
        (("--from-config", "x"), 7, "cannot use --from-config: it is not supported yet"),
        (("--image", "missing"), 3, "hint: load it: kuke image load FILE --realm default"),
    ],
)
def test_what_a_cell_is_refused_for(kuke: Kuke, flags: tuple[str, ...], code: int, words: str) -> None:
    result = kuke("create", "cell", "web", *flags)
    assert (result.code, result.out) == (code, "")
    assert words in result.err


def test_a_cell_that_is_there_with_another_description_is_told(kuke: Kuke, memory: MemoryClient, image: str) -> None:
    line = ("create", "cell", "web", "--image", image, "--label", "app=web")
    assert kuke(*line).code == 0
    for same in (line, ("create", "cell", "web"), ("create", "cell", "web", "--image", image)):
        assert kuke(*same).err == ""
    result = kuke("create", "cell", "web", "--image", image, "--label", "app=toys", "-o", "name", "--", "sleep", "9")
    assert (result.code, result.out) == (0, "cell/web\n")
    assert result.err == (
        "note: cell 'web' is there already and stays as it was first described: "
        "metadata.labels.app, spec.containers[main].command, spec.containers[main].args differ\n"
        "hint: change it with `kuke apply`, or delete it first\n"
    )
    assert kuke("create", "container", "db", "--cell", "web", "--image", image).err == ""
    assert kuke(*line).err == "", "what was added since is no difference"
    result = kuke("create", "container", "db", "--cell", "web", "--image", image, "--env", "A=1")
    assert result.code == 0
    assert "note: container 'db' is there already" in result.err
    assert ": spec.containers[db].env differs\n" in result.err


def test_a_typo_that_was_stored_is_told_when_the_correction_fails(kuke: Kuke, memory: MemoryClient, image: str) -> None:
    result = kuke("create", "cell", "web", "--image", "busybx")
    assert (result.code, "hint: load it" in result.err or "hint: did you mean" in result.err) == (3, True)
    memory.put(WEB, image="docker.io/library/busybx:latest", state=model.CellState.FAILED)
    memory.trouble["create_cell"] = [errors.ImageNotFound("cannot find image 'busybx'")]
    result = kuke("create", "cell", "web", "--image", image)
    assert result.code == 3
    assert result.err.startswith("Error: cannot find image 'busybx'\nhint: cell 'web' is there already and stays as")
    assert result.err.endswith("; change it with `kuke apply`, or delete it first\n")
    memory.trouble["create_container"] = [errors.InvalidUser("cannot use user 'bla'")]
    result = kuke("create", "container", "web", "--cell", "web", "--image", image, "--user", "1000")
    assert result.code == 2
    assert "hint: container 'web' is there already" in result.err


def test_every_flag_of_a_container_arrives(kuke: Kuke, memory: MemoryClient, image: str) -> None:
    memory.put(WEB)
    line = (
        *(
            "create",
            "container",
            "db",
            "--cell",
            "web",
            "--image",
            image,
            "--command",
            "sh",
            "--args=-c",
            "--args",
            "x",
        ),
        *("--env", "A=1", "--env", "B=", "--volume", "/srv:/data:ro", "--volume", "/srv:/rw", "--label", "app=db"),
        *("--cap-drop", "all", "--cap-add", "net_admin", "--security-opt", "no-new-privileges", "--read-only"),
        *("--tmpfs", "/tmp:size=64m,mode=1777", "--user", "1000:10", "--memory", "512Mi", "--cpu-shares", "512"),
        *("--pids-limit", "100", "--workdir", "/srv", "-o", "name"),
    )
    result = kuke(*line)
    assert (result.code, result.out, result.err) == (0, "container/db\n", "")
    _, spec = cell_of(memory).spec.containers
    assert (spec.command, spec.args, spec.env, spec.user) == ("sh", ("-c", "x"), ("A=1", "B="), "1000:10")
    assert spec.volumes == (
        model.VolumeMount(source="/srv", target="/data", read_only=True),
        model.VolumeMount(source="/srv", target="/rw"),
    )
    assert spec.capabilities == model.Capabilities(drop=("ALL",), add=("CAP_NET_ADMIN",))
    assert spec.tmpfs == (model.Tmpfs(path="/tmp", size_bytes=64 << 20, options=("mode=1777",)),)
    assert spec.resources == model.Resources(memory_limit_bytes=512 << 20, cpu_shares=512, pids_limit=100)
    assert (spec.read_only_root_filesystem, spec.security_opts) == (True, ("no-new-privileges",))
    assert spec.working_dir == "/srv"


def test_a_container_takes_its_command_as_a_cell_does(kuke: Kuke, memory: MemoryClient, image: str) -> None:
    memory.put(WEB)
    line = ("create", "container", "db", "--cell", "web", "--image", image)
    for both in (("--command", "ls"), ("--args", "x")):
        assert kuke(*line, *both, "--", "sh", "-c", "x").code == 2
    assert kuke(*line, "--", "sh", "-c", "echo --image y").code == 0
    spec = cell_of(memory).spec.containers[1]
    assert (spec.command, spec.args) == ("sh", ("-c", "echo --image y"))


def test_a_container_has_an_image_when_none_is_said(kuke: Kuke, memory: MemoryClient, image: str) -> None:
    memory.put(WEB)
    result = kuke("create", "co", "shell", "--cell", "web")
    own = "default_default_web_shell"
    assert result.out.splitlines() == [
        f'Container "shell" (ID: "{own}") in cell "web" (realm "default", space "default", stack "default")',
        "  - container: created",
        "  - container: started",
    ]
    assert cell_of(memory).spec.containers[1].image == "docker.io/library/debian:latest"


@pytest.mark.parametrize(
    ("flags", "code", "words"),
    [
        (("--memory", "4x"), 2, "cannot use '4x' for --memory: it is no size"),
        (("--memory", "9999999999g"), 2, "cannot use '9999999999g' for --memory: it is larger"),
        (("--cpu-shares", "many"), 2, "cannot use 'many' for --cpu-shares: it is no whole number"),
        (("--cpu-shares", "1"), 2, "--cpu-shares: "),
        (("--pids-limit", "-1"), 2, "cannot use '-1' for --pids-limit"),
        (("--volume", "/srv"), 2, "cannot use '/srv' for --volume: it is not SRC:DST[:ro|rw]"),
        (("--volume", "/srv:data"), 2, "cannot use '/srv:data' for --volume: 'data' is not an absolute path"),
        (("--volume", "/srv:/data:rx"), 2, "'rx' is neither ro nor rw"),
        (("--volume", "/srv:/ok", "--volume", "/srv:/proc"), 2, "--volume (number 2): cannot mount over /proc"),
        (("--env", "=secret"), 2, "for --env: it is not KEY=VALUE"),
        (("--env", "A=secret", "--env", "A=other"), 2, "'A' is given more than once"),
        (("--env", "A B=secret"), 2, "--env (number 1): "),
        (("--label", "nothing"), 2, "cannot use 'nothing' for --label: it is not KEY=VALUE"),
        (("--tmpfs", "tmp"), 2, "cannot use 'tmp' for --tmpfs: 'tmp' is not an absolute path"),
        (("--tmpfs", "/tmp:size=lots"), 2, "cannot use 'lots' for --tmpfs"),
        (("--tmpfs", "/tmp:bogus"), 2, "--tmpfs (number 1): "),
        (("--cap-add", "FLY"), 2, "--cap-add (number 1): "),
        (("--user", "a:b:c"), 2, "--user: "),
        (("--image", "BAD//"), 2, "--image: "),
        (("--network", "n"), 7, "--network is not supported yet"),
        (("--port", "80"), 2, "--port"),
        (("--restart-policy", "sometimes"), 2, "--restart-policy"),
        (("--network", "n", "--memory", "1x"), 2, "--memory"),
        (("--network", "n", "--user", "a:b:c"), 2, "--user: "),
    ],
)
def test_a_wrong_flag_is_named_with_its_value(kuke: Kuke, flags: tuple[str, ...], code: int, words: str) -> None:
    result = kuke("create", "container", "db", "--cell", "web", *flags)
    assert (result.code, result.out) == (code, "")
    assert words in result.err
    assert "secret" not in result.err


def test_help_says_what_is_not_supported_yet(kuke: Kuke) -> None:
    refused = {f"spec.{field.path.removeprefix('spec.')}" for field in unsupported.FIELDS["Container"]}
    assert {flag for path, flag in create_container.PATHS.items() if path in refused} == create_container.LATER
    out = " ".join(kuke("create", "container", "--help").out.split())
    assert out.count("[not supported yet]") == len(create_container.LATER)


def test_a_container_needs_its_cell(kuke: Kuke, memory: MemoryClient, image: str) -> None:
    assert kuke("create", "container", "db").err == "Error: cell name is required (--cell)\n"
    memory.put(model.Ref("default", "default", "default", "web"))
    result = kuke("create", "container", "db", "--cell", "wev", "--image", image)
    assert (result.code, result.err) == (
        3,
        "Error: cannot find cell 'default/default/default/wev'\nhint: did you mean 'web'?\n",
    )


@pytest.mark.parametrize("kind", ["secret", "sec", "blueprint", "bp", "config", "cfg", "volumes", "vol"])
@pytest.mark.parametrize("verb", ["create", "get", "delete", "purge"])
def test_kinds_of_later_are_refused_as_such(kuke: Kuke, verb: str, kind: str) -> None:
    result = kuke(verb, kind, "x")
    assert (result.code, result.out) == (7, "")
    assert "not supported yet" in result.err


LOGIN = ("create", "registry-credential", "default", "--username", "me")


def credentials(memory: MemoryClient) -> list[tuple[str, str]]:
    realm = memory.docs[model.Ref("default")]
    assert isinstance(realm, model.RealmDoc)
    return [(each.server_address, each.username) for each in realm.spec.registry_credentials]


def test_a_credential_takes_the_place_of_its_server_alone(kuke: Kuke, memory: MemoryClient, tmp_path: Path) -> None:
    first = kuke(*LOGIN, "--server", "ghcr.io", "--password-stdin", stdin=b"one\n")
    assert (first.code, first.err) == (0, "")
    assert first.out == 'Registry credential for "ghcr.io" in realm "default": created\n'
    (tmp_path / "token").write_text("two\n")
    kuke(*LOGIN, "--server", "quay.io", "--from-file", str(tmp_path / "token"))
    third = kuke(*LOGIN[:-1], "you", "--server", "ghcr.io", "--password-stdin", "-o", "json", stdin=b"three")
    assert json.loads(third.out)["username"] == "you"
    assert credentials(memory) == [("ghcr.io", "you"), ("quay.io", "me")]
    assert {key[1]: password for key, password in memory.world.passwords.items()} == {
        "ghcr.io": "three",
        "quay.io": "two",
    }


@pytest.mark.parametrize(
    ("flags", "stdin", "words"),
    [
        ((), b"x", "exactly one of --password-stdin and --from-file"),
        (("--password-stdin", "--from-file", "x"), b"x", "exactly one of"),
        (("--password-stdin",), b"", "cannot use the password: it is empty"),
        (("--password-stdin",), b"\xff\xfe", "it is no text"),
        (("--password-stdin",), b"two\nlines", "it is not one line"),
        (("--from-file", "/does/not/exist"), b"", "cannot read '/does/not/exist': No such file or directory"),
    ],
)
def test_a_password_that_is_none(kuke: Kuke, flags: tuple[str, ...], stdin: bytes, words: str) -> None:
    result = kuke(*LOGIN, "--server", "ghcr.io", *flags, stdin=stdin)
    assert (result.code, result.out) == (2, "")
    assert words in result.err


def test_a_credential_survives_others_who_change_the_realm(kuke: Kuke, memory: MemoryClient) -> None:
    memory.trouble["apply_documents"] = [errors.StaleResource("changed")] * 2
    assert kuke(*LOGIN, "--server", "ghcr.io", "--password-stdin", stdin=b"one").code == 0
    memory.trouble["apply_documents"] = [errors.StaleResource("changed")] * 9
    assert kuke(*LOGIN, "--server", "ghcr.io", "--password-stdin", stdin=b"one").code == 5


def test_a_credential_needs_its_realm(kuke: Kuke) -> None:
    result = kuke(*LOGIN[:2], "defalt", *LOGIN[3:], "--server", "ghcr.io", "--password-stdin", stdin=b"one")
    assert (result.code, result.err) == (3, "Error: cannot find realm 'defalt'\nhint: did you mean 'default'?\n")


def test_a_server_that_is_none(kuke: Kuke, memory: MemoryClient) -> None:
    result = kuke(*LOGIN, "--server", "http://x y", "--password-stdin", stdin=b"hush")
    assert (result.code, memory.received) == (2, [])
    assert result.err.startswith("Error: cannot change realm \"default\": --server: 'http://x y' is not a registry's")
    assert "hush" not in result.err


@pytest.mark.parametrize(
    ("flags", "policy"),
    [
        ((), ""),
        (("--image-pull-policy", "Always"), "Always"),
        (("--pull=always",), "Always"),
        (("--pull", "missing"), "IfNotPresent"),
        (("--pull", "never"), "Never"),
    ],
)
def test_when_the_image_is_pulled(
    kuke: Kuke, memory: MemoryClient, image: str, flags: tuple[str, ...], policy: str
) -> None:
    memory.world.registry[BUSYBOX] = memory.world.images["default"][BUSYBOX]
    assert kuke("create", "cell", "web", "--image", image, *flags).code == 0
    assert kuke("create", "container", "db", "--cell", "web", "--image", image, *flags).code == 0
    assert kuke("run", "-d", "--name", "job", "--image", image, *flags).code == 0
    assert [each.image_pull_policy for each in cell_of(memory).spec.containers] == [policy, policy]
    assert cell_of(memory, WEB.parent.child("job")).spec.containers[0].image_pull_policy == policy


def test_the_policies_are_completed(kuke: Kuke) -> None:
    for line in (("create", "cell", "web"), ("create", "container", "db"), ("run",)):
        assert kuke("__complete", *line, "--image-pull-policy", "").out.split()[:3] == [
            "Always",
            "IfNotPresent",
            "Never",
        ]
        assert kuke("__complete", *line, "--pull", "mi").out.split()[0] == "missing"
