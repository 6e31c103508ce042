"""Videos on the web: downloaded by yt-dlp, re-encoded to the frame rate that annotations count in."""

from __future__ import annotations

import csv
import logging
import os
import re
from pathlib import Path
from typing import Any

from aqa.datasets.acquire.archives import check_space
from aqa.datasets.acquire.layout import broadcast_files, matches
from aqa.datasets.acquire.progress import Progress
from aqa.datasets.acquire.sources import Broadcasts, Sources
from aqa.datasets.acquire.workspace import Workspace, put
from aqa.errors import UserError

log = logging.getLogger("aqa")

VIDEO_ID = re.compile(r"[A-Za-z0-9_-]{11}")
FORMAT = (
    "bv*[protocol^=http][ext=mp4][vcodec^=avc1][height<=720]/bv*[protocol^=http][ext=mp4][height<=?720]/"
    "bv*[protocol^=http][height<=?720]/b[protocol^=http]"
)
"""One file with the picture, H.264 in MP4 of at most 720 lines preferred; sound does not matter."""

COLUMNS = ["name", "url"]


def read_listing(path: Path, file: Broadcasts) -> dict[str, str]:
    """Read the user's CSV (`name,url`; a url may also be the id of a YouTube video): name -> address.

    Raises:
        UserError: the file is not such a list; names the line.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            rows = [(number, row) for number, row in enumerate(csv.reader(stream), start=1) if row]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{path}: cannot be read as a CSV file ({error})") from None
    if not rows or [cell.strip().lower() for cell in rows[0][1]] != COLUMNS:
        raise UserError(f"{path}: the first line must be  {','.join(COLUMNS)}")
    names = {broadcast.name for broadcast in file.broadcasts}
    result: dict[str, str] = {}
    for number, row in rows[1:]:
        place = f"{path}, line {number}"
        if len(row) != 2:
            raise UserError(f"{place}: must be  name,url  but has {len(row)} columns")
        name, url = _name(row[0].strip(), names), row[1].strip()
        if name is None:
            log.warning("%s: '%s' is not a video that the dataset uses: left out", place, row[0].strip())
        elif name in result:
            raise UserError(f"{place}: '{name}' is listed twice")
        else:
            result[name] = _address(url, place)
    return result


def fetch_broadcasts(sources: Sources, file: Broadcasts, workspace: Workspace, threads: int) -> list[str]:
    """Bring every video that is not there, and return what could not be had, one line each.

    A download that was cut is continued; a downloaded video that was not re-encoded yet is not downloaded
    again. A file takes its name only when it is complete.

    Raises:
        UserError: an address is needed and no list gives it, the list is wrong, or the disk is full.
    """
    lacking = [one for one in file.broadcasts if not broadcast_files(sources, file, workspace.data, one.name)]
    listings = matches(workspace.data, sources.patterns(file.listing)) if lacking else []
    listed = read_listing(listings[0], file) if listings else {}
    unknown = [one.name for one in lacking if one.name not in listed and one.url is None]
    if lacking and len(unknown) == len(lacking):
        raise UserError(
            f"{workspace.data / sources.place(file.listing)}: no address of {len(lacking)} videos "
            f"({', '.join(unknown)}); write this file: first line  name,url  then one a video ({file.note})"
        )
    failures = [f"{name}: no address in {file.listing}" for name in unknown]
    if unknown:
        log.error("%s: no address of %s in %s", file.name, ", ".join(unknown), file.listing)
    for broadcast in lacking:
        if broadcast.name in unknown:
            continue
        url = listed.get(broadcast.name) or str(broadcast.url)
        try:
            _fetch(sources, file, broadcast.name, url, workspace, threads=threads)
        except _Gone as error:
            log.error("%s %s: %s", file.name, broadcast.name, error)
            failures.append(f"{broadcast.name}: {error}")
    return failures


class _Gone(Exception):
    """One video cannot be had; the others go on."""


def _fetch(
    sources: Sources, file: Broadcasts, name: str, url: str, workspace: Workspace, *, threads: int
) -> None:
    from aqa.datasets.acquire.reencode import reencode

    place = workspace.data / sources.place(file.path) / f"{name}.mp4"
    folder = workspace.unfinished(f"{file.path}/{name}")
    folder.mkdir(parents=True, exist_ok=True)
    source = _download(url, folder, f"{file.name} {name}")
    check_space(folder, source.stat().st_size, str(place))
    target = folder / "reencoded.mp4"
    log.info("%s: re-encoding to %d frames a second", place, file.frame_rate)
    try:
        stream = reencode(source, target, file.frame_rate, threads)
    except UserError as error:
        source.unlink(missing_ok=True)
        raise _Gone(str(error)) from None
    put(target, place)
    source.unlink()
    folder.rmdir()
    log.info("%s: %d frames, %.1f s", place, stream.frames, stream.duration_s)


def _download(url: str, folder: Path, label: str) -> Path:
    """Download with yt-dlp into `folder`, or continue; return the file."""
    os.environ["YTDLP_NO_PLUGINS"] = "1"
    import yt_dlp  # type: ignore[import-untyped]

    with Progress(label) as progress, yt_dlp.YoutubeDL(_options(folder, progress)) as client:
        try:
            info = client.extract_info(url, download=True)
        except yt_dlp.utils.YoutubeDLError as error:
            raise _Gone(f"{url}: {_plain(error)}") from None
    downloads = info.get("requested_downloads") if isinstance(info, dict) else None
    if not downloads or len(downloads) != 1:
        raise _Gone(f"{url}: not one video but a list of videos; give the address of the video itself")
    return Path(downloads[0]["filepath"])


def _options(folder: Path, progress: Progress) -> dict[str, Any]:
    """Return yt-dlp's options: one file, over HTTP, no cookies, no configuration, no other program."""

    def hook(status: dict[str, Any]) -> None:
        total = status.get("total_bytes") or status.get("total_bytes_estimate")
        progress.show(status.get("downloaded_bytes") or 0, total)

    return {
        "format": FORMAT,
        "outtmpl": {"default": "source-%(format_id)s.%(ext)s"},
        "paths": {"home": str(folder)},
        "restrictfilenames": True,
        "noplaylist": True,
        "playlist_items": "1",
        "extract_flat": "in_playlist",
        "default_search": "error",
        "continuedl": True,
        "overwrites": False,
        "retries": 4,
        "extractor_retries": 2,
        "socket_timeout": 60,
        "retry_sleep_functions": {"http": lambda n: float(min(2**n, 30))},
        "fixup": "never",
        "postprocessors": [],
        "hls_prefer_native": True,
        "cachedir": False,
        "cookiefile": None,
        "usenetrc": False,
        "updatetime": False,
        "quiet": True,
        "no_warnings": True,
        "noprogress": True,
        "logger": _Silent(),
        "progress_hooks": [hook],
    }


class _Silent:
    """yt-dlp's messages: what it fails with comes as an exception anyway."""

    def debug(self, message: str) -> None:
        """Drop a message."""

    def warning(self, message: str) -> None:
        """Pass on a warning."""
        log.warning("yt-dlp: %s", _plain(message))

    def error(self, message: str) -> None:
        """Drop a message."""


def _name(text: str, names: set[str]) -> str | None:
    """Return the name of a broadcast: as written, or as its number (1 for 01); None if there is none."""
    if text in names:
        return text
    if not text.isdecimal():
        return None
    return next((name for name in names if name.isdecimal() and int(name) == int(text)), None)


def _address(url: str, place: str) -> str:
    if VIDEO_ID.fullmatch(url):
        return f"https://www.youtube.com/watch?v={url}"
    if not re.fullmatch(r"https?://[^\s/]+/\S*", url):
        raise UserError(f"{place}: '{url}' is neither an http(s) address nor the id of a YouTube video")
    return url


def _plain(message: object) -> str:
    text = re.sub(r"\x1b\[[0-9;]*m", "", str(message)).removeprefix("ERROR: ")
    return " ".join(text.split())[:240]
