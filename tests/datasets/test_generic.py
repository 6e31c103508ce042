"""A user's own data: two files in a folder, no code."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from dataset_layouts import REPOSITORY, run_index
from hypothesis import given
from hypothesis import strategies as st
from jinja2 import StrictUndefined
from jinja2.sandbox import SandboxedEnvironment
from own_data import GYM, GYM_HEADER, GYM_ROWS, POOL, POOL_HEADER, POOL_ROWS, csv, refusal, write

from aqa import datasets
from aqa.datasets.generic import description, table
from aqa.datasets.generic.adapter import samples
from aqa.datasets.index import check, index
from aqa.errors import UserError
from aqa.files import read_jsonl
from aqa.records import Sample


def test_a_folder_with_two_files_is_a_dataset_without_code(tmp_path: Path) -> None:
    folder = write(tmp_path / "mine", GYM, csv(GYM_HEADER, *GYM_ROWS))
    output = tmp_path / "samples.jsonl"
    done = run_index("--dataset", "my-gym", "--data", folder, "--output", output, "--require-media")
    assert done.returncode == 0, done.stderr
    read = read_jsonl(output, Sample)
    assert [sample.sample_id for sample in read] == ["a", "b", "c"]
    a, b, c = read
    assert (a.split, b.split, c.split) == ("train", "test", "test")
    assert b.truth == {"knees": "yes", "depth": "deep"}
    assert b.questions[0].correct == "no"
    assert c.truth == {"elbows": "out"}
    assert all(sample.media.sha256 for sample in read)


def test_scores_and_seconds_are_read_as_numbers(tmp_path: Path) -> None:
    folder = write(tmp_path, POOL, csv(POOL_HEADER, *POOL_ROWS))
    one, two = index("my-pool", folder, {}, require_media=True)
    assert (one.truth, two.truth) == ({"": 7.5}, {"": 0.0})
    assert (two.media.start_s, two.media.end_s) == (2.0, 4.25)
    assert (one.questions[0].minimum, one.questions[0].maximum) == (0.0, 10.0)
    assert one.exercise == "dive", "the only exercise need not be named"


def test_resolve_knows_own_data_and_datasets_that_ship_by_the_same_call(tmp_path: Path) -> None:
    own = datasets.resolve("my-gym", write(tmp_path, GYM, csv(GYM_HEADER, *GYM_ROWS)))
    assert own.metadata.id == "my-gym"
    assert own.metadata.exercises == {"squat": "Squat", "press": "Overhead press"}
    assert own.metadata.tasks == ("judge",)
    assert not own.metadata.upload
    assert not own.metadata.publish_frames
    assert own.wording.questions["press"] == {"elbows": "Where are the elbows?"}
    assert len(own.adapter.samples(tmp_path, {})) == 3
    for dataset_id in datasets.dataset_ids():
        shipped = datasets.resolve(dataset_id, tmp_path / "nowhere")
        assert shipped.metadata == datasets.load_metadata(dataset_id)
        assert shipped.wording == datasets.load_wording(dataset_id)
        assert shipped.adapter is datasets.load_adapter(dataset_id)


def test_own_data_are_never_taken_for_a_dataset_that_ships(tmp_path: Path) -> None:
    write(tmp_path, GYM, csv(GYM_HEADER, *GYM_ROWS))
    with pytest.raises(UserError, match="'mtl-aqa' is the id of a dataset that ships; give yours another id"):
        datasets.resolve("mtl-aqa", tmp_path)


def test_an_id_that_nothing_describes_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        datasets.resolve("mtl-aka", tmp_path)
    assert "no dataset 'mtl-aka'; did you mean 'mtl-aqa'?" in str(caught.value)
    assert f"{tmp_path}/dataset.yaml" in str(caught.value)


def test_a_contrastive_wording_makes_the_compare_task_available(tmp_path: Path) -> None:
    compare = {"task": "Which of the two is better?", "answer": '{"answer": "first" or "second"}'}
    write(tmp_path, POOL | {"compare": compare}, csv(POOL_HEADER, *POOL_ROWS))
    own = datasets.resolve("my-pool", tmp_path)
    assert own.metadata.tasks == ("judge", "compare")
    assert own.wording.compare is not None


@pytest.mark.parametrize(("values", "exercise"), [(GYM, "squat"), (POOL, "dive")])
def test_the_default_wording_reads_as_intended(tmp_path: Path, values: Any, exercise: str) -> None:
    rows = csv(GYM_HEADER, *GYM_ROWS) if values is GYM else csv(POOL_HEADER, *POOL_ROWS)
    own = datasets.resolve("mine", write(tmp_path, values, rows))
    sample = next(s for s in own.adapter.samples(tmp_path, {}) if s.exercise == exercise)
    environment = SandboxedEnvironment(undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    task, answer = (
        environment.from_string(text)
        .render(media="a video of someone", exercise="Squat", questions=sample.questions, details={})
        .strip()
        for text in (own.wording.judge.task, own.wording.judge.answer)
    )
    if values is GYM:
        assert task == (
            'You are given a video of someone performing the exercise "squat".\n'
            "Answer each of the following questions with one of its options:\n"
            '- knees: Do the knees cave in? Options: "yes", "no"\n'
            '- depth: How deep is it? Options: "deep", "shallow", "half"'
        )
        assert '{"knees": "one of its options", "depth": "one of its options"}' in answer
    else:
        assert task.endswith("Predict the score, from 0 (failed) to 10 (excellent).")
        assert '{"score": number between 0 and 10}' in answer


@pytest.mark.parametrize("ending", ["\n", "\r\n"])
@pytest.mark.parametrize("start", ["", "\ufeff"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_what_a_spreadsheet_saves_is_read(tmp_path: Path, ending: str, start: str, delimiter: str) -> None:
    lines = [GYM_HEADER, *GYM_ROWS, ",,,,,,,", ""]
    text = start + ending.join(lines).replace(",", delimiter) + ending
    folder = write(tmp_path, GYM, text.encode())
    assert samples(folder, {}) == samples(write(tmp_path / "plain", GYM, csv(GYM_HEADER, *GYM_ROWS)), {})


def test_quoted_line_breaks_and_separators_belong_to_their_cell(tmp_path: Path) -> None:
    header, rows = f"{GYM_HEADER},note", [f'{row},"one, two\r\n""three"""' for row in GYM_ROWS]
    folder = write(tmp_path, GYM | {"ignore": ["note"]}, csv(header, *rows))
    assert len(samples(folder, {})) == 3
    folder = write(tmp_path, GYM | {"ignore": ["note"]}, csv(header, *rows, rows[0].replace("yes", "maybe")))
    assert "row 5, knees: 'maybe'" in refusal(folder), "rows count as the spreadsheet shows them"


