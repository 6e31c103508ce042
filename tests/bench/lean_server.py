"""A server that costs next to nothing, so that a benchmark measures the client: one answer to everything.

Speaks HTTP/1.1 with kept connections and a body of known length; answers `--delay` seconds after the last
byte of a request. `python tests/bench/lean_server.py --delay 0.05` prints its port.
"""

from __future__ import annotations

import argparse
import asyncio

BODY = (
    b'{"id":"chatcmpl-1","object":"chat.completion","created":0,"model":"test-model","choices":[{"index":0,'
    b'"message":{"role":"assistant","content":"{\\"answer\\": \\"A\\"}"},"finish_reason":"stop"}],"usage":'
    b'{"prompt_tokens":100,"completion_tokens":5,"total_tokens":105}}'
)
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (
    len(BODY),
    BODY,
)


class Connection(asyncio.Protocol):
    """One connection; requests on it come one after another."""

    def __init__(self, delay: float) -> None:
        self._delay = delay
        self._head = b""
        self._left = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        if not self._left:
            self._head += data
            head, end, body = self._head.partition(b"\r\n\r\n")
            if not end:
                return
            self._head = b""
            lines = head.lower().split(b"\r\n")
            lengths = [line.split(b":")[1] for line in lines if line.startswith(b"content-length")]
            self._left, data = int(lengths[0]), body
        self._left -= len(data)
        if self._left == 0:
            asyncio.get_running_loop().call_later(self._delay, self._transport.write, ANSWER)


async def serve(delay: float) -> None:
    """Print the port, then serve until the process is ended."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Connection(delay), "127.0.0.1", 0, backlog=512)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--delay", type=float, required=True)
    asyncio.run(serve(parser.parse_args().delay))
