"""Downloads: resumed, verified, from the first mirror that works, and never over a file of the user's."""

from __future__ import annotations

import hashlib
import io
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest
from file_server import Page, Server, serving

from aqa.datasets.acquire.download import download
from aqa.datasets.acquire.progress import Progress
from aqa.datasets.acquire.sources import Open
from aqa.datasets.acquire.workspace import Workspace, workspace
from aqa.errors import UserError

CONTENT = random.Random(1).randbytes(3_000_000)
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def server() -> Iterator[Server]:
    with serving({"/file.rar": Page(CONTENT), "/other/file.rar": Page(CONTENT, tag='"o"')}) as running:
        yield running


@pytest.fixture
def work(tmp_path: Path) -> Iterator[Workspace]:
    with workspace(tmp_path / "data") as place:
        yield place


def file(*urls: str, **more: object) -> Open:
    fields = {"sha256": SHA256, "size": None} | more
    return Open(
        kind="open",
        name="file",
        path="folder/file.rar",
        page="https://example.org/page",
        version="1",
        added=date(2026, 1, 1),
        urls=urls,
        **fields,  # type: ignore[arg-type]
    )


def fetch(entry: Open, work: Workspace) -> Path:
    """Download without waiting between attempts; return where the file is."""
    place = work.data / "folder" / "file.rar"
    download(entry, place, work, wait=lambda seconds: None)
    return place


def left(work: Workspace) -> list[str]:
    """What lies in the work folder, beside its lock."""
    return sorted(path.name for path in work.folder.iterdir() if path.name != "lock")


def failure(entry: Open, work: Workspace) -> str:
    """Fail to download; return the one line. The file must not have got its name."""
    with pytest.raises(UserError) as caught:
        fetch(entry, work)
    assert not (work.data / "folder" / "file.rar").exists()
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_file_is_downloaded_and_nothing_is_left_behind(server: Server, work: Workspace) -> None:
    assert fetch(file(server.url("/file.rar")), work).read_bytes() == CONTENT
    assert left(work) == []
    assert server.asked == [("/file.rar", None)]


@pytest.mark.parametrize("sha256", [SHA256, None])
def test_a_cut_connection_is_continued_where_it_broke(
    sha256: str | None, server: Server, work: Workspace
) -> None:
    server.pages["/file.rar"].cuts = [1 << 20, 1 << 19]
    assert fetch(file(server.url("/file.rar"), sha256=sha256), work).read_bytes() == CONTENT
    assert server.asked == [
        ("/file.rar", None),
        ("/file.rar", f"bytes={1 << 20}-"),
        ("/file.rar", f"bytes={3 << 19}-"),
    ]


def test_a_killed_download_is_continued_by_the_next_run(server: Server, tmp_path: Path) -> None:
    page = server.pages["/file.rar"]
    page.length, page.content = len(CONTENT), CONTENT[:1_200_000]
    program = (
        "import sys; sys.path[:0] = sys.argv[1:3]\n"
        "from pathlib import Path; import test_download as t; from aqa.datasets.acquire.workspace import *\n"
        "with workspace(Path(sys.argv[3])) as work:\n"
        "    t.download(t.file(sys.argv[4]), Path(sys.argv[5]), work)\n"
    )
    here = Path(__file__).parent
    data = tmp_path / "data"
    arguments = [here.parents[1] / "scripts", here, data, server.url("/file.rar"), data / "folder/file.rar"]
    process = subprocess.Popen([sys.executable, "-c", program, *map(str, arguments)], stderr=subprocess.PIPE)
    part = Workspace(data).unfinished("folder/file.rar").with_suffix(".part")
    for _ in range(1000):
        if part.exists() and part.stat().st_size >= 1_000_000:
            break
        time.sleep(0.01)
    process.kill()
    process.communicate()
    have = part.stat().st_size
    assert 1_000_000 <= have <= 1_200_000
    page.length, page.content = None, CONTENT
    server.asked.clear()
    with workspace(data) as work:
        assert fetch(file(server.url("/file.rar")), work).read_bytes() == CONTENT
    assert server.asked == [("/file.rar", f"bytes={have}-")]


