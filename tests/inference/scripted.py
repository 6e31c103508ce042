"""A backend in this process that says what a test wants, and sessions over it."""

import asyncio

from session_cells import responses

from aqa.inference.scheduler import Limits
from aqa.inference.session import Plan, run
from aqa.models.base import Reply, TransientError, Unbilled


class Scripted(Unbilled):
    """A backend in this process; `script(request)` returns a Reply or raises."""

    remote = False

    def __init__(self, script):
        self.script = script
        self.asked = []
        self.opened = 0

    def identity(self):
        return {"backend": "slow", "name": "slow"}

    async def __aenter__(self):
        self.opened += 1
        return self

    async def __aexit__(self, kind, error, trace):
        pass

    async def ask(self, request):
        self.asked.append((request.sample_id, request.messages[0].content[-1].text))
        await asyncio.sleep(0)
        return self.script(request)


def start(bench, cells, **fields):
    limits = Limits(attempts=2, backoff_s=0.001)
    plan = Plan(
        model_id=bench.model,
        model_file=bench.model_file,
        cells=cells,
        journals=bench.journals,
        media=bench.folder,
        seed=1,
        **{"limits": limits} | fields,
    )
    return run(plan)


def outcomes(cell):
    return [r["outcome"] for r in responses(cell)]


def failing(*samples, error=None):
    def script(request):
        if request.sample_id in samples:
            raise error or TransientError("HTTP 500")
        return Reply("ok", "5")

    return script
