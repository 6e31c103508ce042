"""A session: one live model answers all that is missing in one or more cells."""

from __future__ import annotations

import asyncio
import logging
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from aqa import models
from aqa.config import ModelFile, load_yaml, parse
from aqa.errors import UserError
from aqa.files import digest, read_jsonl, write_json
from aqa.inference import batches, intents, scheduler, written
from aqa.inference.cell import Cell, Outcomes
from aqa.inference.interrupt import Signals
from aqa.inference.journal import Answer, Attempt, Writer
from aqa.inference.lease import STALE_AFTER_S, Fenced, Leases
from aqa.inference.ledger import Caps, check_caps, hold_account, open_ledger, spent_on
from aqa.inference.progress import Progress, Tally
from aqa.inference.scheduler import Limits
from aqa.models import Backend, Context, Reply, TransientError
from aqa.models.base import BatchBackend
from aqa.records import Request, Sample

PAID_GRACE_S = 60.0
"""How long answers that have to be paid anyway are waited for when a session is stopped."""

log = logging.getLogger("aqa.session")


@dataclass(frozen=True)
class Plan:
    """What a session is to do. The model's file decides `limits.concurrency`.

    `refuse` says why nothing may be sent to the model, if nothing may.
    """

    model_id: str
    model_file: Path
    cells: Sequence[Path]
    journals: Path
    media: Path
    seed: int
    samples: Sequence[Path] = ()
    poses: Path | None = None
    pairs: Sequence[Path] = ()
    accept_failed: float = 0.0
    ask_rejected: bool = False
    refuse: str | None = None
    stale_after_s: float = STALE_AFTER_S
    caps: Caps = field(default_factory=Caps)
    limits: Limits = field(default_factory=Limits)


@dataclass(frozen=True)
class Model:
    """A model of a plan, not yet opened. `settings` is the digest of its identity."""

    file: ModelFile
    backend: Backend
    identity: dict[str, Any]
    settings: str


class Item(NamedTuple):
    """One request to ask, and the cell that it belongs to."""

    cell: Cell
    request: Request


def run(plan: Plan) -> Tally:
    """Ask what the journals lack, then write `responses.jsonl` of every cell that is complete.

    A session with nothing to ask opens no backend and takes no lease. Any other leases the journals
    of all its cells first, then the account that is billed, if any, and asks all requests about one clip
    one after another.

    Raises:
        UserError: a file is wrong; the requests were rendered for other settings; another session
            holds a cell; the model cannot be asked; or more requests of a cell failed than
            `plan.accept_failed` allows. Cells that are complete are written all the same.
        Interrupted: SIGINT or SIGTERM; what was finished is in the journals.
    """
    with Signals() as signals, ExitStack() as stack:
        model = load_model(plan)
        cells = load_cells(plan, model, stack)
        for cell in cells:
            cell.ask_rejected = plan.ask_rejected
        if any(cell.missing() or intents.live(cell.journal) for cell in cells):
            if plan.refuse is not None:
                raise UserError(plan.refuse)
            leases = stack.enter_context(Leases((cell.journal for cell in cells), plan.stale_after_s))
            for cell in cells:  # A former holder may have gone on until the lease was ours.
                cell.read_journal()
            backend, account = model.backend, None
            check_caps(backend, plan.caps, str(plan.model_file))
            if backend.account is not None:
                hold = hold_account(plan.journals, backend.account, plan.stale_after_s)
                account = stack.enter_context(hold)
            return _Asking(plan, model, cells, (leases, account), signals).run()
        for cell in cells:
            finish(cell, plan.accept_failed)
        tally = Tally(reused=sum(len(cell.keys) for cell in cells))
        log.info("%s", tally.summary())
        return tally


def load_model(plan: Plan) -> Model:
    """Read the model's file and create its backend; nothing is opened.

    Raises:
        UserError: the file or a setting in it is wrong.
    """
    file = parse(ModelFile, load_yaml(plan.model_file), str(plan.model_file))
    training = tuple(sample for path in plan.samples for sample in read_jsonl(path, Sample))
    context = Context(
        plan.media, plan.seed, training, secrets=dict(os.environ), poses=plan.poses, pairs=plan.pairs
    )
    backend = models.create(file, context, str(plan.model_file))
    identity = backend.identity()
    return Model(file, backend, identity, digest(identity))


