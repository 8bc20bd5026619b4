"""What the rules accept and refuse, beyond types."""

from __future__ import annotations

from typing import Any, ClassVar

import msgspec
import pytest
from hypothesis import given, settings

from kukeon_api import errors, model, normalise, rules, schema, testing, unsupported
from kukeon_api.fields import fields_of
from kukeon_api.model import Capabilities, Resources, Tmpfs, VolumeKind, VolumeMount
from kukeon_api.model import ContainerSecret as Secret


def container(**settings_: Any) -> model.ContainerSpec:
    return model.ContainerSpec(**{"id": "main", "image": "busybox", **settings_})


def cell(*containers: model.ContainerSpec, name: str = "web", **spec: Any) -> model.CellDoc:
    place = {"realm_id": "r", "space_id": "s", "stack_id": "t"}
    return model.CellDoc(
        metadata=model.Metadata(name=name),
        spec=model.CellSpec(**{**place, "containers": containers or (container(),), **spec}),
    )


def told(doc: model.Doc, **options: bool) -> list[tuple[str, str]]:
    return [(problem.path, problem.message) for problem in rules.problems(doc, **options)]


@settings(max_examples=100)
@given(testing.documents)
def test_good_documents_have_no_problems(doc: model.Doc) -> None:
    assert told(doc) == []
    assert told(normalise.normalise(doc)) == []


