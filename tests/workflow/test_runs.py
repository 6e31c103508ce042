"""From an empty folder to tables; and only what is needed, ever after."""

import csv
import json
import shutil

import pytest
from workflow_runs import CONFIG, Study

pytestmark = pytest.mark.xdist_group("workflow")

CELLS = [
    f"{dataset}/judge/original/base/{model}"
    for dataset in ("fitness-aqa", "mtl-aqa")
    for model in ("random", "constant")
]


def test_a_run_makes_every_table_figure_and_page(made):
    for name in (
        "report.html",
        "scores.csv",
        "figures/figure1.pdf",
        "figures/figure1.svg",
        "tables/table1.tex",
    ):
        assert (made.results / name).stat().st_size > 100
    for cell in CELLS:
        names = {path.name for path in (made.results / "cells" / cell).iterdir()}
        assert names == {
            "requests.jsonl",
            "drafts.json",
            "responses.jsonl",
            "predictions.csv",
            "metrics.json",
        }
    with (made.results / "scores.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert {(row["dataset"], row["model"]) for row in rows} == {
        (cell.split("/")[0], cell.split("/")[-1]) for cell in CELLS
    }
    assert {row["n"] for row in rows if row["scope"] == "all" and row["dataset"] == "mtl-aqa"} == {"10"}


def test_afterwards_there_is_nothing_to_be_done(made):
    assert "Nothing to be done" in made.make("-n").output


def test_a_deleted_number_is_made_again_and_nothing_else(study):
    target = f"results/cells/{CELLS[0]}/metrics.json"
    before = (study.folder / target).read_bytes()
    (study.folder / target).unlink()
    assert study.make(target).jobs == {"score_random_fitness-aqa": 1}
    assert (study.folder / target).read_bytes() == before


def test_a_deleted_clip_is_made_again_without_touching_the_others(study):
    clips = study.results / "media/mtl-aqa/original/native"
    (clips / "manifest.jsonl").unlink()
    kept = {path: path.stat().st_mtime_ns for path in clips.rglob("*.zip")}
    gone = min(kept)
    gone.unlink()
    study.make(f"{clips.relative_to(study.folder)}/manifest.jsonl")
    assert {path for path in kept if path.stat().st_mtime_ns != kept[path]} == {gone}


def test_shards_of_the_media_make_the_same_manifest_and_no_clip_again(study):
    folder = study.results / "media/mtl-aqa/original/native"
    before = (folder / "manifest.jsonl").read_bytes()
    kept = {path: path.stat().st_mtime_ns for path in folder.rglob("*.zip")}
    (folder / "manifest.jsonl").unlink()
    study.configure(**CONFIG, media={"shards": 2})
    run = study.make(f"{folder.relative_to(study.folder)}/manifest.jsonl")
    assert run.jobs == {"media_mtl-aqa": 2, "gather_media_mtl-aqa": 1}
    assert (folder / "manifest.jsonl").read_bytes() == before
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*.zip")} == kept


def test_a_single_target_in_an_empty_folder_needs_only_its_own_stages(tmp_path):
    study = Study(tmp_path)
    study.configure(**CONFIG)
    jobs = study.make("-n", f"results/cells/{CELLS[2]}/requests.jsonl").jobs
    assert jobs == dict.fromkeys(
        ("embed", "index", "subset", "media_mtl-aqa", "render_random_mtl-aqa_original"), 1
    )


def test_results_do_not_depend_on_the_folder_or_the_run(made, tmp_path):
    study = Study(tmp_path)
    shutil.copytree(made.results / "embedded", tmp_path / "results" / "embedded")
    study.configure(**CONFIG)
    study.make()
    for name in (
        "scores.csv",
        "tables/table1.csv",
        "tables/table1.tex",
        "figures/figure1.svg",
        "report.html",
    ):
        assert (study.results / name).read_bytes() == (made.results / name).read_bytes(), name


def test_one_changed_line_of_scoring_scores_every_cell_and_asks_no_model(made):
    module = made.snakefile.parent / "scripts/aqa/scoring/metrics.py"
    text = module.read_text()
    try:
        module.write_text(text + "\n# a changed line\n")
        jobs = made.make("-n").jobs
    finally:
        module.write_text(text)
    scoring = {name for name in jobs if name.startswith("score_")}
    assert len(scoring) == len(CELLS)
    analyses = {"effects", "effects_section", "distributions", "outcomes", "costs", "traces"}
    analyses |= {"skill", "skill_section", "polarity", "distance", "reproduced", "open_settings"}
    assert set(jobs) == {*scoring, *analyses, "collect", "table1", "figure1", "report_page"}