def load_cells(plan: Plan, model: Model, stack: ExitStack) -> list[Cell]:
    """Index the requests of all cells and read their journals; `stack` closes them.

    Raises:
        UserError: a cell is missing, damaged, given twice, of another model, or was rendered for
            other settings than the model's file has now.
    """
    clips: dict[tuple[str, ...], tuple[str, ...]] = {}
    cells: dict[Path, Cell] = {}
    for folder in plan.cells:
        if folder.resolve().name != plan.model_id:
            raise UserError(f"{folder}: not a cell of model '{plan.model_id}'")
        cell = Cell.load(folder, plan.journals, clips)
        stack.callback(cell.close)
        if cell.settings not in (None, model.settings):
            raise UserError(
                f"{folder / 'requests.jsonl'}: rendered for other settings of '{plan.model_id}' than "
                f"{plan.model_file} has now; render the requests again"
            )
        if cell.journal in cells:
            raise UserError(f"{folder}: the cell is given twice")
        cell.read_journal()
        for problem in cell.contents.problems:
            log.warning("%s", problem)
        cells[cell.journal] = cell
    return list(cells.values())


def media_major(cells: Iterable[Cell]) -> Iterator[Item]:
    """Yield the requests without an answer, all about one clip one after another.

    Clips come in the order in which the cells first name them, the requests about a clip in the order
    of the cells, then of their files. Each is read only when it is asked for.
    """
    clips: dict[tuple[str, ...], list[tuple[Cell, int]]] = {}
    for cell in cells:
        for position in cell.missing():
            clips.setdefault(cell.media[position], []).append((cell, position))
    for requests in clips.values():
        for cell, position in requests:
            yield Item(cell, cell.request(position))


def finish(cell: Cell, accept_failed: float) -> Outcomes | str:
    """Write the responses of a cell if it is complete; else return what keeps it from that."""
    missing = cell.missing()
    failures = [cell.contents.failures.get(cell.keys[position]) for position in missing]
    causes = Counter(failure.cause for failure in failures if failure is not None)
    failed, unasked = causes.total(), len(missing) - causes.total()
    if missing and (unasked or failed / len(cell.keys) > accept_failed):
        parts = [f"{failed} of {len(cell.keys)} requests failed"] if failed else []
        parts += [f"{unasked} of {len(cell.keys)} requests were not asked"] if unasked else []
        common = ", ".join(f"{cause} ({count})" for cause, count in causes.most_common(3))
        return f"{cell.folder}: {', '.join(parts)}" + (f": {common}" if common else "")
    outcomes = cell.write_responses()
    if cell.contents.rejected:
        log.warning(
            "%s: %d of %d requests were rejected for good and count as unusable; if the cause is mended, set "
            "inference.ask_rejected: true (cause: %s)",
            cell.folder,
            len(cell.contents.rejected),
            len(cell.keys),
            outcomes.rejection,
        )
    if len(outcomes.model_versions) > 1:
        versions = ", ".join(f"{name} ({count})" for name, count in sorted(outcomes.model_versions.items()))
        log.warning("%s: answered by more than one version of the model: %s", cell.folder, versions)
    return outcomes