@pytest.mark.parametrize(
    ("settings_", "path", "message"),
    [
        ({"image": ""}, "image", "is required"),
        ({"image": "Upper"}, "image", "upper case is not allowed"),
        ({"id": ""}, "id", "is required"),
        ({"id": "a_b"}, "id", "'a_b' is not a name"),
        ({"id": "root"}, "id", "'root' is reserved for the root container"),
        ({"command": "a\0"}, "command", "NUL"),
        ({"args": ("a", "b\0")}, "args[1]", "NUL"),
        ({"working_dir": "work"}, "workingDir", "'work' is not an absolute path"),
        ({"working_dir": "/a/../b"}, "workingDir", "must not contain '..'"),
        ({"working_dir": "/a\n"}, "workingDir", "control characters"),
        ({"working_dir": "/" + "a" * 5000}, "workingDir", "4095 bytes"),
        ({"env": ("A",)}, "env[0]", "is not KEY=VALUE"),
        ({"env": ("=b",)}, "env[0]", "'' cannot be the name of an environment variable"),
        ({"env": ("A B=c",)}, "env[0]", "'A B' cannot be the name"),
        ({"env": ("A=\0",)}, "env[0]", "NUL"),
        ({"user": "a b"}, "user", "'a b' is not a user"),
        ({"user": "1:2:3"}, "user", "is not a user"),
        ({"user": "2147483648"}, "user", "beyond the last id"),
        ({"capabilities": Capabilities(add=("NET_ADMNI",))}, "capabilities.add[0]", "unknown capability 'NET_ADMNI'"),
        ({"capabilities": Capabilities(drop=("x",))}, "capabilities.drop[0]", "unknown capability 'x'"),
        ({"capabilities": Capabilities(add=("all",))}, "capabilities.add[0]", "ALL can only be dropped"),
        ({"security_opts": ("no-new-privileges=maybe",)}, "securityOpts[0]", "'maybe' is neither true nor false"),
        ({"security_opts": ("seccomp=/../p.json",)}, "securityOpts[0]", "must not contain '..'"),
        ({"security_opts": ("seccomp=p.json",)}, "securityOpts[0]", "unknown security option"),
        ({"devices": ("dev/x",)}, "devices[0]", "is not an absolute path"),
        ({"devices": ("/dev/../etc/x",)}, "devices[0]", "must not contain '..'"),
        ({"devices": ("/etc/x",)}, "devices[0]", "is not the path of a device below /dev"),
        ({"devices": ("/dev//x",)}, "devices[0]", "is not the path of a device below /dev"),
        ({"devices": ("/dev/pts/0",)}, "devices[0]", "for itself"),
        ({"devices": ("/dev/x", "/dev/x")}, "devices[1]", "is there already"),
        ({"secrets": (Secret(from_env="A"),)}, "secrets[0].name", "is required"),
        ({"secrets": (Secret(name="A"),)}, "secrets[0]", "needs one of fromFile and fromEnv"),
        ({"secrets": (Secret(name="A", from_file="/a", from_env="A"),)}, "secrets[0]", "and only one"),
        ({"secrets": (Secret(name="a-b", from_env="A"),)}, "secrets[0].name", "an environment variable"),
        ({"secrets": (Secret(name="../a", from_env="A", mount_path="/a"),)}, "secrets[0].name", "name of a secret"),
        ({"secrets": (Secret(name=".", from_env="A", mount_path="/a"),)}, "secrets[0].name", "name of a secret"),
        ({"secrets": (Secret(name="A", from_env="A=B"),)}, "secrets[0].fromEnv", "cannot be the name"),
        ({"secrets": (Secret(name="A", from_file="a"),)}, "secrets[0].fromFile", "is not an absolute path"),
        ({"secrets": (Secret(name="A", from_env="A", mount_path="a"),)}, "secrets[0].mountPath", "absolute"),
        ({"secrets": (Secret(name="A", from_env="A", mount_path="/proc/a"),)}, "secrets[0].mountPath", "over"),
        ({"secrets": (Secret(name="A", from_env="A"),) * 2}, "secrets[1].name", "already that of secrets[0]"),
        (
            {"secrets": (Secret(name="A", from_env="A", mount_path="/t"),), "tmpfs": (Tmpfs(path="/t"),)},
            "secrets[0].mountPath",
            "already mounted by tmpfs[0].path",
        ),
        ({"host_network": True, "ports": ("80:80",)}, "ports", "are for containers on the cell's network"),
        ({"security_opts": ("apparmor=x",)}, "securityOpts[0]", "unknown security option 'apparmor=x'"),
        ({"tmpfs": (Tmpfs(),)}, "tmpfs[0].path", "is required"),
        ({"tmpfs": (Tmpfs(path="tmp"),)}, "tmpfs[0].path", "'tmp' is not an absolute path"),
        ({"tmpfs": (Tmpfs(path="/"),)}, "tmpfs[0].path", "cannot mount over the container's root"),
        ({"tmpfs": (Tmpfs(path="/a", size_bytes=-1),)}, "tmpfs[0].sizeBytes", "must not be negative"),
        ({"tmpfs": (Tmpfs(path="/a", options=("dev",)),)}, "tmpfs[0].options[0]", "always mounted nosuid and nodev"),
        ({"tmpfs": (Tmpfs(path="/a", options=("noexce",)),)}, "tmpfs[0].options[0]", "unknown tmpfs option"),
        ({"tmpfs": (Tmpfs(path="/a", options=("ro,dev",)),)}, "tmpfs[0].options[0]", "unknown tmpfs option"),
        ({"tmpfs": (Tmpfs(path="/a", options=("mode=9",)),)}, "tmpfs[0].options[0]", "'9' is not a value of mode"),
        ({"resources": Resources(memory_limit_bytes=-1)}, "resources.memoryLimitBytes", "must not be negative"),
        ({"resources": Resources(pids_limit=-1)}, "resources.pidsLimit", "must not be negative"),
        ({"resources": Resources(cpu_shares=1)}, "resources.cpuShares", "1 is not between 2 and 262144"),
        ({"resources": Resources(cpu_shares=262145)}, "resources.cpuShares", "262145 is not between 2 and 262144"),
        ({"volumes": (VolumeMount(source="/a"),)}, "volumes[0].target", "is required"),
        ({"volumes": (VolumeMount(source="/a", target="b"),)}, "volumes[0].target", "'b' is not an absolute path"),
        ({"volumes": (VolumeMount(source="/a", target="//"),)}, "volumes[0].target", "over the container's root"),
        ({"volumes": (VolumeMount(target="/b"),)}, "volumes[0].source", "is required"),
        ({"volumes": (VolumeMount(source="data", target="/b"),)}, "volumes[0].source", "a named volume is not supp"),
        ({"volumes": (VolumeMount(source="a/b", target="/b"),)}, "volumes[0].source", "'a/b' is not an absolute"),
        ({"volumes": (VolumeMount(source="/../a", target="/b"),)}, "volumes[0].source", "must not contain '..'"),
        ({"volumes": (VolumeMount(source="/a", target="/b", mode=0o755),)}, "volumes[0].mode", "kind tmpfs only"),
        (
            {"volumes": (VolumeMount(kind=VolumeKind.TMPFS, source="/a", target="/b"),)},
            "volumes[0].source",
            "a tmpfs has no source",
        ),
        (
            {"volumes": (VolumeMount(kind=VolumeKind.TMPFS, target="/b", mode=0o10000),)},
            "volumes[0].mode",
            "0o10000 is not a mode between 0 and 07777",
        ),
        (
            {"volumes": (VolumeMount(kind=VolumeKind.TMPFS, target="/b", size_bytes=-5),)},
            "volumes[0].sizeBytes",
            "must not be negative",
        ),
        (
            {"volumes": (VolumeMount(source="/a", target="/b"),), "tmpfs": (Tmpfs(path="/b/"),)},
            "tmpfs[0].path",
            "'/b' is already mounted by volumes[0].target",
        ),
        ({"realm_id": "other"}, "realmId", "'other' differs from the cell's own"),
        ({"cell_id": "other"}, "cellId", "'other' differs from the cell's own"),
    ],
)
def test_one_setting_of_a_container(settings_: dict[str, Any], path: str, message: str) -> None:
    [(where, what)] = told(cell(container(**settings_)))
    assert where == f"spec.containers[0].{path}"
    assert message in what


