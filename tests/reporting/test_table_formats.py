"""Tables hold the numbers of scores.csv in every format, marked, noted and escaped."""

import csv
import io
import itertools
import math
import re
import shutil
import subprocess

import pytest
import reporting_study as study
from hypothesis import given
from hypothesis import strategies as st

from aqa.errors import UserError
from aqa.reporting import escape, render
from aqa.reporting.layout import LAYOUTS, METRICS
from aqa.reporting.outcomes import outcome_rates
from aqa.reporting.scores import read_scores
from aqa.reporting.tables import build
from aqa.reporting.views import dataset_rows

HOSTILE = r"<script>alert(1)</script> \input{/etc/passwd} 50% & a_b^c #1 $x$ {~} | `*[q](http://x)*` 中 é"


def table_1(tmp_path, rows=None, labels=None):
    scores = study.write_scores(tmp_path / "scores.csv", study.rows() if rows is None else rows)
    return build(LAYOUTS[1], read_scores(scores), labels or study.labels())


def lines_of(text):
    return list(csv.DictReader(io.StringIO(text)))


def test_csv_holds_the_raw_numbers_of_the_headline_policy(tmp_path):
    found = {row["model"]: row for row in lines_of(render.as_csv(table_1(tmp_path)))}
    for model, values in study.VALUES.items():
        for metric, value in zip(study.METRICS, values, strict=True):
            dataset = study.FITNESS if metric == "balanced_accuracy" else study.DIVES
            printed = found[model][f"{dataset}/{metric}"]
            assert printed == ("" if math.isnan(value) else repr(value))
    assert found["chance"][f"{study.FITNESS}/balanced_accuracy"] == "0.5"
    assert found["gemini"][f"{study.FITNESS}/balanced_accuracy"] == ""


@pytest.mark.parametrize("policy", ["strict", "answered"])
def test_every_format_prints_the_same_rounded_numbers(tmp_path, policy):
    labels = study.labels(policy=policy)
    table = table_1(tmp_path, labels=labels)
    shift = 0.0123 if policy == "answered" else 0.0
    texts = {
        "latex": render.as_latex(table, labels).replace("$-$", "-"),
        "markdown": render.as_markdown(table, labels),
    }
    for form, text in texts.items():
        for model in ("qwen", "qwen-thinking"):
            title = {"latex": "Qwen3-VL", "markdown": "| Qwen3-VL"}[form]
            dagger = {"latex": r"$^\dagger$", "markdown": "†"}[form] if model == "qwen-thinking" else ""
            line = next(
                line for line in text.splitlines() if re.match(re.escape(title + dagger) + r"\s", line)
            )
            numbers = re.findall(r"(?<![\d.])-?\d\.\d{4}", line)
            assert numbers == [f"{value + shift:.4f}" for value in study.VALUES[model]]


def test_the_companion_holds_interval_counts_and_state_of_every_place(tmp_path):
    found = {(row["model"], row["metric"]): row for row in lines_of(render.companion_csv(table_1(tmp_path)))}
    row = found["qwen", "spearman"]
    assert (row["value"], row["ci_low"], row["ci_high"]) == (
        "0.2319",
        repr(0.2319 - 0.03),
        repr(0.2319 + 0.04),
    )
    assert (row["policy"], row["interval"], row["n_clusters"], row["n"], row["n_refused"]) == (
        "strict",
        "cluster-jackknife-t",
        "15",
        "96",
        "1",
    )
    assert found["constant", "spearman"]["state"] == "undefined"
    assert found["constant", "spearman"]["value"] == ""
    assert (found["gemini", "balanced_accuracy"]["state"], found["gemini", "spearman"]["state"]) == (
        "not_applicable",
        "absent",
    )
    assert found["gemini", "balanced_accuracy"]["reason"] == "context window"


def test_the_companion_prints_an_interval_below_each_number(tmp_path):
    labels = study.labels()
    table = table_1(tmp_path)
    assert r"**0.2319**<br>\[0.202, 0.272\]" in render.as_markdown(table, labels, intervals=True)
    assert "0.202, 0.272" in render.as_latex(table, labels, intervals=True)

    assert "0.202, 0.272" not in render.as_markdown(table, labels)


def test_notes_state_policy_limit_synthetic_data_reason_and_undefined(tmp_path):
    notes = " ".join(table_1(tmp_path).notes)
    assert "Policy strict" in notes
    assert "limited to 48 samples" in notes
    assert "MTL-AQA in this run is the embedded benchmark" in notes
    assert "∗ Gemini 3.1 Pro† on Fitness-AQA: context window." in notes
    assert "NaN: undefined" in notes
    assert "MTL-AQA (synthetic)" in render.as_markdown(table_1(tmp_path), study.labels())


