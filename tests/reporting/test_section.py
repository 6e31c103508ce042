"""Sections: what an analysis hands to the page, laid out and escaped by the page alone."""

import csv
import math
import re

import pytest
import reporting_study as study
from pydantic import ValidationError

from aqa.errors import UserError
from aqa.files import write_json
from aqa.reporting.effects import effects_section, read_effects
from aqa.reporting.layout import LAYOUTS
from aqa.reporting.report import Attached, SectionView, TableView, page
from aqa.reporting.scores import Scores
from aqa.reporting.section import (
    Drawing,
    Grid,
    Head,
    Quote,
    Quotes,
    Section,
    Text,
    read_sections,
    write_section,
)
from aqa.reporting.tables import build
from aqa.scoring.effects import COLUMNS

HOSTILE = '<script>alert("x")</script> {{ 7 * 7 }} \u202eabc'


def section(**changes):
    parts = (
        Text(text=HOSTILE),
        Grid(
            title="Numbers",
            heads=(Head(text="Model", left=True), Head(text="a", above="Both"), Head(text="b", above="Both")),
            rows=((HOSTILE, "1", "2"),),
            notes=("a note",),
            folded=True,
        ),
        Drawing(name="drawing", caption="A caption"),
        Quotes(title="Said", quotes=(Quote(text=HOSTILE, source="model, dataset"),)),
    )
    values = {"id": "one", "title": "One", "short": "1", "parts": parts, "files": ("one.csv",)}
    return Section(**values | changes)


def shown(*views):
    scores = Scores([])
    table = build(LAYOUTS[1], scores, study.labels())
    return page(scores, study.labels(), [TableView(table, (), ())], [], [], sections=views)


def test_every_kind_of_part_is_laid_out_and_nothing_in_it_is_markup():
    view = SectionView(
        section(),
        {"drawing": Attached("drawing.svg", "data:image/svg+xml;base64,AA==")},
        (Attached("one.csv", "data:text/csv;base64,AA=="),),
    )
    html = shown(view)
    assert '<a href="#one">1</a>' in html
    assert html.count("&lt;script&gt;") == 3
    assert "<script" not in html
    assert "49" not in re.findall(r"alert.{0,40}", html)
    assert "\u202e" not in html
    assert '<th class="group" scope="colgroup" colspan="2">Both</th>' in html
    assert 'src="data:image/svg+xml;base64,AA=="' in html
    assert 'download="one.csv"' in html


def test_sections_are_read_as_they_were_written(tmp_path):
    write_section(tmp_path / "one.json", section())
    assert read_sections([tmp_path / "one.json"]) == [section()]


def test_a_row_has_as_many_places_as_there_are_heads():
    with pytest.raises(ValidationError, match="row 1 has 2 places, not 1"):
        Grid(heads=(Head(text="a"),), rows=(("1", "2"),))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "cannot be read"),
        ({"id": "one"}, "title"),
        ({"id": "../x", "title": "a", "short": "a", "parts": []}, "id"),
    ],
)
def test_a_file_that_is_no_section_is_named(tmp_path, content, said):
    if content is not None:
        write_json(tmp_path / "one.json", content)
    with pytest.raises(UserError, match=rf"one\.json: .*{said}"):
        read_sections([tmp_path / "one.json"])


def test_two_sections_cannot_share_an_id(tmp_path):
    for name in ("a.json", "b.json"):
        write_section(tmp_path / name, section())
    with pytest.raises(UserError, match="the id 'one'"):
        read_sections([tmp_path / "a.json", tmp_path / "b.json"])


EFFECT = {
    "family": "strategy",
    "dataset": study.DIVES,
    "metric": "spearman",
    "unit": "item",
    "task": "judge",
    "representation": "original",
    "strategy": "two_step",
    "model": "qwen",
    "against": "base",
    "value": 0.25,
    "value_against": 0.2,
    "difference": 0.05,
    "ci_low": -0.01,
    "ci_high": 0.11,
    "interval": "cluster-jackknife-t",
    "n_clusters": 15,
    "n": 96,
    "p": 0.04,
    "swaps": 10000,
    "p_holm": 0.0004,
    "detectable": math.nan,
}


def effects_csv(path, *rows):
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, COLUMNS)
        writer.writeheader()
        writer.writerows(rows)
    return path


def test_effects_print_as_one_table_a_family(tmp_path):
    rows = read_effects(
        effects_csv(
            tmp_path / "effects.csv", EFFECT, EFFECT | {"family": "model", "against": "gemini", "p_holm": 0.2}
        )
    )
    found = effects_section(rows, study.labels())
    introduction, *grids = found.parts
    assert "2 differences" in introduction.text
    assert "1 is clear" in introduction.text
    assert [grid.title for grid in grids] == [
        "Prompt strategies against the base prompt",
        "Models against each other",
    ]
    assert grids[0].rows == (
        (
            "MTL-AQA (synthetic)",
            "ρ ↑",
            "Qwen3-VL",
            "two_step",
            "Base prompt",
            "+0.0500",
            "[-0.0100, +0.1100]",
            "0.040",
            "< 0.001 *",
            "–",
            "15",
        ),
    )
    assert grids[1].rows[0][3:5] == ("Qwen3-VL", "Gemini 3.1 Pro†")


def test_a_grid_without_differences_says_so(tmp_path):
    found = effects_section(read_effects(effects_csv(tmp_path / "effects.csv")), study.labels())
    assert len(found.parts) == 1
    assert "no two such cells" in found.parts[0].text


def test_effects_of_another_shape_are_named(tmp_path):
    (tmp_path / "effects.csv").write_text("a,b\n1,2\n")
    with pytest.raises(UserError, match=r"effects\.csv: the columns"):
        read_effects(tmp_path / "effects.csv")
    with pytest.raises(UserError, match=r"effects\.csv, line 2: difference"):
        read_effects(effects_csv(tmp_path / "effects.csv", EFFECT | {"difference": "much"}))