def test_spreadsheets_that_write_truth_values_in_capitals_are_read(tmp_path: Path) -> None:
    values = GYM | {"questions": {"knees": {"text": "?", "options": ["true", "false"]}}}
    header = "sample_id,exercise,subject,path,knees,elbows"
    folder = write(tmp_path, values, csv(header, "a,squat,ann,videos/a.mp4,TRUE,"))
    assert samples(folder, {})[0].truth == {"knees": "true"}


def test_jsonl_says_the_same_as_csv(tmp_path: Path) -> None:
    header = GYM_HEADER.split(",")
    lines = [json.dumps({k: v for k, v in zip(header, row.split(","), strict=True) if v}) for row in GYM_ROWS]
    folder = write(tmp_path / "jsonl", GYM, "\ufeff" + "\r\n".join([*lines, "", ""]), "samples.jsonl")
    assert samples(folder, {}) == samples(write(tmp_path / "csv", GYM, csv(GYM_HEADER, *GYM_ROWS)), {})


def test_jsonl_numbers_nulls_and_truth_values_are_cells(tmp_path: Path) -> None:
    line = {"sample_id": "d", "subject": "s", "path": "pool.mp4", "start_s": 1, "end_s": 2.5, "score": 7}
    folder = write(tmp_path, POOL, json.dumps(line | {"split": None}), "samples.jsonl")
    (sample,) = samples(folder, {})
    assert sample.truth == {"": 7.0}
    assert sample.media.end_s == 2.5


def test_a_folder_of_images_is_a_clip(tmp_path: Path) -> None:
    folder = write(tmp_path, POOL, csv("sample_id,subject,path,score", "d,ann,frames/one,3"))
    (folder / "frames" / "one").mkdir(parents=True)
    (folder / "frames" / "one" / "1.png").write_bytes(b"x")
    (sample,) = index("my-pool", folder, {})
    assert sample.media.kind == "frames"
    assert sample.media.sha256


def test_missing_media_are_reported_with_where_they_belong(tmp_path: Path) -> None:
    folder = write(tmp_path, POOL, csv(POOL_HEADER, "d,ann,lost.mp4,,,3"))
    assert index("my-pool", folder, {})[0].media.sha256 is None
    with pytest.raises(UserError, match=r"1 of 1 media files of the test split \(lost\.mp4\) not found"):
        index("my-pool", folder, {}, require_media=True)


