"""A web server on this machine with the faults of real ones: cuts, no ranges, errors, redirects."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any


@dataclass
class Page:
    """What is served at a path.

    `cuts`: after how many bytes of each next answer the connection is cut. `statuses`: what the next answers
    are instead. `length`: what Content-Length says, if not the truth. `encoding`: Content-Encoding.
    """

    content: bytes = b""
    kind: str = "application/octet-stream"
    ranges: bool = True
    tag: str | None = '"v1"'
    cuts: list[int] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)
    redirect: str | None = None
    length: int | None = None
    chunked: bool = False
    encoding: str | None = None


@dataclass
class Server:
    """The pages, and what was asked for: (path, Range header)."""

    address: str
    pages: dict[str, Page]
    asked: list[tuple[str, str | None]] = field(default_factory=list)

    def url(self, path: str) -> str:
        return self.address + path


@contextmanager
def serving(pages: dict[str, Page]) -> Iterator[Server]:
    """Serve pages on 127.0.0.1 as long as the block runs."""
    web = _Web(("127.0.0.1", 0), _Handler)
    web.server = Server(f"http://127.0.0.1:{web.server_port}", pages)  # type: ignore[attr-defined]
    thread = Thread(target=web.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield web.server  # type: ignore[attr-defined]
    finally:
        web.shutdown()
        web.server_close()
        thread.join()


class _Web(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: a client that goes away is no fault."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def do_GET(self) -> None:
        self._answer(body=True)

    def log_message(self, *arguments: Any) -> None:
        """Say nothing."""

    def _answer(self, *, body: bool) -> None:
        server: Server = self.server.server  # type: ignore[attr-defined]
        page = server.pages.get(self.path)
        if body:
            server.asked.append((self.path, self.headers.get("Range")))
        if page is None or page.statuses:
            self._status(page.statuses.pop(0) if page else 404)
        elif page.redirect:
            self._status(302, Location=page.redirect)
        else:
            self._serve(page, body)

    def _status(self, status: int, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _serve(self, page: Page, body: bool) -> None:
        start = 0
        wanted = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range") or "")
        condition = self.headers.get("If-Range")
        if wanted and page.ranges and condition in (None, page.tag):
            start = int(wanted[1])
            if start >= len(page.content):
                self.send_response(416)
                self.send_header("Content-Range", f"bytes */{len(page.content)}")
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            self.send_response(206)
            end = len(page.content) - 1
            self.send_header("Content-Range", f"bytes {start}-{end}/{len(page.content)}")
        else:
            self.send_response(200)
        content = page.content[start:]
        self.send_header("Content-Type", page.kind)
        if page.tag:
            self.send_header("ETag", page.tag)
        if page.ranges:
            self.send_header("Accept-Ranges", "bytes")
        if page.encoding:
            self.send_header("Content-Encoding", page.encoding)
        if page.chunked:
            self.send_header("Transfer-Encoding", "chunked")
            content = b"%x\r\n%b\r\n0\r\n\r\n" % (len(content), content)
        else:
            length = page.length if page.length is not None else len(content)
            self.send_header("Content-Length", str(length))
        self.end_headers()
        if body:
            cut = page.cuts.pop(0) if page.cuts else None
            self.wfile.write(content[:cut])
            if cut is not None:
                self.wfile.flush()
                self.close_connection = True
