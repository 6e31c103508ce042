"""Programs that extract RAR archives: found on PATH, called with lists of arguments, never a shell."""

from __future__ import annotations

import logging
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

from aqa.errors import UserError

log = logging.getLogger("aqa")

Arguments = Callable[[str, str], list[str]]


def _unar(archive: str, folder: str) -> list[str]:
    return ["-quiet", "-no-directory", "-force-skip", "-password", "", "-output-directory", folder, archive]


def _unrar(archive: str, folder: str) -> list[str]:
    return ["x", "-idq", "-o-", "-p-", "-cfg-", "-y", "--", archive, f"{folder}/"]


def _bsdtar(archive: str, folder: str) -> list[str]:
    return ["-x", "-k", "--no-same-owner", "--no-same-permissions", "-f", archive, "-C", folder]


def _seven_zip(archive: str, folder: str) -> list[str]:
    return ["x", "-bd", "-y", "-aos", "-p", f"-o{folder}", "--", archive]


TOOLS: dict[str, Arguments] = {
    "unrar": _unrar,
    "7zz": _seven_zip,
    "7z": _seven_zip,
    "unar": _unar,
    "bsdtar": _bsdtar,
}
"""Program -> its arguments for (archive, folder), both absolute; the one that reads most formats first."""

INSTALL = (
    "install 7-Zip (7zz), unrar, unar or bsdtar (for example: apt-get install unar; brew install sevenzip)"
)


def available() -> list[str]:
    """Return the extractors on PATH, in the order in which they are tried."""
    return [tool for tool in TOOLS if shutil.which(tool)]


def require(archive: Path) -> list[str]:
    """Return the extractors on PATH.

    Raises:
        UserError: there is none; names what to install.
    """
    tools = available()
    if not tools:
        raise UserError(
            f"{archive}: a RAR archive, and no program that extracts one is on the PATH: {INSTALL}"
        )
    return tools


def run(archive: Path, folder: Path, check: Callable[[], None]) -> None:
    """Extract a RAR archive into an empty folder with the first extractor that can.

    Args:
        archive: its members have been read and accepted before.
        folder: emptied before each try.
        check: raises `UserError` if the folder does not hold what the archive announced; then the next
            extractor is tried, since each reads only some RAR formats rightly.

    Raises:
        UserError: no extractor is installed, or all fail; says what each said.
    """
    said = []
    for tool in require(archive):
        clear(folder)
        folder.mkdir()
        problem = _call(tool, archive, folder)
        if problem is None:
            try:
                check()
            except UserError as error:
                problem = str(error)
            else:
                log.info("%s: extracted by %s", archive, tool)
                return
        log.warning("%s: %s could not extract it (%s)", archive, tool, problem)
        said.append(f"{tool}: {problem}")
    raise UserError(
        f"{archive}: could not be extracted ({'; '.join(said)}); download it again if it is damaged, or "
        f"{INSTALL}"
    )


def clear(folder: Path) -> None:
    """Remove a folder of ours, also where an archive left it read-only."""
    for path, _, _ in os.walk(folder):
        Path(path).chmod(0o700)
    shutil.rmtree(folder, ignore_errors=True)


def _call(tool: str, archive: Path, folder: Path) -> str | None:
    """Run an extractor; return what is wrong, None if it says that all is well."""
    program = shutil.which(tool) or tool
    argv = [program, *TOOLS[tool](str(archive.resolve()), str(folder.resolve()))]
    done = subprocess.run(
        argv,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
        env={**os.environ, "LC_ALL": "C.UTF-8"},
    )
    if done.returncode == 0:
        return None
    lines = (done.stderr + b"\n" + done.stdout).decode(errors="replace").strip().splitlines()
    return (lines or [f"exit status {done.returncode}"])[0][:160]