def test_numbers_that_print_alike_share_a_mark(tmp_path):
    values = {"random": 0.99, "a": 0.60004, "b": 0.60001, "c": 0.55, "d": 0.5}
    models = [{"id": name, "title": name, "baseline": name == "random"} for name in values]
    labels = study.labels(models=models, not_applicable=[])
    rows = [study.score(study.FITNESS, model, "balanced_accuracy", value) for model, value in values.items()]
    table = table_1(tmp_path, rows, labels)
    marks = {row.name: row.entries[0].mark for row in table.rows if row.model}
    assert marks == {"random": "", "a": "best", "b": "best", "c": "second", "d": ""}


def test_one_model_alone_is_not_marked(tmp_path):
    rows = [study.score(study.FITNESS, model, "balanced_accuracy", 0.6) for model in ("random", "qwen")]
    table = table_1(tmp_path, rows)
    assert {entry.mark for entry in table.entries} == {""}
    assert not any("Bold" in note for note in render.table_notes(table, study.labels(), "x", intervals=False))


def test_chance_that_differs_between_models_is_not_printed(tmp_path):
    rows = [
        study.score(study.FITNESS, model, "balanced_accuracy", 0.6, chance=chance)
        for model, chance in (("random", 0.5), ("qwen", 0.45))
    ]
    assert all(row.model for row in table_1(tmp_path, rows).rows)
    shared = study.score(study.DIVES, "qwen", "spearman", 0.6, chance=0.0)
    table = table_1(tmp_path, [*rows, shared])
    notes = render.table_notes(table, study.labels(), "x", intervals=False)
    assert any("– where it differs between models" in note for note in notes)


def test_the_root_form_prints_only_where_there_is_some(tmp_path):
    rows = [row for row in study.rows() if row["metric"] != "relative_l2_root"]
    keys = [column.key for column in table_1(tmp_path, rows).blocks[0].columns]
    assert keys == ["fitness-aqa/balanced_accuracy", "mtl-aqa/spearman", "mtl-aqa/relative_l2"]


def test_the_unit_of_the_labels_is_printed_where_scores_have_both(tmp_path):
    rows = [
        study.score(study.FITNESS, "qwen", "balanced_accuracy", value, unit=unit)
        for unit, value in (("item", 0.61), ("exercise", 0.58))
    ]
    for unit, value in (("item", 0.61), ("exercise", 0.58)):
        table = table_1(tmp_path, rows, study.labels(unit={study.FITNESS: unit}))
        assert [entry.value for entry in table.entries if entry.cell and entry.state == "value"] == [value]
    with pytest.raises(UserError, match="units exercise and item"):
        table_1(tmp_path, rows, study.labels(unit={}))


def test_a_negative_zero_prints_as_zero():
    assert METRICS["spearman"].text(-0.00001) == "0.0000"
    assert METRICS["spearman"].text(-0.0162) == "-0.0162"


def hostile_labels():
    models = [{"id": "qwen", "title": HOSTILE}, {"id": "gemini", "title": "line\nbreak\u202e\x00"}]
    datasets = [study.DATASETS[0] | {"title": HOSTILE}, study.DATASETS[1]]
    reason = [study.labels().not_applicable[0].model_dump() | {"reason": HOSTILE}]
    return study.labels(models=models, datasets=datasets, not_applicable=reason)


def test_markdown_escapes_titles_and_reasons(tmp_path):
    labels = hostile_labels()
    text = render.as_markdown(table_1(tmp_path, labels=labels), labels)
    assert "<script" not in text
    assert "](http" not in text.replace("\\](", "")
    columns = {len(re.findall(r"(?<!\\)\|", line)) for line in text.splitlines() if line.startswith("| ")}
    assert len(columns) == 1, "no title breaks a row apart"
    assert not re.search("[\x00\u202e]", text)


