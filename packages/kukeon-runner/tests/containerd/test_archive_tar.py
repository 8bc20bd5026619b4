"""Reading tar streams: what the standard library writes is read, and nothing else gets through."""

import gzip
import io
import random
import tarfile
from collections.abc import AsyncIterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kukeon_api import errors
from kukeon_runner.host.containerd.archive import tar
from kukeon_runner.host.containerd.archive.source import PIECE_BYTES, Source, open_archive
from kukeon_runner.testing.archives import Entry, chunks_of, compress, tar_of


async def read_all(data: bytes, chunk: int = 65536) -> list[tuple[tar.Member, bytes]]:
    reader = tar.TarReader(await open_archive(chunks_of(data, chunk)))
    found = []
    while (member := await reader.next()) is not None:
        found.append((member, b"".join([piece async for piece in reader.body()])))
    return found


@pytest.mark.parametrize("format_", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
@pytest.mark.parametrize("packed", [False, True])
async def test_members(format_: int, packed: bool) -> None:
    entries = [
        Entry("./dir", type=tarfile.DIRTYPE),
        Entry("dir/file", b"x" * 1000),
        Entry("empty"),
        Entry("dir/link", type=tarfile.SYMTYPE, linkname="../empty"),
        Entry("block", b"y" * 512),
    ]
    data = tar_of(entries, format_=format_)
    found = await read_all(gzip.compress(data) if packed else data, 100)
    assert [(m.name, m.kind.value, m.size, m.target) for m, _ in found] == [
        ("dir", "directory", 0, ""),
        ("dir/file", "file", 1000, ""),
        ("empty", "file", 0, ""),
        ("dir/link", "symlink", 0, "empty"),
        ("block", "file", 512, ""),
    ]
    assert [body for member, body in found if member.kind is tar.Kind.FILE] == [b"x" * 1000, b"", b"y" * 512]


@pytest.mark.parametrize("format_", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
async def test_long_and_foreign_names(format_: int) -> None:
    long, target = "d/" + "n" * 300, "t" * 300
    data = tar_of(
        [Entry(long, b"1"), Entry("link", type=tarfile.SYMTYPE, linkname=target), Entry("zwölf/💧", b"2")],
        format_=format_,
    )
    found = await read_all(data)
    assert [(m.name, m.target, body) for m, body in found] == [
        (long, "", b"1"),
        ("link", target, b""),
        ("zwölf/💧", "", b"2"),
    ]


@given(
    st.lists(st.binary(max_size=2000), max_size=6),
    st.integers(1, 3000),
    st.booleans(),
)
@settings(max_examples=60)
async def test_chunking_changes_nothing(bodies: list[bytes], chunk: int, packed: bool) -> None:
    data = tar_of([Entry(f"f{i}", body) for i, body in enumerate(bodies)])
    found = await read_all(gzip.compress(data) if packed else data, chunk)
    assert [body for _, body in found] == bodies


async def test_unread_bodies_are_skipped() -> None:
    data = tar_of([Entry("a", b"1" * 3_000_000), Entry("b", b"2")])
    reader = tar.TarReader(Source(chunks_of(data)))
    names = []
    while (member := await reader.next()) is not None:
        names.append(member.name)
    assert names == ["a", "b"]


async def test_pieces_are_bounded() -> None:
    async def one_chunk() -> AsyncIterator[bytes]:
        yield tar_of([Entry("a", b"1" * (3 * PIECE_BYTES + 5))])

    reader = tar.TarReader(Source(one_chunk()))
    await reader.next()
    assert [len(piece) async for piece in reader.body()] == [PIECE_BYTES] * 3 + [5]


async def test_gzip_members_in_a_row() -> None:
    data = tar_of([Entry("a", b"1" * 3000)])
    found = await read_all(gzip.compress(data[:1000]) + gzip.compress(data[1000:]) + bytes(512))
    assert [body for _, body in found] == [b"1" * 3000]


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        (Entry("/etc/shadow", b"x"), "outside the archive"),
        (Entry("../x", b"x"), "outside the archive"),
        (Entry("a/../../x", b"x"), "outside the archive"),
        (Entry("a/../b", b"x"), "outside the archive"),
        (Entry("link", type=tarfile.SYMTYPE, linkname="/etc/shadow"), "outside the archive"),
        (Entry("a/link", type=tarfile.SYMTYPE, linkname="../../etc"), "outside the archive"),
        (Entry("hard", type=tarfile.LNKTYPE, linkname="a"), "a hard link"),
        (Entry("dev", type=tarfile.CHRTYPE), "a character device"),
        (Entry("dev", type=tarfile.BLKTYPE), "a block device"),
        (Entry("dev", type=tarfile.FIFOTYPE), "a FIFO"),
        (Entry("odd", type=b"V"), "of type b'V'"),
        (Entry("n" * 2000, b"x"), "name of 2000 bytes"),
    ],
)
async def test_refused_members(entry: Entry, words: str) -> None:
    with pytest.raises(errors.InvalidArchive, match=words) as caught:
        await read_all(tar_of([Entry("fine", b"x"), entry]))
    assert caught.value.exit_code == 2
    assert len(str(caught.value)) < 400


