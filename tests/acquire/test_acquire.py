"""sources.yaml, what is found in a folder, the command line, the provenance table and the rules."""

from __future__ import annotations

import csv
import hashlib
import os
import re
import subprocess
import sys
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from archive_makers import PLAIN, rar_of, snapshot, tarred, zipped
from file_server import Page, serving
from media_videos import make_video
from pydantic import ValidationError

from aqa.datasets import dataset_ids, load_metadata
from aqa.datasets.acquire import provenance, stages
from aqa.datasets.acquire.layout import inspect, matches
from aqa.datasets.acquire.sources import (
    Broadcasts,
    Gated,
    Open,
    Sources,
    has_sources,
    load_sources,
    with_user_urls,
)
from aqa.datasets.acquire.workspace import Workspace, workspace
from aqa.errors import UserError

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "scripts" / "acquire.py"
DATASETS = tuple(filter(has_sources, dataset_ids()))
DOUBLE = Path(__file__).with_name("extractor_double.py")
COMMON = {"page": "https://example.org/", "version": "1", "added": date(2026, 1, 1)}


def opened(name: str, content: bytes | None = None, **more: Any) -> Open:
    sha256 = hashlib.sha256(content).hexdigest() if content is not None else None
    fields = {"path": name, "sha256": sha256, "manual": "urls" not in more} | more
    return Open(kind="open", name=name, **COMMON, **fields)


def gated(name: str, **more: Any) -> Gated:
    return Gated(kind="gated", name=name, **COMMON, **({"path": name} | more))


