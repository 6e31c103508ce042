"""A small endpoint over HTTP: it notes the key of each request, waits, and answers.

Usage: slow_server.py LOG --delay SECONDS. It prints its port, then serves until it is killed. POST
{"key": ..., "do": "answer" | "fail" | "reject"}; every key is on disk before its answer is on its way.
"""

import argparse
import asyncio
import sys
from pathlib import Path

from aiohttp import web


async def serve(log: Path, delay: float) -> None:
    stream = log.open("a", buffering=1)

    async def answer(request: web.Request) -> web.Response:
        body = await request.json()
        stream.write(body["key"] + "\n")
        await asyncio.sleep(delay)
        if body["do"] == "fail":
            return web.json_response({"error": "out of order"}, status=500)
        if body["do"] == "reject":
            return web.json_response({"error": "too long"}, status=400)
        return web.json_response({"text": f"about {body['key'][:8]}"})

    app = web.Application()
    app.router.add_post("/", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    print(runner.addresses[0][1], flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("log", type=Path)
    parser.add_argument("--delay", type=float, required=True)
    chosen = parser.parse_args(sys.argv[1:])
    asyncio.run(serve(chosen.log, chosen.delay))
