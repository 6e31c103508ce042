"""The journal: the union of segments, whatever a kill or a broken disk left in them."""

import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from session_cells import answer, sha

from aqa.errors import UserError
from aqa.files import dumps
from aqa.inference.journal import Attempt, Writer, fetch, read, segments

KEYS = [sha(str(i)) for i in range(4)]


def line(record):
    return dumps(record) + b"\n"


def segment(folder, number, content):
    path = folder / f"segment-{number:06d}-{number:08x}.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def texts(folder, keys=KEYS):
    contents = read(folder, set(keys))
    answers = fetch(iter(contents.answers.values()))
    return {a.response.key: a.response.text for a in answers}


def unguarded(folder):
    pass


def test_an_appended_line_is_readable_at_once(tmp_path):
    with Writer(unguarded) as writer:
        writer.append(tmp_path, answer(KEYS[0], "yes"))
        assert texts(tmp_path) == {KEYS[0]: "yes"}


def test_every_session_writes_a_segment_of_its_own_that_sorts_last(tmp_path):
    segment(tmp_path, 11, b"")
    for text in "ab":
        with Writer(unguarded) as writer:
            writer.append(tmp_path, answer(KEYS[0], text))
            writer.append(tmp_path, answer(KEYS[1], text))
    assert [path.name[:14] for path in segments(tmp_path)] == [f"segment-0000{n}" for n in (11, 12, 13)]
    assert texts(tmp_path) == {KEYS[0]: "a", KEYS[1]: "a"}


def test_segments_sort_by_number_and_not_by_spelling(tmp_path):
    segment(tmp_path, 1_000_000, b"")
    segment(tmp_path, 999_999, b"")
    assert [path.name[8:15] for path in segments(tmp_path)] == ["999999-", "1000000"]


def test_a_session_without_answers_leaves_no_segment(tmp_path):
    with Writer(unguarded):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_journal_that_is_not_there_is_empty(tmp_path):
    assert read(tmp_path / "none", set(KEYS)).answers == {}


@pytest.mark.parametrize("last", [answer(KEYS[1], "né"), Attempt(key=KEYS[1], cause="HTTP 500", n=6)])
def test_a_torn_last_line_is_ignored_at_every_byte_and_never_cut(tmp_path, last):
    whole, torn = line(answer(KEYS[0], "first")), line(last)
    for size in range(len(torn)):
        path = segment(tmp_path, 1, whole + torn[:size])
        contents = read(tmp_path, set(KEYS))
        assert list(contents.answers) == [KEYS[0]]
        assert contents.failures == {}
        assert contents.problems == []
        assert path.read_bytes() == whole + torn[:size]
    segment(tmp_path, 1, whole + torn)
    assert len(read(tmp_path, set(KEYS)).answers | read(tmp_path, set(KEYS)).failures) == 2


@pytest.mark.parametrize(
    "damage",
    [
        b"\0\0\0\0\n",
        b"\n",
        b"{}\n",
        line(answer(KEYS[1]))[:40] + b"\n",
        line(answer(KEYS[1])).replace(b'"ok"', b'"failed"', 1),
        b"\xff" + line(answer(KEYS[1])),
    ],
)
def test_a_damaged_line_in_the_middle_is_reported_with_its_place_and_ignored(tmp_path, damage):
    path = segment(tmp_path, 1, line(answer(KEYS[0])) + damage + line(answer(KEYS[2])))
    contents = read(tmp_path, set(KEYS))
    assert set(contents.answers) == {KEYS[0], KEYS[2]}
    assert len(contents.problems) == 1
    assert f"{path}, line 2" in contents.problems[0]


def test_a_failure_is_never_an_answer_and_is_forgotten_once_there_is_one(tmp_path):
    failure = line(Attempt(key=KEYS[0], cause="HTTP 500", n=6))
    segment(tmp_path, 1, failure)
    assert read(tmp_path, set(KEYS)).answers == {}
    assert read(tmp_path, set(KEYS)).failures[KEYS[0]].cause == "HTTP 500"
    segment(tmp_path, 2, line(answer(KEYS[0])) + failure)
    assert set(read(tmp_path, set(KEYS)).answers) == {KEYS[0]}
    assert read(tmp_path, set(KEYS)).failures == {}


def test_reading_keeps_only_the_keys_needed(tmp_path):
    segment(tmp_path, 1, b"".join(line(answer(key)) for key in KEYS))
    assert list(read(tmp_path, {KEYS[2]}).answers) == [KEYS[2]]


def test_the_guard_is_asked_before_every_line(tmp_path):
    def guard(folder):
        raise UserError(f"not yours: {folder.name}")

    with Writer(guard) as writer, pytest.raises(UserError, match="not yours"):
        writer.append(tmp_path, answer(KEYS[0]))
    assert segments(tmp_path) == []


def test_lines_reach_the_disk_within_a_second_without_another_append(tmp_path, monkeypatch):
    synced = []
    monkeypatch.setattr("os.fsync", lambda handle: synced.append(time.monotonic()))
    with Writer(unguarded) as writer:
        writer.append(tmp_path, answer(KEYS[0]))
        start = time.monotonic()
        while not synced and time.monotonic() - start < 5:
            time.sleep(0.01)
        assert synced[0] - start < 1
        time.sleep(0.6)
        assert len(synced) <= 2, "a segment without new lines is not synced again (file and folder)"


def test_a_disk_that_cannot_sync_stops_the_session(tmp_path, monkeypatch):
    def broken(handle):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr("os.fsync", broken)
    with pytest.raises(UserError, match="Input/output error"), Writer(unguarded) as writer:
        writer.append(tmp_path, answer(KEYS[0]))


lines = st.one_of(
    st.builds(answer, st.sampled_from(KEYS), st.text(max_size=5)),
    st.builds(Attempt, key=st.sampled_from(KEYS), cause=st.text(max_size=5), n=st.just(3)),
    st.binary(max_size=20).filter(lambda b: b"\n" not in b),
)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(st.tuples(st.lists(lines, max_size=6), st.integers(0, 400)), max_size=4))
def test_the_first_complete_answer_in_segment_and_line_order_wins(tmp_path_factory, written):
    folder = tmp_path_factory.mktemp("journal")
    expected, failed = {}, {}
    for number, (records, cut) in enumerate(written, start=1):
        content = b""
        raw = [r + b"\n" if isinstance(r, bytes) else line(r) for r in records]
        whole = b"".join(raw)
        kept = whole[: max(0, len(whole) - cut)]
        segment(folder, number, kept)
        for record, encoded in zip(records, raw, strict=True):
            content += encoded
            if len(content) > len(kept) or isinstance(record, bytes):
                continue
            if isinstance(record, Attempt):
                failed[record.key] = record.cause
            else:
                expected.setdefault(record.response.key, record.response.text)
    assert texts(folder) == expected
    failures = {key: failure.cause for key, failure in read(folder, set(KEYS)).failures.items()}
    assert failures == {key: cause for key, cause in failed.items() if key not in expected}