def acquire(*arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the command line."""
    return subprocess.run(
        [sys.executable, SCRIPT, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env=os.environ | environment,
    )


def status(sources: Sources, data: Path) -> dict[str, str]:
    return {finding.file.name: finding.status for finding in inspect(sources, data)}


# sources.yaml


@pytest.mark.parametrize("dataset", DATASETS)
def test_every_dataset_says_where_its_files_come_from(dataset: str) -> None:
    sources = load_sources(dataset)
    is_gated = any(isinstance(file, Gated) for file in sources.files)
    assert is_gated == load_metadata(dataset).access.gated
    for file in sources.files:
        assert file.added >= date(2026, 1, 1)


def test_checksums_are_those_that_the_metadata_tells_people() -> None:
    said = {digest for dataset in DATASETS for digest in _digests(load_metadata(dataset).access.how)}
    listed = {
        file.sha256 for dataset in DATASETS for file in load_sources(dataset).files if hasattr(file, "sha256")
    }
    assert said
    assert said <= listed


def _digests(text: str) -> list[str]:
    return re.findall(r"\b[0-9a-f]{64}\b", text)


def test_files_known_by_checksum_have_the_real_ones() -> None:
    real = ROOT.parent / "shared" / "data"
    if not real.is_dir():
        pytest.skip("the real annotation files are not here")
    found = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in real.rglob("*.pkl")}
    listed = {
        file.name: file.sha256
        for dataset in DATASETS
        for file in load_sources(dataset).files
        if isinstance(file, Open)
    }
    assert found
    assert found.items() <= listed.items()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"path": "../up"}, "not a path inside the data folder"),
        ({"path": "/etc/passwd"}, "not a path inside the data folder"),
        ({"path": "a\\b"}, "not a path inside the data folder"),
        ({"urls": ("ftp://example.org/x",), "manual": False}, "not an http"),
        ({"urls": (), "manual": False}, "give either `urls`, or `manual: true`"),
        ({"urls": ("https://example.org/x",), "manual": True}, "give either `urls`, or `manual: true`"),
        ({"sha256": "abc"}, "pattern"),
        ({"size": -1}, "greater than or equal to 0"),
    ],
)
def test_wrong_entries_are_refused(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=re.escape(said)):
        opened("x", **changes)


def test_a_name_is_listed_once() -> None:
    with pytest.raises(ValidationError, match="'x' is listed twice"):
        Sources(files=(opened("x"), opened("x")))


def test_an_unknown_dataset_gets_the_nearest_name() -> None:
    with pytest.raises(UserError, match="did you mean 'mtl-aqa'"):
        load_sources("mtl-aq")


def test_a_users_address_makes_a_manual_file_downloadable(tmp_path: Path) -> None:
    sources = Sources(files=(opened("x"), opened("y", urls=("https://a.example/y",)), gated("z")))
    path = tmp_path / "urls.yaml"
    path.write_text("x: [https://b.example/x]\ny: [https://b.example/y, https://a.example/y]\n")
    x, y, _ = with_user_urls(sources, path).files
    assert isinstance(x, Open)
    assert isinstance(y, Open)
    assert (x.manual, x.urls) == (False, ("https://b.example/x",))
    assert y.urls == ("https://b.example/y", "https://a.example/y")
    for text, said in (
        ("q: [https://b.example/x]", "'q' is not an open file of the dataset"),
        ("z: [https://b.example/x]", "'z' is not an open file of the dataset"),
        ("x: [file:///etc/passwd]", "is not an http(s) address"),
        ("x: https://b.example/x", "x"),
    ):
        path.write_text(text)
        with pytest.raises(UserError, match=re.escape(said)):
            with_user_urls(sources, path)


# what is in a folder


def test_patterns_match_within_names_or_across_folders_whatever_the_case(tmp_path: Path) -> None:
    for name in ("a/One.JPG", "a/b/two.jpg", "a/.hidden/three.jpg", "top.jpg"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert [path.name for path in matches(tmp_path, ["A/*.jpg"])] == ["One.JPG"]
    assert [path.name for path in matches(tmp_path, ["a/**/*.jpg"])] == ["One.JPG", "two.jpg"]
    assert [path.name for path in matches(tmp_path, ["none", "./*.jpg"])] == ["top.jpg"]
    assert matches(tmp_path, ["none/*"]) == []


def test_each_state_of_a_file_is_told_apart(tmp_path: Path) -> None:
    archive = {"kind": "zip", "to": "out", "provides": "out/**/*.txt", "count": 3}
    sources = Sources(
        roots=("", "release"),
        files=(
            opened("right.txt", b"right"),
            opened("wrong.txt", b"right"),
            opened("sized.txt", size=3),
            gated("missing.txt"),
            gated("optional.txt", needed=False),
            gated("many", path="many/*.txt", count=2),
            gated("packed.zip", extract=archive),
            gated("nested.txt"),
        ),
    )
    for name in ("right.txt", "wrong.txt", "sized.txt", "many/1.txt", "release/nested.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(Path(name).stem)
    (tmp_path / "packed.zip").write_bytes(zipped(PLAIN.items()))
    assert status(sources, tmp_path) == {
        "right.txt": "ok",
        "wrong.txt": "wrong",
        "sized.txt": "wrong",
        "missing.txt": "missing",
        "optional.txt": "optional",
        "many": "incomplete",
        "packed.zip": "archived",
        "nested.txt": "ok",
    }
    assert stages.extract(sources, tmp_path) == []
    assert status(sources, tmp_path)["packed.zip"] == "ok"
    (tmp_path / "packed.zip").unlink()
    assert status(sources, tmp_path)["packed.zip"] == "ok"
    next((tmp_path / "out").rglob("*.txt")).unlink()
    assert status(sources, tmp_path)["packed.zip"] == "incomplete"


def test_files_that_were_not_all_moved_are_extracted_again(tmp_path: Path) -> None:
    sources = Sources(
        files=(gated("p.zip", extract={"kind": "zip", "to": ".", "provides": "a/*.txt", "count": 1}),)
    )
    (tmp_path / "p.zip").write_bytes(zipped(PLAIN.items()))
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "one.txt").write_bytes(PLAIN["a/one.txt"])
    mark = Workspace(tmp_path).mark("p.zip")
    mark.parent.mkdir()
    mark.touch()
    assert status(sources, tmp_path) == {"p.zip": "incomplete"}
    assert stages.extract(sources, tmp_path) == []
    assert status(sources, tmp_path) == {"p.zip": "ok"}
    assert (tmp_path / "a" / "two.txt").read_bytes() == PLAIN["a/two.txt"]


def test_an_archive_goes_where_its_release_lies(tmp_path: Path) -> None:
    archive = {"kind": "split-tar", "to": "frames", "provides": "frames/a/*.txt"}
    sources = Sources(roots=("", "*"), files=(gated("frames", path="frames/f.tar", extract=archive),))
    (tmp_path / "release" / "frames").mkdir(parents=True)
    (tmp_path / "release" / "frames" / "f.tar.aa").write_bytes(tarred(PLAIN.items()))
    assert status(sources, tmp_path) == {"frames": "archived"}
    assert stages.extract(sources, tmp_path) == []
    assert (tmp_path / "release" / "frames" / "a" / "one.txt").is_file()
    assert status(sources, tmp_path) == {"frames": "ok"}


def test_an_archive_with_a_wrong_checksum_is_not_extracted(tmp_path: Path) -> None:
    archive = {"kind": "zip", "to": ".", "provides": "a/*.txt"}
    sources = Sources(files=(opened("p.zip", b"other content", extract=archive),))
    (tmp_path / "p.zip").write_bytes(zipped(PLAIN.items()))
    before = snapshot(tmp_path)
    (failure,) = stages.extract(sources, tmp_path)
    assert "has sha256" in failure
    assert snapshot(tmp_path) == before


def test_a_video_of_another_rate_is_wrong(tmp_path: Path) -> None:
    sources = Sources(
        files=(
            Broadcasts(
                kind="broadcast",
                name="b",
                path="videos",
                listing="l.csv",
                frame_rate=25,
                broadcasts=({"name": "01"}, {"name": "02"}),  # type: ignore[arg-type]
                **COMMON,
            ),
        )
    )
    assert status(sources, tmp_path) == {"b": "missing"}
    (tmp_path / "videos").mkdir()
    make_video(tmp_path / "videos" / "01.mp4", range(5))
    assert status(sources, tmp_path) == {"b": "incomplete"}
    make_video(tmp_path / "videos" / "02.mp4", range(5))
    assert status(sources, tmp_path) == {"b": "ok"}
    make_video(tmp_path / "videos" / "02.mp4", range(5), rate=30)
    assert status(sources, tmp_path) == {"b": "wrong"}


def test_everything_open_is_brought_and_the_rest_goes_on_after_a_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "bin").mkdir()
    tool = tmp_path / "bin" / "unar"
    tool.write_text(f"#!{sys.executable}\n{DOUBLE.read_text()}")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", str(tool.parent))
    packed = rar_of(PLAIN)
    with serving({"/p.rar": Page(packed), "/t.txt": Page(b"text")}) as server:
        sources = Sources(
            files=(
                opened("gone.txt", b"x", urls=(server.url("/gone.txt"),)),
                opened(
                    "p.rar",
                    packed,
                    urls=(server.url("/p.rar"),),
                    extract={"kind": "rar", "to": "out", "provides": "out/**/*.txt"},
                ),
                opened("sub/t.txt", b"text", urls=(server.url("/t.txt"),)),
            )
        )
        data = tmp_path / "data"
        (failure,) = stages.get(sources, data, 1)
        assert failure.startswith("gone.txt: could not be downloaded")
        assert (data / "out" / "a" / "one.txt").read_bytes() == b"one"
        assert (data / "sub" / "t.txt").read_bytes() == b"text"
        (data / "p.rar").unlink()
        server.asked.clear()
        stages.get(sources, data, 1)
        assert [path for path, _ in server.asked] == ["/gone.txt"]


# the command line


def test_check_tells_where_to_apply_what_to_put_where_and_what_is_there(tmp_path: Path) -> None:
    (tmp_path / "unrelated.txt").touch()
    done = acquire("check", "--dataset", "fitness-aqa", "--data", tmp_path)
    assert done.returncode == 1
    assert (
        "missing     Squat videos: belongs at Fitness-AQA_dataset_release/Squat/Labeled_Dataset/videos.zip"
        in (done.stdout)
    )
    assert "found there: unrelated.txt" in done.stdout
    assert "apply: https://forms.gle/" in done.stdout
    assert "put it: <data>/Fitness-AQA_dataset_release/" in done.stdout
    assert done.stderr.startswith("ERROR: fitness-aqa: 12 of 12 parts are not there or not right")
    assert done.stderr.count("\n") == 1


def test_check_of_a_complete_gated_dataset_exits_with_0(tmp_path: Path) -> None:
    for exercise, errors in (("Squat", ("knees_inward", "knees_forward")), ("OHP", ("elbows", "knees"))):
        folder = tmp_path / "Fitness-AQA_dataset_release" / exercise / "Labeled_Dataset"
        for name in ("Labels", "Splits"):
            (folder / name).mkdir(parents=True)
        for error in errors:
            (folder / "Labels" / f"error_{error}.json").write_text("{}")
        for split in ("train", "val", "test"):
            (folder / "Splits" / f"{split}_keys.json").write_text("[]")
        (folder / "videos.zip").write_bytes(zipped([("videos/1_2.mp4", b"x")]))
    assert acquire("check", "--dataset", "fitness-aqa", "--data", tmp_path).returncode == 1
    assert acquire("extract", "--dataset", "fitness-aqa", "--data", tmp_path).returncode == 0
    done = acquire("check", "--dataset", "fitness-aqa", "--data", tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert "ok          OHP videos: extracted, 1 files or folders" in done.stdout
    assert "apply:" not in done.stdout


def test_downloads_take_the_users_addresses_and_name_what_failed(tmp_path: Path) -> None:
    with serving({"/rules": Page(b"{}")}) as server:
        (tmp_path / "urls.yaml").write_text(f"FMSRules.json: [{server.url('/rules')}]\n")
        done = acquire("download", "--dataset", "llm-fms", "--data", tmp_path, "--log", tmp_path / "x.log")
    assert done.returncode == 1
    assert "the file has another sha256 than sources.yaml names" in done.stderr
    assert "another sha256" in (tmp_path / "x.log").read_text()
    assert not (tmp_path / "FMSRules.json").exists()


def test_a_dataset_without_videos_on_the_web_says_so(tmp_path: Path) -> None:
    done = acquire("broadcasts", "--dataset", "finefs", "--data", tmp_path)
    assert done.returncode == 1
    assert "this dataset has no videos on the web" in done.stderr


def test_a_folder_in_use_is_told(tmp_path: Path) -> None:
    (tmp_path / "urls.yaml").write_text("FMSRules.json: [http://127.0.0.1:1/x]\n")
    with workspace(tmp_path):
        done = acquire("download", "--dataset", "llm-fms", "--data", tmp_path)
    assert done.returncode == 1
    assert "another acquire is at work there" in done.stderr


# provenance


def test_the_provenance_table_has_a_row_for_every_file_and_source(tmp_path: Path) -> None:
    outputs = [tmp_path / "p.csv", tmp_path / "p.md"]
    assert acquire("provenance", "--output", *outputs).returncode == 0
    with outputs[0].open(newline="") as stream:
        rows = [row for row in csv.DictReader(stream) if row["dataset"] in DATASETS]
    assert list(rows[0]) == ["dataset", "file", "version", "source", "licence", "sha256", "added", "note"]
    listed = {(row["dataset"], row["file"]) for row in rows}
    assert listed == {(name, file.name) for name in DATASETS for file in load_sources(name).files}
    for row in rows:
        assert all(row[column] for column in ("dataset", "file", "version", "source", "licence", "added"))
    lines = outputs[1].read_text().splitlines()
    assert len(lines) == len(rows) + 2 + len(set(dataset_ids()) - set(DATASETS))
    assert {line.count(" | ") for line in lines[:1] + lines[2:]} == {7}
    assert "599e52f695f7a82018f397dde9ccd89aa822acac7baad018fd070a634d1ef189" in outputs[1].read_text()


def test_a_dataset_without_sources_has_a_row_of_what_its_metadata_say() -> None:
    metadata = load_metadata(DATASETS[0])
    (row,) = provenance.rows(metadata, None)
    assert list(row) == list(provenance.COLUMNS)
    assert (row["dataset"], row["source"]) == (metadata.id, metadata.access.url)


def test_another_kind_of_table_is_refused(tmp_path: Path) -> None:
    done = acquire("provenance", "--output", tmp_path / "p.txt")
    assert done.returncode == 1
    assert "must end in .csv or .md" in done.stderr