class _Asking:
    """A session that holds its leases and has something to ask."""

    def __init__(
        self,
        plan: Plan,
        model: Model,
        cells: Sequence[Cell],
        leases: tuple[Leases, Leases | None],
        signals: Signals,
    ) -> None:
        self._plan = plan
        self._model = model
        self._cells = cells
        self._leases = leases[0]
        self._held = [held for held in leases if held is not None]
        self._signals = signals
        self._open = [cell for cell in cells if cell.missing()]
        self._tally = Tally(reused=sum(len(cell.contents.answers) for cell in cells))
        self._facts: dict[str, Any] = {}

    def run(self) -> Tally:
        """Ask, then finish every cell that can be finished."""
        problem: UserError | None = None
        try:
            with Writer(self._leases.check) as writer:
                asyncio.run(self._ask(writer))
        except Fenced:
            raise
        except UserError as error:
            problem = error
        finally:
            log.info("%s", self._tally.summary())
        self._finish(problem)
        return self._tally

    def _finish(self, problem: UserError | None) -> None:
        reasons = []
        for cell in self._cells:
            if cell in self._open:
                cell.read_journal()
                cell.ask_rejected = False
            result = finish(cell, self._plan.accept_failed if problem is None else 0.0)
            reasons += [result] if isinstance(result, str) else []
            if cell in self._open:
                self._leases.check(cell.journal)
                try:
                    write_json(cell.journal / written.FILE, self._record(cell))
                except UserError as error:
                    raise (problem or error) from None
        for reason in reasons:
            log.error("%s", reason)
        if problem is not None:
            raise problem
        if reasons:
            raise UserError(
                f"{len(reasons)} of {len(self._cells)} cells are incomplete; run again to ask only what "
                "failed, or accept failures with inference.accept_failed"
            )

    def _record(self, cell: Cell) -> dict[str, Any]:
        model, account = self._model, self._model.backend.account
        asked: dict[str, Any] = {
            "model": self._plan.model_id,
            "settings": model.settings,
            "identity": model.identity,
        }
        if account is not None:
            paid = spent_on(cell.journal, account)
            asked |= {"account": account, "cost_usd": round(paid.usd, 6), "attempts": paid.requests}
        return written.record(cell, asked, self._facts)

    async def _ask(self, writer: Writer) -> None:
        backend = self._model.backend
        ledger = open_ledger(backend, self._plan.caps, self._plan.journals, writer.append)

        def on_answer(item: Item, reply: Reply, attempts: int, seconds: float) -> None:
            answer = Answer(
                response=written.response(item.request, reply),
                latency_s=round(seconds, 4),
                attempts=attempts,
                sent=reply.sent,
                cost_usd=ledger.answered(item.request.key, reply) if ledger else None,
            )
            writer.append(item.cell.journal, answer)
            self._tally.add(reply.outcome, reply.usage, ledger.paid if ledger else None)

        def on_failure(item: Item, cause: str, attempts: int) -> None:
            key, cost = item.request.key, ledger.given_up(item.request.key) if ledger else None
            attempt = Attempt(key=key, cause=written.clean(cause), n=attempts, cost_usd=cost)
            writer.append(item.cell.journal, attempt)
            self._tally.add("failed", None, ledger.paid if ledger else None)

        async def ask(item: Item) -> Reply:
            try:
                return await backend.ask(item.request)
            except BaseException as error:
                if ledger is not None:
                    unbilled = error.unbilled if isinstance(error, TransientError) else _refused(error)
                    ledger.lost(item.cell.journal, item.request.key, unbilled=unbilled)
                raise

        limits = replace(self._plan.limits, concurrency=self._model.file.concurrency)
        if ledger is not None and ledger.price is not None:
            limits = replace(limits, grace_s=max(limits.grace_s, PAID_GRACE_S))

        def admit(item: Item) -> bool:
            return ledger is None or ledger.admit(item.cell.journal, item.request)

        async def online(items: Iterable[Item]) -> None:
            await scheduler.run(items, ask, on_answer, on_failure, limits, admit=admit)

        with self._stoppable():
            async with backend:
                try:
                    if isinstance(backend, BatchBackend):
                        items = partial(media_major, self._open)
                        guards = (writer.append, self._leases.check)
                        desk = batches.Desk(self._cells, items, online, *guards, ledger, self._tally)
                        await batches.run(backend, desk)
                    else:
                        await online(media_major(self._open))
                finally:
                    self._facts = backend.facts()

    @contextmanager
    def _stoppable(self) -> Iterator[None]:
        """Show progress, and let a signal or a lost lease cancel the current task."""
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        assert task is not None
        progress = Progress(self._tally, sum(len(cell.missing()) for cell in self._open))
        watch = loop.create_task(progress.watch())

        def stop() -> None:
            with suppress(RuntimeError):  # The loop has ended meanwhile.
                loop.call_soon_threadsafe(task.cancel)

        self._signals.on_signal = stop
        for held in self._held:
            held.on_lost = stop
        try:
            yield
        except asyncio.CancelledError:
            for held in self._held:
                if held.lost is not None:
                    raise held.lost from None
            self._signals.check()
            raise
        finally:
            self._signals.on_signal = None
            for held in self._held:
                held.on_lost = None
            watch.cancel()
        self._signals.check()


def _refused(error: BaseException) -> bool:
    """Say whether an attempt certainly cost nothing: the provider, or we, refused to ask."""
    return isinstance(error, UserError)