BAD_ROWS = [
    ("a/b,squat,ann,videos/a.mp4,test,yes,deep,", "sample_id: 'a/b' must begin with a letter or digit"),
    ("../x,squat,ann,videos/a.mp4,test,yes,deep,", "sample_id: '../x' must begin"),
    (f"{'x' * 200},squat,ann,videos/a.mp4,test,yes,deep,", "sample_id: 200 characters are too many"),
    (",squat,ann,videos/a.mp4,test,yes,deep,", "sample_id: is empty"),
    ("x,squad,ann,videos/a.mp4,test,yes,deep,", "exercise: 'squad' is not declared in dataset.yaml; did you"),
    ("x,,ann,videos/a.mp4,test,yes,deep,", "exercise: is empty"),
    ("x,squat,Ann Smith,videos/a.mp4,test,yes,deep,", "subject: 'Ann Smith' must begin"),
    ("x,squat,,videos/a.mp4,test,yes,deep,", "subject: is empty"),
    ("x,squat,ann,,test,yes,deep,", "path: is empty"),
    ("x,squat,ann,../a.mp4,test,yes,deep,", "path: '../a.mp4' leaves the data folder"),
    ("x,squat,ann,videos/../../a.mp4,test,yes,deep,", "leaves the data folder"),
    ("x,squat,ann,/etc/passwd,test,yes,deep,", "path: '/etc/passwd' leaves the data folder"),
    ("x,squat,ann,videos\\a.mp4,test,yes,deep,", "holds a backslash; write folders with /"),
    ("x,squat,ann,C:/a.mp4,test,yes,deep,", "is an address or a drive"),
    ("x,squat,ann,https://x.org/a.mp4,test,yes,deep,", "is an address or a drive"),
    ("x,squat,ann,videos/a.txt,test,yes,deep,", "is neither a video (.mp4"),
    ('x,squat,ann,"videos/\na.mp4",test,yes,deep,', "path: holds a line break"),
    ("x,squat,ann,videos/a.mp4,tset,yes,deep,", "split: 'tset' is not declared; did you mean 'test'?"),
    ("x,squat,ann,videos/a.mp4,test,yess,deep,", "knees: 'yess' is none of the options; did you mean 'yes'?"),
    ("x,squat,ann,videos/a.mp4,test,,deep,", "knees: is empty"),
    ("x,squat,ann,videos/a.mp4,test,yes,deep,in", "elbows: must be empty, since squat has no such question"),
    ("c,squat,ann,videos/a.mp4,test,yes,deep,", "sample_id: 'c' is also in row 4"),
    ("C,squat,ann,videos/a.mp4,test,yes,deep,", "sample_id: 'C' is also in row 4"),
    ("x,press,ann,videos/c.mp4,test,,,in", "path: the same clip of 'videos/c.mp4' is also in row 4"),
]


@pytest.mark.parametrize(("row", "message"), BAD_ROWS)
def test_a_wrong_row_is_named_with_its_column_and_cause(tmp_path: Path, row: str, message: str) -> None:
    rows = [*GYM_ROWS, row]
    if row.startswith(("c,", "C,")):
        rows[1] = rows[1].replace("videos/a", "videos/other")
    line = refusal(write(tmp_path, GYM, csv(GYM_HEADER, *rows)))
    assert line.startswith(f"{tmp_path}/samples.csv, row 5, ")
    assert message in line


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        ('"0","1","7,5"', "score: '7,5' is not a number; write a point for the decimal comma: 7.5"),
        ("0,1,11", "score: 11 lies outside 0 to 10"),
        ("0,1,-0.1", "score: -0.1 lies outside 0 to 10"),
        ("0,1,nan", "score: 'nan' is not a number"),
        ("0,1,1e400", "score: '1e400' is not a number"),
        ("0,1,seven", "score: 'seven' is not a number"),
        ("0,1,", "score: is empty; write a number"),
        ("0,,7", "start_s, end_s: give both"),
        ("2,1,7", "end_s: 1 is not after start_s 2"),
        ("-1,1,7", "start_s: -1 is before the start"),
        ("0:10,0:20,7", "start_s: '0:10' is not a number; write seconds: 90.5 for 1:30.5"),
    ],
)
def test_a_wrong_number_is_named_with_a_hint(tmp_path: Path, cells: str, message: str) -> None:
    folder = write(tmp_path, POOL, csv(POOL_HEADER, f"d,ann,pool.mp4,{cells}"))
    assert f"row 2, {message}" in refusal(folder)


