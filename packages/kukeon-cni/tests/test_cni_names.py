"""The grammars of the specification, with everything that would be dangerous in a path or an environment."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kukeon_cni import InvalidName, names
from kukeon_cni.errors import printable

BAD_IDENTIFIERS = ["", ".", "..", "-a", "_a", "a/b", "../a", "a b", "a\n", "a\0", "a:b", "ä", "a" * 201, "a@b"]


@pytest.mark.parametrize("name", ["a", "0", "default_web", "a.b-c_d", "a" * 200])
def test_identifiers_of_the_grammar_pass(name: str) -> None:
    assert names.check_network_name(name) == names.check_container_id(name) == names.check_plugin_type(name) == name


@pytest.mark.parametrize("name", BAD_IDENTIFIERS)
def test_other_identifiers_are_refused(name: str) -> None:
    for check in (names.check_network_name, names.check_container_id, names.check_plugin_type):
        with pytest.raises(InvalidName) as caught:
            check(name)
        assert str(caught.value).isprintable()


@pytest.mark.parametrize("name", ["eth0", "k-0123456789", "a" * 15, "veth@x"])
def test_interface_names_pass(name: str) -> None:
    assert names.check_ifname(name) == name


@pytest.mark.parametrize("name", ["", ".", "..", "a" * 16, "a/b", "a:b", "a b", "a\t", "a\x1b", "é"])
def test_other_interface_names_are_refused(name: str) -> None:
    with pytest.raises(InvalidName):
        names.check_ifname(name)


@pytest.mark.parametrize("path", ["", "a", "./a", "/a/../b", "/a\nb", "/a\0b"])
def test_paths_must_be_absolute_and_plain(path: str) -> None:
    with pytest.raises(InvalidName):
        names.check_absolute("directory", path)


def test_arguments_become_pairs() -> None:
    assert names.format_args([("IgnoreUnknown", "1"), ("K8S", "a.b/c")]) == "IgnoreUnknown=1;K8S=a.b/c"
    assert names.format_args([]) == ""


@pytest.mark.parametrize("pair", [("a;b", "c"), ("a", "b;c=d"), ("a=b", "c"), ("a", "b\n"), ("", "b"), ("a", "")])
def test_arguments_cannot_forge_others(pair: tuple[str, str]) -> None:
    with pytest.raises(InvalidName):
        names.format_args([pair])


@given(st.text(max_size=300))
def test_accepted_identifiers_are_one_harmless_path_component(text: str) -> None:
    try:
        names.check_container_id(text)
    except InvalidName:
        return
    assert text.isascii()
    assert not set(text) & set("/\0@: \n")
    assert text[0] != "."


@given(st.text(), st.integers(2, 50))
def test_printable_text_is_one_bounded_line(text: str, limit: int) -> None:
    line = printable(text, limit)
    assert line.isprintable()
    assert len(line) <= limit
