"""The command lines of the analyses: real processes on real files, to sections that the page lays out."""

from __future__ import annotations

import csv
import json
import re
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import bias_study
import pytest
import reporting_study as study

from aqa.errors import UserError
from aqa.files import read_jsonl
from aqa.records import Pair
from aqa.reporting.gaps import accuracy_by_gap
from aqa.reporting.labels import load_labels
from aqa.reporting.polarity import draw_shifts
from aqa.reporting.section import Section, read_sections
from aqa.scoring.gaps import GapRow, TrendRow
from aqa.scoring.polarity import ShiftRow
from aqa.scoring.tidy import read_tidy

SCRIPTS = Path(__file__).parents[2] / "scripts"


def run(script, *arguments, fails=False):
    command = [sys.executable, SCRIPTS / f"{script}.py", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert bool(done.returncode) == fails, done.stderr
    assert "Traceback" not in done.stderr
    return done.stderr


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """The files of a whole study."""
    folder = tmp_path_factory.mktemp("study")
    for dataset in (study.FITNESS, study.DIVES):
        path = study.write_samples(folder, dataset)
        ids = [one.sample_id for one in study.samples(dataset)]
        (path.parent / "evaluated.txt").write_text("\n".join(ids))
        for model in bias_study.MODELS:
            for strategy in bias_study.VARIANTS:
                bias_study.write_judge(folder, dataset, model, strategy)
    pairs = read_jsonl(bias_study.write_pairs(folder), Pair)
    for model in bias_study.MODELS:
        bias_study.write_compare(folder, pairs, model)
    study.write_scores(folder / "scores.csv", bias_study.scores())
    study.write_labels(folder / "labels.json", bias_study.labels())
    return folder


def section_of(path) -> Section:
    (found,) = read_sections([path])
    for name in found.files:
        assert (path.parent / name).is_file()
    return found


def table(path):
    with path.open(encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def judged(results):
    return sorted(results.glob("cells/*/judge/*/*/*"))


def samples(results):
    return [results / "datasets" / dataset / "samples.jsonl" for dataset in (study.FITNESS, study.DIVES)]


@pytest.fixture(scope="module")
def polarity(results, tmp_path_factory):
    """What scripts/polarity.py makes of the study."""
    out = tmp_path_factory.mktemp("polarity")
    run(
        *("polarity", "--labels", results / "labels.json", "--cells", *judged(results)),
        *("--samples", *samples(results), "--seed", 0, "--resamples", 500, "--figures", out / "figures"),
        *("--output", out / "polarity.json"),
    )
    return out


def test_prompt_bias_is_laid_out_with_what_was_planted(polarity):
    found = section_of(polarity / "polarity.json")
    levels, shifts, sensitivity = (part for part in found.parts if part.type == "grid")
    titles = [levels.title, shifts.title, sensitivity.title]
    assert titles == ["Correctness bias", "Polarity shift", "Linguistic sensitivity"]
    assert len(levels.rows) == 12
    assert [head.above for head in levels.heads[3:9:2]] == [
        "Base",
        "Positive guidelines",
        "Negative guidelines",
    ]
    assert sum(row[1] == "Mean of the models" for row in shifts.rows) == 2
    fitness = sensitivity.rows[0]
    assert fitness[:2] == ("Fitness-AQA", "away from correct")
    assert fitness[5:7] == ("0", "5"), "every model was planted to shift down"
    assert re.fullmatch(r"[345] of 5 models, [345] as the study saw", fitness[7])
    rows = {(row["dataset"], row["model"]): row for row in table(polarity / "polarity_shifts.csv")}
    mean = rows[study.FITNESS, "(mean)"]
    assert float(mean["shift"]) == pytest.approx(-0.2, abs=0.05), "planted: 0.7 less 0.9"
    for suffix in ("pdf", "svg", "png"):
        assert (polarity / "figures" / f"polarity_shift.{suffix}").stat().st_size > 1000


@pytest.fixture(scope="module")
def compared(results, tmp_path_factory):
    """What scripts/comparisons.py makes of the study, in bins that meet at shares of the scale."""
    out = tmp_path_factory.mktemp("compared")
    run(
        *("comparisons", "--scores", results / "scores.csv", "--labels", results / "labels.json"),
        *("--cells", *sorted(results.glob("cells/*/compare/*/*/*"))),
        *("--pairs", results / "datasets" / study.DIVES / "pairs.jsonl", "--samples", samples(results)[1]),
        *("--gap-bins", "[0.1, 0.3]", "--figures", out / "figures", "--output", out / "comparisons.json"),
    )
    return out


def test_the_compare_task_is_laid_out(compared):
    found = section_of(compared / "comparisons.json")
    first, trends, gaps = (part for part in found.parts if part.type == "grid")
    assert [row[1] for row in first.rows] == [
        *("Random guess", "Qwen3-VL", "Qwen3-VL†", "Gemini 3.1 Pro†", "InternVL3.5", "InternVL3.5†")
    ]
    assert first.rows[1][3:6] == ("0.600 [0.570, 0.640]", "0.700 [0.670, 0.740]", "+0.100 [+0.070, +0.140]")
    assert len(trends.rows) == 6
    assert gaps.folded
    texts = [part.text for part in found.parts if part.type == "text"]
    assert re.search(r"clearly rises with the gap in [345] of 5 cells of models", texts[-1])
    ends = {float(row["gap_high"]) for row in table(compared / "gaps.csv")}
    assert {1.0, 3.0} < ends
    assert (compared / "figures" / "position_bias.svg").stat().st_size > 1000


def test_figure_2_is_drawn_from_these_numbers(results, compared):
    run(
        *("figure", "--number", 2, "--labels", results / "labels.json", "--gaps", compared / "gaps.csv"),
        *("--trends", compared / "gap_trends.csv", "--output", compared / "figures" / "figure2"),
    )
    svg = (compared / "figures" / "figure2.svg").read_text()
    assert ElementTree.fromstring(svg).tag.endswith("svg")
    for shown in ("MTL-AQA", "Random guess", "InternVL3.5†", "Chance"):
        assert f"<!-- {shown} -->" in svg


def test_the_same_numbers_give_the_same_figures(results, polarity, compared, tmp_path):
    labels = load_labels(results / "labels.json")
    gaps, trends = read_tidy(compared / "gaps.csv", GapRow), read_tidy(compared / "gap_trends.csv", TrendRow)
    shifts = read_tidy(polarity / "polarity_shifts.csv", ShiftRow)
    found = []
    for place in ("a", "b"):
        paths = accuracy_by_gap(gaps, trends, labels, tmp_path / place / "figure2")
        paths += draw_shifts(shifts, labels, tmp_path / place / "shifts")
        found.append([path.read_bytes() for path in paths])
    assert found[0] == found[1]
    assert [path.read_bytes() for path in sorted((polarity / "figures").iterdir())] == sorted(
        found[0][3:], key=lambda content: [b"%PDF", b"\x89PNG", b"<?xm"].index(content[:4])
    )


def test_figure_2_without_a_cell_and_without_its_numbers_says_so(results, tmp_path):
    labels = results / "labels.json"
    said = run("figure", "--number", 2, "--labels", labels, "--output", tmp_path / "figure2", fails=True)
    assert "figure 2 needs --gaps and --trends" in said
    with pytest.raises(UserError, match="figure 2: no cell to show"):
        accuracy_by_gap([], [], load_labels(labels), tmp_path / "figure2")


def test_nothing_to_draw_is_drawn_as_such(results, tmp_path):
    paths = draw_shifts([], load_labels(results / "labels.json"), tmp_path / "shifts")
    assert "<!-- Nothing to show -->" in paths[0].read_text()


def reproduced(results, out, labels=None, cells=()):
    names = study.write_labels(out / "labels.json", labels or bias_study.labels())
    reported = out / "reported.csv"
    reported.write_text(
        "table,dataset,task,representation,strategy,model,metric,form,value\n"
        "1,mtl-aqa,judge,original,base,qwen,spearman,,0.21\n"
        "1,mtl-aqa,judge,original,base,qwen,relative_l2,unknown,0.2026\n"
        "5,mtl-aqa,compare,original,base,qwen,accuracy,,0.6006\n"
        "1,fitness-aqa,judge,original,base,qwen,balanced_accuracy,,0.5557\n"
        "1,mtl-aqa,judge,original,base,absent,spearman,,0.3\n"
    )
    run(
        *("reproduced", "--scores", results / "scores.csv", "--labels", names, "--reported", reported),
        *("--cells", *cells, "--samples", *samples(results), "--output", out / "reproduced.json"),
    )
    return section_of(out / "reproduced.json")


def test_reported_values_stand_beside_ours_with_the_comparison_that_applies(results, tmp_path):
    found = reproduced(results, tmp_path, cells=judged(results))
    rows = {(row["task"], row["metric"]): row for row in table(tmp_path / "reproduced.csv")}
    assert set(rows) == {("judge", "spearman"), ("judge", "relative_l2_root"), ("compare", "accuracy")}, (
        "a dataset of which nobody says whether its items are the study's is not compared"
    )
    assert rows["judge", "spearman"]["verdict"] == "unknown"
    assert rows["compare", "accuracy"]["verdict"] == "within"
    (grid,) = (part for part in found.parts if part.type == "grid")
    verdicts = {(row[1], row[5]): (row[11], row[13]) for row in grid.rows}
    assert verdicts["judge", "ρ ↑"] == ("same items: the split", "needs repeats")
    assert verdicts["compare", "Acc. (%) ↑"] == (
        "other items: the study's pairs are not published",
        "as expected",
    )
    assert any("are compared with √R-ℓ₂" in note for note in grid.notes)


def test_repeats_tell_how_far_decoding_alone_goes(results, tmp_path):
    folder = bias_study.write_judge(tmp_path, study.DIVES, "qwen", "base", repeats=4)
    reproduced(results, tmp_path, cells=[folder])
    rows = {row["metric"]: row for row in table(tmp_path / "reproduced.csv") if row["task"] == "judge"}
    assert rows["spearman"]["repeats"] == "4"
    assert rows["spearman"]["verdict"] in ("within", "outside")
    assert 0 < float(rows["relative_l2_root"]["reach"]) < 0.1


def test_synthetic_data_are_never_compared(results, tmp_path):
    labels = bias_study.labels(synthetic=[study.DIVES])
    found = reproduced(results, tmp_path, labels=labels, cells=judged(results))
    assert table(tmp_path / "reproduced.csv") == []
    (text,) = found.parts
    assert text.text.startswith("MTL-AQA is synthetic in this run, so nothing of it is comparable")


def test_the_distance_is_shown_in_both_forms(results, tmp_path):
    folder = results / "datasets" / study.DIVES
    run(
        *("distance", "--scores", results / "scores.csv", "--labels", results / "labels.json"),
        *("--samples", folder / "samples.jsonl", "--evaluated", folder / "evaluated.txt"),
        *("--output", tmp_path / "distance.json"),
    )
    found = section_of(tmp_path / "distance.json")
    rows = table(tmp_path / "distance.csv")
    assert [row["guess"] for row in rows] == ["constant_mean", "uniform"]
    texts = " ".join(part.text for part in found.parts if part.type == "text")
    assert "in one consistent form every model of this run beats uniform guessing" in texts
    assert "the study prints 55 values of models" in texts


def test_open_settings_print_their_value_default_and_reason(results, tmp_path):
    hostile = "<script>alert(1)</script>"
    choice = {
        "name": "datasets.mtl-aqa.settings.drop",
        "value": "true",
        "default": "false",
        "reason": hostile,
    }
    datasets = [
        bias_study.DATASETS[0],
        bias_study.DATASETS[1] | {"open": [choice, {"name": "pairs", "reason": "why"}]},
    ]
    names = study.write_labels(tmp_path / "labels.json", bias_study.labels(datasets=datasets))
    run("open_settings", "--labels", names, "--output", tmp_path / "settings.json")
    found = section_of(tmp_path / "settings.json")
    assert found.parts[1].rows == (
        ("MTL-AQA", "datasets.mtl-aqa.settings.drop", "true *", "false", hostile),
        ("MTL-AQA", "pairs", "–", "–", "why"),
    )
    assert json.loads((tmp_path / "settings.json").read_text())["id"] == "settings"
