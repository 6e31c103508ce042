"""Figure 1 shows how favourably models judge, against the truth of the same samples."""

import re
import shutil
import subprocess
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest
import reporting_study as study

from aqa.errors import UserError
from aqa.files import write_jsonl
from aqa.reporting.figures import correctness_bias
from aqa.reporting.predictions import Answers, level_of, levels, read_answers, read_questions

BASE = {"task": "judge", "representation": "original", "strategies": ("base",)}


def study_files(folder):
    cells = [
        study.write_cell(folder, dataset, model, strategy)
        for dataset in (study.FITNESS, study.DIVES)
        for model in ("random", "qwen")
        for strategy in ("base", "positive_guidelines")
    ]
    samples = [study.write_samples(folder, dataset) for dataset in (study.FITNESS, study.DIVES)]
    return cells, samples


def test_the_rate_of_correct_predictions_equals_a_count_by_hand(tmp_path):
    folder = study.write_cell(tmp_path, study.FITNESS, "qwen")
    questions = read_questions([study.write_samples(tmp_path, study.FITNESS)])
    (level,) = levels([folder], questions, study.labels(), **BASE)
    lines = [line.split(",") for line in (folder / "predictions.csv").read_text().splitlines()[1:]]
    usable = [line for line in lines if line[6] == "ok"]
    assert level.level == sum(line[5] == "absent" for line in usable) / len(usable)
    assert np.mean(list(level.truth.values())) == sum(line[4] == "absent" for line in lines) / len(lines)
    assert level.coverage == len(usable) / len(lines) < 1


def test_the_mean_predicted_score_equals_a_mean_by_hand(tmp_path):
    folder = study.write_cell(tmp_path, study.DIVES, "qwen")
    questions = read_questions([study.write_samples(tmp_path, study.DIVES)])
    (level,) = levels([folder], questions, study.labels(), **BASE)
    lines = [line.split(",") for line in (folder / "predictions.csv").read_text().splitlines()[1:]]
    assert level.level == pytest.approx(np.mean([float(line[5]) for line in lines if line[6] == "ok"]))
    assert questions[study.DIVES].scale == (0, 10)


def test_items_without_a_correct_option_do_not_count(tmp_path):
    samples = study.samples(study.FITNESS)
    path = tmp_path / study.FITNESS / "samples.jsonl"
    asked = []
    for sample in samples:
        first, second = sample.questions
        questions = (first.model_copy(update={"correct": None}), second)
        asked.append(sample.model_copy(update={"questions": questions}))
    write_jsonl(path, asked)
    questions = read_questions([path])[study.FITNESS]
    key = samples[0].sample_id
    answers = Answers(
        ("d", "judge", "original", "base", "m"),
        [((key, "knees"), "absent"), ((key, "elbows"), "present")],
        {(key, "knees"): "absent", (key, "elbows"): "absent"},
        [(key, "knees"), (key, "elbows")],
    )
    level = level_of(answers, "classification", questions)
    assert (level.level, level.total, list(level.truth.values())) == (0.0, 1, [1.0])


def test_a_cell_without_usable_answers_has_no_level_and_still_draws(tmp_path):
    cells, samples = study_files(tmp_path)
    for folder in cells[:2]:
        text = (folder / "predictions.csv").read_text()
        (folder / "predictions.csv").write_text(re.sub(r",(absent|present),ok,", ",,refused,", text))
    assert not read_answers(cells[0]).predictions
    assert correctness_bias(cells, samples, study.labels(), tmp_path / "figure1")


def test_the_figure_is_written_as_valid_vector_and_pixel_graphics(tmp_path):
    cells, samples = study_files(tmp_path)
    paths = correctness_bias(cells, samples, study.labels(), tmp_path / "figures" / "figure1")
    content = {path.suffix: path.read_bytes() for path in paths}
    assert set(content) == {".pdf", ".svg", ".png"}
    assert ElementTree.fromstring(content[".svg"]).tag.endswith("svg")
    assert content[".png"].startswith(b"\x89PNG")
    assert content[".pdf"].startswith(b"%PDF")
    text = content[".svg"].decode()
    for shown in (
        "Fitness-AQA",
        "MTL-AQA (synthetic)",
        "Random guess",
        "Qwen3-VL",
        "Ground truth",
        "Baseline",
    ):
        assert f"<!-- {shown} -->" in text, "matplotlib notes each text beside its outlines"
    assert "Gemini" not in text, "a model without predictions has no row"


def test_the_same_predictions_give_the_same_bytes_whatever_the_clock_says(tmp_path, monkeypatch):
    found = []
    for clock in ("0", "1700000000"):
        monkeypatch.setenv("SOURCE_DATE_EPOCH", clock)
        cells, samples = study_files(tmp_path / clock)
        ordered = cells if clock == "0" else cells[::-1]
        paths = correctness_bias(ordered, samples, study.labels(), tmp_path / clock / "figure1")
        found.append([path.read_bytes() for path in paths])
    assert found[0] == found[1]
    assert not re.search(rb"CreationDate|ModDate|dc:date", b"".join(found[0]))


def test_titles_are_printed_as_they_are_never_as_markup(tmp_path):
    cells, samples = study_files(tmp_path)
    hostile = r"$\frac{1}$ <script> & \n"
    models = [{"id": "random", "title": "R", "baseline": True}, {"id": "qwen", "title": hostile}]
    labels = study.labels(models=models, not_applicable=[])
    paths = correctness_bias(cells, samples, labels, tmp_path / "figure1")
    text = next(path for path in paths if path.suffix == ".svg").read_text()
    ElementTree.fromstring(text)
    assert "<script" not in text


def test_cells_of_other_tasks_are_passed_over_and_nothing_to_show_is_an_error(tmp_path):
    cells, samples = study_files(tmp_path)
    other = tmp_path / "cells" / study.FITNESS / "compare" / "original" / "base" / "qwen"
    assert correctness_bias([*cells, other], samples, study.labels(), tmp_path / "figure1")
    with pytest.raises(UserError, match="no cell to show"):
        correctness_bias([other], samples, study.labels(), tmp_path / "figure1")


def test_missing_inputs_name_the_file(tmp_path):
    cells, samples = study_files(tmp_path)
    with pytest.raises(UserError, match="no samples of 'mtl-aqa'"):
        correctness_bias(cells, samples[:1], study.labels(), tmp_path / "figure1")
    (cells[0] / "predictions.csv").unlink()
    with pytest.raises(UserError, match=r"predictions.csv: cannot be read"):
        correctness_bias(cells, samples, study.labels(), tmp_path / "figure1")


@pytest.mark.skipif(shutil.which("pdffonts") is None, reason="pdffonts is not on this machine")
def test_the_pdf_embeds_its_fonts_as_truetype(tmp_path):
    cells, samples = study_files(tmp_path)
    correctness_bias(cells, samples, study.labels(), tmp_path / "figure1")
    fonts = subprocess.run(["pdffonts", tmp_path / "figure1.pdf"], capture_output=True, text=True, check=True)
    assert "TrueType" in fonts.stdout
    assert "Type 3" not in fonts.stdout
