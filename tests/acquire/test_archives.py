"""Archives: what is extracted, how, and that a hostile one leaves no trace."""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
import stat
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from archive_makers import PLAIN, rar, rar_file, rar_of, snapshot, tar_entry, tarred, zip_entry, zipped
from hostile_archives import HOSTILE
from hypothesis import given
from hypothesis import strategies as st

from aqa.datasets.acquire import archives, extractors
from aqa.datasets.acquire.archives import extract
from aqa.datasets.acquire.members import Limits, Listing, fold, name_problem
from aqa.datasets.acquire.tars import parts_of
from aqa.errors import UserError

DOUBLE = Path(__file__).with_name("extractor_double.py")
TOOLS = tuple(extractors.TOOLS)


@pytest.fixture
def install(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Let PATH hold these extractors and nothing else."""

    def put(*tools: str) -> None:
        folder = tmp_path_factory.mktemp("bin")
        for tool in tools:
            program = folder / tool
            program.write_text(f"#!{sys.executable}\n" + DOUBLE.read_text())
            program.chmod(0o755)
        monkeypatch.setenv("PATH", str(folder))

    return put


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder with a target that holds a file, a work folder, and something beside them."""
    (tmp_path / "data" / "target").mkdir(parents=True)
    (tmp_path / "data" / "target" / "mine.txt").write_text("mine")
    (tmp_path / "data" / "work").mkdir()
    (tmp_path / "beside.txt").write_text("beside")
    return tmp_path / "data"


def unpacked(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def refused(archive: Path, kind: str, place: Path, **more: object) -> str:
    """Extract, and return the one-line refusal; nothing may have been written anywhere."""
    before = snapshot(place.parent)
    with pytest.raises(UserError) as caught:
        extract(archive, kind, place / "target", place / "work", **more)  # type: ignore[arg-type]
    assert snapshot(place.parent) == before
    message = str(caught.value)
    assert "\n" not in message
    assert message.isprintable()
    assert message.startswith(str(archive))
    return message


@pytest.mark.parametrize("title", HOSTILE)
def test_a_hostile_archive_is_refused_in_one_line_and_nothing_is_written(
    title: str, place: Path, install: Callable[..., None]
) -> None:
    install("7zz")
    kind, data, said = HOSTILE[title]
    archive = place / "archive.bin"
    archive.write_bytes(data)
    assert said in refused(archive, kind, place)


def test_more_than_fifteen_kinds_of_hostility_are_covered() -> None:
    assert len({title.split(": ")[1] for title in HOSTILE}) > 40


@pytest.mark.parametrize("kind", ["zip", "tar", "rar"])
def test_a_file_of_the_user_is_never_replaced(kind: str, place: Path, install: Callable[..., None]) -> None:
    install("unar")
    make = {"zip": zipped, "tar": tarred, "rar": lambda members: rar_of(dict(members))}[kind]
    archive = place / "archive.bin"
    archive.write_bytes(make([("new.txt", b"new"), ("mine.txt", b"evil")]))
    message = refused(archive, kind, place)
    assert f"member 'mine.txt' would replace {place}/target/mine.txt" in message


def test_a_link_in_the_target_is_not_followed(place: Path) -> None:
    outside = place.parent / "outside"
    outside.mkdir()
    (place / "target" / "sub").symlink_to(outside)
    archive = place / "archive.zip"
    archive.write_bytes(zipped([("sub/evil.txt", b"evil")]))
    assert "would replace" in refused(archive, "zip", place)
    assert not list(outside.iterdir())


@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_limits_of_members_and_bytes_hold(kind: str, place: Path) -> None:
    archive = place / "archive.bin"
    archive.write_bytes((zipped if kind == "zip" else tarred)(PLAIN.items()))
    assert "more than 2 members" in refused(archive, kind, place, limits=Limits(max_members=2))
    assert "more than 300" in refused(archive, kind, place, limits=Limits(max_bytes=300))


@pytest.mark.parametrize(
    "compress", [bytes, gzip.compress, bz2.compress, lzma.compress], ids=["tar", "gz", "bz2", "xz"]
)
def test_a_tar_is_extracted_whatever_its_compression(compress: Callable[[bytes], bytes], place: Path) -> None:
    archive = place / "archive"
    root = tar_entry("./", tarfile.DIRTYPE)
    archive.write_bytes(compress(tarred([(root, b""), *(("./" + name, PLAIN[name]) for name in PLAIN)])))
    assert extract(archive, "tar", place / "target", place / "work") == 3
    assert unpacked(place / "target") == PLAIN | {"mine.txt": b"mine"}
    assert not list((place / "work").iterdir())


@pytest.mark.parametrize("form", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT, tarfile.USTAR_FORMAT])
def test_long_and_foreign_names_survive(form: int, place: Path) -> None:
    names = {"d" * 90 + "/" + "n" * 90 + ".txt": b"1", "\u6df1\u8e72/\u00fc.txt": b"2"}
    archive = place / "archive.tar"
    archive.write_bytes(tarred(names.items(), form=form))
    extract(archive, "tar", place / "new", place / "work")
    assert unpacked(place / "new") == names


def test_zstandard_is_read_or_says_what_to_do(place: Path) -> None:
    archive = place / "archive.tar.zst"
    if sys.version_info >= (3, 14):
        from compression import zstd  # type: ignore[import-not-found]

        archive.write_bytes(zstd.compress(tarred(PLAIN.items())))
        assert extract(archive, "tar", place / "new", place / "work") == 3
    else:
        archive.write_bytes(b"\x28\xb5\x2f\xfd" + bytes(99))
        assert "decompress it with `zstd -d` first" in refused(archive, "tar", place)


@pytest.mark.parametrize("kind", ["zip", "tar", "rar"])
def test_special_modes_are_dropped(kind: str, place: Path, install: Callable[..., None]) -> None:
    install("bsdtar")
    mode = stat.S_IFREG | 0o6777
    data = {
        "zip": zipped([(zip_entry("run.txt", mode), b"x")]),
        "tar": tarred([(tar_entry("run.txt", mode=0o6777), b"x")]),
        "rar": rar(rar_file("run.txt", b"x", mode=mode)),
    }[kind]
    archive = place / "archive.bin"
    archive.write_bytes(data)
    extract(archive, kind, place / "new", place / "work")  # type: ignore[arg-type]
    assert stat.S_IMODE((place / "new" / "run.txt").stat().st_mode) == 0o644


def test_extracting_again_changes_nothing_and_goes_on_where_moving_stopped(place: Path) -> None:
    archive = place / "archive.zip"
    archive.write_bytes(zipped(PLAIN.items()))
    extract(archive, "zip", place / "new", place / "work")
    before = snapshot(place)
    extract(archive, "zip", place / "new", place / "work")
    assert snapshot(place) == before
    (place / "new" / "a" / "two.txt").unlink()
    extract(archive, "zip", place / "new", place / "work")
    assert snapshot(place) == before


def test_what_a_killed_run_left_is_removed(place: Path) -> None:
    left = place / "work" / "extracting-archive.zip"
    left.mkdir()
    (left / "half").write_text("")
    left.chmod(0o500)
    archive = place / "archive.zip"
    archive.write_bytes(zipped(PLAIN.items()))
    extract(archive, "zip", place / "new", place / "work")
    assert unpacked(place / "new") == PLAIN
    assert not list((place / "work").iterdir())


def test_an_archive_that_does_not_fit_on_the_disk_is_not_begun(place: Path) -> None:
    archive = place / "archive.rar"
    free = archives.shutil.disk_usage(place).free
    with pytest.raises(UserError, match=r"needs .* and the disk of .* has .* free"):
        archives.check_space(place, free + 1, str(archive))


def split(place: Path, parts: int, compress: Callable[[bytes], bytes] = gzip.compress) -> list[Path]:
    """Write frames.tar.gz.aa and on."""
    data = compress(tarred([*PLAIN.items(), ("noise.bin", os.urandom(4096))]))
    size = -(-len(data) // parts)
    files = []
    for number in range(parts):
        files.append(place / f"frames.tar.gz.a{chr(ord('a') + number)}")
        files[-1].write_bytes(data[number * size : (number + 1) * size])
    return files


def test_a_split_tar_is_read_as_one_stream(place: Path) -> None:
    split(place, 5)
    (place / "frames.tar.gz.txt").write_text("not a part")
    assert extract(place / "frames.tar.gz", "split-tar", place / "new", place / "work") == 4
    assert PLAIN.items() <= unpacked(place / "new").items()


def test_a_missing_part_is_named(place: Path) -> None:
    split(place, 5)[2].unlink()
    assert "part frames.tar.gz.ac is missing, but .ae is there" in refused(
        place / "frames.tar.gz", "split-tar", place
    )


def test_a_missing_first_part_is_named(place: Path) -> None:
    split(place, 3)[0].unlink()
    assert "part frames.tar.gz.aa is missing" in refused(place / "frames.tar.gz", "split-tar", place)


def test_a_missing_last_part_shows_as_truncated(place: Path) -> None:
    split(place, 4)[-1].unlink()
    assert "it ends too early" in refused(place / "frames.tar.gz", "split-tar", place)


@pytest.mark.parametrize("number", [0, 1, 2])
def test_a_part_that_is_not_complete_is_named(number: int, place: Path) -> None:
    part = split(place, 4)[number]
    part.write_bytes(part.read_bytes()[:-7])
    message = refused(place / "frames.tar.gz", "split-tar", place)
    assert "its download is not complete" in message
    assert f"part frames.tar.gz.a{'bbc'[number]} has" in message


def test_parts_go_on_after_az(place: Path) -> None:
    data = tarred([("noise.bin", bytes(20000))])
    size = -(-len(data) // 28)
    for number in range(28):
        suffix = chr(ord("a") + number // 26) + chr(ord("a") + number % 26)
        (place / f"x.tar.{suffix}").write_bytes(data[number * size : (number + 1) * size])
    assert [part.suffix for part in parts_of(place / "x.tar")][25:] == [".az", ".ba", ".bb"]
    assert extract(place / "x.tar", "split-tar", place / "new", place / "work") == 1


@pytest.mark.parametrize("tool", TOOLS)
def test_a_rar_is_extracted_by_any_extractor(tool: str, place: Path, install: Callable[..., None]) -> None:
    install(tool)
    archive = place / "-frames.rar"
    files = {"a/\u6df1.txt": b"1", "a/empty": b"", "top.txt": b"2" * 999}
    archive.write_bytes(rar(rar_file("a", folder=True), *(rar_file(*file) for file in files.items())))
    assert extract(archive, "rar", place / "new", place / "work") == 3
    assert unpacked(place / "new") == files


def test_without_an_extractor_the_error_names_what_to_install(
    place: Path, install: Callable[..., None]
) -> None:
    install()
    archive = place / "a.rar"
    archive.write_bytes(rar_of(PLAIN))
    assert "install 7-Zip (7zz), unrar, unar or bsdtar" in refused(archive, "rar", place)


def test_an_extractor_that_cannot_is_followed_by_the_next(
    place: Path, install: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    install("7z", "unar")
    monkeypatch.setenv("EXTRACTOR_DOES", "fail-7z")
    archive = place / "a.rar"
    archive.write_bytes(rar_of(PLAIN))
    extract(archive, "rar", place / "new", place / "work")
    assert unpacked(place / "new") == PLAIN
    monkeypatch.setenv("EXTRACTOR_DOES", "fail")
    message = refused(archive, "rar", place)
    assert "7z: Unsupported Method; unar: Unsupported Method" in message


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("leave-out", "'a/one.txt' did not come out"),
        ("add", "'unannounced.txt' came out, but was not announced"),
        ("link", "'a/one.txt' came out as a link or a device"),
        ("cut", "'a/one.txt' came out with 2 bytes instead of 3"),
    ],
)
def test_what_an_extractor_writes_is_compared_with_what_was_announced(
    how: str, said: str, place: Path, install: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    install("unar")
    monkeypatch.setenv("EXTRACTOR_DOES", how)
    archive = place / "a.rar"
    archive.write_bytes(rar_of(PLAIN))
    assert said in refused(archive, "rar", place)


def test_an_archive_that_changes_after_its_check_is_refused(place: Path) -> None:
    from aqa.datasets.acquire import tars, zips

    for module, make in ((zips, zipped), (tars, tarred)):
        archive = place / "archive.bin"
        parts = ([archive],) if module is tars else ()
        archive.write_bytes(make(PLAIN.items()))
        members = module.scan(archive, *parts, Limits())  # type: ignore[attr-defined]
        for changed in ([*PLAIN.items(), ("evil", b"")], [("../evil", b"x")], list(PLAIN.items())[:1]):
            archive.write_bytes(make(changed))
            folder = place / "work" / "x"
            folder.mkdir()
            with pytest.raises(UserError, match=r"was not there when|changed while"):
                module.unpack(archive, *parts, members, folder)  # type: ignore[attr-defined]
            extractors.clear(folder)
    assert not (place / "work" / "evil").exists()


@given(st.text(max_size=40))
def test_an_accepted_name_always_stays_inside(name: str) -> None:
    if name_problem(name) is None:
        root = Path("/data/folder")
        assert Path(os.path.normpath(root / name)).is_relative_to(root)
        assert name.isprintable() or any(each.isspace() for each in name)


@given(st.lists(st.text("aAbB\u00e9\u0301e/.", max_size=6), max_size=8))
def test_accepted_members_are_different_files_on_every_file_system(names: list[str]) -> None:
    listing = Listing(Path("x"), 1, Limits())
    for name in names:
        try:
            listing.add(name, 0, folder=False)
        except UserError:
            continue
    paths = [fold(member.path) for member in listing.members]
    assert len(set(paths)) == len(paths)
    assert not any(one != other and other.startswith(one + "/") for one in paths for other in paths)


@given(st.binary(max_size=300), st.sampled_from(["zip", "tar", "rar"]))
def test_no_bytes_whatsoever_end_in_anything_but_a_refusal(data: bytes, kind: str) -> None:
    import tempfile

    from aqa.datasets.acquire import rars, tars, zips

    starts = {"zip": b"PK\x03\x04", "tar": b"\x1f\x8b\x08\x00", "rar": b"Rar!\x1a\x07\x00"}
    with tempfile.TemporaryDirectory() as folder:
        archive = Path(folder) / "x"
        for content in (data, starts[kind] + data):
            archive.write_bytes(content)
            scan = {
                "zip": lambda: zips.scan(archive, Limits()),
                "tar": lambda: tars.scan(archive, [archive], Limits()),
                "rar": lambda: rars.scan(archive, Limits()),
            }[kind]
            try:
                scan()
            except UserError as error:
                assert str(error).startswith(str(archive))


@given(st.data())
def test_a_damaged_archive_is_refused_or_gives_the_same_names(data: st.DataObject) -> None:
    import tempfile

    from aqa.datasets.acquire import rars, tars, zips

    kind = data.draw(st.sampled_from(["zip", "tar", "rar"]))
    whole = {"zip": zipped(PLAIN.items()), "tar": tarred(PLAIN.items()), "rar": rar_of(PLAIN)}[kind]
    damaged = bytearray(whole)
    damaged[data.draw(st.integers(0, len(whole) - 1))] ^= data.draw(st.integers(1, 255))
    with tempfile.TemporaryDirectory() as folder:
        archive = Path(folder) / "x"
        archive.write_bytes(damaged)
        try:
            if kind == "zip":
                members = zips.scan(archive, Limits())
            elif kind == "tar":
                members = tars.scan(archive, [archive], Limits())
            else:
                members = rars.scan(archive, Limits())
        except UserError:
            return
    assert all(name_problem(member.path) is None for member in members)
