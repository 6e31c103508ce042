"""Test backend for slow_server.py. Samples named `fail-…` and `reject-…` get what their name says."""

import aiohttp

from aqa.models.base import Reply, TransientError, Unbilled
from aqa.records import Usage


class Slow(Unbilled):
    remote = False

    def __init__(self, port, name, account):
        self.account = account
        self._url = f"http://127.0.0.1:{port}/"
        self._name = name

    def identity(self):
        return {"backend": "slow", "name": self._name}

    async def __aenter__(self):
        self._client = aiohttp.ClientSession()
        return self

    async def __aexit__(self, kind, error, trace):
        await self._client.close()

    async def ask(self, request):
        word = request.sample_id.partition("-")[0]
        body = {"key": request.key, "do": word if word in ("fail", "reject") else "answer"}
        try:
            async with self._client.post(self._url, json=body) as response:
                if response.status == 500:
                    raise TransientError("HTTP 500: out of order")
                if response.status == 400:
                    return Reply("rejected", error="HTTP 400: too long")
                answer = await response.json()
        except aiohttp.ClientError as error:
            raise TransientError(f"no connection ({type(error).__name__})") from error
        return Reply("ok", answer["text"], usage=Usage(prompt_tokens=10, completion_tokens=2))


def create(model, context, place):
    options = model.options
    return Slow(options["port"], options.get("name", "slow"), options.get("account"))