def test_all_wrong_rows_are_named_at_once(tmp_path: Path) -> None:
    scores = enumerate([1, 99, 2, 98, 97])
    rows = [f"d{number},ann,pool.mp4,{number},{number + 1},{score}" for number, score in scores]
    line = refusal(write(tmp_path, POOL, csv(POOL_HEADER, *rows)))
    assert "row 3, score: 99 lies outside 0 to 10 (2 more wrong rows: 5, 6)" in line


def test_a_link_that_leaves_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "secret.mp4").write_bytes(b"x")
    folder = write(tmp_path / "mine", POOL, csv(POOL_HEADER, "d,ann,link.mp4,,,3"))
    (folder / "link.mp4").symlink_to(tmp_path / "secret.mp4")
    assert "path: 'link.mp4' is a link that leaves the data folder" in refusal(folder)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (csv(GYM_HEADER.replace("knees", "knee"), *GYM_ROWS), "unknown column 'knee'; did you mean 'knees'?"),
        (csv(f"{GYM_HEADER},note", *GYM_ROWS), "unknown column 'note'"),
        (csv(GYM_HEADER.replace("depth", "knees"), *GYM_ROWS), "row 1: the column 'knees' is there twice"),
        (csv(GYM_HEADER.replace("subject,", ","), *GYM_ROWS), "row 1: column 3 has no name"),
        (csv(GYM_HEADER.removesuffix(",elbows"), *GYM_ROWS[:2]), "the column 'elbows' is missing"),
        (csv(GYM_HEADER, f"{GYM_ROWS[0]},surplus"), "row 2: 9 cells for 8 columns; a text that holds ','"),
        (csv(GYM_HEADER, f'{GYM_ROWS[0]}"'), "row 2"),
        (csv(GYM_HEADER, '"b,squat,ann,videos/b.mp4'), "row 2: not valid CSV"),
        (csv(GYM_HEADER), "holds no sample"),
        ("", "the first row must name the columns"),
        ("a b c\n", "the first row must name the columns (depth, elbows, exercise"),
        (csv(GYM_HEADER, *GYM_ROWS).encode("utf-16"), "is UTF-16; save it as UTF-8"),
        (csv(GYM_HEADER, "é" + GYM_ROWS[0]).encode("latin-1"), "line 2: not UTF-8; save it as UTF-8"),
        (csv(GYM_HEADER, "\0" + GYM_ROWS[0]), "NUL"),
        (csv(GYM_HEADER, "x" * 200_000), "row 2: not valid CSV (field larger than field limit"),
    ],
)
def test_a_wrong_table_is_one_clear_line(tmp_path: Path, content: str | bytes, message: str) -> None:
    assert message in refusal(write(tmp_path, GYM, content))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[1]\n", "line 1: must be one JSON object"),
        ("{\n", "line 1: not valid JSON"),
        ('{"sample_id": "a", "sample_id": "b"}', "line 1: key 'sample_id' is there twice"),
        ('{"sample_id": ["a"]}', "line 1, sample_id: must be a text or a number"),
        ('{"sample_id": NaN}', "line 1, sample_id: must be a text or a number"),
        ('{"sampel_id": "a"}', "unknown column 'sampel_id'; did you mean 'sample_id'?"),
        ("[" * 100_000, "line 1"),
    ],
)
def test_a_wrong_json_line_is_one_clear_line(tmp_path: Path, content: str, message: str) -> None:
    assert message in refusal(write(tmp_path, GYM, content, "samples.jsonl"))


