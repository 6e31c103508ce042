"""The ledger: caps hold over failures, kills, sessions and batches, and money under way is counted first."""

import asyncio
import itertools
import logging
import threading
import time

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from session_cells import Bench, answer, request, responses

import aqa.models
from aqa.errors import UserError
from aqa.files import write_json
from aqa.inference import journal, ledger
from aqa.inference.ledger import Caps, hold_account, spent_on
from aqa.inference.scheduler import Enough, Limits
from aqa.inference.session import Plan, run
from aqa.models.base import Reply, TransientError, Unbilled
from aqa.records import Usage

ACCOUNT = "paid-me"
WORST = 1.0


class TenCents:
    """A prompt token costs ten cents; no request costs more than a dollar."""

    def worst_case(self, request):
        return WORST

    def cost(self, usage):
        return 0.1 * usage.prompt_tokens


class Provider(Unbilled):
    """A provider that keeps its own books: `script(request, number)` returns tokens or raises."""

    remote = True
    account = ACCOUNT

    def __init__(self, script=lambda request, number: 2):
        self.script = script
        self.price = TenCents()
        self.numbers = itertools.count(1)
        self.sent = []
        self.billed = 0.0
        self.now = self.most = 0

    def identity(self):
        return {"backend": "slow", "name": "slow"}

    async def __aenter__(self):
        return self

    async def __aexit__(self, kind, error, trace):
        pass

    async def ask(self, request):
        self.sent.append(request.sample_id)
        self.now += 1
        self.most = max(self.most, self.now)
        try:
            await asyncio.sleep(0.001)
            tokens = self.script(request, next(self.numbers))
        except TransientError as error:
            self.billed += 0.0 if error.unbilled else WORST  # A lost answer: its worst.
            raise
        finally:
            self.now -= 1
        self.billed += 0.1 * tokens
        return Reply("ok", "5", usage=Usage(prompt_tokens=tokens, completion_tokens=1))


@pytest.fixture
def bench(tmp_path):
    bench = Bench(tmp_path)
    bench.write_model(16, backend="paid")
    return bench


@pytest.fixture
def provider(monkeypatch):
    provider = Provider()
    monkeypatch.setattr(aqa.models, "create", lambda model, context, place: provider)
    return provider


def start(bench, cells, usd=None, requests=None, attempts=3):
    plan = Plan(
        model_id=bench.model,
        model_file=bench.model_file,
        cells=cells,
        journals=bench.journals,
        media=bench.folder,
        seed=1,
        caps=Caps(usd, requests),
        limits=Limits(attempts=attempts, backoff_s=0.001, breaker=10_000),
    )
    return run(plan)


def counted(bench):
    """What the ledger says, rebuilt from what lies on disk."""
    total = ledger.Spent()
    for folder in bench.journals.glob("*/*/*/*/*"):
        spent_on(folder, ACCOUNT, total)
    return total


def cell_of(bench, number, strategy="base"):
    return bench.cell([request(f"{strategy}-{i:03d}", strategy) for i in range(number)], strategy)


def test_a_session_stops_before_it_could_pass_the_cap_and_a_higher_one_goes_on(bench, provider):
    cell = cell_of(bench, 50)
    with pytest.raises(Enough, match=r"paid-me: .* USD are spent, the next request may cost 1\.0000 USD"):
        start(bench, [cell], usd=5.0)
    first = len(provider.sent)
    assert 4.0 < provider.billed <= 5.0, "0.2 a request: it stops where the next could cost more than is left"
    assert counted(bench).usd == pytest.approx(provider.billed)
    with pytest.raises(Enough):
        start(bench, [cell], usd=5.0)
    assert len(provider.sent) == first, "the cap holds over sessions"
    start(bench, [cell], usd=50.0)
    assert len(provider.sent) == len(set(provider.sent)) == 50
    assert counted(bench) == ledger.Spent(pytest.approx(10.0), 50)


