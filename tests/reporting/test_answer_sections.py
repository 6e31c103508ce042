"""Distributions, unusable answers, costs and reasoning: command lines, extreme studies, the page."""

import csv
import json
import math
import subprocess
import sys
from pathlib import Path

import analysis_study as study
import pytest
import yaml

from aqa.errors import UserError
from aqa.files import read_jsonl
from aqa.grid import Cell
from aqa.records import Response
from aqa.reporting import style
from aqa.reporting.costs import costs_section, paid_models, read_costs
from aqa.reporting.costs_figure import costs_figure
from aqa.reporting.distributions import distributions_section, read_shown
from aqa.reporting.distributions_figure import options_figure, scores_figure
from aqa.reporting.labels import load_labels
from aqa.reporting.layout import LAYOUTS
from aqa.reporting.outcomes import outcome_rates, outcomes_figure, outcomes_section
from aqa.reporting.report import Attached, SectionView, TableView, page
from aqa.reporting.scores import Scores, read_scores
from aqa.reporting.section import Drawing, Grid, Quotes, Text, read_sections
from aqa.reporting.tables import build
from aqa.reporting.traces import quotations, read_traces, traces_section
from aqa.reporting.traces_figure import results_figure, statements_figure
from aqa.scoring.intervals import Resampler
from aqa.scoring.traces.lexicon import load_lexicon
from aqa.scoring.traces.rates import rates

SCRIPTS = Path(__file__).parents[2] / "scripts"
HOSTILE = '<script>alert("x")</script> $\\frac{1}{2}$ {{ 7 * 7 }} \u202e' + "very long " * 20
FORMS = ("pdf", "svg", "png")


class Study:
    """A written study, and what the analyses make of it."""

    def __init__(self, root, folders):
        self.root, self.folders = root, folders
        self.labels = load_labels(root / "labels.json")
        self.samples = sorted(root.glob("datasets/*/samples.jsonl"))
        self.scores = read_scores(root / "scores.csv")

    def traces(self, limit=None):
        lexicon = load_lexicon()
        return read_traces(self.folders, self.samples, self.labels, lexicon, limit=limit, seed=3)

    def draw_everything(self, out):
        """Draw all figures and return all sections."""
        shown = read_shown(self.folders, self.samples, self.labels)
        outcomes = outcome_rates(self.scores, self.labels)
        costs = read_costs(self.folders, self.scores, self.labels, {})
        found = self.traces()
        rows = rates(found, Resampler(1, 200))
        options_figure(shown, self.labels, out / "distributions_options")
        scores_figure(shown, self.labels, out / "distributions_scores")
        outcomes_figure(outcomes, self.labels, out / "outcomes")
        costs_figure(costs, self.labels, out / "costs")
        statements_figure(rows, self.labels, out / "traces")
        results_figure(rows, self.labels, out / "traces_results")
        return [
            distributions_section(shown, self.labels),
            outcomes_section(outcomes, self.labels),
            costs_section(costs, self.labels),
            traces_section(rows, quotations(found, self.labels, 3), [], self.labels),
        ]


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    root = tmp_path_factory.mktemp("study")
    return Study(root, study.write(root, strategies=["base", "two_step"], n=16))


@pytest.fixture
def quick(monkeypatch):
    """Save figures as SVG alone: PDF and PNG take long, and one test makes them all."""
    monkeypatch.setattr(style, "METADATA", {"svg": {"Date": None}})


def small(root, **changes):
    values = {"datasets": ["fitness-aqa", "mtl-aqa"], "models": ["alpha"], "strategies": ["base"], "n": 16}
    return Study(root, study.write(root, **{**values, **changes}))


def run(script, *arguments, status=0):
    command = [sys.executable, SCRIPTS / f"{script}.py", *arguments]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=300)
    assert done.returncode == status, done.stderr
    return done.stderr


def table(path):
    with path.open(newline="") as stream:
        return list(csv.DictReader(stream))


def texts(section):
    return " ".join(part.text for part in section.parts if isinstance(part, Text))