@pytest.mark.parametrize(
    "settings_",
    [
        {"user": ""},
        {"user": "0"},
        {"user": "2147483647:2147483647"},
        {"user": "daemon$"},
        {"env": ("a.b=c", "A=", "A==b")},
        {"capabilities": Capabilities(drop=("ALL", "cap_all"), add=("net_admin", "CAP_CHOWN"))},
        {"security_opts": ("no-new-privileges", "no-new-privileges:false", "seccomp=unconfined", "seccomp:/p.json")},
        {"privileged": True, "host_network": True, "host_pid": True, "host_cgroup": True},
        {"devices": ("/dev/fuse", "/dev/net/tun")},
        {"secrets": (Secret(name="A", from_env="A"), Secret(name="b.c-d", from_file="/a", mount_path="/run/b"))},
        {"resources": Resources(memory_limit_bytes=0, cpu_shares=0, pids_limit=0)},
        {"volumes": (VolumeMount(kind=VolumeKind.TMPFS, target="/b", size_bytes=1, mode=0o1777),)},
        {"realm_id": "r", "space_id": "s", "stack_id": "t", "cell_id": "web"},
        {"restart_policy": "no"},
        {"restart_policy": "always", "restart_backoff_seconds": 0},
        {"restart_policy": "unless-stopped", "restart_backoff_seconds": 60},
        {"restart_policy": "on-failure", "restart_max_retries": 1},
        {"tty": model.ContainerTty()},
    ],
)
def test_what_is_allowed(settings_: dict[str, Any]) -> None:
    assert told(cell(container(**settings_))) == []


def test_secrets_in_env_are_not_repeated() -> None:
    [(_, message)] = told(cell(container(env=("hunter2",))))
    assert "hunter2" not in message


class TestCells:
    def test_cannot_manage_cgroups_that_are_the_hosts(self) -> None:
        assert told(cell(container(host_cgroup=True))) == []
        [(path, message)] = told(cell(container(host_cgroup=True), nested_cgroup_runtime=True))
        assert path == "spec.containers[0].hostCgroup"
        assert "nestedCgroupRuntime" in message

    def test_may_have_a_root_container_only(self) -> None:
        doc = msgspec.structs.replace(cell(), spec=msgspec.structs.replace(cell().spec, containers=()))
        assert told(doc) == []

    def test_have_an_id_that_is_their_name(self) -> None:
        assert told(cell(id="other")) == [("spec.id", "'other' differs from metadata.name")]
        assert told(cell(id="web")) == []

    def test_have_containers_with_different_ids(self) -> None:
        doc = cell(container(), container(), container())
        assert [path for path, _ in told(doc)] == ["spec.containers[1].id", "spec.containers[2].id"]

    def test_have_one_root(self) -> None:
        doc = cell(container(id="a", root=True), container(id="b", root=True))
        assert told(doc) == [("spec.containers[1].root", "the cell already has a root: spec.containers[0]")]
        with pytest.raises(errors.MultipleRootContainers):
            normalise.normalise(doc)

    def test_name_a_root_that_is_there(self) -> None:
        doc = cell(container(id="a"), root_container_id="b")
        assert told(doc) == [("spec.rootContainerId", "'b' is not the id of a container of this cell")]
        with pytest.raises(errors.RootContainerMismatch):
            normalise.normalise(doc)

    def test_name_the_root_that_is_marked(self) -> None:
        doc = cell(container(id="a", root=True), container(id="b"), root_container_id="b")
        assert told(doc) == [("spec.rootContainerId", "is 'b', but 'a' has root: true")]
        with pytest.raises(errors.RootContainerMismatch):
            normalise.normalise(doc)

    def test_may_call_their_root_root(self) -> None:
        assert told(cell(container(id="root", root=True))) == []
        assert told(cell(container(id="root"), root_container_id="root")) == []

    def test_have_containerd_ids_that_fit(self) -> None:
        name, fits = "x" * 63, "y" * (76 - len("s_t__") - 63)
        assert told(cell(container(id=fits), name=name)) == []
        [(path, message)] = told(cell(container(id=fits + "y"), name=name))
        assert path == "spec.containers[0].id"
        assert "77 characters, containerd allows 76" in message
        # The root's containerd id ends in `root`, whatever it is called.
        assert told(cell(container(id="a-very-long-id-for-a-root", root=True), name=name)) == []


