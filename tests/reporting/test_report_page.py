"""The report is one page that holds everything, escapes everything and asks the network for nothing."""

import base64
import hashlib
import re
from html.parser import HTMLParser

import pytest
import reporting_study as study

from aqa.errors import UserError
from aqa.files import write_json
from aqa.reporting import render
from aqa.reporting.figures import correctness_bias
from aqa.reporting.layout import LAYOUTS
from aqa.reporting.report import write_report
from aqa.reporting.scores import read_scores
from aqa.reporting.tables import build

HOSTILE = '"><script>alert(1)</script><img src=http://evil.example/x onerror=alert(2)>\u202e{{ 7*7 }}'
VOID = {"meta", "img", "br", "line", "circle", "rect"}


class Page(HTMLParser):
    """Collects tags, attributes and text, and checks that every element is closed."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.text, self.open = [], [], []
        self.feed(text)
        self.close()
        assert not self.open, f"not closed: {self.open}"

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        assert self.open and self.open[-1] == tag, f"</{tag}> closes {self.open[-1:]}"
        self.open.pop()

    def handle_data(self, data):
        self.text.append(data)

    @property
    def words(self):
        return re.sub(r"\s+", " ", " ".join(self.text))


def metrics_file(folder, dataset, model, **changes):
    path = folder / "cells" / dataset / "judge" / "original" / "base" / model / "metrics.json"
    names = {"dataset": dataset, "task": "judge", "representation": "original", "strategy": "base"}
    values = names | {
        "model": model,
        "rows": [],
        "notes": [],
        "versions": {"aqa": "0.1.0", "numpy": "2.4.6"},
        "model_versions": [],
        "mixed_model_versions": False,
    }
    write_json(path, values | changes)
    return path


def reason(scope, policy="strict", text="the predictions are constant"):
    return {"metric": "spearman", "policy": policy, "unit": "item", "scope": scope, "reason": text}


def make(folder, labels=None, rows=None, appearances=(), **changes):
    labels = labels or study.labels()
    folder.mkdir(parents=True, exist_ok=True)
    scores = study.write_scores(folder / "scores.csv", study.rows() if rows is None else rows)
    render.write_table(build(LAYOUTS[1], read_scores(scores), labels), labels, folder / "tables" / "table1")
    models = [label.id for label in labels.models if label.id in study.VALUES]
    cells = [study.write_cell(folder, study.DIVES, model) for model in models]
    samples = [study.write_samples(folder, study.DIVES)]
    correctness_bias(cells, samples, labels, folder / "figures" / "figure1")
    metrics = [metrics_file(folder, study.DIVES, "qwen", **changes)]
    metrics.append(
        metrics_file(folder, study.DIVES, "constant", notes=[reason("all"), reason("all", "answered")])
    )
    output = folder / "report.html"
    write_report(
        scores=scores,
        labels=labels,
        tables=folder / "tables",
        figures=folder / "figures",
        metrics=metrics,
        output=output,
        appearances=appearances,
    )
    return output.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def text(tmp_path_factory):
    return make(tmp_path_factory.mktemp("report"))


def test_the_page_parses_and_every_element_is_closed(text):
    assert {"h1", "table", "figure", "svg", "details"} <= {tag for tag, _ in Page(text).tags}


def test_nothing_is_loaded_from_anywhere(text):
    page = Page(text)
    for tag, attributes in page.tags:
        assert tag not in {"script", "link", "iframe", "object", "embed", "base", "form"}
        for name, value in attributes.items():
            assert not name.startswith("on") and name != "style"
            if name in {"src", "href", "srcset", "data", "action", "xlink:href"}:
                assert value.startswith(("data:", "#"))
    assert not re.search(r"url\(|@import", text)
    assert not re.search(r"https?://", text)


def test_the_policy_allows_only_the_page_s_own_style(text):
    policy = next(tag["content"] for _, tag in Page(text).tags if tag.get("http-equiv"))
    style = re.search(r"<style>(.*?)</style>", text, re.DOTALL)[1]
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert policy == (
        f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; base-uri 'none'; form-action 'none'"
    )


def test_every_link_inside_the_page_has_its_target(text):
    tags = Page(text).tags
    targets = {attributes["id"] for _, attributes in tags if "id" in attributes}
    links = {attributes["href"][1:] for _, attributes in tags if attributes.get("href", "").startswith("#")}
    assert links and links <= targets


def test_table_1_stands_in_the_page_with_its_intervals(text):
    words = Page(text).words
    for value in ("0.5557", "0.2319", "0.0410", "0.2026", "[0.202, 0.272]", "NaN", "–∗"):
        assert value in words


def test_the_saved_files_are_the_tables_themselves(tmp_path):
    page = Page(make(tmp_path))
    saved = {tag["download"]: tag["href"] for _, tag in page.tags if "download" in tag}
    assert {"table1.csv", "table1.tex", "table1.md", "table1_intervals.csv", "figure1.svg"} <= set(saved)
    content = base64.b64decode(saved["table1.csv"].split(",", 1)[1])
    assert content == (tmp_path / "tables" / "table1.csv").read_bytes()


def test_the_page_says_what_was_run_and_how_to_read_it(text):
    words = Page(text).words
    for said in (
        "MTL-AQA in this run is the embedded benchmark",
        "Policy strict",
        "48 samples",
        "context window",
        "chance 0.5000",
        "1 of 2 models: interval wholly above chance (0.5000).",
        "the predictions are constant",
        "ρ, all (strict, item); ρ, all (answered, item)",
        "numpy",
        "snakemake --cores 2 results/tables/table1.csv",
        "snakemake --cores 2 results/cells/fitness-aqa/judge/original/base/random/metrics.json",
    ):
        assert said in words


def test_counts_of_every_cell_equal_scores_csv(text):
    section = text[text.index('id="answers"') : text.index('id="notes"')]
    rows = re.findall(r"<tr><th scope=\"row\">.*?</tr>", section, re.DOTALL)
    assert len(rows) == 2 * len(study.VALUES)
    for row in rows:
        assert re.findall(r">(\d+)</td>", row) == ["96", "90", "3", "2", "1", "0", "0"]


def test_scores_per_exercise_equal_scores_csv(text):
    section = text[text.index('id="exercises"') : text.index('id="answers"')]
    words = Page(f"<div>{section[section.index('<details') : section.rindex('</section>')]}</div>").words
    assert "Squat" in words and "Overhead press" in words
    for value in ("0.5567", "0.5577"):
        assert value in words


def test_whatever_comes_from_data_or_a_model_is_escaped(tmp_path):
    models = [{"id": "random", "title": HOSTILE, "baseline": True}, {"id": "qwen", "title": HOSTILE}]
    datasets = [study.DATASETS[0], study.DATASETS[1] | {"title": HOSTILE}]
    missing = [study.labels().not_applicable[0].model_dump() | {"reason": HOSTILE, "model": "qwen"}]
    labels = study.labels(models=models, datasets=datasets, not_applicable=missing)
    text = make(
        tmp_path,
        labels,
        notes=[reason(HOSTILE, text=HOSTILE)],
        versions={HOSTILE: HOSTILE},
        model_versions=[HOSTILE],
        mixed_model_versions=True,
    )
    page = Page(text)
    assert not {"script"} & {tag for tag, _ in page.tags}
    assert [tag for tag, attributes in page.tags if "onerror" in attributes] == []
    assert all(attributes["src"].startswith("data:") for tag, attributes in page.tags if tag == "img")
    assert "<script>alert(1)</script>" in page.words, "it is shown, as text"
    assert "{{ 7*7 }}" in page.words
    assert "\u202e" not in text


def test_only_baselines_make_an_honest_page(tmp_path):
    rows = [row for row in study.rows() if row["model"] in ("random", "constant")]
    models = [model for model in study.MODELS if model.get("baseline")]
    words = Page(make(tmp_path, study.labels(models=models, not_applicable=[]), rows)).words
    assert "Only baselines ran" in words
    assert "above chance" not in words


def test_undefined_numbers_and_missing_chance_still_make_a_page(tmp_path):
    nothing = {"value": float("nan"), "ci_low": float("nan"), "ci_high": float("nan"), "chance": float("nan")}
    words = Page(make(tmp_path, rows=[row | nothing for row in study.rows()])).words
    assert "NaN" in words
    assert "nan" not in words.replace("NaN", "")


def test_the_same_inputs_give_the_same_bytes(tmp_path, text):
    assert make(tmp_path) == text


def test_a_missing_part_names_what_to_make(tmp_path):
    make(tmp_path)
    empty = tmp_path / "empty"
    empty.mkdir()
    files = {"scores": tmp_path / "scores.csv", "labels": study.labels(), "output": tmp_path / "x.html"}
    tables, figures = tmp_path / "tables", tmp_path / "figures"
    with pytest.raises(UserError, match=r"no table1.csv; make the tables first"):
        write_report(**files, tables=empty, figures=figures, metrics=[])
    with pytest.raises(UserError, match=r"no figure1.svg; make the figures first"):
        write_report(**files, tables=tables, figures=empty, metrics=[])
    with pytest.raises(UserError, match=r"gone.json: cannot be read"):
        write_report(**files, tables=tables, figures=figures, metrics=[tmp_path / "gone.json"])
    assert not (tmp_path / "x.html").exists()
