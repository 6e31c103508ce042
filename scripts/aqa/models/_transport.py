"""HTTP for large requests: bodies in pieces without a copy, answers of bounded size."""

from __future__ import annotations

import email.utils
import math
import time
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Self

import aiohttp
from aiohttp.abc import AbstractStreamWriter
from multidict import CIMultiDictProxy

from aqa.errors import UserError
from aqa.models._chat import Answer
from aqa.models.base import TransientError

ANSWER_LIMIT = 32 << 20
"""Most bytes of an answer; the longest reasoning traces are below 1 MB."""

_PIECE = 256 << 10
_JOIN = 128 << 10


class Body(aiohttp.Payload):
    """A JSON body in pieces that other requests may share; written slice by slice, never joined."""

    def __init__(self, pieces: Sequence[bytes]) -> None:
        size = sum(map(len, pieces))
        super().__init__((b"".join(pieces),) if size <= _JOIN else pieces, content_type="application/json")
        self._size = size

    async def write(self, writer: AbstractStreamWriter) -> None:
        """Write the whole body."""
        for piece in self._value:
            if len(piece) <= _PIECE:
                await writer.write(piece)
                continue
            view = memoryview(piece)
            for start in range(0, len(view), _PIECE):
                await writer.write(view[start : start + _PIECE])

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        """Return the body as text."""
        return b"".join(self._value).decode(encoding, errors)


class Transport:
    """Posts to one address over kept connections. TLS is verified, redirects are not followed.

    `direct` leaves proxies out, for servers on this machine.
    """

    def __init__(self, url: str, headers: Mapping[str, str], *, timeout_s: float, direct: bool) -> None:
        self.url = url
        # vLLM's server closes idle connections after 5 s: ours go first, so that none is closed
        # under a request.
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=4, ttl_dns_cache=60),
            timeout=aiohttp.ClientTimeout(total=timeout_s, sock_connect=min(timeout_s, 30)),
            headers={"Accept": "application/json", "User-Agent": "vlm-aqa", **headers},
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=not direct,
        )
        self._timeout_s = timeout_s

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._session.close()

    async def post(self, pieces: Sequence[bytes]) -> Answer:
        """Send a JSON body and return the answer, whatever its status.

        Raises:
            TransientError: no complete answer came (connection, timeout, truncation, size).
            UserError: the server's certificate is not valid.
        """
        try:
            async with self._session.post(self.url, data=Body(pieces), allow_redirects=False) as response:
                body = await _bounded(response)
                return Answer(
                    response.status, response.content_type, body, retry_after(response.headers, time.time())
                )
        except (aiohttp.ClientConnectorCertificateError, aiohttp.ClientConnectorSSLError) as error:
            raise UserError(
                f"{self.url}: TLS failed ({error}); check the address, and the certificates of this "
                "machine (SSL_CERT_FILE)"
            ) from None
        except TimeoutError:
            raise TransientError(f"no complete answer within {self._timeout_s:g} s", throttled=True) from None
        except aiohttp.ClientPayloadError as error:
            raise TransientError(f"the answer broke off ({_cause(error)})") from None
        except aiohttp.ClientConnectorError as error:
            raise TransientError(f"connection failed ({_cause(error)})", unbilled=True) from None
        except (aiohttp.ClientError, OSError) as error:
            raise TransientError(f"connection failed ({_cause(error)})") from None


async def _bounded(response: aiohttp.ClientResponse) -> bytes:
    chunks = []
    size = 0
    async for chunk in response.content.iter_any():
        size += len(chunk)
        if size > ANSWER_LIMIT:
            response.close()
            raise TransientError(f"the answer is larger than {ANSWER_LIMIT >> 20} MB")
        chunks.append(chunk)
    return b"".join(chunks)


def _cause(error: Exception) -> str:
    text = " ".join(str(error).split())[:200]
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def retry_after(headers: Mapping[str, str] | CIMultiDictProxy[str], now: float) -> float | None:
    """Return the seconds that a server asks us to wait, None where it does not say.

    Reads `Retry-After` as seconds or as an HTTP date (relative to the server's own `Date`, else to
    `now`, seconds since the epoch), and `Retry-After-Ms`. Never negative.
    """
    milliseconds = _number(headers.get("Retry-After-Ms"))
    if milliseconds is not None:
        return max(0.0, milliseconds / 1000)
    value = headers.get("Retry-After")
    seconds = _number(value)
    if seconds is None:
        due = _date(value)
        if due is None:
            return None
        base = _date(headers.get("Date"))
        seconds = due - (now if base is None else base)
    return max(0.0, seconds)


def _number(text: str | None) -> float | None:
    try:
        value = float(text or "")
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _date(text: str | None) -> float | None:
    try:
        return email.utils.parsedate_to_datetime(text or "").timestamp()
    except (ValueError, OverflowError):
        return None
