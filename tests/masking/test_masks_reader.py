"""The reader of words: what counts as a score, and a program that answers, fails, or is not there."""

from __future__ import annotations

import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aqa.errors import UserError
from aqa.masking.reader import SURE, Tesseract, Word, find_reader, scores

PLACE = (0, 0, 10, 10)
DOUBLE = """#!{python}
import sys
from pathlib import Path
if "--list-langs" in sys.argv:
    print("List of available languages (1):\\n{language}")
elif "--version" in sys.argv:
    print("tesseract 5.9.9\\n leptonica")
else:
    assert sys.argv[3:] [:2] == ["-l", "eng"] and sys.argv[-1] == "tsv"
    mode = sys.argv[sys.argv.index("--psm") + 1]
    Path({calls!r}).open("a").write(mode + "\\n")
    listed = Path(sys.argv[1]).read_text().split()
    assert all(Path(line).read_bytes().startswith(b"\\x89PNG") for line in listed)
    sys.stdout.write(Path({answer!r}).read_text())
    sys.exit({status})
"""


def tsv(page: int, text: str, confidence: object = 91.5, box: tuple[object, ...] = (30, 60, 90, 30)) -> str:
    return "\t".join(map(str, (5, page, 1, 1, 1, 1, *box, confidence, text))) + "\n"


@pytest.fixture
def double(tmp_path, monkeypatch):
    """Return a function that puts a program named tesseract on PATH that answers with the given text."""

    def make(answer: str, *, status: int = 0, language: str = "eng") -> Path:
        (tmp_path / "answer.tsv").write_text(answer)
        program = tmp_path / "bin" / "tesseract"
        program.parent.mkdir(exist_ok=True)
        program.write_text(
            DOUBLE.format(
                python=sys.executable,
                language=language,
                calls=str(tmp_path / "calls"),
                answer=str(tmp_path / "answer.tsv"),
                status=status,
            )
        )
        program.chmod(0o755)
        monkeypatch.setenv("PATH", str(program.parent))
        return tmp_path / "calls"

    return make


def picture(rows: int = 240) -> np.ndarray:
    return np.full((rows, 2 * rows, 3), 128, np.uint8)


@pytest.mark.parametrize("text", ["+0.17", "—0.90", "−1.63", "2,77", "GOE_+0.17", "100.25", "-0.5", "+3"])
def test_a_number_with_decimals_or_a_sign_may_be_a_score(text):
    assert scores([Word(text, 90.0, PLACE)])
    assert not scores([Word(text, SURE - 1, PLACE)])


@pytest.mark.parametrize(
    "text", ["SKATER", "2018", "01", "3Lz", "StSq4", "", ".", "1234.5678", "10:32", "v1.2.3"]
)
def test_other_words_are_none(text):
    assert not scores([Word(text, 90.0, PLACE)])


@given(st.text(max_size=12), st.floats(-1, 100))
def test_any_text_can_be_asked_about(text, confidence):
    assert len(scores([Word(text, confidence, PLACE)])) <= 1


def test_words_of_both_modes_are_joined_and_lie_in_the_pictures_own_pixels(double):
    calls = double("level\tpage_num\n" + tsv(1, "+1.23") + tsv(2, "TES"))
    reader = find_reader()
    assert reader is not None
    assert reader.name == "tesseract 5.9.9"
    small, large = reader.read([picture(240), picture(720)])
    assert small == [Word("+1.23", 91.5, (10, 20, 40, 30))] * 2, "enlarged three times for the reader"
    assert large == [Word("TES", 91.5, (30, 60, 120, 90))] * 2
    assert calls.read_text().split() == ["6", "11"], "one process a mode for all pictures"
    assert reader.read([]) == []


def test_lines_that_are_no_words_of_these_pictures_are_ignored(double):
    lines = [
        tsv(0, "before"),
        tsv(2, "after"),
        tsv(1, " "),
        tsv(1, "unsure", "high"),
        tsv(1, "nowhere", 90, ("a", 0, 1, 1)),
        "4\t1\t1\t1\t1\t0\t0\t0\t1\t1\t-1\t\n",
        "5\t1\n",
        "\x00\t\n",
        tsv(1, "kept"),
    ]
    double("".join(lines))
    (words,) = find_reader().read([picture()])
    assert {word.text for word in words} == {"kept"}


def test_a_reader_that_fails_is_an_error_of_one_line(double):
    double("", status=3)
    with pytest.raises(
        UserError, match=r"tesseract failed \(no message\); repair it, or remove it from PATH"
    ):
        find_reader().read([picture()])


def test_without_the_program_or_its_english_there_is_no_reader(double, monkeypatch):
    double("", language="deu")
    assert find_reader() is None
    monkeypatch.setenv("PATH", "/nonexistent")
    assert find_reader() is None


def test_a_program_that_cannot_run_is_an_error_of_one_line(tmp_path):
    with pytest.raises(UserError, match="cannot be run"):
        Tesseract(str(tmp_path / "none"), "1").read([picture()])


@pytest.mark.ocr
def test_the_real_reader_reads_letters_where_they_stand():
    reader = find_reader()
    assert reader is not None
    shown = picture(240)
    cv2.putText(shown, "GOE +1.23", (60, 120), cv2.FONT_HERSHEY_SIMPLEX, 0.7, (255, 255, 255), 2)
    found = scores(reader.read([picture(240), shown])[1])
    assert {word.text for word in found} == {"+1.23"}
    assert all(100 <= word.box[0] <= 140 and 95 <= word.box[1] < word.box[3] <= 130 for word in found)