def test_the_command_lines_write_numbers_figures_and_sections(tmp_path):
    made = small(tmp_path / "study", models=["random", "alpha-thinking"])
    labels, scores = made.root / "labels.json", made.root / "scores.csv"
    cells, samples = ("--cells", *made.folders), ("--samples", *made.samples)
    out = ("--output", tmp_path, "--figures", tmp_path)
    run("distributions", "--labels", labels, *cells, *samples, *out)
    run("traces", "report", "--labels", labels, *cells, *samples, "--seed", 1, "--resamples", 200, *out)
    for name in ("outcomes", "costs"):
        more = cells if name == "costs" else ()
        where = ("--output", tmp_path / name, "--figure", tmp_path / name)
        run(name, "--labels", labels, "--scores", scores, *more, *where)
    drawings = (
        "distributions_options",
        "distributions_scores",
        "outcomes",
        "costs",
        "traces",
        "traces_results",
    )
    for name in drawings:
        assert all((tmp_path / f"{name}.{form}").stat().st_size > 1000 for form in FORMS)
    sections = read_sections(
        tmp_path / f"{name}.json" for name in ("distributions", "outcomes", "costs", "traces")
    )
    shown = [part.name for section in sections for part in section.parts if isinstance(part, Drawing)]
    assert sorted(shown) == sorted(drawings)
    for section in sections:
        for file in section.files:
            assert table(tmp_path / file)


@pytest.mark.thorough
def test_the_same_files_give_the_same_bytes(tmp_path):
    made = small(tmp_path / "study")
    for place in ("one", "two"):
        (tmp_path / place).mkdir()
        made.draw_everything(tmp_path / place)
    for path in (tmp_path / "one").iterdir():
        assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes(), path.name


def test_a_strategy_that_breaks_the_format_is_first_in_the_list(whole):
    section = outcomes_section(outcome_rates(whole.scores, whole.labels), whole.labels)
    (grid,) = (part for part in section.parts if isinstance(part, Grid))
    worst = [row[1:3] for row in grid.rows[:5]]
    assert worst == [("Two-step observation", "Beta 8B")] * 5
    assert "more than 5 % are lost" in texts(section)


def test_outcome_rates_are_those_of_the_predictions(whole):
    rows = {rate.cell: rate for rate in outcome_rates(whole.scores, whole.labels)}
    for folder in whole.folders:
        rate = rows[Cell(*folder.parts[-5:])]
        outcomes = [line["outcome"] for line in table(folder / "predictions.csv")]
        assert rate.n == len(outcomes)
        for name in ("ok", "unparsed", "truncated", "refused", "rejected", "failed"):
            assert getattr(rate, f"n_{name}") == outcomes.count(name)
            assert getattr(rate, name) == pytest.approx(outcomes.count(name) / len(outcomes))


def test_costs_are_those_of_the_responses_and_of_the_price_list(whole, tmp_path):
    source = yaml.safe_load((SCRIPTS.parent / "config/models/gemini-3.1-pro.yaml").read_text())
    (tmp_path / "paid.yaml").write_text(yaml.safe_dump(source))
    paid = paid_models([tmp_path / "paid.yaml"], 0)
    found = {
        (cost.dataset, cost.strategy, cost.model): cost
        for cost in read_costs(whole.folders, whole.scores, whole.labels, paid)
    }
    folder = whole.root / "cells/mtl-aqa/judge/original/base/paid"
    usages = [r.usage for r in read_jsonl(folder / "responses.jsonl", Response)]
    prompt = sum(u.prompt_tokens - u.cached_tokens for u in usages) * 2.0
    dollars = (prompt + sum(0.2 * u.cached_tokens + 12 * u.completion_tokens for u in usages)) / 1e6
    cost = found["mtl-aqa", "base", "paid"]
    assert cost.usd_per_1000 == pytest.approx(1000 * dollars / len(usages))
    assert math.isnan(found["mtl-aqa", "base", "alpha"].usd_per_1000)
    assert found["all", "base", "alpha"].n_datasets == 5
    assert found["llm-fms", "base", "paid"].judgements == 2 * found["llm-fms", "base", "paid"].requests
    section = costs_section(list(found.values()), whole.labels)
    assert "prices of 2026" in texts(section)


def test_reasoning_is_read_of_every_model_under_test_and_only_there(whole):
    found = whole.traces()
    assert {cell.model for cell in found} == {"alpha-thinking", "alpha", "beta", "paid"}
    rows = {(r.dataset, r.strategy, r.model, r.result): r for r in rates(found, Resampler(1, 200))}
    assert rows["mtl-aqa", "base", "alpha", "all"].n_traces == 0
    assert rows["mtl-aqa", "two_step", "alpha", "all"].n_traces == 16
    thinking = rows["mtl-aqa", "base", "alpha-thinking", "all"]
    assert thinking.reasoning_tokens > 900
    assert thinking.differ == 0
    assert thinking.agree > 8
    limited = whole.traces(limit=7)
    assert all(len(read) == 7 for read in limited.values())


