"""What the default profile allows, and what a profile of one's own may say."""

from __future__ import annotations

import errno
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kukeon_api import errors
from kukeon_api.container_rules import CAPABILITIES
from kukeon_runner import seccomp, seccomp_file, spec
from kukeon_runner import seccomp_table as table

REFUSED = {name for names in table.REFUSED for name in names.split()}
GATED = {name for names in table.BY_CAPABILITY.values() for name in names}


def allowed(capabilities: tuple[str, ...] = spec.CAPABILITIES, machine: str = "x86_64") -> set[str]:
    """The calls that are allowed whatever their arguments are."""
    rules = seccomp.profile(capabilities, machine)["syscalls"]
    return {name for rule in rules if rule["action"] == seccomp.ALLOW and "args" not in rule for name in rule["names"]}


def rule(name: str, capabilities: tuple[str, ...] = spec.CAPABILITIES, machine: str = "x86_64") -> list[dict[str, Any]]:
    return [each for each in seccomp.profile(capabilities, machine)["syscalls"] if name in each["names"]]


def test_every_call_has_one_place() -> None:
    by_machine = [names for names in table.BY_MACHINE.values()]
    assert not table.ALLOWED & REFUSED
    assert not table.ALLOWED & GATED
    assert not GATED & REFUSED
    assert not any(names & (table.ALLOWED | GATED | REFUSED) for names in by_machine)
    assert not {"socket", "personality"} & (table.ALLOWED | GATED | REFUSED)
    assert set(table.BY_CAPABILITY) <= set(CAPABILITIES)


def test_a_container_that_asks_for_nothing() -> None:
    found = allowed()
    # What a C library, a shell, Go's, Java's and Python's runtimes begin with.
    assert {"read", "openat", "mmap", "futex", "execve", "rt_sigreturn", "epoll_wait", "chroot", "rseq"} <= found
    assert {"arch_prctl"} <= found
    assert not found & {*REFUSED, "mount", "unshare", "setns", "clone", "clone3", "bpf", "ptrace_", "init_module"}
    assert seccomp.profile((), "x86_64")["defaultErrnoRet"] == errno.EPERM


@given(st.sets(st.sampled_from(CAPABILITIES)))
def test_capabilities_only_add(capabilities: set[str]) -> None:
    found = allowed(tuple(capabilities))
    assert allowed(()) <= found
    assert not found & REFUSED
    for capability, names in table.BY_CAPABILITY.items():
        if capability in capabilities:
            assert names <= found


def test_namespaces_only_with_the_right_to_administer() -> None:
    (clone,) = rule("clone")
    assert clone["args"] == [
        {"index": 0, "value": 0x7E020000, "valueTwo": 0, "op": "SCMP_CMP_MASKED_EQ"},
    ]
    (clone3,) = rule("clone3")
    assert (clone3["action"], clone3["errnoRet"]) == (seccomp.REFUSE, errno.ENOSYS)
    assert {"clone", "clone3", "unshare", "setns", "mount"} <= allowed(("CAP_SYS_ADMIN",))
    assert len(rule("clone3", ("CAP_SYS_ADMIN",))) == 1
    assert rule("clone", (), "s390x")[0]["args"][0]["index"] == 1


def test_sockets_of_two_families_are_refused() -> None:
    def admitted(family: int) -> bool:
        compare = {"SCMP_CMP_LT": int.__lt__, "SCMP_CMP_EQ": int.__eq__}
        return any(compare[arg["op"]](family, arg["value"]) for each in rule("socket") for arg in each["args"])

    assert [family for family in range(46) if not admitted(family)] == [seccomp.AF_ALG, seccomp.AF_VSOCK]
    # The kernel looks at 32 bits, the filter at 64.
    assert not admitted((1 << 32) + seccomp.AF_ALG)


@pytest.mark.parametrize("machine", ["x86_64", "aarch64", "ppc64le", "riscv64", "s390x"])
def test_machines_and_their_32_bit_programs(machine: str) -> None:
    found = seccomp.profile((), machine)
    assert found["architectures"] == list(seccomp.ARCHITECTURES[machine])
    assert table.BY_MACHINE[machine] <= allowed((), machine)
    assert "architectures" not in seccomp.profile((), "sparc64")
    assert not (table.BY_MACHINE["aarch64"] & allowed((), "x86_64"))


