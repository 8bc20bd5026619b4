"""Published ports: what may be written, and what becomes of it."""

import pytest

from kukeon_api import errors, model, normalise, ports, rules
from kukeon_api.ports import Port


def cell(*published: tuple[str, ...]) -> model.CellDoc:
    containers = tuple(
        model.ContainerSpec(id=f"c{index}", image="busybox", ports=each) for index, each in enumerate(published)
    )
    spec = model.CellSpec(realm_id="r", space_id="s", stack_id="t", containers=containers)
    return model.CellDoc(metadata=model.Metadata(name="web"), spec=spec)


def told(doc: model.Doc) -> list[tuple[str, str]]:
    return [(problem.path, problem.message) for problem in rules.problems(doc)]


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("8080:80", "127.0.0.1:8080:80/tcp"),
        ("127.0.0.1:8443:443/tcp", "127.0.0.1:8443:443/tcp"),
        ("53:53/udp", "127.0.0.1:53:53/udp"),
        ("0.0.0.0:53:5353/UDP", "0.0.0.0:53:5353/udp"),
        (" 192.0.2.1 : 080 : 65535 / tcp ", "192.0.2.1:80:65535/tcp"),
    ],
)
def test_there_is_one_canonical_form(text: str, canonical: str) -> None:
    assert ports.canonical(text) == ports.canonical(canonical) == canonical
    (container,) = normalise.normalise(cell((text,))).spec.containers
    assert container.ports == (canonical,)
    assert told(cell((text,))) == []


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "says one port"),
        ("80", "says one port"),
        ("0:80", "'0' is not a number from 1 to 65535"),
        ("80:65536", "'65536' is not a number"),
        ("80:", "a number is missing"),
        (":80", "a number is missing"),
        ("-1:80", "ranges of ports"),
        ("8000-8010:80", "ranges of ports"),
        ("1e3:80", "is not a number"),
        ("٨٠:80", "is not a number"),
        ("80:80/sctp", "'sctp' is neither tcp nor udp"),
        ("80:80/", "'' is neither tcp nor udp"),
        ("localhost:80:80", "is not an IPv4 address"),
        ("1.2.3.400:80:80", "is not an IPv4 address"),
        ("224.0.0.1:80:80", "is not an address of one host"),
        ("255.255.255.255:80:80", "is not an address of one host"),
        ("[::1]:80:80", "must be IPv4"),
        ("::1:80:80", "must be IPv4"),
    ],
)
def test_what_is_no_port_is_told(text: str, why: str) -> None:
    [(path, message)] = told(cell((text,)))
    assert path == "spec.containers[0].ports[0]"
    assert why in message
    assert normalise.normalise(cell((text,))).spec.containers[0].ports == (text,)


@pytest.mark.parametrize(
    ("one", "other", "clash"),
    [
        ("8080:80", "8080:81", True),
        ("8080:80", "127.0.0.2:8080:80", False),
        ("8080:80", "0.0.0.0:8080:81", True),
        ("0.0.0.0:8080:80", "192.0.2.1:8080:80", True),
        ("8080:80", "8080:80/udp", False),
        ("8080:80", "8081:80", False),
    ],
)
def test_no_two_have_one_port_of_the_host(one: str, other: str, clash: bool) -> None:
    assert ports.parse(one).clashes(ports.parse(other)) is clash
    assert ports.parse(other).clashes(ports.parse(one)) is clash
    within, between = told(cell((one, other))), told(cell((one,), (other,)))
    assert [path for path, _ in within] == (["spec.containers[0].ports[1]"] if clash else [])
    assert [path for path, _ in between] == (["spec.containers[1].ports[0]"] if clash else [])


def test_the_ports_of_a_cell_are_each_once_and_in_order() -> None:
    assert ports.of(["81:81", "80:80", "80:80/tcp"]) == (
        Port("127.0.0.1", 80, 80, "tcp"),
        Port("127.0.0.1", 81, 81, "tcp"),
    )


def test_a_program_that_forgot_to_check_is_told_at_the_latest() -> None:
    with pytest.raises(errors.InvalidManifest, match=r"ports\[0\]"):
        rules.check(cell(("80",)))
