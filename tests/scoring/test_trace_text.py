"""Splitting reasoning into sentences: nothing is lost, nothing grows, and hostile text takes no time."""

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aqa.records import Question
from aqa.scoring.traces.lexicon import load_lexicon
from aqa.scoring.traces.sentences import MAX_CHARACTERS, MAX_SENTENCE, sentences, words
from aqa.scoring.traces.stated import stated

PLAIN = st.text(st.characters(codec="utf-8", exclude_characters="<>{}`"), max_size=400)
SENTENCE = st.from_regex(r"[A-Z][a-z]{1,9}( [a-z]{1,9}){0,6}[.!?]", fullmatch=True)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("One is here. Two is there! Three?", ["One is here.", "Two is there!", "Three?"]),
        ("The score is 7.5. Good.", ["The score is 7.5.", "Good."]),
        ("The joints, e.g. Knees, bend. Fine.", ["The joints, e.g. Knees, bend.", "Fine."]),
        ("About 90 deg. Then up.", ["About 90 deg. Then up."]),
        ("Wait... The knees bend.", ["Wait...", "The knees bend."]),
        ('He said "down." Then up.', ['He said "down."', "Then up."]),
        ("- first point\n2. second point\n* third", ["first point", "second point", "third"]),
        ("<look>The man squats.</look><assess>Good.</assess>", ["The man squats.", "Good."]),
        ('Draft: ```json\n{"score": 7}\n``` done', ["Draft:", "done"]),
        ("### Heading\n\n**Bold.** Text.", ["Heading", "**Bold.**", "Text."]),
        ("It\u2019s bent.\u202e\x00 Now.", ["It's bent.", "Now."]),
        ("7.5\n---\n", []),
    ],
)
def test_sentences_end_where_a_reader_ends_them(text, expected):
    assert sentences(text) == expected


@given(PLAIN)
def test_no_letter_is_lost_or_added(text):
    def letters(part):
        return sorted(filter(str.isalpha, part))

    kept = letters(" ".join(sentences(text)))
    visible = "".join(c for c in text if c.isprintable() or c.isspace())
    # Marks of lists ("a) ") are removed.
    assert set(kept) <= set(letters(visible))
    if not re.search(r"(?m)^\s*\(?[a-z][.)]\s", visible):
        assert len(kept) == len(letters(visible))


@given(PLAIN)
def test_every_sentence_is_short_one_line_and_has_a_letter(text):
    for sentence in sentences(text):
        assert 0 < len(sentence) <= MAX_SENTENCE
        assert sentence.isprintable()
        assert "\n" not in sentence
        assert any(character.isalpha() for character in sentence)


@given(st.lists(SENTENCE, min_size=1, max_size=8))
def test_sentences_joined_are_split_again(parts):
    single = [
        part for part in parts if not re.search(r"(?:^| )(?:[a-z]|no|max|min|sec|etc|fig|st)[.]$", part)
    ]
    single = [part for part in single if part.casefold().rstrip(".!?") not in ("no", "max", "min", "sec")]
    expected = [part for part in single if sentences(part) == [part]]
    joined = sentences(" ".join(expected))
    assert " ".join(joined) == " ".join(expected)
    if all(len(part.split()) > 1 and len(part.split()[-1]) > 6 for part in expected):
        assert joined == expected


@given(PLAIN)
def test_splitting_a_sentence_changes_nothing(text):
    for sentence in sentences(text):
        again = sentences(sentence)
        assert len(again) <= 2 or sentence.startswith(("-", "*", "#"))


HOSTILE = {
    "no spaces": "a" * 3_000_000,
    "spaces": " " * 3_000_000,
    "braces": "{" * 3_000_000,
    "tags": "<look>" * 500_000,
    "angles": "<" * 3_000_000,
    "stops": ". " * 1_000_000,
    "marks": "." * 3_000_000,
    "controls": "\x00\x1f\u202e" * 1_000_000,
    "html": "<script>alert(1)</script> The knee is bent. " * 100_000,
    "half markers": "the knee " * 400_000,
    "markers": "it is a squat likely in the most " * 100_000,
    "digits": "score 1 " * 400_000,
    "quotes": "\"'“" * 1_000_000,
    "lines": "\n" * 3_000_000,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_text_takes_bounded_time(name):
    """Three million characters in less than ten seconds of CPU on any machine; measured below one."""
    text, lexicon = HOSTILE[name], load_lexicon()
    question = Question(item="", text="", minimum=0, maximum=10)
    choice = Question(item="knees", text="", options=("true", "false"))
    started = time.process_time()
    found = sentences(text)
    for sentence in found:
        lexicon.statement(sentence)
    stated(found, text[:MAX_CHARACTERS], [question])
    stated(found, text[:MAX_CHARACTERS], [choice])
    words(text)
    assert time.process_time() - started < 10
    assert sum(map(len, found)) <= MAX_CHARACTERS


def test_words_are_counted_as_people_count():
    assert words("The knee - bent at 90 degrees.") == 6
    assert words("") == 0