def test_two_tables_or_none_are_refused(tmp_path: Path) -> None:
    folder = write(tmp_path, GYM, csv(GYM_HEADER, *GYM_ROWS))
    (folder / "samples.jsonl").write_text("{}")
    assert "keep the one that is right" in refusal(folder)
    (folder / "samples.jsonl").unlink()
    (folder / "samples.csv").unlink()
    assert "samples.csv or samples.jsonl not found (found there: dataset.yaml" in refusal(folder)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (GYM | {"licnce": "x"}, "unknown key 'licnce'; did you mean 'licence'"),
        ({k: v for k, v in GYM.items() if k != "licence"}, "'licence'"),
        (GYM | {"kind": "regresion"}, "did you mean 'regression'"),
        (GYM | {"kind": "regression"}, "kind is regression: write `score`, not `questions`"),
        (POOL | {"kind": "classification"}, "kind is classification: write `questions`, not `score`"),
        ({k: v for k, v in GYM.items() if k != "questions"}, "exercise 'squat' has no `questions`"),
        (GYM | {"questions": {"split": GYM["questions"]["knees"]}}, "cannot be named 'split'"),
        (GYM | {"questions": {"a b": GYM["questions"]["knees"]}}, "'questions.a b"),
        (GYM | {"exercises": {"a/b": "x"}}, "'exercises.a/b"),
        (GYM | {"train_split": "test"}, "train_split and evaluated_split are the same"),
        (GYM | {"ignore": ["knees"]}, "ignore names 'knees', which is read"),
        (GYM | {"noun": {"video": "a clip", "image": "an image of someone"}}, "noun.video"),
        (POOL | {"score": {"text": "?", "minimum": 10, "maximum": 0}}, "minimum must be less than maximum"),
        (POOL | {"score": {"text": "?", "minimum": 0, "maximum": float("inf")}}, "minimum must be less"),
    ],
)
def test_a_wrong_description_is_one_clear_line(tmp_path: Path, values: dict[str, Any], message: str) -> None:
    write(tmp_path, values, csv(GYM_HEADER, *GYM_ROWS))
    with pytest.raises(UserError) as caught:
        datasets.resolve("mine", tmp_path)
    assert message in str(caught.value)
    assert str(caught.value).startswith(f"{tmp_path}/dataset.yaml: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("[yes, no]", 'write it in quotes, "true"'),
        ("[1, 2]", 'write it in quotes, "1"'),
        ('["yes", "Yes"]', "the same but for upper and lower case"),
        ('["yes"]', "at least 2"),
        ('["yes", "no"]\n    correct: No', 'write it in quotes, "false"'),
        ('["yes", "no"]\n    correct: "nope"', "correct is 'nope', which is none of the options"),
    ],
)
def test_bare_yaml_words_are_not_taken_for_options(tmp_path: Path, options: str, message: str) -> None:
    (tmp_path / "dataset.yaml").write_text(
        "title: x\nkind: classification\nlicence: x\nexercises: {squat: Squat}\n"
        f"questions:\n  knees:\n    text: Which?\n    options: {options}\n"
    )
    with pytest.raises(UserError) as caught:
        datasets.resolve("mine", tmp_path)
    assert message in str(caught.value)


def test_a_description_that_is_no_mapping_is_refused(tmp_path: Path) -> None:
    (tmp_path / "dataset.yaml").write_text("- title\n")
    with pytest.raises(UserError, match="holds no keys"):
        datasets.resolve("mine", tmp_path)


@given(st.text(max_size=200))
def test_any_text_is_read_or_refused_and_never_a_traceback(tmp_path_factory: Any, text: str) -> None:
    folder = tmp_path_factory.mktemp("own")
    for name in table.NAMES:
        path = folder / name
        path.write_bytes(text.encode("utf-8", "surrogatepass"))
        try:
            table.read(path, {"sample_id", "path"}, {"split"}, set())
        except UserError as error:
            assert str(error).startswith(str(path))


LETTERS = st.characters(codec="utf-8", exclude_characters="\0\r")
CELL = st.text(LETTERS, min_size=1, max_size=12).map(str.strip)
CELLS = st.lists(st.tuples(CELL.filter(bool), CELL), min_size=1, max_size=4)


@given(CELLS, st.sampled_from(table.DELIMITERS))
def test_whatever_is_written_as_csv_comes_back(tmp_path_factory: Any, cells: Any, delimiter: str) -> None:
    path = tmp_path_factory.mktemp("own") / "samples.csv"
    quoted = [delimiter.join(f'"{cell.replace(chr(34), 2 * chr(34))}"' for cell in row) for row in cells]
    path.write_bytes("\n".join([f"sample_id{delimiter}path", *quoted]).encode())
    rows = table.read(path, {"sample_id", "path"}, set(), set())
    assert [(row.cells["sample_id"], row.cells["path"]) for row in rows] == cells


def documented() -> list[str]:
    """Return the examples of the documentation: the fenced blocks, in order."""
    text = (REPOSITORY / "docs" / "own-data.md").read_text(encoding="utf-8")
    return [block.split("\n", 1)[1] for block in text.split("```")[1::2]]


def test_the_documented_example_is_a_dataset(tmp_path: Path) -> None:
    described, rows, *_ = documented()
    (tmp_path / "dataset.yaml").write_text(described)
    (tmp_path / "samples.csv").write_text(rows)
    own = datasets.resolve("my-squats", tmp_path)
    read = own.adapter.samples(tmp_path, {})
    check(read, own.metadata)
    assert {sample.exercise for sample in read} == set(own.metadata.exercises)
    assert len(description.load(tmp_path).items()) == 2