class TestContainers:
    def doc(self, **settings_: Any) -> model.ContainerDoc:
        place = {"realm_id": "r", "space_id": "s", "stack_id": "t", "cell_id": "web"}
        return model.ContainerDoc(
            metadata=model.Metadata(name="main"), spec=container(**{"id": "", **place, **settings_})
        )

    def test_need_their_place(self) -> None:
        doc = self.doc(realm_id="", space_id="", stack_id="", cell_id="")
        assert [path for path, _ in told(doc)] == ["spec.realmId", "spec.spaceId", "spec.stackId", "spec.cellId"]

    def test_are_called_by_their_name(self) -> None:
        assert told(self.doc(id="other")) == [("spec.id", "'other' differs from metadata.name")]
        assert told(self.doc(id="main")) == []

    def test_keep_off_the_root(self) -> None:
        doc = msgspec.structs.replace(self.doc(), metadata=model.Metadata(name="root"))
        assert told(doc) == [("metadata.name", "'root' is reserved for the root container")]


class TestOtherKinds:
    def test_stack_ids_are_names(self) -> None:
        doc = model.StackDoc(
            metadata=model.Metadata(name="t"), spec=model.StackSpec(id="x", realm_id="r", space_id="s")
        )
        assert told(doc) == [("spec.id", "'x' differs from metadata.name")]

    def test_space_defaults_follow_the_rules_of_containers(self) -> None:
        defaults = model.ContainerDefaults(user="a b", resources=Resources(pids_limit=-1))
        doc = model.SpaceDoc(
            metadata=model.Metadata(name="s"),
            spec=model.SpaceSpec(realm_id="r", defaults=model.SpaceDefaults(container=defaults)),
        )
        assert [path for path, _ in told(doc)] == [
            "spec.defaults.container.user",
            "spec.defaults.container.resources.pidsLimit",
        ]

    @pytest.mark.parametrize("namespace", ["a/b", "-a", "a..b", "x" * 77, "a b"])
    def test_namespaces_are_what_containerd_takes(self, namespace: str) -> None:
        doc = model.RealmDoc(metadata=model.Metadata(name="r"), spec=model.RealmSpec(namespace=namespace))
        assert [path for path, _ in told(doc)] == ["spec.namespace"]

    def test_namespaces_may_have_upper_case_and_dots(self) -> None:
        doc = model.RealmDoc(metadata=model.Metadata(name="r"), spec=model.RealmSpec(namespace="My.Space_1"))
        assert told(doc) == []

    @pytest.mark.parametrize("labels", [{"": "x"}, {"a b": "x"}, {"a": "\n"}, {"a": "x" * 4096}])
    def test_labels_are_what_containerd_takes(self, labels: dict[str, str]) -> None:
        doc = model.RealmDoc(metadata=model.Metadata(name="r", labels=labels))
        assert [path.partition(".labels.")[0] for path, _ in told(doc)] == ["metadata"]
        [(path, _)] = told(cell(container(labels=labels)))
        assert path.startswith("spec.containers[0].labels.")

    def test_the_system_realm_is_for_kukeon(self) -> None:
        realm = model.RealmDoc(metadata=model.Metadata(name="kuke-system"))
        assert told(realm) == [("metadata.name", "realm 'kuke-system' is reserved for kukeon itself")]
        assert told(realm, system=True) == []
        inside = cell(realm_id="kuke-system")
        assert [path for path, _ in told(inside)] == ["spec.realmId"]
        assert told(inside, system=True) == []

    def test_names_built_in_a_program_are_checked_too(self) -> None:
        doc = cell(realm_id="../../etc", name="..")
        assert [path for path, _ in told(doc)] == ["metadata.name", "spec.realmId"]