def test_a_server_without_ranges_is_asked_for_everything_again(server: Server, work: Workspace) -> None:
    server.pages["/file.rar"].ranges = False
    server.pages["/file.rar"].cuts = [1_000_000]
    assert fetch(file(server.url("/file.rar")), work).read_bytes() == CONTENT


def test_a_file_that_changed_on_the_server_is_not_joined_to_its_old_half(
    server: Server, work: Workspace
) -> None:
    page = server.pages["/file.rar"]
    page.cuts, page.content, page.tag = [1_000_000, 0, 0, 0, 0, 0], bytes(3_000_000), '"old"'
    failure(file(server.url("/file.rar"), sha256=None), work)
    page.cuts, page.content, page.tag = [], CONTENT, '"new"'
    assert fetch(file(server.url("/file.rar"), sha256=None), work).read_bytes() == CONTENT


def test_without_checksum_and_identity_nothing_is_continued(server: Server, work: Workspace) -> None:
    page = server.pages["/file.rar"]
    page.tag, page.cuts = None, [1_000_000]
    assert fetch(file(server.url("/file.rar"), sha256=None), work).read_bytes() == CONTENT
    assert server.asked == [("/file.rar", None), ("/file.rar", None)]


def test_a_wrong_half_is_thrown_away_and_the_file_fetched_whole(server: Server, work: Workspace) -> None:
    work.unfinished("folder/file.rar").with_suffix(".part").write_bytes(b"wrong" * 1000)
    assert fetch(file(server.url("/file.rar")), work).read_bytes() == CONTENT
    assert server.asked == [("/file.rar", "bytes=5000-"), ("/file.rar", None)]


def test_a_complete_unfinished_file_is_not_fetched_again(server: Server, work: Workspace) -> None:
    work.unfinished("folder/file.rar").with_suffix(".part").write_bytes(CONTENT)
    assert fetch(file(server.url("/file.rar")), work).read_bytes() == CONTENT
    assert server.asked == [("/file.rar", f"bytes={len(CONTENT)}-")]


def test_an_unfinished_file_longer_than_the_real_one_is_thrown_away(server: Server, work: Workspace) -> None:
    work.unfinished("folder/file.rar").with_suffix(".part").write_bytes(CONTENT + b"more")
    assert fetch(file(server.url("/file.rar")), work).read_bytes() == CONTENT


def test_a_wrong_checksum_never_takes_the_name(server: Server, work: Workspace) -> None:
    message = failure(file(server.url("/file.rar"), sha256="0" * 64), work)
    assert "the file has another sha256 than sources.yaml names" in message
    assert f"put it at {work.data}/folder/file.rar by hand from https://example.org/page" in message
    assert left(work) == []


def test_mirrors_are_tried_in_order(server: Server, work: Workspace) -> None:
    server.pages["/wrong.rar"] = Page(b"wrong")
    server.pages["/login.rar"] = Page(b"<html>", kind="text/html; charset=utf-8")
    paths = ["/gone.rar", "/wrong.rar", "/login.rar", "/other/file.rar", "/file.rar"]
    assert fetch(file(*map(server.url, paths)), work).read_bytes() == CONTENT
    assert [path for path, _ in server.asked] == paths[:4]


def test_what_one_mirror_sent_is_continued_at_another(server: Server, work: Workspace) -> None:
    server.pages["/file.rar"].cuts = [1 << 20, 0, 0, 0, 0, 0]
    urls = [server.url("/file.rar"), server.url("/other/file.rar")]
    assert fetch(file(*urls), work).read_bytes() == CONTENT
    assert server.asked[-1] == ("/other/file.rar", f"bytes={1 << 20}-")