def pax(records: bytes, kind: bytes = tarfile.XHDTYPE) -> bytes:
    """A pax header with these bytes as its records, and a member after it."""
    info = tarfile.TarInfo("x")
    info.type, info.size = kind, len(records)
    padding = bytes(-len(records) % 512)
    return info.tobuf(tarfile.USTAR_FORMAT) + records + padding + tar_of([Entry("name", b"body")])


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (pax(b"99 path=short\n"), "pax header is malformed"),
        (pax(b"0 path=x\n"), "pax header is malformed"),
        (pax(b"-9 path=x\n"), "pax header is malformed"),
        (pax(b"9 path x\n"), "pax header is malformed"),
        (pax(b"10 path=xy"), "pax header is malformed"),
        (pax(b"12 size=-99\n"), "claims to have '-99' bytes"),
        (pax(b"29 size=99999999999999999999\n"), "claims to have"),
        (pax(b"22 GNU.sparse.major=1\n"), "sparse"),
        (pax(b"13 path=../x\n"), "outside the archive"),
        (pax(b"11 path=/x\n"), "outside the archive"),
        (pax(b"10 path=\xff\n"), "not UTF-8"),
        (pax(b"10 size=1\n", tarfile.XGLTYPE), "global pax header sets 'size'"),
        (pax(b"1" * 2_000_000), "an extension header"),
        (b"".join(pax(b"")[:512] for _ in range(20)), "more than 8 extension headers"),
        (pax(b"13 path=name\n")[:1024], "is not there"),
        (b"not a tar file at all" * 100, "no tar file"),
        (b"short", "no tar file"),
        (b"\x28\xb5\x2f\xfd" + b"\xff" * 100, "zstd stream"),
        (
            compress(tar_of([Entry("a", random.Random(1).randbytes(300_000))]), "zstd")[:200_000],
            "no tar file|ends inside",
        ),
        (compress(tar_of([Entry("a", b"x")]), "zstd")[:-10], "zstd stream ends in the middle"),
        (b"\xfd7zXZ\x00" + bytes(100), "xz"),
        (b"BZh9" + bytes(100), "bzip2"),
        (gzip.compress(bytes(10))[:-9], "ends in the middle"),
        (gzip.compress(tar_of([Entry("a", b"x")]))[:-8] + b"12345678", "gzip stream is damaged"),
    ],
)
async def test_refused_streams(data: bytes, words: str) -> None:
    with pytest.raises(errors.InvalidArchive, match=words):
        await read_all(data)


async def test_nothing_at_all() -> None:
    with pytest.raises(errors.TarballRequired):
        await read_all(b"")


async def test_too_many_members() -> None:
    header = tarfile.TarInfo("x").tobuf()

    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield header * 1000

    reader = tar.TarReader(Source(endless()))

    async def read() -> None:
        while await reader.next():
            pass

    with pytest.raises(errors.InvalidArchive, match="more than 20000 members"):
        await read()


@pytest.mark.parametrize("cut", [100, 512, 700, 1023, 1024, 1500])
async def test_truncated(cut: int) -> None:
    data = tar_of([Entry("a", b"1" * 600), Entry("b", b"2" * 600)], format_=tarfile.USTAR_FORMAT)
    found = io.BytesIO(data).read(cut)
    with pytest.raises(errors.InvalidArchive, match=r"ends|no tar file"):
        await read_all(found)


async def test_negative_size() -> None:
    header = bytearray(tarfile.TarInfo("x").tobuf(tarfile.GNU_FORMAT))
    header[124:136] = b"\xff" * 12  # base-256, two's complement: -1
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    with pytest.raises(errors.InvalidArchive, match="claims to have -1 bytes"):
        await read_all(bytes(header) + bytes(1024))


GOOD = tar_of([Entry("a", b"1" * 700), Entry("n" * 200, b"2"), Entry("l", type=tarfile.SYMTYPE, linkname="a")])


@given(st.integers(0, len(GOOD) - 1), st.binary(min_size=1, max_size=30))
@settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow])
async def test_damage_is_read_or_refused(at: int, damage: bytes) -> None:
    data = GOOD[:at] + damage + GOOD[at + len(damage) :]
    try:
        found = await read_all(data)
    except errors.Invalid:
        return
    for member, _ in found:
        assert not member.name.startswith("/")
        assert ".." not in member.name.split("/")