@pytest.mark.parametrize("kind", ["bind", "tmpfs", "entry"])
@pytest.mark.parametrize(
    ("target", "reason"),
    [
        ("/", "cannot mount over the container's root"),
        ("/./", "cannot mount over the container's root"),
        ("/proc", "cannot mount over /proc: it is the kernel's view of the container's own processes"),
        ("//proc/./sys", "cannot mount over '/proc/sys', which is below /proc: it is the kernel's view"),
        ("/sys/fs/cgroup", "cannot mount over '/sys/fs/cgroup', which is below /sys: "),
        ("/dev", "cannot mount over /dev: it holds the container's own devices"),
        ("/dev/null", "cannot mount over '/dev/null', which is below /dev: "),
        ("/dev/shm", "cannot mount over /dev/shm: the containers of a cell share the memory"),
        ("/etc/hosts", "cannot mount over /etc/hosts: kukeon writes this file for each cell"),
        ("/etc//hostname/", "cannot mount over /etc/hostname: kukeon writes"),
        ("/etc/resolv.conf", "cannot mount over /etc/resolv.conf: kukeon writes"),
    ],
)
def test_what_kukeon_mounts_itself_stays(kind: str, target: str, reason: str) -> None:
    mounts: dict[str, dict[str, Any]] = {
        "bind": {"volumes": (VolumeMount(source="/a", target=target),)},
        "tmpfs": {"volumes": (VolumeMount(kind=VolumeKind.TMPFS, target=target),)},
        "entry": {"tmpfs": (Tmpfs(path=target),)},
    }
    [(path, message)] = told(cell(container(**mounts[kind])))
    assert path == f"spec.containers[0].{'tmpfs[0].path' if kind == 'entry' else 'volumes[0].target'}"
    assert message.startswith(reason)


@pytest.mark.parametrize("target", ["/process", "/system", "/devices", "/etc", "/etc/hosts.d", "/run", "/a/proc"])
def test_what_only_looks_like_it_is_free(target: str) -> None:
    assert told(cell(container(volumes=(VolumeMount(source="/a", target=target),)))) == []


@pytest.mark.parametrize(
    ("word", "suggestion"),
    [
        ("FOO", ""),
        ("CAP_FOO", ""),
        ("SYS", ""),
        ("net_admn", 'did you mean "CAP_NET_ADMIN"?'),
        ("NETADMIN", 'did you mean "CAP_NET_ADMIN"?'),
        ("CAP_CHWON", 'did you mean "CAP_CHOWN"?'),
    ],
)
def test_only_a_near_capability_is_suggested(word: str, suggestion: str) -> None:
    [problem] = rules.problems(cell(container(capabilities=Capabilities(add=(word,)))))
    assert problem.suggestion == suggestion


def test_one_problem_is_the_message() -> None:
    with pytest.raises(errors.InvalidManifest) as caught:
        rules.check(model.RealmDoc(metadata=model.Metadata(name="kuke-system")))
    [problem] = caught.value.problems
    assert str(caught.value) == f"invalid {problem}"
    assert str(problem) == "Realm \"kuke-system\": metadata.name: realm 'kuke-system' is reserved for kukeon itself"


def test_check_raises_everything() -> None:
    with pytest.raises(errors.InvalidManifest) as caught:
        rules.check(cell(container(image="", user=" ", working_dir="x", env=("a",))))
    assert str(caught.value) == 'invalid Cell "web": 4 problems'
    assert len(caught.value.problems) == 4
    assert {problem.subject for problem in caught.value.problems} == {'Cell "web"'}
    rules.check(cell())


class TestNotSupportedYet:
    SAYING: ClassVar[dict[str, Any]] = {
        "networks": ("x",),
        "networks_aliases": ("x",),
        "cni_config_path": "/x",
    }

    @pytest.mark.parametrize("name", SAYING)
    def test_containers(self, name: str) -> None:
        paper = {field.name: field.paper for field in fields_of(model.ContainerSpec)}[name]
        spec = container(**{name: self.SAYING[name]})
        assert told(cell(container(id="first"), spec)) == [(f"spec.containers[1].{paper}", "is not supported yet")]
        (problem,) = rules.problems(cell(spec))
        assert "space" in problem.suggestion, "what there is instead"

    def test_a_log_file_of_a_terminal(self) -> None:
        spec = container(attachable=True, tty=model.ContainerTty(log_file="/x"))
        assert told(cell(spec)) == [("spec.containers[0].tty.logFile", "is not supported yet")]

    def test_every_line_of_the_table_leads_somewhere(self) -> None:
        for kind, refused in unsupported.FIELDS.items():
            for each in refused:
                holder: Any = schema.TYPES[kind]
                for step in each.path.replace("[*]", "").split("."):
                    holder = {field.paper: field.item for field in fields_of(holder)}[step]
