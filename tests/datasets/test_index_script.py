"""scripts/index.py: what a user sees, and what the next stage reads."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest
from dataset_layouts import REAL_MTL_AQA, run_index, write_dives, write_fitness

from aqa.datasets import dataset_ids, load_metadata
from aqa.datasets.index import check, index, shared_content
from aqa.errors import UserError
from aqa.files import read_jsonl
from aqa.records import Media, Question, Sample


def sample(sample_id: str = "a", **changes: Any) -> Sample:
    """Return a valid sample of mtl-aqa, changed."""
    fields: dict[str, object] = {
        "sample_id": sample_id,
        "exercise": "diving",
        "subject": "s",
        "split": "test",
        "media": Media(path="x.mp4", kind="video"),
        "questions": (Question(item="", text="?", minimum=0, maximum=10),),
        "truth": {"": 5.0},
    }
    return Sample.model_validate(fields | changes)


def test_samples_are_written_sorted_and_the_same_each_time(tmp_path: Path) -> None:
    write_fitness(tmp_path / "data")
    outputs = [tmp_path / "one.jsonl", tmp_path / "two.jsonl"]
    for output in outputs:
        done = run_index("--dataset", "fitness-aqa", "--data", tmp_path / "data", "--output", output)
        assert done.returncode == 0, done.stderr
    assert outputs[0].read_bytes() == outputs[1].read_bytes()
    samples = read_jsonl(outputs[0], Sample)
    assert [s.sample_id for s in samples] == sorted(s.sample_id for s in samples)
    for one in samples:
        content = (tmp_path / "data" / one.media.path).read_bytes()
        assert one.media.sha256 == hashlib.sha256(content).hexdigest()


def test_missing_media_is_one_warning_and_no_digest(tmp_path: Path) -> None:
    write_dives(tmp_path / "data", videos=(tmp_path / "data/videos/01.mp4",))
    output, log = tmp_path / "samples.jsonl", tmp_path / "logs" / "index.log"
    done = run_index("--dataset", "mtl-aqa", "--data", tmp_path / "data", "--output", output, "--log", log)
    assert done.returncode == 0
    warnings = [line for line in done.stderr.splitlines() if line.startswith("WARNING")]
    assert len(warnings) == 1
    assert "2 of 3 media files are missing" in warnings[0]
    assert "videos/02.mp4, videos/14.mp4" in warnings[0]
    assert "2 of 3 media files are missing" in log.read_text()
    assert [s.media.sha256 is None for s in read_jsonl(output, Sample)] == [False, False, True, True]


def test_required_media_of_the_evaluated_split_must_be_there(tmp_path: Path) -> None:
    write_dives(tmp_path / "data", videos=(tmp_path / "data/videos/01.mp4",))
    output = tmp_path / "samples.jsonl"
    arguments = ("--dataset", "mtl-aqa", "--data", tmp_path / "data", "--output", output, "--require-media")
    done = run_index(*arguments)
    assert done.returncode == 1
    assert not output.exists()
    assert "1 of 2 media files of the test split (videos/02.mp4) not found" in done.stderr
    assert "re-encode each to 25 frames" in done.stderr
    (tmp_path / "data/videos/02.mp4").write_bytes(b"x")
    assert run_index(*arguments).returncode == 0, "training media may be missing"


@pytest.mark.parametrize("dataset", ["fitness-aqa", "mtl-aqa"])
@pytest.mark.parametrize(
    ("make", "found"),
    [
        (lambda path: None, "no such folder"),
        (lambda path: path.mkdir(), "nothing"),
        (lambda path: path.write_text("x"), "a file, not a folder"),
        (lambda path: (path / "something").mkdir(parents=True), "something/"),
    ],
)
def test_a_wrong_data_folder_gets_one_line_that_says_what_to_do(
    tmp_path: Path, dataset: str, make: object, found: str
) -> None:
    data, output = tmp_path / "data", tmp_path / "samples.jsonl"
    make(data)  # type: ignore[operator]
    done = run_index("--dataset", dataset, "--data", data, "--output", output)
    assert done.returncode == 1
    assert not output.exists()
    (line,) = done.stderr.splitlines()
    access = load_metadata(dataset).access
    for part in ("ERROR: ", f"not found in {data}", f"(found there: {found})", access.url, access.layout):
        assert part in line


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--dataset", "mtl-aka"), "no dataset 'mtl-aka'; did you mean 'mtl-aqa'"),
        (("--dataset", "mtl-aqa", "--settings", "{"), "--settings: not valid JSON"),
        (("--dataset", "mtl-aqa", "--settings", "[1]"), "--settings: must be a JSON object"),
        (("--dataset", "mtl-aqa", "--settings", '{"drop": true}'), "mtl-aqa: unknown setting 'drop'"),
        (
            ("--dataset", "mtl-aqa", "--settings", '{"drop_failed_dives": 1}'),
            "'drop_failed_dives' is 1, but must be of type bool",
        ),
    ],
)
def test_a_wrong_argument_gets_one_line(tmp_path: Path, arguments: tuple[str, ...], message: str) -> None:
    write_dives(tmp_path / "data")
    done = run_index(*arguments, "--data", tmp_path / "data", "--output", tmp_path / "samples.jsonl")
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith("ERROR: ")
    assert message in line


def test_an_output_that_cannot_be_written_gets_one_line(tmp_path: Path) -> None:
    write_dives(tmp_path / "data")
    (tmp_path / "file").write_text("x")
    done = run_index(
        "--dataset", "mtl-aqa", "--data", tmp_path / "data", "--output", tmp_path / "file" / "s.jsonl"
    )
    assert done.returncode == 1
    assert "cannot be written" in done.stderr.splitlines()[-1]


def test_settings_reach_the_adapter(tmp_path: Path) -> None:
    write_dives(tmp_path / "data")
    output = tmp_path / "samples.jsonl"
    arguments = ("--dataset", "mtl-aqa", "--data", tmp_path / "data", "--output", output)
    assert run_index(*arguments, "--settings", '{"drop_failed_dives": true}').returncode == 0
    assert "v01-d002" not in {s.sample_id for s in read_jsonl(output, Sample)}


def test_help_lists_the_datasets() -> None:
    done = run_index("--help")
    assert done.returncode == 0
    for dataset in dataset_ids():
        assert dataset in done.stdout
    for option in ("--dataset", "--data", "--output", "--require-media", "--settings", "--log"):
        assert option in done.stdout


@pytest.mark.skipif(not REAL_MTL_AQA.is_dir(), reason=f"the real annotations are not at {REAL_MTL_AQA}")
def test_the_real_annotations_give_1412_lines_without_any_video(tmp_path: Path) -> None:
    output = tmp_path / "samples.jsonl"
    done = run_index("--dataset", "mtl-aqa", "--data", REAL_MTL_AQA, "--output", output)
    assert done.returncode == 0
    samples = read_jsonl(output, Sample)
    assert len(samples) == 1412
    assert sum(s.split == "test" for s in samples) == 353
    assert "15 of 15 media files are missing" in done.stderr


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"exercise": "rowing"}, "exercise 'rowing' is not declared"),
        ({"media": Media(path="../x.mp4", kind="video")}, "leaves the data folder"),
        ({"media": Media(path="/x.mp4", kind="video")}, "leaves the data folder"),
        ({"media": Media(path="x.mp4", kind="video", start_s=2, end_s=1)}, "are not a clip"),
        ({"media": Media(path="x.mp4", kind="video", start_s=2)}, "are not a clip"),
        ({"truth": {"": 11.0}}, "truth 11.0 is no answer to question ''"),
        ({"truth": {"": "good"}}, "truth 'good' is no answer to question ''"),
        ({"truth": {"x": 1.0}}, "do not name the same items"),
        ({"questions": ()}, "do not name the same items"),
        (
            {"questions": (Question(item="", text="?", options=("a", "b")),), "truth": {"": "c"}},
            "truth 'c' is no answer",
        ),
    ],
)
def test_an_adapter_that_breaks_the_contract_is_named(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError) as caught:
        check([sample(**changes)], load_metadata("mtl-aqa"))
    assert message in str(caught.value)
    assert "sample a: " in str(caught.value)


def test_samples_must_be_sorted_and_unique() -> None:
    metadata = load_metadata("mtl-aqa")
    check([sample("a"), sample("b")], metadata)
    for wrong in ([sample("b"), sample("a")], [sample("a"), sample("a")]):
        with pytest.raises(UserError, match="not sorted by a unique sample_id"):
            check(wrong, metadata)


def test_content_is_shared_only_if_file_and_seconds_are_the_same() -> None:
    def clip(sample_id: str, split: str, sha: str | None, start: float) -> Sample:
        media = Media(path=sample_id, kind="video", start_s=start, end_s=start + 1, sha256=sha and sha * 64)
        return sample(sample_id, split=split, media=media)

    samples = [
        clip("a", "test", "0", 1),
        clip("b", "train", "0", 1),
        clip("c", "train", "0", 2),
        clip("d", "test", "1", 1),
        clip("e", "test", "1", 1),
        clip("f", "test", None, 1),
        clip("g", "train", None, 1),
    ]
    assert shared_content(samples) == [("a", "b")]


def test_a_broken_link_is_a_missing_file(tmp_path: Path) -> None:
    write_dives(tmp_path, videos=(tmp_path / "videos/01.mp4",))
    (tmp_path / "videos/02.mp4").symlink_to(tmp_path / "videos/02.mp4")
    samples = {s.sample_id: s for s in index("mtl-aqa", tmp_path, {})}
    assert samples["v02-d010"].media.sha256 is None
