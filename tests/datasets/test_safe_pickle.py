"""The restricted pickle reader: plain data as pickle reads it, nothing else, and never any execution."""

from __future__ import annotations

import builtins
import collections
import copyreg
import datetime
import os
import pickle
import struct
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from aqa.datasets import safe_pickle
from aqa.errors import UserError

TEXT_SCALARS = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text())
SCALARS = TEXT_SCALARS | st.binary(max_size=20)


def containers(scalars: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Return nested lists, tuples and dictionaries of scalars."""
    keys = scalars | st.tuples(st.integers(), st.integers())
    return st.recursive(
        scalars,
        lambda inner: st.one_of(
            st.lists(inner, max_size=5),
            st.lists(inner, max_size=5).map(tuple),
            st.dictionaries(keys, inner, max_size=5),
        ),
        max_leaves=20,
    )


PLAIN = containers(SCALARS)


@given(PLAIN, st.sampled_from([3, 4, 5]))
def test_plain_data_round_trips(value: Any, protocol: int) -> None:
    read = safe_pickle.loads(pickle.dumps(value, protocol=protocol), "x.pkl")
    assert read == value
    assert repr(read) == repr(value)


@given(containers(TEXT_SCALARS), st.sampled_from([0, 1, 2]))
@example(["é\n\\", 2**80, -1, True, 1.5, None], 0)
def test_plain_data_round_trips_in_old_protocols_too(value: Any, protocol: int) -> None:
    read = safe_pickle.loads(pickle.dumps(value, protocol=protocol), "x.pkl")
    assert repr(read) == repr(value)


@given(st.binary(max_size=200))
def test_arbitrary_bytes_give_data_or_a_user_error(data: bytes) -> None:
    try:
        safe_pickle.loads(data, "x.pkl")
    except UserError as error:
        assert str(error).startswith("x.pkl: refused: ")


@given(PLAIN, st.data())
def test_a_truncated_pickle_is_refused(value: Any, data: st.DataObject) -> None:
    whole = pickle.dumps(value, protocol=4)
    length = data.draw(st.integers(0, len(whole) - 1))
    with pytest.raises(UserError, match=r"x\.pkl: refused: .*source again"):
        safe_pickle.loads(whole[:length], "x.pkl")


class Reduce:
    """Pickles as a call of `function`."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.reduction = function, arguments

    def __reduce__(self) -> Any:
        return self.reduction


class Plain:
    """An ordinary object."""

    def __init__(self) -> None:
        self.x = 1


def pickled_with_persistent_id(protocol: int) -> bytes:
    import io

    class Pickler(pickle.Pickler):
        def persistent_id(self, obj: Any) -> Any:
            return "id" if obj == "secret" else None

    stream = io.BytesIO()
    Pickler(stream, protocol=protocol).dump(["secret"])
    return stream.getvalue()


def pickled_with_extension() -> bytes:
    copyreg.add_extension(Plain.__module__, "Plain", 240)
    try:
        return pickle.dumps(Plain(), protocol=2)
    finally:
        copyreg.remove_extension(Plain.__module__, "Plain", 240)


def buffers() -> bytes:
    found: list[Any] = []
    return pickle.dumps(pickle.PickleBuffer(bytearray(b"x")), protocol=5, buffer_callback=found.append)


SIDE_EFFECT = "raise SystemExit('executed')"

HOSTILE = {
    "os.system by reduce": (pickle.dumps(Reduce(os.system, "exit 3"), protocol=2), "system"),
    "os.system by reduce, protocol 0": (pickle.dumps(Reduce(os.system, "exit 3"), protocol=0), "system"),
    "eval by stack global": (pickle.dumps(Reduce(builtins.eval, "1/0"), protocol=4), "builtins.eval"),
    "exec nested in a dictionary": (pickle.dumps({(1, 1): [Reduce(exec, SIDE_EFFECT)]}), "builtins.exec"),
    "INST": (b"(S'exit 3'\nios\nsystem\n.", "os.system"),
    "OBJ": (b"(cos\nsystem\nS'exit 3'\no.", "os.system"),
    "a bare GLOBAL": (b"cbuiltins\ngetattr\n.", "builtins.getattr"),
    "a global that is dropped again": (b"cos\nsystem\n0N.", "os.system"),
    "GLOBAL after STOP-like bytes in a string": (b"U\x02..cos\nsystem\n.", "os.system"),
    "STACK_GLOBAL with memoised names": (b"\x8c\x02os\x94\x8c\x06system\x94\x93.", "os.system"),
    "STACK_GLOBAL with names that are not texts": (b"K\x01K\x02\x93.", "1.2"),
    "STACK_GLOBAL on an empty stack": (b"\x93.", "STACK_GLOBAL"),
    "EXT1": (pickled_with_extension(), "extension code 240"),
    "EXT2": (b"\x83\xf0\x01.", "extension code 496"),
    "EXT4": (b"\x84\xf0\x01\x00\x00.", "extension code 496"),
    "PERSID": (pickled_with_persistent_id(0), "persistent id"),
    "BINPERSID": (pickled_with_persistent_id(2), "persistent id"),
    "NEWOBJ and BUILD of a class": (pickle.dumps(Plain(), protocol=2), "Plain"),
    "NEWOBJ_EX": (b"\x80\x04N)}\x92.", "NEWOBJ_EX"),
    "BUILD on a dictionary": (b"}}b.", "BUILD"),
    "REDUCE on plain data": (b"N)R.", "REDUCE"),
    "a numpy scalar": (pickle.dumps(numpy.float64(1.5)), "numpy"),
    "a fraction": (pickle.dumps(Fraction(1, 3)), "fractions.Fraction"),
    "a date": (pickle.dumps(datetime.date(2020, 1, 1)), "datetime.date"),
    "an ordered dictionary": (pickle.dumps(collections.OrderedDict(a=1)), "collections.OrderedDict"),
    "a set": (pickle.dumps({1, 2}, protocol=4), "EMPTY_SET"),
    "a byte array": (pickle.dumps(bytearray(b"x"), protocol=5), "BYTEARRAY8"),
    "an out-of-band buffer": (buffers(), "NEXT_BUFFER"),
    "a global hidden by a control character": (b"cos\rx\nsystem\n.", "os?x.system"),
    "an unknown opcode": (b"\xff.", "damaged"),
    "a second pickle behind the first": (pickle.dumps(1) + pickle.dumps(2), "bytes after its end"),
    "two values": (b"K\x01K\x02.", "more than one value"),
    "an empty file": (b"", "damaged"),
    "no value": (b".", "a value is missing"),
    "a mark instead of a value": (b"(.", "a value is missing"),
    "a pop of nothing": (b"0.", "a value is missing"),
    "a missing mark": (b"t.", "a mark is missing"),
    "a memo that was never filled": (b"h\x05.", "never made"),
    "append to a dictionary": (b"}K\x01a.", "not a list"),
    "items of a list": (b"]K\x01K\x02s.", "not a dictionary"),
    "an odd number of items": (b"}(K\x01u.", "not a dictionary"),
    "a list as a key": (b"}]K\x01s.", "a list"),
    "a huge length of text": (b"\x8d" + struct.pack("<Q", 2**62) + b"abc.", "damaged"),
    "a length beyond any memory": (b"\x8e" + struct.pack("<Q", 2**64 - 1) + b".", "damaged"),
    "a negative length": (b"T\xff\xff\xff\xffabc.", "damaged"),
    "an endless number": (b"I" + b"9" * 10_000 + b"\n.", "damaged"),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_anything_but_plain_data_is_refused_and_named(kind: str) -> None:
    data, named = HOSTILE[kind]
    with pytest.raises(UserError) as caught:
        safe_pickle.loads(data, "folder/x.pkl")
    message = str(caught.value)
    assert message.startswith("folder/x.pkl: refused: ")
    assert named in message
    assert "\n" not in message


def test_a_registered_and_cached_extension_code_is_refused_all_the_same() -> None:
    data = pickled_with_extension()
    copyreg.add_extension(Plain.__module__, "Plain", 240)
    try:
        assert isinstance(pickle.loads(data), Plain)
        with pytest.raises(UserError, match="extension code 240"):
            safe_pickle.loads(data, "x.pkl")
    finally:
        copyreg.remove_extension(Plain.__module__, "Plain", 240)


def test_a_huge_memo_index_costs_no_memory() -> None:
    assert safe_pickle.loads(b"K\x07r\xff\xff\xff\x7f.", "x.pkl") == 7


def test_a_huge_frame_length_reserves_nothing() -> None:
    frame = b"\x80\x04\x95" + struct.pack("<Q", 2**62) + b"K\x07."
    assert safe_pickle.loads(frame, "x.pkl") == 7


def doubling(levels: int) -> bytes:
    """Return a tuple of two references to a tuple of two references ... : 2**levels values."""
    return b"K\x01" + b"2\x86" * levels + b"."


def test_a_bomb_of_shared_tuples_is_refused() -> None:
    with pytest.raises(UserError, match="refused: more than 2000000 values"):
        safe_pickle.loads(doubling(50), "x.pkl")


def test_a_bomb_as_a_dictionary_key_is_refused_before_it_is_hashed() -> None:
    with pytest.raises(UserError, match="refused: a dictionary key of more than 64 values"):
        safe_pickle.loads(b"}" + doubling(60)[:-1] + b"Ns.", "x.pkl")


def test_deep_nesting_is_refused() -> None:
    with pytest.raises(UserError, match="refused: nested deeper than 64 levels"):
        safe_pickle.loads(b")" + b"\x85" * 200_000 + b".", "x.pkl")


def test_a_list_that_contains_itself_is_refused() -> None:
    endless: list[Any] = []
    endless.append(endless)
    with pytest.raises(UserError, match="refused: nested deeper"):
        safe_pickle.loads(pickle.dumps(endless), "x.pkl")


def test_too_many_opcodes_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(safe_pickle, "MAX_OPCODES", 1000)
    with pytest.raises(UserError, match="refused: more than 1000 opcodes"):
        safe_pickle.loads(b"N0" * 1000 + b"N.", "x.pkl")


def test_an_oversize_file_is_refused_without_reading_all_of_it(tmp_path: Path) -> None:
    path = tmp_path / "big.pkl"
    with path.open("wb") as stream:
        stream.truncate(8 * 2**30)
    with pytest.raises(UserError, match=rf"{path}: refused: more than {safe_pickle.MAX_BYTES} bytes"):
        safe_pickle.load(path)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no\.pkl: cannot be read \(No such file"):
        safe_pickle.load(tmp_path / "no.pkl")
    with pytest.raises(UserError, match=r"cannot be read \(Is a directory"):
        safe_pickle.load(tmp_path)
