"""Hostile and damaged archives, by what is wrong with them: (kind, bytes, what the refusal must say)."""

from __future__ import annotations

import bz2
import gzip
import lzma
import stat
import struct
import tarfile
import zipfile

from archive_makers import (
    PLAIN,
    RAR_END,
    RAR_START,
    rar,
    rar_block,
    rar_file,
    rar_of,
    rar_record,
    tar_entry,
    tarred,
    vint,
    zip_entry,
    zipped,
)

Hostile = tuple[str, bytes, str]

GOOD_ZIP = zipped(PLAIN.items())
GOOD_TAR = tarred(PLAIN.items())
LONG = "n" * 300
NAMES = {
    "absolute path": ("/etc/evil.txt", "'/etc/evil.txt' has an absolute path"),
    "share of another machine": ("//server/share/evil.txt", "has an absolute path"),
    "climbing": ("a/../../evil.txt", "'a/../../evil.txt' climbs out of the folder"),
    "climbing at once": ("../evil.txt", "'../evil.txt' climbs out"),
    "drive letter": ("C:/evil.txt", "'C:/evil.txt' names a drive"),
    "relative to a drive": ("C:evil.txt", "'C:evil.txt' names a drive"),
    "control character": ("a/ev\x1bil.txt", "'a/ev\\x1bil.txt' has an unprintable character"),
    "line break": ("evil\nok.txt", "'evil\\nok.txt' has an unprintable character"),
    "text direction": ("evil\u202etxt.exe", "'evil\\u202etxt.exe' has an unprintable character"),
    "too long": (LONG, "has too long a name"),
    "too deep": ("d/" * 40 + "evil.txt", "lies deeper than"),
}
PAIRS = {
    "the same name twice": ("evil.txt", "evil.txt", "'evil.txt' occurs twice"),
    "the same name by another path": ("evil.txt", "./evil.txt", "occurs twice"),
    "names that differ by case": ("Evil.txt", "evil.TXT", "only by upper and lower case"),
    "folders that differ by case": ("A/one.txt", "a/two.txt", "only by upper and lower case"),
    "names that differ by Unicode form": ("\u00e9.txt", "e\u0301.txt", "or by Unicode form"),
    "a file below a file": ("a", "a/evil.txt", "makes 'a' both a file and a folder"),
    "a file that is a folder": ("a/evil.txt", "a", "makes 'a' both a file and a folder"),
}


def named() -> dict[str, Hostile]:
    """Names and pairs of names, in every kind of archive."""
    cases: dict[str, Hostile] = {}
    for title, (name, said) in NAMES.items():
        cases[f"zip: {title}"] = ("zip", zipped([("ok.txt", b"x"), (name, b"x")]), said)
        cases[f"tar: {title}"] = ("tar", tarred([("ok.txt", b"x"), (name, b"x")]), said)
        cases[f"rar: {title}"] = ("rar", rar(rar_file("ok.txt", b"x"), rar_file(name, b"x")), said)
    for title, (first, second, said) in PAIRS.items():
        pair = [(first, b"1"), (second, b"2")]
        cases[f"zip: {title}"] = ("zip", zipped(pair), said)
        cases[f"tar: {title}"] = ("tar", tarred(pair), said)
        cases[f"rar: {title}"] = ("rar", rar(*(rar_file(*each) for each in pair)), said)
    backslash = "..\\..\\evil.txt"
    cases["zip: backslashes"] = ("zip", zipped([(backslash, b"x")]), "has a backslash in its name")
    cases["zip: share with backslashes"] = ("zip", zipped([("\\\\server\\evil", b"x")]), "has a backslash")
    cases["tar: backslashes"] = ("tar", tarred([(backslash, b"x")]), "has a backslash in its name")
    cases["rar: backslashes"] = ("rar", rar(rar_file(backslash, b"x")), "has a backslash in its name")
    return cases


