"""A program that stands in for unar, unrar, bsdtar or 7z: it takes their arguments and unpacks stored RAR 5.

It is run under the name of the tool that it plays. `EXTRACTOR_DOES` makes it misbehave: fail, leave a file
out, write an unannounced one, a link, or other content.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path


def arguments(tool: str, given: list[str]) -> tuple[Path, Path]:
    """Return archive and folder; anything but the documented form is an error."""
    if tool == "unar":
        assert given[:-1][0:5] == ["-quiet", "-no-directory", "-force-skip", "-password", ""], given
        assert given[5] == "-output-directory", given
        return Path(given[7]), Path(given[6])
    if tool == "unrar":
        assert given[0] == "x", given
        assert given[-3] == "--", given
        assert given[-1].endswith("/"), given
        return Path(given[-2]), Path(given[-1])
    if tool == "bsdtar":
        assert given[0] == "-x", given
        return Path(given[given.index("-f") + 1]), Path(given[given.index("-C") + 1])
    assert given[0] == "x", given
    assert given[-2] == "--", given
    (folder,) = [each[2:] for each in given if each.startswith("-o")]
    return Path(given[-1]), Path(folder)


def number(data: bytes, at: int) -> tuple[int, int]:
    """Read a variable-length integer; return it and where it ends."""
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at


def unpack(data: bytes, folder: Path) -> None:
    """Write the stored members of a RAR 5 archive."""
    at = 8
    while at < len(data):
        size, at = number(data, at + 4)
        end = at + size
        kind, at = number(data, at)
        flags, at = number(data, at)
        if flags & 1:
            _, at = number(data, at)
        content = 0
        if flags & 2:
            content, at = number(data, at)
        if kind == 2:
            file_flags, at = number(data, at)
            _, at = number(data, at)
            _, at = number(data, at)
            at += 4 if file_flags & 4 else 0
            _, at = number(data, at)
            _, at = number(data, at)
            length, at = number(data, at)
            path = folder / data[at : at + length].decode()
            path.parent.mkdir(parents=True, exist_ok=True)
            if file_flags & 1:
                path.mkdir(exist_ok=True)
            else:
                path.write_bytes(data[end : end + content])
                path.chmod(0o6777)
        at = end + content


def misbehave(how: str, folder: Path) -> None:
    """Change what was unpacked."""
    first = sorted(path for path in folder.rglob("*") if path.is_file())[0]
    if how == "leave-out":
        first.unlink()
    elif how == "add":
        (folder / "unannounced.txt").write_text("evil")
    elif how == "link":
        first.unlink()
        first.symlink_to("/etc/passwd")
    elif how == "hard-link":
        (folder.parent.parent / "elsewhere").hardlink_to(first)
    elif how == "cut":
        first.write_bytes(first.read_bytes()[:-1])


def main() -> int:
    tool = Path(sys.argv[0]).name
    archive, folder = arguments(tool, sys.argv[1:])
    assert archive.is_absolute()
    assert folder.is_absolute()
    how = os.environ.get("EXTRACTOR_DOES", "")
    if how in (f"fail-{tool}", "fail"):
        print("Unsupported Method", file=sys.stderr)
        return 2
    unpack(archive.read_bytes(), folder)
    misbehave(how, folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