def test_a_larger_limit_asks_only_the_new_samples(study):
    journals = study.results / "journals" / CELLS[2]
    earlier = {path: path.read_bytes() for path in journals.rglob("*.jsonl")}
    lines = sum(text.count(b"\n") for text in earlier.values())
    study.configure(**{**CONFIG, "datasets": {**CONFIG["datasets"], "mtl-aqa": {"limit": 14}}})
    study.make(f"results/cells/{CELLS[2]}/responses.jsonl")
    after = {path: path.read_bytes() for path in journals.rglob("*.jsonl")}
    assert {path: after[path] for path in earlier} == earlier
    assert sum(text.count(b"\n") for text in after.values()) == lines + 4


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"models": ["randm"]}, "no file for model 'randm'"),
        ({"models": ["randm"]}, "did you mean 'random'?"),
        ({"sead": 3}, "unknown key 'sead'; did you mean 'seed'?"),
        ({"datasets": {"mtl-aqua": {}}}, "no dataset 'mtl-aqua'; did you mean 'mtl-aqa'?"),
        ({"datasets": {"mtl-aqa": {"settings": {"drop": True}}}}, "unknown setting 'drop'"),
        ({"datasets": {"mtl-aqa": {"wording": "my.yml"}}}, "datasets.mtl-aqa.wording: no file 'my.yml'"),
        (
            {"cells": {"include": [{"datasets": ["mtl-aqa"], "representations": ["cropped"]}]}},
            "selects no possible cell",
        ),
    ],
)
def test_a_wrong_configuration_stops_before_any_job_in_one_line(tmp_path, change, expected):
    study = Study(tmp_path)
    study.configure(**{**CONFIG, **change})
    run = study.snakemake()
    assert run.status == 1
    (line,) = run.said
    assert line.startswith("vlm-aqa: ")
    assert expected in line
    assert not study.results.exists()


def test_values_on_the_command_line_are_checked_after_merging(tmp_path):
    study = Study(tmp_path)
    study.configure(**CONFIG)
    run = study.snakemake("-n", "--config", "seed=minus")
    assert run.status == 1
    (line,) = run.said
    assert line.startswith("vlm-aqa: configuration: 'seed' is 'minus': ")


def test_data_that_is_not_there_can_be_planned_but_stops_before_any_job(tmp_path):
    study = Study(tmp_path)
    study.configure(datasets={"mtl-aqa": {"data": "nowhere"}}, models=["random"])
    assert study.make("-n").jobs["index"] == 1
    run = study.snakemake()
    assert run.status == 1
    assert run.said[-1].startswith("vlm-aqa: datasets.mtl-aqa.data: no folder 'nowhere'. ")
    assert not study.results.exists()


def test_a_remote_model_gets_no_media_that_may_not_leave(tmp_path):
    study = Study(tmp_path)
    (tmp_path / "data").mkdir()
    (tmp_path / "remote.yaml").write_text(
        "{title: R, backend: openai, options: {base_url: 'https://example.org/v1', model: m}}"
    )
    chosen = {"models": ["remote"], "model_files": ["."]}
    study.configure(datasets={"fitness-aqa": {"data": "data"}}, **chosen)
    run = study.snakemake()
    assert run.status == 1
    assert "set datasets.fitness-aqa.i_may_upload: true" in run.said[-1]
    assert not study.results.exists()


def test_a_declared_impossible_cell_is_absent_and_says_why(study):
    reason = "does not fit the context window"
    study.configure(
        **CONFIG,
        cells={
            "include": [{"tasks": ["judge"], "representations": ["original"], "strategies": ["base"]}],
            "not_applicable": [{"datasets": ["mtl-aqa"], "models": ["constant"], "reason": reason}],
        },
    )
    study.make()
    assert reason in (study.results / "report.html").read_text()
    assert "–∗" in (study.results / "tables/table1.md").read_text()
    assert "mtl-aqa,judge,original,base,constant" not in (study.results / "scores.csv").read_text()


def test_an_accepted_broken_clip_is_counted_in_every_output(study):
    clip = study.results / "media/mtl-aqa/original/native/clips"
    name = min(path.stem for path in clip.glob("*.zip"))
    samples = study.results / "datasets/mtl-aqa/samples.jsonl"
    lines = [json.loads(line) for line in samples.read_text().splitlines()]
    (broken,) = (line for line in lines if line["sample_id"] == name)
    broken["media"]["start_s"], broken["media"]["end_s"] = 9000.0, 9001.0
    samples.write_text("".join(json.dumps(line) + "\n" for line in lines))
    chosen = {**CONFIG["datasets"]["mtl-aqa"], "accept_broken_clips": True}
    study.configure(**{**CONFIG, "datasets": {**CONFIG["datasets"], "mtl-aqa": chosen}})
    study.make()
    with (study.results / "scores.csv").open() as stream:
        rows = [row for row in csv.DictReader(stream) if row["scope"] == "all"]
    counts = {(row["dataset"], row["n"], row["n_left_out"]) for row in rows if row["dataset"] == "mtl-aqa"}
    assert counts == {("mtl-aqa", "9", "1")}
    metrics = json.loads((study.results / "cells" / CELLS[2] / "metrics.json").read_text())
    assert metrics["left_out"] == [name]
    for page in ("tables/table1.md", "tables/table1.tex", "report.html"):
        assert "1 samples of MTL-AQA" in (study.results / page).read_text()


def test_a_new_title_is_printed_and_asks_nothing(study):
    (study.folder / "models").mkdir()
    (study.folder / "models/random.yaml").write_text(
        "{title: Dice, backend: baseline, baseline: true, session: dataset, options: {kind: random}}"
    )
    study.configure(**CONFIG, model_files=["models", "config/models"])
    before = {path: path.read_bytes() for path in (study.results / "journals").rglob("*.jsonl")}
    study.make()
    assert "| Dice |" in (study.results / "tables/table1.md").read_text()
    assert "Dice" in (study.results / "report.html").read_text()
    assert {path: path.read_bytes() for path in (study.results / "journals").rglob("*.jsonl")} == before