def zips() -> dict[str, Hostile]:
    """What only zip archives can do."""
    link = zip_entry("evil", stat.S_IFLNK | 0o777)
    overlapping = _overlapping()
    zeros = bytes(40 << 20)
    return {
        "zip: symbolic link": ("zip", zipped([(link, b"/etc/passwd")]), "'evil' is a symbolic link"),
        "zip: device": ("zip", zipped([(zip_entry("evil", stat.S_IFBLK | 0o6), b"")]), "'evil' is a device"),
        "zip: named pipe": ("zip", zipped([(zip_entry("evil", stat.S_IFIFO), b"")]), "is a named pipe"),
        "zip: bomb": (
            "zip",
            zipped([("evil.bin", zeros)]),
            "'evil.bin' brings the content to 41943040 bytes",
        ),
        "zip: encrypted": ("zip", _with_flags(GOOD_ZIP, 1), "'a/one.txt' is encrypted"),
        "zip: another name in its own header": (
            "zip",
            GOOD_ZIP.replace(b"a/one.txt", b"../evil..", 1),
            "'a/one.txt' has another name in its own header",
        ),
        "zip: overlapping members": ("zip", overlapping, "'b.txt' overlaps with 'a.txt'"),
        "zip: bytes after its end": ("zip", GOOD_ZIP + b"#!/bin/sh", "bytes after its end"),
        "zip: bytes before its start": ("zip", b"#!/bin/sh\n" + GOOD_ZIP, "bytes before its first member"),
        "zip: truncated": ("zip", GOOD_ZIP[:-30], "truncated"),
        "zip: no zip at all": ("zip", b"<html>log in</html>", "it is damaged"),
        "zip: wrong content": ("zip", _corrupted(), "'one.txt' is damaged"),
        "zip: a folder with content": ("zip", _folder_with_content(), "is a folder with content"),
        "zip: fewer members than counted": (
            "zip",
            GOOD_ZIP[:-12] + struct.pack("<H", 9) + GOOD_ZIP[-10:],
            "its end counts 9 members, its directory 3",
        ),
        "zip: unknown method": ("zip", GOOD_ZIP.replace(*_method(99)), "is compressed by method 99"),
    }


def tars() -> dict[str, Hostile]:
    """What only tar archives can do."""
    sparse = tar_entry("evil")
    sparse.pax_headers = {"GNU.sparse.major": "0", "GNU.sparse.size": "99999999", "GNU.sparse.map": "0,1"}
    latin = tarred([(tarfile.TarInfo("evil\udce9.txt"), b"x")], form=tarfile.GNU_FORMAT)
    big = tar_entry("big.bin")
    deep = b"".join(_header("././@LongLink", b"L", 5) + b"name\0".ljust(512, b"\0") for _ in range(3000))
    huge = _header("././@LongLink", b"L", 1 << 33)
    damaged = bytearray(tarred([("one.txt", b"1"), ("two.txt", b"2")]))
    damaged[1024 + 148] ^= 0xFF
    types = {
        "symbolic link": (tar_entry("evil", tarfile.SYMTYPE, "/etc"), "'evil' is a symbolic link"),
        "hard link": (tar_entry("evil", tarfile.LNKTYPE, "../../x"), "'evil' is a hard link"),
        "character device": (tar_entry("evil", tarfile.CHRTYPE), "'evil' is a device"),
        "block device": (tar_entry("evil", tarfile.BLKTYPE), "'evil' is a device"),
        "named pipe": (tar_entry("evil", tarfile.FIFOTYPE), "'evil' is a named pipe"),
        "unknown type": (tar_entry("evil", b"Q"), "'evil' is neither a file nor a folder"),
        "sparse file": (sparse, "'evil' is a sparse file"),
    }
    cases = {
        f"tar: {title}": ("tar", tarred([("ok.txt", b"x"), (entry, b"")]), said)
        for title, (entry, said) in types.items()
    }
    return cases | {
        "tar: name that is not Unicode": ("tar", latin, "has an unprintable character"),
        "tar: bomb": ("tar", gzip.compress(tarred([(big, bytes(40 << 20))])), "more than 200 times"),
        "tar: bomb behind the end": ("tar", gzip.compress(GOOD_TAR + bytes(60 << 20)), "may be a bomb"),
        "tar: header of gigabytes": ("tar", huge + bytes(1024), "it is damaged: a header of"),
        "tar: headers within headers": ("tar", deep + bytes(1024), "headers within headers"),
        "tar: truncated in a member": ("tar", tarred([("one.txt", bytes(4000))])[:2048], "it is damaged"),
        "tar: truncated between members": ("tar", GOOD_TAR[:1024], "it ends too early"),
        "tar: damaged header in the middle": ("tar", bytes(damaged), "a header that is no header"),
        "tar: bytes after its end": ("tar", GOOD_TAR + b"evil".ljust(512, b"\0"), "bytes after its end"),
        "tar.gz: bytes after its end": ("tar", gzip.compress(GOOD_TAR) + b"#!/bin/sh", "it is damaged"),
        "tar.bz2: bytes after its end": ("tar", bz2.compress(GOOD_TAR) + b"#!/bin/sh", "bytes after its end"),
        "tar.xz: bytes after its end": ("tar", lzma.compress(GOOD_TAR) + b"#!/bin/sh", "bytes after its end"),
        "tar.gz: truncated": ("tar", gzip.compress(GOOD_TAR)[:-20], "it ends too early"),
        "tar.bz2: truncated": ("tar", bz2.compress(GOOD_TAR)[:-20], "it ends too early"),
        "tar.xz: truncated": ("tar", lzma.compress(GOOD_TAR)[:-20], "it ends too early"),
        "tar.xz: needs too much memory": (
            "tar",
            lzma.compress(GOOD_TAR, filters=[{"id": lzma.FILTER_LZMA2, "dict_size": 512 << 20}]),
            "it is damaged: not a readable compressed stream",
        ),
        "tar: no tar at all": ("tar", b"<html>log in</html>" * 99, "it is damaged"),
    }