def parse(document: object, capabilities: tuple[str, ...] = (), machine: str = "x86_64") -> dict[str, Any]:
    content = document if isinstance(document, bytes) else json.dumps(document).encode()
    return seccomp_file.parse(content, "/p.json", capabilities, machine, "6.1.0-13-amd64")


def test_an_oci_profile_is_taken_as_it_is() -> None:
    document = {
        "defaultAction": "SCMP_ACT_ERRNO",
        "defaultErrnoRet": 38,
        "architectures": ["SCMP_ARCH_X86_64"],
        "flags": ["SECCOMP_FILTER_FLAG_LOG"],
        "syscalls": [
            {
                "names": ["read", "_llseek"],
                "action": "SCMP_ACT_ALLOW",
                "args": [{"index": 5, "value": 2**63, "valueTwo": 1, "op": "SCMP_CMP_MASKED_EQ"}],
            },
            {"names": ["write"], "action": "SCMP_ACT_ERRNO", "errnoRet": 5},
        ],
    }
    assert parse(document) == document


@pytest.mark.parametrize(
    ("condition", "holds"),
    [
        ({"includes": {"caps": ["CAP_CHOWN"]}}, True),
        ({"includes": {"caps": ["CAP_CHOWN", "CAP_BPF"]}}, False),
        ({"excludes": {"caps": ["CAP_CHOWN", "CAP_BPF"]}}, False),
        ({"excludes": {"caps": ["CAP_BPF"]}}, True),
        ({"includes": {"arches": ["amd64", "x32"]}}, True),
        ({"includes": {"arches": ["arm64"]}}, False),
        ({"excludes": {"arches": ["amd64"]}}, False),
        ({"includes": {"minKernel": "4.8"}}, True),
        ({"includes": {"minKernel": "6.10"}}, False),
        ({"excludes": {"minKernel": "4.8"}}, False),
    ],
)
def test_conditions_of_dockers_format(condition: dict[str, Any], holds: bool) -> None:
    document = {
        "defaultAction": "SCMP_ACT_ERRNO",
        "archMap": [{"architecture": "SCMP_ARCH_X86_64", "subArchitectures": ["SCMP_ARCH_X86"]}],
        "syscalls": [{"name": "read", "action": "SCMP_ACT_ALLOW", "comment": "why", **condition}],
    }
    found = parse(document, ("CAP_CHOWN",))
    assert bool(found["syscalls"]) is holds
    assert found["architectures"] == ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86"]
    assert "architectures" not in parse(document, machine="aarch64")


def one(**rule_: Any) -> dict[str, Any]:
    return {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["x"], "action": "SCMP_ACT_ERRNO"} | rule_]}


@pytest.mark.parametrize(
    ("document", "why"),
    [
        (b"", "it is not JSON"),
        (b"\xff", "it is not JSON"),
        (b"root:x:0:0:secret words\n", "it is not JSON"),
        (b"[" * 100_000, "Expected `object`"),
        ([], "Expected `object`"),
        ({}, "missing required field `defaultAction`"),
        ({"defaultAction": "SCMP_ACT_NOTIFY"}, "defaultAction is 'SCMP_ACT_NOTIFY'"),
        ({"defaultAction": "SCMP_ACT_ALLOW", "listenerPath": "/x"}, "listenerPath"),
        ({"defaultAction": "SCMP_ACT_ALLOW", "flags": ["X"]}, r"flags\[0\] is 'X'"),
        ({"defaultAction": "SCMP_ACT_ALLOW", "architectures": ["x"]}, "'x' is no architecture"),
        (one(names=[]), "names no system call"),
        (one(names=["a b"]), "cannot be a system call"),
        (one(errnoRet=-1), "errnoRet is -1"),
        (one(args=[{"index": 6, "value": 1, "op": "SCMP_CMP_EQ"}]), "index is 6"),
        (one(args=[{"index": 0, "value": -1, "op": "SCMP_CMP_EQ"}]), "compares with -1"),
        (one(args=[{"index": 0, "value": 1, "op": "=="}]), "op is '=='"),
        (one(includes={"minKernel": "new"}), "'new' is no version"),
    ],
)
def test_what_is_no_profile(document: object, why: str) -> None:
    with pytest.raises(errors.Invalid, match=why) as caught:
        parse(document)
    assert str(caught.value).startswith("cannot use the seccomp profile '/p.json': ")
    assert "secret words" not in str(caught.value)
