"""`traces.judge` in a configuration: checked before any job, and no part of the grid."""

from pathlib import Path

import pytest

from aqa.errors import UserError
from aqa.plan import load

ROOT = Path(__file__).parents[2]


def plan(**traces):
    values = {"datasets": {"mtl-aqa": {}}, "models": ["random"], "traces": traces}
    return load(values, ROOT)


def test_a_judge_is_found_among_the_models_files_and_adds_no_cell():
    judged = plan(judge="gemini-3.1-pro")
    assert judged.judge_path.name == "gemini-3.1-pro.yaml"
    assert judged.judge.title == "Gemini 3.1 Pro"
    assert judged.grid == plan().grid
    assert set(judged.models) == {"random"}
    assert plan().judge is plan().judge_path is None


@pytest.mark.parametrize(
    ("traces", "said"),
    [
        ({"judge": "random"}, "random is a baseline"),
        ({"judge": "gemini-3.1-prp"}, "no file for model 'gemini-3.1-prp'.*gemini-3.1-pro"),
        ({"judge_sentences": 0}, "judge_sentences"),
        ({"limit": 0}, "limit"),
        ({"jugde": "x"}, "unknown key 'jugde'.*judge"),
    ],
)
def test_a_wrong_setting_is_one_line(traces, said):
    with pytest.raises(UserError, match=said) as problem:
        plan(**traces)
    assert "\n" not in str(problem.value)
