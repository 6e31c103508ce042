"""The row of people: each rater against the verdict of the others, by hand and through the real command."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import spearmanr

from aqa.datasets.egoexo_fitness.adapter import guideline_id
from aqa.datasets.index import index
from aqa.datasets.ratings import load_ratings
from aqa.errors import UserError
from aqa.files import write_jsonl
from aqa.records import Media, Question, Rating, Sample
from aqa.scoring.human import against_others

ROOT = Path(__file__).parents[2]
BACK, FEET = "Keep your back straight.", "Cross your feet."
FAIL, PASS, DROP = ({"tie": tie} for tie in ("fail", "pass", "drop"))

# Ratings of four entries by up to three annotators, as the judgement file has them: back, then feet.
VOTES: dict[str, list[tuple[bool, bool]]] = {
    "recA_action_0": [(True, True), (True, False)],
    "recB_action_0": [(False, True), (False, True), (True, True)],
    "recC_action_0": [(True, False)],
    "recD_action_0": [(False, False), (True, False)],
}


def write_json(path: Path, value: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value))


def write_votes(root: Path, votes: dict[str, list[tuple[bool, bool]]] = VOTES) -> Path:
    """Write EgoExo-Fitness annotations of an entry a record, each record of another person."""
    entries = {
        key: {
            "annotations": [
                {
                    "key_point_verification": [[BACK, str(back)], [FEET, str(feet)]],
                    "action_name": "Sumo Squat",
                    "annotator": f"annotator {number}",
                }
                for number, (back, feet) in enumerate(people)
            ],
            "st_ed_frame": [1, 3],
        }
        for key, people in votes.items()
    }
    records = [key.partition("_")[0] for key in votes]
    for record in records:
        for number in (1, 2, 3):
            file = root / "frames_open" / record / "exo_m" / f"frame_{number:010d}.jpg"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(record.encode())
    folder = root / "raw_annotations"
    listed = [{"original_actor": f"0912-{record}", "views": ["exo_m"], "frames": {}} for record in records]
    write_json(
        folder / "meta_records.json",
        {"records": listed, "record_index": {r: i for i, r in enumerate(records)}},
    )
    write_json(folder / "action_level_annotations.json", {r: {"action_info": [[8, 1, 3]]} for r in records})
    write_json(folder / "interpretable_action_judgement.json", entries)
    return root


def write_panel(root: Path, marks: dict[int, list[float]]) -> Path:
    """Write FineFS annotations: one jump a programme, with the marks of its judges."""
    for number, judges in marks.items():
        jump = {
            "element": "3A",
            "coarse_class": "jump",
            "bv": 8.0,
            "goe": 0.8,
            "judge_score": judges,
            "time": "0-1,0-4",
        }
        write_json(root / "annotation" / f"{number}.json", {"executed_element": {"element1": jump}})
        (root / "video").mkdir(exist_ok=True)
        (root / "video" / f"{number}.mp4").write_bytes(b"x")
    return root


def run(dataset: str, data: Path, out: Path, *more: str) -> dict[str, Any]:
    """Score the people of a dataset as the workflow does; return metrics.json."""
    samples = index(dataset, data, {})
    write_jsonl(out / "samples.jsonl", samples)
    (out / "evaluated.txt").write_text("".join(f"{sample.sample_id}\n" for sample in samples))
    cell = out / dataset / "judge" / "original" / "base" / "human"
    files = ["--samples", out / "samples.jsonl", "--evaluated", out / "evaluated.txt", "--cell", cell]
    command = [sys.executable, ROOT / "scripts" / "human.py", "--dataset", dataset, "--data", data, *files]
    done = subprocess.run(
        [*map(str, command), "--unit", "exercise", "--seed", "0", "--resamples", "200", *more],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads((cell / "metrics.json").read_text())
    return found


def number(metrics: dict[str, Any], metric: str, **place: str) -> dict[str, Any]:
    wanted = {"metric": metric, "policy": "strict", "scope": "all", **place}
    (row,) = (row for row in metrics["rows"] if wanted.items() <= row.items())
    return dict(row)


def predictions(out: Path, dataset: str) -> list[dict[str, str]]:
    with (out / dataset / "judge/original/base/human/predictions.csv").open(newline="") as stream:
        return list(csv.DictReader(stream))


def test_the_printed_agreement_of_annotators_is_the_one_counted_by_hand(tmp_path: Path) -> None:
    metrics = run("egoexo-fitness", write_votes(tmp_path / "data"), tmp_path)
    # "says|others", a tie of two others being a failure. recA: back T|T, T|T; feet T|F, F|T. recB: back F|F,
    # F|F (ties), T|F; feet T|T three times. recD: back F|T, T|F; feet F|F, F|F.
    # The others say true 7 times: so do 5. They say false 7 times: so do 4.
    row = number(metrics, "balanced_accuracy", unit="exercise")
    assert row["value"] == pytest.approx((5 / 7 + 4 / 7) / 2)
    assert (row["chance"], row["n"], row["n_ok"], row["n_clusters"]) == (0.5, 14, 14, 3)
    assert row["ci_low"] < row["value"] < row["ci_high"]
    by_item = number(metrics, "balanced_accuracy", unit="item")
    # Alone: back 2/3 true, 2/4 false; feet 3/4 true, 2/3 false.
    assert by_item["value"] == pytest.approx(((2 / 3 + 2 / 4) / 2 + (3 / 4 + 2 / 3) / 2) / 2)
    people = metrics["people"]
    assert (people["samples"], people["evaluated"], people["ratings"]) == (6, 8, 14)


def test_an_annotator_alone_is_compared_with_nobody(tmp_path: Path) -> None:
    run("egoexo-fitness", write_votes(tmp_path / "data"), tmp_path)
    rows = predictions(tmp_path, "egoexo-fitness")
    assert not [row for row in rows if row["sample_id"].startswith("recC")]
    keys = {(row["sample_id"], row["item"], row["repeat"]) for row in rows}
    assert len(keys) == len(rows) == 14, "the raters of a sample are told apart"


def test_a_tie_of_the_others_is_what_the_setting_says(tmp_path: Path) -> None:
    module, data = load_ratings("egoexo-fitness"), write_votes(tmp_path / "data")
    samples = index("egoexo-fitness", data, {})
    back = guideline_id(BACK)
    for tie, truths in (
        (FAIL, ["false", "false", "false"]),
        (PASS, ["true", "true", "false"]),
        (DROP, ["false"]),
    ):
        ratings = module.ratings(data, tie)
        found = against_others(samples, ratings, partial(module.verdict, settings=tie)).predictions
        assert [row.truth for row in found if row.sample_id == f"recB-a00-{back}"] == truths


def test_one_person_counts_once_an_entry_and_says_one_thing(tmp_path: Path) -> None:
    data = write_votes(tmp_path / "data")
    file = data / "raw_annotations" / "interpretable_action_judgement.json"
    entries = json.loads(file.read_text())
    for annotation in entries["recA_action_0"]["annotations"]:
        annotation["annotator"] = "the same"
    entries["recB_action_0"]["annotations"][0]["key_point_verification"].append([BACK, "True"])
    file.write_text(json.dumps(entries))
    said = [(r.sample_id, r.rater, r.value) for r in load_ratings("egoexo-fitness").ratings(data, FAIL)]
    back, feet = guideline_id(BACK), guideline_id(FEET)
    assert [s for s in said if s[0].startswith("recA")] == [
        (f"recA-a00-{back}", 0, "true"),
        (f"recA-a00-{feet}", 0, "true"),
    ]
    assert [s for s in said if s[0] == f"recB-a00-{back}"] == [
        (f"recB-a00-{back}", 1, "false"),
        (f"recB-a00-{back}", 2, "true"),
    ]


def test_the_printed_agreement_of_judges_is_the_one_computed_by_hand(tmp_path: Path) -> None:
    marks = {
        1: [2, 2, 3, 1, 2],
        2: [-3, -2, -4, -3, -5],
        3: [0, 1, 0, -1, 0],
        4: [5, 4, 4, 5, 3],
        5: [1, 1, 2, 0, 3],
    }
    metrics = run("finefs", write_panel(tmp_path / "data", marks), tmp_path)
    said, truth = [], []
    for judges in marks.values():
        for place, mark in enumerate(judges):
            others = sorted(judges[:place] + judges[place + 1 :])[1:-1]  # Of four others the middle two.
            said.append(mark)
            truth.append(sum(others) / 2)
    assert number(metrics, "spearman")["value"] == pytest.approx(spearmanr(said, truth).statistic)
    panel = [sum(sorted(judges)[1:-1]) / 3 for judges in marks.values()]
    squared = (
        sum((a - b) ** 2 for a, b in zip(said, truth, strict=True))
        / len(said)
        / (max(panel) - min(panel)) ** 2
    )
    assert number(metrics, "relative_l2")["value"] == pytest.approx(squared)
    assert [(row["prediction"], row["truth"]) for row in predictions(tmp_path, "finefs")][:2] == [
        ("2.0", "2.0"),
        ("2.0", "2.0"),
    ]


def test_a_judge_is_scored_by_grades_even_where_models_are_by_points(tmp_path: Path) -> None:
    marks = {1: [2, 2, 3, 1, 2], 2: [-3, -2, -4, -3, -5]}
    data = write_panel(tmp_path / "data", marks)
    module, values = load_ratings("finefs"), []
    for settings in ({"ground_truth": "grade"}, {"ground_truth": "points"}):
        verdict = partial(module.verdict, settings=settings)
        found = against_others(index("finefs", data, settings), module.ratings(data, settings), verdict)
        values.append([(row.prediction, row.truth) for row in found.predictions])
    assert values[0] == values[1]


def test_three_judges_are_too_few_for_a_grade_of_the_others(tmp_path: Path) -> None:
    metrics = run("finefs", write_panel(tmp_path / "data", {1: [1, 2, 3], 2: [0, 0, 1]}), tmp_path)
    row = number(metrics, "spearman")
    assert (row["value"], row["n"]) == (None, 0)
    assert metrics["notes"][0]["reason"] == "no evaluated sample has ratings of several people"


def test_datasets_without_single_ratings_have_no_such_row() -> None:
    for dataset in ("mtl-aqa", "fitness-aqa", "llm-fms"):
        with pytest.raises(UserError, match="no single ratings are known"):
            load_ratings(dataset)


YES_NO = Question(item="q", text="?", options=("true", "false"))


@given(
    st.lists(st.lists(st.sampled_from(["true", "false"]), min_size=0, max_size=5), min_size=1, max_size=12)
)
def test_every_rater_is_compared_with_all_others_and_with_nobody_else(panels: list[list[str]]) -> None:
    samples = [
        Sample(
            sample_id=f"s{number}",
            exercise="e",
            subject="p",
            split="test",
            media=Media(path="x.mp4", kind="video"),
            questions=(YES_NO,),
            truth={"q": "true"},
        )
        for number in range(len(panels))
    ]
    ratings = [
        Rating(sample_id=f"s{number}", item="q", rater=rater, value=value)
        for number, panel in enumerate(panels)
        for rater, value in enumerate(panel)
    ]
    module = load_ratings("egoexo-fitness")
    found = against_others(samples, ratings, partial(module.verdict, settings=FAIL))
    assert (
        len(found.predictions)
        == len(found.questions)
        == sum(len(panel) for panel in panels if len(panel) > 1)
    )
    for row in found.predictions:
        panel = panels[int(row.sample_id[1:])]
        others = panel[: row.repeat] + panel[row.repeat + 1 :]
        assert row.prediction == panel[row.repeat]
        assert row.truth == ("true" if 2 * others.count("true") > len(others) else "false")
