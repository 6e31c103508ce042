"""A judge model beside the lexicon: what it is asked, and what it answered."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from aqa import models
from aqa.config import ModelFile, load_yaml, parse
from aqa.errors import UserError
from aqa.files import read_jsonl
from aqa.grid import Cell
from aqa.inference import statements
from aqa.inference.statements import sentence_id
from aqa.records import Request, Response
from aqa.scoring.parse import parse as read_answer
from aqa.scoring.predict import matched
from aqa.scoring.traces.agreement import Agreement, Judged, agreements, picked, statement_of
from aqa.scoring.traces.trace import Trace


def judge_requests(
    cells: Mapping[Cell, Sequence[Trace]],
    model_file: Path,
    *,
    per_cell: int,
    seed: int,
    may_upload: Collection[str],
) -> list[Request]:
    """Return what the judge is asked: one request a different sentence.

    `may_upload` are the datasets whose terms allow sending a remote model what was said about them.

    Raises:
        UserError: the model's file is wrong, or it is remote and a dataset does not allow that.
    """
    model = parse(ModelFile, load_yaml(model_file), str(model_file))
    backend = models.create(model, models.Context(media=Path(), seed=seed), str(model_file))
    chosen = picked(cells, per_cell, seed)
    if backend.remote:
        for cell, sentences in chosen.items():
            if sentences and cell.dataset not in may_upload:
                raise UserError(
                    f"{model_file.stem} is a remote model and the terms of {cell.dataset} do not allow "
                    "sending it what was said about its media; if you have the right to, set "
                    f"datasets.{cell.dataset}.i_may_upload: true, or leave out traces.judge"
                )
    every = [sentence for sentences in chosen.values() for sentence in sentences]
    return statements.build(every, identity=backend.identity(), system=model.system)


def read_judge(
    folder: Path, cells: Mapping[Cell, Sequence[Trace]], *, per_cell: int, seed: int
) -> list[Agreement]:
    """Return the agreement of the judge, whose requests and responses lie in `folder`, with the lexicon.

    Raises:
        UserError: a file is missing, or the files do not fit each other or the cells.
    """
    requests = read_jsonl(folder / "requests.jsonl", Request)
    answers = matched(requests, read_jsonl(folder / "responses.jsonl", Response))
    asked = {request.sample_id: request for request in requests}
    judged = []
    for cell, sentences in picked(cells, per_cell, seed).items():
        for sentence, lexicon in sentences.items():
            request = asked.get(sentence_id(sentence))
            if request is None:
                raise UserError(f"{folder}: a sentence was not asked about; make its requests.jsonl again")
            response = answers[request.key]
            value = read_answer(response.text, request.questions)[""] if response.outcome == "ok" else None
            judged.append(Judged(cell, lexicon, statement_of(value)))
    return agreements(judged, folder.name)
