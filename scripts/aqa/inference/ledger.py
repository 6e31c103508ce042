"""The ledger of an account: what was paid, what may have to be paid, and the caps on both.

Nothing is kept twice: the ledger is rebuilt from the journals of all cells. Before an attempt is sent its
worst case is journaled (`journal.Sent`), so that a kill at any moment can only make the ledger count too
much. Batches are counted by their intents, `<journal>/batches/*.json`.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from aqa.errors import UserError
from aqa.inference.journal import Sent, segments
from aqa.inference.lease import Busy, Leases
from aqa.inference.scheduler import Enough
from aqa.models import Backend, Reply
from aqa.models.base import Price
from aqa.records import Request

ACCOUNTS = ".accounts"
"""The folder of the accounts' leases, beside the journals of the cells."""

WAIT_S = 5.0

log = logging.getLogger("aqa.ledger")


@dataclass(frozen=True)
class Caps:
    """The most that may be spent on an account, and sent to it, over all sessions; None: no cap."""

    usd: float | None = None
    requests: int | None = None


@dataclass
class Spent:
    """What the journals say about an account: USD that are paid or may have to be, and requests sent."""

    usd: float = 0.0
    requests: int = 0


@dataclass
class _Paid:
    """One request in this session: what it cost so far, the attempt under way, how many there were."""

    settled: float = 0.0
    flying: float = 0.0
    attempts: int = 0


@dataclass
class Ledger:
    """The account of one session; `spent` is what the journals said before it.

    `write` appends a line to the journal of a cell. The methods are called on the event loop's thread.
    """

    account: str
    price: Price | None
    caps: Caps
    spent: Spent
    write: Callable[[Path, Sent], None]
    usd: float = 0.0
    """What this session has paid, or may have to pay, apart from what is under way."""
    _flying: float = 0.0
    _paid: dict[str, _Paid] = field(default_factory=dict)

    def admit(self, journal: Path, request: Request) -> bool:
        """Reserve the worst case of one attempt and journal it; False: not while so much is under way.

        Raises:
            Enough: the attempt could pass a cap, whatever becomes of those under way.
        """
        worst = self.price.worst_case(request) if self.price is not None else 0.0
        self._check(worst, 1)
        if self.caps.usd is not None and self.total + self._flying + worst > self.caps.usd:
            return False
        paid = self._paid.setdefault(request.key, _Paid())
        paid.attempts += 1
        paid.flying = worst
        self._flying += worst
        self.spent.requests += 1
        self._note(journal, request.key, paid)
        return True

    def lost(self, journal: Path, key: str, *, unbilled: bool) -> None:
        """An attempt ended without an answer; if it is not `unbilled` it may have to be paid."""
        paid = self._paid[key]
        self._settle(paid, 0.0 if unbilled else paid.flying)
        if unbilled:
            self._note(journal, key, paid)

    def answered(self, key: str, reply: Reply) -> float:
        """Settle an answer; return what its request cost in this session."""
        paid = self._paid[key]
        if self.price is None or reply.outcome == "rejected":
            usd = 0.0
        elif reply.usage.prompt_tokens is None:
            usd = paid.flying
        else:
            usd = self.price.cost(reply.usage)
        return self._close(key, usd)

    def given_up(self, key: str) -> float:
        """Return what a request without an answer may have cost in this session."""
        return self._paid.pop(key).settled

    def reserve_batch(self, worst: Mapping[str, float]) -> None:
        """Make sure that a batch can be paid, and count it; its intent is written before it is created.

        Raises:
            Enough: the batch could pass a cap.
        """
        usd = sum(worst.values())
        self._check(usd, len(worst))
        self.spent.usd += usd
        self.spent.requests += len(worst)

    def settle(self, key: str, reserved: float, usd: float) -> float:
        """Settle a row of a batch: `usd` instead of what was `reserved`; return the request's cost."""
        self.spent.usd -= reserved
        self._paid.setdefault(key, _Paid())
        return self._close(key, usd)

    @property
    def paid(self) -> float | None:
        """USD that this session has paid; None where nobody knows prices."""
        return None if self.price is None else self.usd

    @property
    def total(self) -> float:
        """USD of the account that are paid or may have to be, apart from what is under way."""
        return self.spent.usd + self.usd

    def _check(self, worst: float, number: int) -> None:
        cap = self.caps.requests
        if cap is not None and self.spent.requests + number > cap:
            raise Enough(
                f"{self.account}: {self.spent.requests:,} requests are sent, and inference.max_requests is "
                f"{cap:,}; raise it and run again: what was answered is kept"
            )
        if self.caps.usd is not None and self.total + worst > self.caps.usd:
            raise Enough(
                f"{self.account}: {self.total:.4f} USD are spent, the next "
                f"{'request' if number == 1 else f'batch of {number:,} requests'} may cost {worst:.4f} USD, "
                f"and inference.max_cost_usd is {self.caps.usd:g}; raise it and run again: what was answered "
                "is kept"
            )

    def _note(self, journal: Path, key: str, paid: _Paid) -> None:
        usd = round(paid.settled + paid.flying, 9)
        self.write(journal, Sent(key=key, account=self.account, usd=usd, n=paid.attempts))

    def _settle(self, paid: _Paid, usd: float) -> None:
        self._flying = max(0.0, self._flying - paid.flying)
        paid.flying = 0.0
        paid.settled += usd
        self.usd += usd

    def _close(self, key: str, usd: float) -> float:
        paid = self._paid.pop(key)
        self._settle(paid, usd)
        return round(paid.settled, 9)