@pytest.mark.parametrize("intervals", [False, True])
@pytest.mark.parametrize("hostile", [False, True])
def test_latex_compiles_with_booktabs_alone(tmp_path, intervals, hostile):
    engine = shutil.which("pdflatex") or shutil.which("tectonic")
    if engine is None:
        pytest.skip("no TeX engine (pdflatex or tectonic) on this machine")
    labels = hostile_labels() if hostile else study.labels()
    table = table_1(tmp_path, labels=labels)
    document = r"\documentclass{article}\usepackage{booktabs}\begin{document}" + "\n"
    document += render.as_latex(table, labels, intervals=intervals) + r"\end{document}"
    (tmp_path / "document.tex").write_text(document, encoding="utf-8")
    command = [engine, "document.tex"]
    if engine.endswith("pdflatex"):
        command[1:1] = ["-interaction=nonstopmode", "-halt-on-error", "-no-shell-escape"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout[-2000:]
    assert (tmp_path / "document.pdf").stat().st_size > 1000
    assert "Missing character" not in (tmp_path / "document.log").read_text(errors="replace")


@given(st.text(max_size=60))
def test_escaped_latex_has_no_bare_specials(text):
    escaped = escape.latex(text)
    bare = re.sub(r"\\(textbackslash|textasciicircum|textasciitilde|ldots|char34|char96)\{\}", "", escaped)
    bare = re.sub(r"\$[^$]*\$", "", re.sub(r"\\[{}$&#%_]", "", bare))
    bare = re.sub(r"\{[\[\]]\}|\{\[\}U\+[0-9A-F]+\{\]\}", "", bare)
    assert not re.search(r"[\\{}$&#%_^~]", bare)
    assert all(character.isascii() or "À" <= character <= "ÿ" for character in escaped)


@given(st.text(max_size=60))
def test_escaped_markdown_stays_in_its_place(text):
    escaped = escape.markdown(text)
    assert "\n" not in escaped and "\r" not in escaped
    assert not re.search(r"[<>]", escaped)
    assert not re.search(r"(?<!\\)(\\\\)*[|`*_\[\]]", re.sub(r"\\[\\`*_\[\]#|~$]", "", escaped))


def test_the_same_inputs_give_the_same_bytes(tmp_path):
    labels = study.labels()
    orders = [study.rows(), list(reversed(study.rows()))]
    found = []
    for place, rows in enumerate(orders):
        folder = tmp_path / str(place)
        folder.mkdir()
        paths = render.write_table(table_1(folder, rows), labels, folder / "table1")
        found.append({path.name: path.read_bytes() for path in paths})
    assert found[0] == found[1]
    names = [
        f"table1{part}.{form}" for part, form in itertools.product(("", "_intervals"), ("csv", "tex", "md"))
    ]
    assert sorted(found[0]) == sorted(names)


def test_a_broken_scores_file_gets_one_clear_line(tmp_path):
    path = study.write_scores(tmp_path / "scores.csv", study.rows())
    path.write_text(path.read_text().replace("0.5557,", "much,", 1))
    with pytest.raises(UserError, match=r"scores.csv, line \d+: value: .*score again"):
        read_scores(path)
    path.write_text("dataset,task\n")
    with pytest.raises(UserError, match="column 'representation' is missing"):
        read_scores(path)
    twice = study.rows() * 2
    with pytest.raises(UserError, match="two rows for fitness-aqa/judge"):
        read_scores(study.write_scores(path, twice))


def test_people_count_neither_as_asked_more_nor_where_they_rated_nothing(tmp_path):
    people = {"id": "human", "title": "Human", "baseline": True, "people": True}
    labels = study.labels(models=[*study.MODELS, people], not_applicable=[])
    found = [
        study.score(study.FITNESS, "random", "balanced_accuracy", 0.5, n=96),
        study.score(study.FITNESS, "qwen", "balanced_accuracy", 0.6, n=12),
        study.score(study.FITNESS, "human", "balanced_accuracy", 0.8, n=180),
        study.score(study.FITNESS, "random", "accuracy", 0.5, task="compare"),
    ]
    scores = read_scores(study.write_scores(tmp_path / "scores.csv", found))
    baseline = build(LAYOUTS[1], scores, labels)
    assert "Human" in [row.name for row in baseline.rows]
    notes = " ".join(baseline.notes)
    assert "Asked about a part only: Qwen3-VL on Fitness-AQA 12 of 96 judgements." in notes
    assert "n = 12–96 judgements" in notes
    assert "Human" not in [row.name for row in build(LAYOUTS[5], scores, labels).rows]


def test_the_limits_of_blocks_of_cells_are_printed_and_counted_apart_from_those_of_datasets(tmp_path):
    cells = {f"{study.FITNESS}/judge/original/base/{model}": 12 for model in ("qwen", "random")}
    found = [
        study.score(study.FITNESS, model, "balanced_accuracy", 0.5, n=12) for model in ("random", "qwen")
    ]
    scores = read_scores(study.write_scores(tmp_path / "scores.csv", found))
    labels = study.labels(limits=cells, not_applicable=[])
    notes = " ".join(build(LAYOUTS[1], scores, labels).notes)
    assert "limited to 12 samples" in notes
    labels = study.labels(limits=dict([*cells.items()][:1]), not_applicable=[])
    notes = " ".join(build(LAYOUTS[1], scores, labels).notes)
    assert "1 of 2 cells limited to 12 samples" in notes


def test_people_are_no_part_of_what_was_evaluated(tmp_path):
    people = {"id": "human", "title": "Human", "baseline": True, "people": True}
    found = [
        study.score(study.FITNESS, "random", "balanced_accuracy", 0.5, n=96),
        study.score(study.FITNESS, "human", "balanced_accuracy", 0.8, n=4_321, n_clusters=99),
    ]
    scores = read_scores(study.write_scores(tmp_path / "scores.csv", found))
    labels = study.labels(models=[*study.MODELS, people], not_applicable=[])
    (fitness, _) = dataset_rows(scores, labels)
    assert (fitness.judgements, fitness.clusters, fitness.cells) == ("96", "15", 1)
    assert [rate.model for rate in outcome_rates(scores, labels)] == ["random"]