def test_money_under_way_bounds_what_is_in_flight_and_stops_nothing(bench, provider):
    provider.script = lambda request, number: 0
    cell = cell_of(bench, 100)
    start(bench, [cell], usd=3.5)
    assert len(responses(cell)) == 100
    assert provider.most == 3, "three worst cases fit below 3.50"


def test_what_is_in_flight_at_the_cap_is_answered_and_kept(bench, provider):
    cell = cell_of(bench, 50)
    with pytest.raises(Enough):
        start(bench, [cell], usd=4.0)
    kept = journal.read(bench.journal(cell), {request(f"base-{i:03d}", "base").key for i in range(50)})
    assert len(kept.answers) == len(provider.sent)


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    faults=st.lists(st.sampled_from(["lost", "refused", "ok"]), min_size=1, max_size=40),
    cap=st.floats(1.0, 12.0),
    tokens=st.integers(0, 10),
)
def test_whatever_fails_the_bill_stays_below_the_cap_and_the_books_agree(
    tmp_path_factory, monkeypatch, faults, cap, tokens
):
    def script(request, number):
        fault = faults[number % len(faults)]
        if fault != "ok":
            raise TransientError(fault, unbilled=fault == "refused")
        return tokens

    provider = Provider(script)
    monkeypatch.setattr(aqa.models, "create", lambda model, context, place: provider)
    bench = Bench(tmp_path_factory.mktemp("ledger"))
    bench.write_model(8, backend="paid")
    cell = cell_of(bench, 12)
    for _ in range(3):
        try:
            start(bench, [cell], usd=cap)
        except UserError:
            continue
    assert provider.billed <= cap + 1e-9
    assert counted(bench) == ledger.Spent(pytest.approx(provider.billed), len(provider.sent))


def test_a_kill_can_only_make_the_ledger_count_too_much(bench, provider):
    """Cut the journal after each of its bytes: never less than the answers that are left have cost."""
    provider.script = lambda request, number: number
    cell = cell_of(bench, 3)
    start(bench, [cell])
    (segment,) = journal.segments(bench.journal(cell))
    whole = segment.read_bytes()
    complete = counted(bench).usd
    assert complete == pytest.approx(0.6)
    for size in range(len(whole) + 1):
        segment.write_bytes(whole[:size])
        lines = [orjson.loads(line) for line in whole[:size].split(b"\n")[:-1]]
        sent = {line["key"] for line in lines if line["kind"] == "sent"}
        cost = {line["response"]["key"]: line["cost_usd"] for line in lines if line["kind"] == "answer"}
        assert counted(bench).usd == pytest.approx(sum(cost.get(key, WORST) for key in sent))


def test_a_wrong_password_costs_nothing(bench, provider):
    def script(request, number):
        raise UserError("HTTP 401: no such key")

    provider.script = script
    with pytest.raises(UserError, match="401"):
        start(bench, [cell_of(bench, 40)], usd=100.0)
    assert counted(bench).usd == 0


def test_an_answer_of_unknown_usage_costs_its_worst_and_a_rejection_nothing(bench, provider, monkeypatch):
    async def ask(request):
        if request.sample_id == "base-000":
            return Reply("rejected", error="HTTP 400: too long")
        return Reply("ok", "5")

    provider.ask = ask
    start(bench, [cell_of(bench, 4)])
    assert counted(bench) == ledger.Spent(pytest.approx(3.0), 4)


def test_requests_are_capped_over_sessions_and_cells_with_repeats(bench, provider):
    """Also where nobody knows a price."""
    provider.price = None
    provider.script = lambda request, number: 1
    one, two = cell_of(bench, 6, "base"), cell_of(bench, 6, "other")
    start(bench, [one], requests=10)
    with pytest.raises(Enough, match=r"10 requests are sent, and inference\.max_requests is 10"):
        start(bench, [two], requests=10)
    assert len(provider.sent) == 10
    start(bench, [two], requests=12)
    assert len(responses(two)) == 6
    assert counted(bench) == ledger.Spent(0.0, 12)