def check_caps(backend: Backend, caps: Caps, place: str) -> None:
    """Make sure that the caps can hold for this backend.

    Raises:
        UserError: money is capped, and nobody knows what the requests cost.
    """
    if caps.usd is not None and backend.account is not None and backend.price is None:
        raise UserError(
            f"{place}: nobody knows what {backend.account} charges, so inference.max_cost_usd cannot hold; "
            "set inference.max_requests instead, or options.remote: false if the machine is your own"
        )


@contextmanager
def hold_account(journals: Path, account: str, stale_after_s: float) -> Iterator[Leases]:
    """Hold the lease of an account, once no other session has it: sessions on one account take turns."""
    announced = False
    with ExitStack() as stack:
        while True:
            try:
                leases = stack.enter_context(Leases([journals / ACCOUNTS / account], stale_after_s))
                break
            except Busy as error:
                if not announced:
                    log.info("%s: %s asks on this account; waiting for its end", account, error.holder)
                announced = True
                time.sleep(WAIT_S)
        yield leases


def open_ledger(
    backend: Backend, caps: Caps, journals: Path, write: Callable[[Path, Sent], None]
) -> Ledger | None:
    """Return the ledger of the account that a backend asks on; None if nobody is billed.

    Raises:
        UserError: a journal cannot be read.
    """
    if backend.account is None:
        return None
    spent = Spent()
    for journal in sorted(path for path in journals.glob("*/*/*/*/*") if path.is_dir()):
        spent_on(journal, backend.account, spent)
    if spent.requests:
        count = f"{spent.requests:,}"
        log.info(
            "%s: earlier sessions sent %s requests and spent %.2f USD", backend.account, count, spent.usd
        )
    return Ledger(backend.account, backend.price, caps, spent, write)


def spent_on(journal: Path, account: str, spent: Spent | None = None) -> Spent:
    """Add what the journal of one cell says about an account to `spent`, which is returned.

    Raises:
        UserError: a file cannot be read.
    """
    spent = spent if spent is not None else Spent()
    intents = list(_intents(journal, account))
    kept = segments(journal)
    if not intents:
        kept = [segment for segment in kept if _names(segment, account)]
    answered: set[str] = set()
    for segment in kept:
        try:
            answered |= _count(segment.read_bytes(), account, spent)
        except OSError as error:
            raise UserError(f"{segment}: cannot be read ({error.strerror})") from error
    for intent in intents:
        reserved = intent["reserved"]
        spent.requests += len(reserved)
        if not intent["settled"]:
            spent.usd += sum(usd for key, usd in reserved.items() if key not in answered)
    return spent


def _names(segment: Path, account: str) -> bool:
    """Say whether a segment's first line is about this account: in a paid session, every first line is."""
    try:
        with segment.open("rb") as stream:
            first = _load(stream.readline())
    except OSError as error:
        raise UserError(f"{segment}: cannot be read ({error.strerror})") from error
    return first.get("account") == account


def _count(data: bytes, account: str, spent: Spent) -> set[str]:
    """Add what one session paid to `spent`; return the keys that it answered for good."""
    paid: dict[str, float] = {}
    attempts: dict[str, int] = {}
    answered = set()
    for raw in data.split(b"\n")[:-1]:  # A torn last line was never sent, or its `Sent` stands.
        line = _load(raw)
        kind = line.get("kind")
        if kind == "sent" and line["account"] == account:
            paid[line["key"]] = line["usd"]
            attempts[line["key"]] = line["n"]
        elif kind in ("answer", "attempt"):
            key = line["response"]["key"] if kind == "answer" else line["key"]
            if line.get("cost_usd") is not None:
                paid[key] = line["cost_usd"]
            if kind == "answer" and line["response"]["outcome"] != "rejected":
                answered.add(key)  # What was rejected may be in a batch again.
    spent.usd += sum(paid.values())
    spent.requests += sum(attempts.values())
    return answered


def _intents(journal: Path, account: str) -> Iterator[dict[str, Any]]:
    for path in sorted((journal / "batches").glob("*.json")):
        try:
            intent = orjson.loads(path.read_bytes())
            if intent["account"] == account:
                yield {"reserved": dict(intent["reserved"]), "settled": bool(intent["settled"])}
        except OSError as error:
            raise UserError(f"{path}: cannot be read ({error.strerror})") from error
        except (orjson.JSONDecodeError, KeyError, TypeError, ValueError) as error:
            raise UserError(
                f"{path}: damaged ({type(error).__name__}); without it nobody knows what the batch costs: "
                "restore it, or delete it once the batch is cancelled"
            ) from None


def _load(raw: bytes) -> dict[str, Any]:
    try:
        line = orjson.loads(raw)
    except orjson.JSONDecodeError:
        return {}
    return line if isinstance(line, dict) else {}