def test_every_mirrors_fault_is_told_in_one_line(server: Server, work: Workspace) -> None:
    server.pages["/login.rar"] = Page(b"<html>", kind="text/html")
    server.pages["/packed.rar"] = Page(CONTENT, encoding="gzip")
    paths = ["/gone.rar", "/login.rar", "/packed.rar"]
    message = failure(file(*map(server.url, paths), "http://127.0.0.1:1/x"), work)
    assert f"{server.url('/gone.rar')}: the server answers 404 Not Found" in message
    assert f"{server.url('/login.rar')}: the server sent a web page instead of the file" in message
    assert "in another encoding" in message
    assert "http://127.0.0.1:1/x: " in message
    assert "Connection refused" in message


def test_a_busy_server_is_asked_again(server: Server, work: Workspace) -> None:
    server.pages["/file.rar"].statuses = [503, 429, 500]
    assert fetch(file(server.url("/file.rar")), work).read_bytes() == CONTENT


def test_a_server_that_stays_busy_is_given_up(server: Server, work: Workspace) -> None:
    server.pages["/file.rar"].statuses = [503] * 9
    assert "the server answers 503" in failure(file(server.url("/file.rar")), work)
    assert len(server.asked) == 4


def test_redirects_are_followed_but_not_in_circles(server: Server, work: Workspace) -> None:
    server.pages["/circle"] = Page(redirect="/circle")
    server.pages["/scheme"] = Page(redirect="file:///etc/passwd")
    server.pages["/doi"] = Page(redirect="/step")
    server.pages["/step"] = Page(redirect=server.url("/file.rar"))
    message = failure(file(server.url("/circle"), server.url("/scheme")), work)
    assert "redirects" in message
    assert "No connection adapters were found for 'file:///etc/passwd'" in message
    assert fetch(file(server.url("/doi")), work).read_bytes() == CONTENT


def test_a_file_without_announced_length_is_read_to_its_end(server: Server, work: Workspace) -> None:
    server.pages["/file.rar"].chunked = True
    assert fetch(file(server.url("/file.rar")), work).read_bytes() == CONTENT


def test_a_file_of_another_size_is_refused_before_it_is_downloaded(server: Server, work: Workspace) -> None:
    message = failure(file(server.url("/file.rar"), size=len(CONTENT) + 1), work)
    assert "the file has 3000000 bytes there, and should have 3000001" in message


def test_a_file_that_does_not_fit_on_the_disk_is_not_begun(server: Server, work: Workspace) -> None:
    server.pages["/file.rar"].length = 10**18
    message = failure(file(server.url("/file.rar")), work)
    assert "needs 1000000.0 TB, and the disk of" in message


def test_a_file_of_the_user_stays(server: Server, work: Workspace) -> None:
    place = work.data / "folder" / "file.rar"
    place.parent.mkdir()
    place.write_text("mine")
    with pytest.raises(UserError, match="is there already and stays as it is"):
        fetch(file(server.url("/file.rar")), work)
    assert place.read_text() == "mine"
    assert server.asked == []


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file")
    with pytest.raises(UserError, match="cannot be written"), workspace(tmp_path / "data"):
        pass


def test_two_processes_do_not_work_in_one_folder(work: Workspace) -> None:
    with pytest.raises(UserError, match="another acquire is at work there"), workspace(work.data):
        pass


def test_an_empty_work_folder_is_removed(tmp_path: Path) -> None:
    with workspace(tmp_path / "data"):
        assert (tmp_path / "data" / ".acquire").is_dir()
    assert list((tmp_path / "data").iterdir()) == []


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_progress_is_one_line_on_a_terminal_and_nothing_elsewhere() -> None:
    terminal, pipe = Terminal(), io.StringIO()
    for stream in (terminal, pipe):
        with Progress("file", stream) as progress:
            progress.show(12_300_000, 195_000_000)
    assert pipe.getvalue() == ""
    shown, cleared = terminal.getvalue().split("\r")[1:3]
    assert shown == "file: 12.3 MB of 195.0 MB (6 %)"
    assert cleared == " " * len(shown)