def rars() -> dict[str, Hostile]:
    """What only RAR archives can do."""
    links = {1: "symbolic link", 2: "symbolic link", 3: "junction", 4: "hard link"}
    cases: dict[str, Hostile] = {
        f"rar: {title} (type {kind})": (
            "rar",
            rar(rar_file("evil", extra=rar_record(5, kind, 0, 4, text="/etc"))),
            f"'evil' is a {title}",
        )
        for kind, title in links.items()
    }
    good = rar_of({"one.txt": b"one"})
    encrypted = rar_file("evil", extra=rar_record(1, 0, 0, 15))
    return cases | {
        "rar: link by its attributes": ("rar", rar(rar_file("evil", mode=0o120777)), "is a symbolic link"),
        "rar: device": ("rar", rar(rar_file("evil", mode=0o060666)), "is a device"),
        "rar: bomb": ("rar", rar(rar_file("evil.bin", b"x", size=1 << 40)), "brings the content to"),
        "rar: encrypted member": ("rar", rar(encrypted), "'evil' is encrypted"),
        "rar: encrypted": ("rar", RAR_START + rar_block(4, vint(0)) + RAR_END, "it is encrypted"),
        "rar: one of several volumes": (
            "rar",
            RAR_START[:8] + rar_block(1, vint(1)) + RAR_END,
            "it is one of several volumes",
        ),
        "rar: truncated": ("rar", good[: -len(RAR_END)], "it ends too early: truncated"),
        "rar: truncated in a member": ("rar", rar_of({"a.bin": bytes(500)})[:200], "it ends too early"),
        "rar: bytes after its end": ("rar", good + b"#!/bin/sh", "bytes after its end"),
        "rar: changed header": ("rar", good.replace(b"one.txt", b"/ne.txt"), "checksum is wrong"),
        "rar: old version of a file": (
            "rar",
            rar(rar_file("evil", extra=rar_record(4, 0, 1))),
            "is an old version",
        ),
        "rar: no RAR at all": ("rar", b"<html>log in</html>", "not a RAR archive"),
    }


def _with_flags(data: bytes, flags: int) -> bytes:
    """Set flags of the first member, in its own header and in the directory."""
    changed = bytearray(data)
    for at in (data.index(b"PK\x03\x04") + 6, data.index(b"PK\x01\x02") + 8):
        changed[at] |= flags
    return bytes(changed)


def _overlapping() -> bytes:
    """A zip whose second member lies inside the first one's content (the trick of zip bombs)."""
    inner = zipped([("b.txt", b"shared content")], zipfile.ZIP_STORED)
    local = inner[: inner.index(b"PK\x01\x02")]
    data = bytearray(zipped([("a.txt", local), ("b.txt", b"shared content")], zipfile.ZIP_STORED))
    second = data.rindex(b"PK\x01\x02")
    data[second + 42 : second + 46] = struct.pack("<L", data.index(local))
    return bytes(data)


def _corrupted() -> bytes:
    return zipped([("one.txt", b"content" * 9)], zipfile.ZIP_STORED).replace(b"content", b"Content", 1)


def _folder_with_content() -> bytes:
    data = zipped([("evil1", b"x")], zipfile.ZIP_STORED)
    return data.replace(b"evil1", b"evil/")


def _method(method: int) -> tuple[bytes, bytes, int]:
    """Replace the first member's method in the directory."""
    at = GOOD_ZIP.index(b"PK\x01\x02")
    old = GOOD_ZIP[at : at + 12]
    return old, old[:10] + struct.pack("<H", method), 1


def _header(name: str, kind: bytes, size: int) -> bytes:
    entry = tar_entry(name, kind)
    entry.size = size
    return entry.tobuf(tarfile.GNU_FORMAT)


HOSTILE: dict[str, Hostile] = named() | zips() | tars() | rars()
