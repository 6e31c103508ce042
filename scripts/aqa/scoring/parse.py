"""Reading the answers that models print: tolerant of dressing, never a guess.

What is accepted
    A JSON object that names the question: `{"<item>": <option>}`, `{"score": <number>}` for a score
    whose item is "", `{"answer": <option>}` for a choice whose item is "". Around it anything may
    stand (prose, code fences, other objects); in it trailing commas, single or curly quotes, bare
    words, Python's literals, comments, raw line breaks and further keys. Keys and options may differ
    in case, white space, hyphens and outer punctuation, if exactly one item or option then fits.
    A request of one question may also be answered by the bare value as the whole text (`7.5`).

What counts, where there is more than one
    Thinking (`<think>`, `<thinking>`) is never read: a block is cut out, a lone closing tag cuts all
    text before it, an unclosed opening tag all text after it. The last non-empty `<output>` (or
    `<answer>`) block, where there is one, is the whole answer. Of the objects that name every item
    the last wins: models draft, then answer. What it says badly stays unparsed: an earlier draft is
    not fetched back. Where no object names every item, the partial ones are put together, and an item
    on which they contradict each other is unparsed. Objects inside an object that answers, or inside
    one that is broken, are not answers.

What is refused (the item is unparsed)
    Numbers in words, with a unit, as a fraction (`7/10`) or with a decimal comma; NaN and infinity;
    a score outside its range (never clamped); truth values for a score; `null`; an option with
    anything added; a key given twice with different values; objects and lists as values; an object
    that does not close; prose.

Time grows linearly with the text, whatever it holds.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from aqa.records import Question, Value, answer_key

MAX_DEPTH = 32
"""Objects and lists nested deeper than this are not read."""

MAX_VALUE = 1000
"""Longest value, in characters, that is compared with options loosely."""

SHORT = 200
"""Longest text that is remembered: the same few short answers come thousands of times."""

_THINK = re.compile(r"<(/?)think(?:ing)?>", re.IGNORECASE)
_OUTPUT = re.compile(r"<(/?)(?:output|answer)>", re.IGNORECASE)
_FENCE = re.compile(r"```[A-Za-z0-9_+-]*\s(.*)```", re.DOTALL)
_NUMBER = re.compile(r"[+-]?(?:[0-9]{1,40}(?:\.[0-9]{0,40})?|\.[0-9]{1,40})(?:[eE][+-]?[0-9]{1,4})?")
_SKIP = re.compile(r"(?:\s++|//[^\n]*+|#[^\n]*+|/\*(?:[^*]++|\*(?!/))*+(?:\*/)?)*+")
_BARE = re.compile(r"""(?:[^,:{}\[\]"'“”‘’\n#/]++|/(?![/*]))++""")
_ESCAPE = re.compile(r"((?:\\u[0-9a-fA-F]{4})+)|\\U(000[0-9a-fA-F]{5})|\\x([0-9a-fA-F]{2})|\\(.)", re.DOTALL)
_ESCAPED = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f"}
_JOINT = re.compile(r"(?<=\w)[-_‐‑–—]+(?=\w)")
_PAUSE = re.compile(r"[,;:](?=\s|$)")
_EDGE = " .,;:!?*`\"'“”‘’"


def _quoted(marks: str) -> re.Pattern[str]:
    """Return a pattern of a string in these quotation marks.

    A mark closes the string only where a delimiter follows, as in every valid object; so a mark
    inside the text (`'it's'`) does no harm. Possessive throughout: no backtracking.
    """
    close = rf"[{marks}](?=\s*+(?:[,:}}\]]|//|#|/\*))"
    return re.compile(rf"[{marks}]((?:[^{marks}\\]++|\\.|(?!{close})[{marks}])*+){close}", re.DOTALL)


_STRINGS = {mark: (marks, _quoted(marks)) for marks in ('"', "'", "“”", "‘’") for mark in marks}


def parse(text: str, questions: Sequence[Question]) -> dict[str, Value | None]:
    """Read a model's answer to the questions of a request.

    Args:
        text: what the model printed, the reasoning included or not.
        questions: the request's questions; their items differ.

    Returns:
        Every question's item with the option (spelled as in `options`) or the score (float), None
        where the text does not answer it in an acceptable form. Never raises for any text.
    """
    if len(text) <= SHORT:
        return dict(_short(text, tuple(questions)))
    return _parsed(text, questions)


@lru_cache(maxsize=4096)
def _short(text: str, questions: tuple[Question, ...]) -> dict[str, Value | None]:
    return _parsed(text, questions)


def _parsed(text: str, questions: Sequence[Question]) -> dict[str, Value | None]:
    body = _output(_without_thinking(text)).strip()
    keys = _Keys(questions)
    answers = [answer for found in _objects(body) for answer in _naming(found, keys)]
    if not answers and len(questions) == 1:
        return {questions[0].item: _read(_bare(body), questions[0])}
    whole = [answer for answer in answers if len(answer) == len(questions)]
    chosen = whole[-1:] or answers
    return {question.item: _agreed(chosen, question) for question in questions}


class _Keys:
    """Which item a key of an object names."""

    def __init__(self, questions: Sequence[Question]) -> None:
        self.exact = {answer_key(question): question.item for question in questions}
        self.loose: dict[str, str | None] = {}
        for key, item in self.exact.items():
            self.loose[fold(key)] = None if fold(key) in self.loose else item

    def item(self, key: str) -> str | None:
        if key in self.exact or len(key) > MAX_VALUE:
            return self.exact.get(key)
        return self.loose.get(fold(key))


_Answer = dict[str, list[str | None]]
"""Items that an object names, each with the values given (None: not a scalar)."""


@dataclass
class _Object:
    """An object as found: its pairs (None for a value that is no scalar) and the objects inside it."""

    pairs: list[tuple[str, str | None]] = field(default_factory=list)
    inside: list[_Object] = field(default_factory=list)


def _naming(found: _Object, keys: _Keys) -> Iterator[_Answer]:
    """Yield the outermost objects that name an item."""
    answer: _Answer = {}
    for key, value in found.pairs:
        item = keys.item(key)
        if item is not None:
            answer.setdefault(item, []).append(value)
    if answer:
        yield answer
    else:
        for inner in found.inside:
            yield from _naming(inner, keys)


def _agreed(answers: Iterable[_Answer], question: Question) -> Value | None:
    values = {_read(value, question) for answer in answers for value in answer.get(question.item, [])}
    return values.pop() if len(values) == 1 else None


def _read(value: str | None, question: Question) -> Value | None:
    """Return a scalar as an option or a score of the question, None where it is neither."""
    if value is None:
        return None
    if question.options is not None:
        return _option(value, question.options)
    match = _NUMBER.fullmatch(value.strip())
    number = float(match[0]) + 0.0 if match else math.nan
    low = -math.inf if question.minimum is None else question.minimum
    high = math.inf if question.maximum is None else question.maximum
    return number if math.isfinite(number) and low <= number <= high else None


def _option(value: str, options: Sequence[str]) -> str | None:
    if value in options:
        return value
    if len(value) > MAX_VALUE:
        return None
    fitting = {option for option in options if fold(option) == fold(value)}
    return fitting.pop() if len(fitting) == 1 else None


@lru_cache(maxsize=4096)
def fold(text: str) -> str:
    """Return the form in which keys and options are compared: case, spacing, outer punctuation gone.

    Signs that carry meaning (`<`, `+`, `-` before a number, `%`) stay.
    """
    text = unicodedata.normalize("NFKC", text).casefold()
    text = _PAUSE.sub(" ", _JOINT.sub(" ", text))
    return " ".join(text.split()).strip(_EDGE)


def _bare(body: str) -> str | None:
    if len(body) > MAX_VALUE:
        return None
    match = _FENCE.fullmatch(body)
    return (match[1] if match else body).strip()


def _without_thinking(text: str) -> str:
    kept: list[str] = []
    position, thinking = 0, False
    for tag in _THINK.finditer(text):
        if not thinking:
            kept.append(text[position : tag.start()])
        if tag[1] and not thinking:
            kept.clear()
        thinking = not tag[1]
        position = tag.end()
    if not thinking:
        kept.append(text[position:])
    return "".join(kept)


def _output(text: str) -> str:
    """Return the last non-empty output block, which the end of the text may close; else the text."""
    block, start = "", -1
    for tag in _OUTPUT.finditer(text):
        if not tag[1]:
            start = tag.end()
        elif start >= 0:
            block = text[start : tag.start()].strip() or block
            start = -1
    if start >= 0:
        block = text[start:].strip() or block
    return block or text


def _objects(text: str) -> Iterator[_Object]:
    """Yield the outermost complete objects of a text, in order."""
    scanner = _Scanner(text)
    start = text.find("{")
    while start >= 0:
        scanner.position = start
        try:
            yield scanner.object(0)
        except _BrokenError:
            # Resume where it broke: what lies before belonged to the broken object, and
            # no part of the text is read twice.
            scanner.position = max(scanner.position, start + 1)
        start = text.find("{", scanner.position)


class _BrokenError(Exception):
    """The text at the scanner's position does not continue an object."""


class _Scanner:
    """Reads one object of a text from `position` on, forgiving what the module's docstring lists."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.position = 0
        self.unclosed: set[str] = set()

    def object(self, depth: int) -> _Object:
        result = _Object()
        self._expect("{")
        while not self._take("}"):
            key = self._scalar()
            self._expect(":")
            result.pairs.append((key or "", self._value(depth + 1, result)))
            if not self._take(","):
                self._expect("}")
                break
        return result

    def _value(self, depth: int, parent: _Object) -> str | None:
        if depth > MAX_DEPTH:
            raise _BrokenError
        self._skip()
        if self.text.startswith("{", self.position):
            parent.inside.append(self.object(depth))
            return None
        if not self._take("["):
            return self._scalar()
        while not self._take("]"):
            self._value(depth + 1, parent)
            if not self._take(","):
                self._expect("]")
                break
        return None

    def _scalar(self) -> str | None:
        """Read a string or a bare word; None for null."""
        self._skip()
        marks, pattern = _STRINGS.get(self.text[self.position : self.position + 1], ("", _BARE))
        # A string without an end is searched to the end of the text: once, not at every brace.
        match = None if marks in self.unclosed else pattern.match(self.text, self.position)
        if match is None:
            if marks:
                self.unclosed.add(marks)
            raise _BrokenError
        self.position = match.end()
        if not marks:
            word = match[0].strip()
            return None if not word or word.casefold() in {"null", "none", "undefined"} else word
        return _ESCAPE.sub(_unescape, match[1])

    def _skip(self) -> None:
        match = _SKIP.match(self.text, self.position)
        assert match is not None
        self.position = match.end()

    def _take(self, sign: str) -> bool:
        self._skip()
        found = self.text.startswith(sign, self.position)
        self.position += found
        return found

    def _expect(self, sign: str) -> None:
        if not self._take(sign):
            raise _BrokenError


def _unescape(match: re.Match[str]) -> str:
    units, wide, byte, sign = match.groups()
    if units:
        # JSON writes a character beyond 16 bits as two escapes: decode them together.
        return bytes.fromhex(units.replace("\\u", "")).decode("utf-16-be", "replace")
    if wide or byte:
        return chr(int(wide or byte, 16))
    return _ESCAPED.get(sign, sign)
