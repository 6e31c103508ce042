"""A dataset whose pictures show the truth, from no masks to cells that run, as its owner would go."""

from __future__ import annotations

import json
import shutil

import pytest
import yaml
from workflow_runs import Study, repository

from aqa.datasets.finefs import embedded

pytestmark = [pytest.mark.xdist_group("workflow"), pytest.mark.thorough]

DATASET = "finefs"
SIZE = embedded.Size(competitions=2, programs=1, elements=4)
CELL = f"cells/{DATASET}/judge/original/base"


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Data as their owners distribute them: without masks."""
    folder = tmp_path_factory.mktemp("skating") / "data"
    embedded.write(folder, 1, 2, SIZE)
    for ours in ("masks.yaml", "scoreboards.jsonl"):
        (folder / ours).rename(folder.parent / ours)
    return folder


@pytest.fixture
def skating(data, tmp_path) -> Study:
    shutil.copytree(data, tmp_path / "data")
    study = Study(tmp_path, repository(tmp_path / "vlm-aqa"))
    (tmp_path / "models").mkdir()
    options = {"base_url": "http://127.0.0.1:9/v1", "model": "m"}
    model = {"title": "Asked", "backend": "openai", "options": options}
    (tmp_path / "models" / "asked.yaml").write_text(yaml.safe_dump(model))
    return study


def configure(study: Study, model: str, **dataset) -> None:
    study.configure(
        datasets={DATASET: {"data": "data", "i_may_upload": True, **dataset}},
        models=[model],
        model_files=["models", "config/models"],
        cells={"include": [{"tasks": ["judge"], "representations": ["original"], "strategies": ["base"]}]},
        scoring={"resamples": 200},
    )


def test_a_model_waits_for_a_person_who_reviews_what_is_proposed(skating):
    configure(skating, "asked")
    refused = skating.snakemake()
    assert refused.status != 0
    assert f"run `snakemake propose_masks_{DATASET}`" in refused.said[-1]
    skating.make(f"propose_masks_{DATASET}")
    proposal = skating.results / "masks" / DATASET / "proposed.yaml"
    page = (proposal.parent / "proposed.html").read_text()
    assert "it stays on this machine" in page
    assert "do not allow to publish" in " ".join(page.split())
    masks = skating.folder / "data" / "masks.yaml"
    shutil.copy(proposal, masks)
    assert "nobody has approved these boxes" in skating.snakemake().output
    approved = yaml.safe_load(proposal.read_text()) | {"status": "reviewed", "by": "a test"}
    masks.write_text(yaml.safe_dump(approved))
    skating.make(f"results/masks/{DATASET}/verified.txt")
    verification = json.loads((proposal.parent / "verification.json").read_text())
    assert verification["by"] == "a test"
    assert "fail" not in {verdict["verdict"] for verdict in verification["verdicts"]}


def test_a_planted_unmasked_clip_stops_the_cells_until_it_is_named(skating, data):
    shutil.copy(data.parent / "masks.yaml", skating.folder / "data" / "masks.yaml")
    configure(skating, "random")
    skating.make(f"results/{CELL}/random/metrics.json")
    verified = skating.results / "masks" / DATASET
    names = [v["sample_id"] for v in json.loads((verified / "verification.json").read_text())["verdicts"]]
    planted = json.loads((verified / "verification.json").read_text())
    planted["verdicts"][0] |= {"verdict": "fail", "why": "planted"}
    (verified / "verification.json").write_text(json.dumps(planted))
    for name in ("requests.jsonl", "metrics.json"):
        (skating.results / CELL / "random" / name).unlink()
    stopped = skating.snakemake(f"results/{CELL}/random/metrics.json")
    assert stopped.status != 0
    assert f"the truth may be seen ({names[0]}: planted)" in stopped.output
    assert not (skating.results / CELL / "random" / "metrics.json").exists()
    configure(skating, "random", accept_unmasked=[names[0]])
    skating.make(f"results/{CELL}/random/metrics.json", "results/tables/table1.md")
    table = (skating.results / "tables" / "table1.md").read_text()
    assert f"1 of {len(names)} clips failed the verification and count all the same" in table


def test_a_masked_copy_is_a_target(skating, data):
    shutil.copy(data.parent / "masks.yaml", skating.folder / "data" / "masks.yaml")
    configure(skating, "random")
    video = next((skating.folder / "data" / "video").iterdir())
    skating.make(f"results/masks/{DATASET}/videos/video/{video.stem}.mp4")
    assert (skating.results / "masks" / DATASET / "videos" / "video" / video.name).stat().st_size
