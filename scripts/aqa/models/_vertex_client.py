"""Google's SDKs as this project uses them: one client, no retries of its own, errors in our terms."""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import os
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from aqa.errors import UserError
from aqa.models._vertex_answers import clean, fault
from aqa.models.base import Reply, TransientError

SCOPE = "https://www.googleapis.com/auth/cloud-platform"

_INSTALL = (
    "the packages of Google Cloud are not installed; use the environment of envs/inference.yaml, "
    "or pip install 'vlm-aqa[vertex]'"
)
_LOG_IN = (
    "log in with `gcloud auth application-default login`, or name a key file of a service account in "
    "GOOGLE_APPLICATION_CREDENTIALS"
)


class Rejected(Exception):
    """A request that the provider can never accept; `reply` says why."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(reply.error)
        self.reply = reply


@dataclass
class Client:
    """A live client: the SDK's own, the credentials it uses, and the versions of the SDKs."""

    sdk: Any
    credentials: Any
    project: str
    timeout_s: float

    @asynccontextmanager
    async def calling(self, sent: Mapping[str, Any] | None = None) -> AsyncIterator[None]:
        """Translate whatever goes wrong in the block, which makes one call.

        Raises:
            TransientError: overload, a fault of the server or the network, no answer in time.
            Rejected: the provider can never accept the request.
            UserError: wrong credentials, project, location, model or parameter; the text has no place yet.
        """
        timeout = asyncio.timeout(self.timeout_s)  # httpx bounds each read, not the whole answer.
        try:
            async with timeout:
                yield
        except TimeoutError:
            if not timeout.expired():
                raise
            cause = f"no complete answer within {self.timeout_s:g} s"
            raise TransientError(cause, throttled=True) from None
        except (UserError, TransientError, Rejected):
            raise
        except Exception as error:
            raise _translated(error, dict(sent or {})) from None


def _translated(error: Exception, sent: dict[str, Any]) -> Exception:
    """Return what an exception of the SDK or its HTTP client means; one that nobody expects as it is."""
    import google.auth.exceptions as auth
    import httpx
    from google.genai import errors

    text = f"{type(error).__name__}: {clean(str(error))}"
    if isinstance(error, errors.APIError):
        return _api_error(error, sent)
    if isinstance(error, httpx.TransportError):
        return _transport_error(error, text)
    if isinstance(error, auth.TransportError) or getattr(error, "retryable", False):
        return TransientError(f"no token could be had ({text})", unbilled=True)
    if isinstance(error, auth.GoogleAuthError):
        return UserError(f"the credentials are not accepted ({text}); {_LOG_IN}")
    if isinstance(error, ValueError | KeyError):  # A body that is no JSON, or of another shape.
        return TransientError(f"the answer cannot be read ({text})")
    return error


def _api_error(error: Any, sent: dict[str, Any]) -> Exception:
    headers = getattr(error.response, "headers", None) or {}
    body = {"message": error.message, "status": error.status} | _error_of(error.details)
    try:
        return Rejected(fault(error.code or 0, body, headers, sent, time.time()))
    except (UserError, TransientError) as known:
        return known


def _transport_error(error: Exception, text: str) -> Exception:
    import httpx

    if isinstance(error, httpx.TimeoutException):
        unbilled = isinstance(error, httpx.ConnectTimeout | httpx.PoolTimeout)
        return TransientError(f"no answer in time ({text})", throttled=True, unbilled=unbilled)
    if "CERTIFICATE_VERIFY_FAILED" in text:
        return UserError(f"TLS failed ({text}); check the certificates of this machine (SSL_CERT_FILE)")
    return TransientError(f"connection failed ({text})", unbilled=isinstance(error, httpx.ConnectError))


def _error_of(details: Any) -> dict[str, Any]:
    if isinstance(details, list) and details:
        details = details[0]
    error = details.get("error") if isinstance(details, dict) else None
    return error if isinstance(error, dict) else {}


async def open_client(
    stack: AsyncExitStack, *, project: str, location: str, base_url: str | None, timeout_s: float
) -> Client:
    """Return a client that `stack` closes; credentials are found, but nothing is asked yet.

    Raises:
        UserError: the SDKs are not installed, or there are no credentials.
    """
    client, session = await asyncio.to_thread(_open, project, location, base_url, timeout_s)
    stack.push_async_callback(session.aclose)
    return client


def _open(project: str, location: str, base_url: str | None, timeout_s: float) -> tuple[Client, Any]:
    try:
        import google.auth
        import httpx
        from google import genai
        from google.genai import types
    except ImportError as error:
        raise UserError(f"{_INSTALL} ({error})") from None
    # The SDK logs whole answers it cannot read and, on INFO, every address.
    for name in ("google_genai", "httpx", "httpcore", "google.auth"):
        logging.getLogger(name).setLevel(logging.WARNING)
    try:
        credentials, _ = google.auth.default(scopes=[SCOPE])
    except google.auth.exceptions.DefaultCredentialsError as error:
        raise UserError(f"no usable credentials for Google Cloud ({clean(str(error))}); {_LOG_IN}") from None
    # A client of our own: with one, the SDK leaves its aiohttp path, which retries by itself, alone.
    session = httpx.AsyncClient(
        timeout=httpx.Timeout(timeout_s, connect=min(timeout_s, 30)),
        limits=httpx.Limits(max_connections=None, max_keepalive_connections=64, keepalive_expiry=30),
        trust_env=not _is_loopback(base_url or os.environ.get("GOOGLE_VERTEX_BASE_URL", "")),
    )
    options = types.HttpOptions(
        timeout=round(timeout_s * 1000),
        retry_options=types.HttpRetryOptions(attempts=1),
        httpx_async_client=session,
        base_url=base_url,
    )
    sdk = genai.Client(
        vertexai=True, project=project, location=location, credentials=credentials, http_options=options
    )
    return Client(sdk, credentials, project, timeout_s), session


def _is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