def test_other_accounts_and_free_models_do_not_count(bench, provider):
    cell = cell_of(bench, 5)
    start(bench, [cell])
    assert spent_on(bench.journal(cell), "somebody-else") == ledger.Spent()
    provider.account = provider.price = None
    free = cell_of(bench, 5, "free")
    start(bench, [free], usd=0.01)
    assert counted(bench) == ledger.Spent(pytest.approx(1.0), 5)
    (segment,) = journal.segments(bench.journal(free))
    assert {orjson.loads(line)["kind"] for line in segment.read_bytes().splitlines()} == {"answer"}


def test_money_cannot_be_capped_where_nobody_knows_the_price(bench, provider):
    provider.price = None
    with pytest.raises(UserError, match=r"nobody knows what paid-me charges.*max_requests"):
        start(bench, [cell_of(bench, 5)], usd=1.0)
    assert provider.sent == []


def test_the_intent_of_a_batch_counts_until_its_rows_are_answered(bench, provider):
    cell = cell_of(bench, 4)
    keys = [request(f"base-{i:03d}", "base").key for i in range(4)]
    intent = bench.journal(cell) / "batches" / "one.json"
    write_json(intent, {"account": ACCOUNT, "reserved": dict.fromkeys(keys, 0.5), "settled": False})
    assert counted(bench) == ledger.Spent(pytest.approx(2.0), 4)
    with journal.Writer(lambda _: None) as writer:
        row = answer(keys[0]).model_copy(update={"cost_usd": 0.05})
        writer.append(bench.journal(cell), row)
    assert counted(bench) == ledger.Spent(pytest.approx(1.55), 4)
    write_json(intent, {"account": ACCOUNT, "reserved": dict.fromkeys(keys, 0.5), "settled": True})
    assert counted(bench) == ledger.Spent(pytest.approx(0.05), 4)
    intent.write_bytes(b"{")
    with pytest.raises(UserError, match=r"one\.json: damaged"):
        counted(bench)


def test_a_batch_is_refused_before_it_is_made_where_it_could_pass_the_cap():
    lines = []
    books = ledger.Ledger(ACCOUNT, TenCents(), Caps(usd=3.0), ledger.Spent(1.0, 5), lines.append)
    with pytest.raises(Enough, match=r"batch of 5 requests may cost 2\.5"):
        books.reserve_batch({str(i): 0.5 for i in range(5)})
    books.reserve_batch({str(i): 0.5 for i in range(4)})
    assert books.total == pytest.approx(3.0)
    assert books.settle("0", 0.5, 0.1) == pytest.approx(0.1)
    assert books.total == pytest.approx(2.6)


def test_sessions_on_one_account_take_turns(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(ledger, "WAIT_S", 0.02)
    caplog.set_level(logging.INFO)
    events = []

    def session(name, seconds):
        with hold_account(tmp_path, ACCOUNT, 1.0):
            events.append(f"{name} begins")
            time.sleep(seconds)
            events.append(f"{name} ends")

    first = threading.Thread(target=session, args=("first", 0.5))
    first.start()
    while not events:
        time.sleep(0.005)
    session("second", 0)
    first.join()
    assert events == ["first begins", "first ends", "second begins", "second ends"]
    assert "asks on this account; waiting for its end" in caplog.text


def test_the_record_and_the_summary_say_what_was_paid(bench, provider, caplog):
    caplog.set_level(logging.INFO)
    provider.facts = lambda: {"server": "1.2"}
    cell = cell_of(bench, 5)
    start(bench, [cell])
    record = orjson.loads((bench.journal(cell) / "session.json").read_bytes())
    assert (record["account"], record["cost_usd"], record["attempts"]) == (ACCOUNT, 1.0, 5)
    assert record["backend"] == {"server": "1.2"}
    assert "tokens 10 in, 5 out, 1.00 USD" in caplog.text
