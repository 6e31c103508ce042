"""Read pickled data without running any of it.

A pickle is a program. This reader interprets only the opcodes that build plain data and refuses every
other one: globals, calls, objects, persistent ids and extension codes have no meaning here, so there is
nothing to escape from. Size, number of opcodes, depth and expanded size are bounded.
"""

from __future__ import annotations

import io
import pickletools
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from aqa.errors import UserError

MAX_BYTES: Final = 32 * 1024 * 1024
MAX_OPCODES: Final = 2_000_000
MAX_DEPTH: Final = 64
MAX_VALUES: Final = 2_000_000
MAX_KEY_VALUES: Final = 64

_MARK: Final = object()

_CONSTANTS: Final = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_INTEGERS: Final = ("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4")
_TEXTS: Final = (
    "UNICODE",
    "SHORT_BINUNICODE",
    "BINUNICODE",
    "BINUNICODE8",
    "STRING",
    "BINSTRING",
    "SHORT_BINSTRING",
)
_BYTES: Final = ("BINBYTES", "SHORT_BINBYTES", "BINBYTES8")
_ARGUMENTS: Final = frozenset((*_INTEGERS, *_TEXTS, *_BYTES, "FLOAT", "BINFLOAT"))
_PERSISTENT: Final = frozenset(("PERSID", "BINPERSID"))
_EXTENSIONS: Final = frozenset(("EXT1", "EXT2", "EXT4"))


class _Refused(Exception):
    """The pickle holds something other than plain, bounded data."""


def load(path: Path) -> object:
    """Return the plain data in a pickle file: None, bool, int, float, str, bytes, list, tuple, dict.

    Raises:
        UserError: the file cannot be read, is truncated or damaged, or holds anything else; names the
            file and what was refused. Nothing in the file is executed in any case.
    """
    try:
        with path.open("rb") as stream:
            data = stream.read(MAX_BYTES + 1)
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from None
    return loads(data, str(path))


def loads(data: bytes, place: str) -> object:
    """Return the plain data in a pickle; `place` names it in errors. See `load`."""
    try:
        if len(data) > MAX_BYTES:
            raise _Refused(f"more than {MAX_BYTES} bytes")
        value = _Machine().run(data)
        _check_bounds(value)
    except _Refused as refused:
        raise UserError(
            f"{place}: refused: {refused}; only plain data is read, get the file from its source again"
        ) from None
    return value


