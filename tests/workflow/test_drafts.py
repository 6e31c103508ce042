"""Texts that nobody has approved: drafted on demand, used only where allowed, and marked until approved."""

import csv

import cv2
import numpy as np
import pytest
import yaml
from workflow_runs import Study

from aqa.datasets.reviewed import correct_option, key, load_reviewed
from aqa.records import Question
from openai_server import ServerProcess

pytestmark = pytest.mark.xdist_group("workflow")

GRIP = Question(item="grip", text="How is the grip?", options=("narrow", "wide"))
NEGATIVE = {"sha256": key(GRIP.text), "negative": "The grip not being wide."}
DESCRIPTION = {
    "title": "My lifts",
    "kind": "classification",
    "media": "image",
    "licence": "ours",
    "exercises": {"lift": "Lift"},
    "questions": {"grip": {"text": GRIP.text, "options": list(GRIP.options)}},
}


@pytest.fixture
def lifts(tmp_path):
    """A study of six pictures of one's own, of which nobody has said which grip is correct."""
    data = tmp_path / "data"
    data.mkdir()
    lines = ["sample_id,subject,path,grip"]
    for number in range(6):
        cv2.imwrite(str(data / f"{number}.png"), np.full((16, 16, 3), 20 * number, np.uint8))
        lines.append(f"l{number},p{number},{number}.png,{('narrow', 'wide')[number % 2]}")
    (data / "samples.csv").write_text("\n".join(lines) + "\n")
    (data / "dataset.yaml").write_text(yaml.safe_dump(DESCRIPTION))
    return Study(tmp_path)


def configure(study, **dataset):
    cells = {"representations": ["original"], "strategies": ["base", "negative_guidelines"]}
    study.configure(
        datasets={"my-lifts": {"data": "data", **dataset}},
        models=["random"],
        cells={"include": [cells]},
        scoring={"resamples": 100},
    )


def approve(study, reviewed):
    entries = {"guidelines": {"lift": [{**NEGATIVE, "reviewed": reviewed}]}}
    (study.folder / "mine.yaml").write_text(yaml.safe_dump(entries))


def drafts(study):
    """Return strategy -> number of unapproved texts, from scores.csv."""
    with (study.results / "scores.csv").open() as stream:
        return {row["strategy"]: int(row["drafts"]) for row in csv.DictReader(stream)}


def test_a_cell_is_marked_draft_exactly_until_its_texts_are_approved(lifts):
    approve(lifts, reviewed=False)
    configure(lifts, wording="mine.yaml")
    run = lifts.snakemake("results/scores.csv")
    assert run.status == 1
    assert "negative guidelines are drafts that nobody has approved" in run.output
    configure(lifts, wording="mine.yaml", allow_draft=True)
    lifts.make("results/scores.csv")
    assert drafts(lifts) == {"base": 0, "negative_guidelines": 1}
    journals = {path: path.read_bytes() for path in (lifts.results / "journals").rglob("*.jsonl")}
    approve(lifts, reviewed=True)
    lifts.make("results/scores.csv")
    assert drafts(lifts) == {"base": 0, "negative_guidelines": 0}
    assert {path: path.read_bytes() for path in (lifts.results / "journals").rglob("*.jsonl")} == journals


def test_a_configured_model_drafts_what_a_person_has_to_approve(lifts):
    with ServerProcess("--answer", '{"reason": "A wide grip is safe.", "answer": "wide"}') as url:
        options = {"base_url": url, "model": "test-model"}
        model = {"title": "Local", "backend": "openai", "options": options}
        (lifts.folder / "local.yaml").write_text(yaml.safe_dump(model))
        lifts.configure(
            datasets={"my-lifts": {"data": "data"}}, models=["local"], model_files=[".", "config/models"]
        )
        made = [
            f"results/drafts/my-lifts/{name}.yaml" for name in ("wording", "contrastive", "annotate.local")
        ]
        jobs = lifts.make("draft_wording_my-lifts", "draft_pairs_my-lifts", "annotate_my-lifts_local").jobs
    assert set(jobs) == {
        *("index", "draft_wording_my-lifts", "draft_pairs_my-lifts"),
        *("annotate_my-lifts_local", "annotate_requests", "annotate_responses"),
    }
    wording, contrastive, annotated = (yaml.safe_load((lifts.folder / name).read_text()) for name in made)
    assert wording["correct_options"]["lift"][0]["option"] is None
    assert contrastive["texts"][0]["reviewed"] is False
    (entry,) = annotated["correct_options"]["lift"]
    assert (entry["option"], entry["reason"]) == ("wide", "A wide grip is safe.")
    assert entry["reviewed"] is False
    file = lifts.folder / made[2]
    assert correct_option(load_reviewed("my-lifts", file), "lift", GRIP) is None
    assert file.stat().st_mode & 0o222 == 0, "a file that a person may edit must not be overwritten"