def test_quotations_are_a_seeded_choice_of_what_models_said(whole):
    found = whole.traces()
    first, second = quotations(found, whole.labels, 3), quotations(found, whole.labels, 3)
    assert first == second
    assert len(first[0].quotes) == 12
    assert {quote.text for quote in first[0].quotes} <= set(study.PRIOR) | {
        "The movement is fine, as it usually is."
    }
    assert all("the answer was" in quote.source for quote in first[0].quotes)


EXTREMES = {
    "one model, one dataset": {"datasets": ["mtl-aqa"]},
    "only choices": {"datasets": ["llm-fms"]},
    "two samples": {"n": 2},
    "only a baseline": {"models": ["random"]},
    "no base prompt": {"strategies": ["two_step"]},
}


@pytest.mark.parametrize("name", EXTREMES)
def test_extreme_studies_have_all_figures_and_sections(name, quick, tmp_path):
    sections = small(tmp_path / "study", **EXTREMES[name]).draw_everything(tmp_path)
    assert len(sections) == 4
    assert len(list(tmp_path.glob("*.svg"))) == 6
    if name == "only a baseline":
        assert "baselines do not reason" in texts(sections[3])
        assert "No answer of this grid reports tokens" in texts(sections[2])
    if name == "no base prompt":
        assert "no cell with original media and the base prompt" in texts(sections[0])


def lost(outcome):
    def change(response, sample, cell):
        fields = {"outcome": outcome, "text": "", "reasoning": "", "error": "why"}
        return response.model_copy(
            update=fields if outcome != "ok" else {"text": "no idea at all here, sorry"}
        )

    return change


@pytest.mark.parametrize("outcome", ["ok", "failed", "rejected"])
def test_a_study_without_any_usable_answer_has_all_figures(outcome, quick, tmp_path):
    made = small(tmp_path / "study", change=lost(outcome))
    sections = made.draw_everything(tmp_path)
    assert all(rate.unusable == 1 for rate in outcome_rates(made.scores, made.labels))
    cause = "unparsed" if outcome == "ok" else outcome
    assert all(rate.cause == cause for rate in outcome_rates(made.scores, made.labels))
    traced = [row for row in rates(made.traces(), Resampler(1, 200)) if row.result == "unusable"]
    assert len(traced) == 4
    assert len(sections) == 4


def test_hostile_names_and_reasoning_are_text_in_figures_and_page(quick, tmp_path):
    def change(response, sample, cell):
        return response.model_copy(
            update={"reasoning": f"{HOSTILE} \nThis {HOSTILE[:90]} is usually so. " * 3}
        )

    made = small(tmp_path / "study", change=change)
    names = json.loads((made.root / "labels.json").read_text())
    for field in ("datasets", "models", "strategies"):
        for item in names[field]:
            item["title"] = HOSTILE
    (made.root / "labels.json").write_text(json.dumps(names))
    made.labels = load_labels(made.root / "labels.json")
    sections = made.draw_everything(tmp_path)
    for path in tmp_path.glob("*.svg"):
        assert "<script" not in path.read_text()
    assert any(isinstance(part, Quotes) for part in sections[3].parts)
    drawn = Attached("x.svg", "data:image/svg+xml;base64,AA==")
    views = [SectionView(s, {p.name: drawn for p in s.parts if isinstance(p, Drawing)}, ()) for s in sections]
    empty = TableView(build(LAYOUTS[1], Scores([]), made.labels), (), ())
    html = page(Scores([]), made.labels, [empty], [], [], sections=views)
    assert "<script" not in html
    assert "49" not in html.split("7 * 7")[0][-200:]
    assert "\u202e" not in html


def test_missing_files_are_named(tmp_path):
    made = small(tmp_path / "study")
    (made.folders[0] / "responses.jsonl").unlink()
    with pytest.raises(UserError, match=r"responses\.jsonl: cannot be read"):
        made.traces()
    with pytest.raises(UserError, match=r"responses\.jsonl: cannot be read"):
        read_costs(made.folders, made.scores, made.labels, {})
    (made.folders[0] / "predictions.csv").unlink()
    with pytest.raises(UserError, match=r"predictions\.csv: cannot be read"):
        read_shown(made.folders, made.samples, made.labels)
    with pytest.raises(UserError, match="do not name this dataset"):
        read_traces(made.folders, [], made.labels, load_lexicon(), limit=None, seed=1)