class _Machine:
    """The stack machine of pickle, without the opcodes that reach outside plain data."""

    def __init__(self) -> None:
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}
        self.handlers: dict[str, Callable[[Any], None]] = {
            "MARK": lambda _: self.stack.append(_MARK),
            "POP": lambda _: self._drop(),
            "POP_MARK": lambda _: self._drop_to_mark(),
            "DUP": lambda _: self.stack.append(self._top()),
            "EMPTY_LIST": lambda _: self.stack.append([]),
            "EMPTY_TUPLE": lambda _: self.stack.append(()),
            "EMPTY_DICT": lambda _: self.stack.append({}),
            "LIST": lambda _: self.stack.append(self._to_mark()),
            "TUPLE": lambda _: self.stack.append(tuple(self._to_mark())),
            "DICT": lambda _: self._dict(),
            "TUPLE1": lambda _: self._tuple(1),
            "TUPLE2": lambda _: self._tuple(2),
            "TUPLE3": lambda _: self._tuple(3),
            "APPEND": lambda _: self._extend([self._pop()]),
            "APPENDS": lambda _: self._extend(self._to_mark()),
            "SETITEM": lambda _: self._set_items([self._pop(), self._pop()][::-1]),
            "SETITEMS": lambda _: self._set_items(self._to_mark()),
            "MEMOIZE": lambda _: self._put(len(self.memo)),
        }
        for name in ("PUT", "BINPUT", "LONG_BINPUT"):
            self.handlers[name] = self._put
        for name in ("GET", "BINGET", "LONG_BINGET"):
            self.handlers[name] = self._get
        for name in ("PROTO", "FRAME", "STOP"):
            self.handlers[name] = lambda _: None

    def run(self, data: bytes) -> Any:
        """Interpret the whole pickle and return its one value."""
        stream = io.BytesIO(data)
        count = 0
        try:
            for opcode, argument, position in pickletools.genops(stream):
                count += 1
                if count > MAX_OPCODES:
                    raise _Refused(f"more than {MAX_OPCODES} opcodes")
                self._step(opcode.name, argument, position)
        except (ValueError, OverflowError, struct.error) as error:
            raise _Refused(f"truncated or damaged ({error})") from None
        if stream.tell() != len(data):
            raise _Refused(f"{len(data) - stream.tell()} bytes after its end")
        value = self._pop()
        if self.stack:
            raise _Refused("damaged (more than one value)")
        return value

    def _step(self, name: str, argument: Any, position: int | None) -> None:
        if name in _ARGUMENTS:
            self.stack.append(argument)
        elif name in _CONSTANTS:
            self.stack.append(_CONSTANTS[name])
        elif name in self.handlers:
            self.handlers[name](argument)
        else:
            raise _Refused(f"{self._forbidden(name, argument)} (opcode {name} at byte {position})")

    def _forbidden(self, name: str, argument: Any) -> str:
        if name in ("GLOBAL", "INST"):
            return f"it asks for the code '{_shown('.'.join(str(argument).split(' ', 1)))}'"
        if name == "STACK_GLOBAL":
            return f"it asks for the code '{_shown('.'.join(str(part) for part in self.stack[-2:]))}'"
        if name in _PERSISTENT:
            return "it asks for a persistent id"
        if name in _EXTENSIONS:
            return f"it asks for the extension code {argument}"
        return "it builds more than plain data"

    def _pop(self) -> Any:
        if not self.stack or self.stack[-1] is _MARK:
            raise _Refused("damaged (a value is missing)")
        return self.stack.pop()

    def _top(self) -> Any:
        value = self._pop()
        self.stack.append(value)
        return value

    def _drop(self) -> None:
        if not self.stack:
            raise _Refused("damaged (a value is missing)")
        self.stack.pop()

    def _to_mark(self) -> list[Any]:
        for index in range(len(self.stack) - 1, -1, -1):
            if self.stack[index] is _MARK:
                values = self.stack[index + 1 :]
                del self.stack[index:]
                return values
        raise _Refused("damaged (a mark is missing)")

    def _drop_to_mark(self) -> None:
        self._to_mark()

    def _tuple(self, length: int) -> None:
        self.stack.append(tuple([self._pop() for _ in range(length)][::-1]))

    def _extend(self, values: list[Any]) -> None:
        target = self._top()
        if not isinstance(target, list):
            raise _Refused("damaged (it appends to something that is not a list)")
        target.extend(values)

    def _dict(self) -> None:
        values = self._to_mark()
        self.stack.append({})
        self._set_items(values)

    def _set_items(self, values: list[Any]) -> None:
        target = self._top()
        if not isinstance(target, dict) or len(values) % 2:
            raise _Refused("damaged (it sets items of something that is not a dictionary)")
        for key, value in zip(values[::2], values[1::2], strict=True):
            _check_key(key)
            target[key] = value

    def _put(self, index: Any) -> None:
        self.memo[int(index)] = self._top()

    def _get(self, index: Any) -> None:
        if int(index) not in self.memo:
            raise _Refused("damaged (it refers to a value that it never made)")
        self.stack.append(self.memo[int(index)])


def _check_key(key: Any) -> None:
    """Refuse a key whose hash is not cheap: a few shared tuples can stand for 2**60 values."""
    waiting, seen = [key], 0
    while waiting:
        value = waiting.pop()
        seen += 1
        if seen > MAX_KEY_VALUES:
            raise _Refused(f"a dictionary key of more than {MAX_KEY_VALUES} values")
        if isinstance(value, tuple):
            waiting.extend(value[: MAX_KEY_VALUES + 1])
        elif isinstance(value, list | dict):
            raise _Refused(f"damaged (a dictionary key holds a {type(value).__name__})")


def _check_bounds(root: Any) -> None:
    """Refuse what is too deep, endless, or grows when it is walked (shared parts count each time)."""
    waiting, count = [(root, 1)], 0
    while waiting:
        value, depth = waiting.pop()
        count += 1
        if depth > MAX_DEPTH:
            raise _Refused(f"nested deeper than {MAX_DEPTH} levels")
        parts: list[Any] = []
        if isinstance(value, list | tuple):
            parts = list(value)
        elif isinstance(value, dict):
            parts = [*value.keys(), *value.values()]
        if count + len(waiting) + len(parts) > MAX_VALUES:
            raise _Refused(f"more than {MAX_VALUES} values")
        waiting.extend((part, depth + 1) for part in parts)


def _shown(text: str) -> str:
    return "".join(character if character.isprintable() else "?" for character in text)[:80]
