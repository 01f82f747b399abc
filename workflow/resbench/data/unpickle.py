"""Read the pickles of CIFAR-10's Python layout without `pickle`.

A pickle is a program.  This is an interpreter of only those opcodes that a dictionary of numbers,
text and arrays of integers needs: it cannot import or call anything. Values represent the six callables that such
pickles name, so that no numpy code ever receives a hostile state.

Opcodes: CPython's Lib/pickletools.py.  Array state: numpy's `ndarray.__reduce__`.
"""

import math
from collections.abc import Callable
from enum import Enum
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from resbench.data.errors import ArchiveError, printable

MAX_DIMENSIONS = 4
BATCH = "pickle a dictionary with data, numpy.uint8 (N, 3072), and labels, a list of int: labels.tolist()"


class Callee(Enum):
    """The functions and classes that pickles of image batches name."""

    reconstruct = "numpy's array constructor"
    ndarray = "numpy.ndarray"
    dtype = "numpy.dtype"
    frombuffer = "numpy's buffer constructor"
    scalar = "numpy's scalar constructor"
    encode = "_codecs.encode"


# Both names of each: numpy moved `core` to `_core` in 2.0.  Python 3 writes bytes through
# `_codecs.encode` up to protocol 2, and numpy writes arrays through `_frombuffer` in protocol 5.
GLOBALS = {
    ("numpy.core.multiarray", "_reconstruct"): Callee.reconstruct,
    ("numpy._core.multiarray", "_reconstruct"): Callee.reconstruct,
    ("numpy.core.multiarray", "scalar"): Callee.scalar,
    ("numpy._core.multiarray", "scalar"): Callee.scalar,
    ("numpy.core.numeric", "_frombuffer"): Callee.frombuffer,
    ("numpy._core.numeric", "_frombuffer"): Callee.frombuffer,
    ("numpy", "ndarray"): Callee.ndarray,
    ("numpy", "dtype"): Callee.dtype,
    ("_codecs", "encode"): Callee.encode,
}


INTEGERS = ("u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8")


class Integer:
    """Stands for the dtype of an integer; its byte order is in its state."""

    def __init__(self, kind: str) -> None:
        self.dtype = np.dtype(kind)


class Array:
    """Stands for an array; `value` is None until its state was read."""

    value: NDArray[Any] | None = None


class Mark:
    """Where on the stack a tuple, list or dictionary begins."""


MARK = Mark()


def unpickle(data: bytes, max_steps: int) -> dict[str, Any]:
    """Return the dictionary that a pickle describes.

    Args:
        data: Pickle of protocol 2 to 5.
        max_steps: The most opcodes to run, which limits time and memory.

    Returns:
        The dictionary, its top-level keys as text. Values are int, bool, None, bytes, str, lists, tuples and
        dictionaries of these, or arrays of integers, read-only and sharing memory with one copy of their bytes. numpy's
        integers become int.

    Raises:
        ArchiveError: The pickle needs anything else, above all a name that is not in GLOBALS.
    """
    try:
        result = _Machine(data).run(max_steps)
    except (IndexError, KeyError, ValueError, TypeError, OverflowError) as error:
        if isinstance(error, ArchiveError):
            raise
        raise ArchiveError("is a damaged pickle") from error
    if type(result) is not dict:
        raise ArchiveError("is a pickle of something other than a dictionary", BATCH)
    named = {key.decode("latin-1") if type(key) is bytes else key: value for key, value in result.items()}
    return {key: value.value if type(value) is Array else value for key, value in named.items()}


class _Machine:
    def __init__(self, data: bytes) -> None:
        self.data = data
        self.position = 0
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}
        self.encodable = len(data)  # `encode` may be applied to one text again and again

    def run(self, max_steps: int) -> Any:
        operations, data = OPERATIONS, self.data
        for _ in range(max_steps):
            code = data[self.position]
            self.position += 1
            if code == STOP:
                if self.position != len(data) or len(self.stack) != 1:
                    raise ArchiveError("is a damaged pickle")
                return self.stack[0]
            operation = operations.get(code)
            if operation is None:
                raise ArchiveError(
                    f"is a pickle with opcode {printable(chr(code))}, which image batches do not need",
                    BATCH if data.startswith(b"\x80") else "save it with protocol=2, which has another form",
                )
            operation(self)
        raise ArchiveError(f"is a pickle of more than {max_steps:,} steps")

    def take(self, size: int) -> bytes:
        start, self.position = self.position, self.position + size
        if size < 0 or self.position > len(self.data):
            raise ArchiveError("is a truncated pickle")
        return self.data[start : self.position]

    def byte(self) -> int:
        self.position += 1
        return self.data[self.position - 1]

    def number(self, size: int, *, signed: bool = False) -> int:
        return int.from_bytes(self.take(size), "little", signed=signed)

    def line(self) -> str:
        end = self.data.index(b"\n", self.position, self.position + 256)
        text = self.data[self.position : end].decode("ascii", "backslashreplace")
        self.position = end + 1
        return text

    def push(self, value: Any) -> None:
        self.stack.append(value)

    def pop(self, *kinds: type) -> Any:
        value = self.stack.pop()
        if value is MARK or (kinds and type(value) not in kinds):
            raise ArchiveError("is a damaged pickle")
        return value

    def since_mark(self) -> list[Any]:
        start = len(self.stack) - 1
        while self.stack[start] is not MARK:
            start -= 1
            if start < 0:
                raise ArchiveError("is a damaged pickle")
        items = self.stack[start + 1 :]
        del self.stack[start:]
        return items

    def top(self, kind: type) -> Any:
        if type(self.stack[-1]) is not kind:
            raise ArchiveError("is a damaged pickle")
        return self.stack[-1]

    def tuple(self, size: int) -> None:
        items = [self.pop() for _ in range(size)]
        self.push(tuple(reversed(items)))

    def set_items(self, items: list[Any]) -> None:
        target = self.top(dict)
        for key, value in zip(items[::2], items[1::2], strict=True):
            if type(key) not in (bytes, str, int):  # hashing a deeply nested tuple overflows C's stack
                raise ArchiveError("is a pickle with a key that is not text")
            target[key] = value

    def global_name(self, module: Any, name: Any) -> None:
        callee = GLOBALS.get((module, name)) if type(module) is str and type(name) is str else None
        if callee is None:
            _refuse(f"{module}.{name}" if type(module) is str and type(name) is str else "a computed name")
        self.push(callee)

    def reduce(self) -> None:
        """Replace a call: each case returns what the named function would have returned."""
        arguments, callee = self.pop(tuple), self.pop(Callee)
        match callee, arguments:
            case Callee.encode, (str() as text, ("latin1" | "latin-1")):
                self.encodable -= len(text)
                if self.encodable < 0:
                    raise ArchiveError("is a pickle that repeats itself")
                self.push(text.encode("latin-1"))
            case Callee.dtype, ((str() | bytes()) as kind, *_):
                name = kind.decode("latin-1") if isinstance(kind, bytes) else kind
                if name.lstrip("|<=>") not in INTEGERS:
                    raise ArchiveError(
                        f"holds an array of {printable(name)} instead of uint8", "save images as numpy.uint8, 0 to 255"
                    )
                self.push(Integer(name))
            case Callee.scalar, (Integer() as kind, bytes() as content) if len(content) == kind.dtype.itemsize:
                self.push(int(np.frombuffer(content, kind.dtype)[0]))
            case Callee.reconstruct, (Callee.ndarray, (0,), (b"b" | "b")):
                self.push(Array())
            case Callee.frombuffer, (content, Integer() as kind, shape, ("C" | "F") as order):
                self.push(_array(shape, kind, content, order))
            case _:
                _refuse(f"{callee.value} with unusual arguments")

    def build(self) -> None:
        """Replace `__setstate__`."""
        state = self.pop(tuple)
        match self.stack[-1], state:
            # Version, byte order, then subarray, names and fields.
            case Integer() as kind, (_, ("<" | b"<" | "|" | b"|"), None, None, None, *_):
                kind.dtype = kind.dtype.newbyteorder("<")
            case Integer() as kind, (_, (">" | b">"), None, None, None, *_):
                kind.dtype = kind.dtype.newbyteorder(">")
            case Array() as target, (1, shape, Integer() as kind, (True | False | 0 | 1) as fortran, content):
                target.value = _array(shape, kind, content, "F" if fortran else "C").value
            case _:
                _refuse("an unusual state")


def _array(shape: Any, kind: Integer, content: Any, order: Any) -> Array:
    sizes = type(shape) is tuple and len(shape) <= MAX_DIMENSIONS and all(type(n) is int and n >= 0 for n in shape)
    if not sizes or type(content) is not bytes or math.prod(shape) * kind.dtype.itemsize != len(content):
        raise ArchiveError("holds an array whose size contradicts its shape")
    array = Array()
    array.value = np.frombuffer(content, kind.dtype).reshape(shape, order=order)
    return array


def _refuse(what: str) -> NoReturn:
    raise ArchiveError(f"is a pickle that asks for {printable(what)}, which image batches do not need", BATCH)


STOP = ord(".")


def _text(size: int) -> Callable[[_Machine], None]:
    return lambda m: m.push(m.take(m.number(size)).decode())


def _bytes(size: int, *, signed: bool = False) -> Callable[[_Machine], None]:
    return lambda m: m.push(m.take(m.number(size, signed=signed)))


def _stack_global(m: _Machine) -> None:
    name, module = m.pop(), m.pop()
    m.global_name(module, name)


def _set_item(m: _Machine) -> None:
    value, key = m.pop(), m.pop()
    m.set_items([key, value])


def _append(m: _Machine) -> None:
    value = m.pop()
    m.top(list).append(value)


def _appends(m: _Machine) -> None:
    items = m.since_mark()
    m.top(list).extend(items)


def _put(m: _Machine, index: int) -> None:
    m.memo[index] = m.stack[-1]


OPERATIONS: dict[int, Callable[[_Machine], None]] = {
    ord("\x80"): lambda m: None if 2 <= m.byte() <= 5 else _refuse("an unknown protocol"),
    ord("\x95"): lambda m: None if m.number(8) <= len(m.data) else _refuse("a frame longer than the file"),
    ord("("): lambda m: m.push(MARK),
    ord("N"): lambda m: m.push(None),
    ord("\x88"): lambda m: m.push(True),
    ord("\x89"): lambda m: m.push(False),
    ord("K"): lambda m: m.push(m.byte()),
    ord("M"): lambda m: m.push(m.number(2)),
    ord("J"): lambda m: m.push(m.number(4, signed=True)),
    ord("\x8a"): lambda m: m.push(m.number(m.byte(), signed=True)),
    ord("U"): _bytes(1),  # byte strings: Python 2's two, then Python 3's three, then bytearray
    ord("T"): _bytes(4, signed=True),
    ord("C"): _bytes(1),
    ord("B"): _bytes(4),
    ord("\x8e"): _bytes(8),
    ord("\x96"): _bytes(8),
    ord("\x8c"): _text(1),
    ord("X"): _text(4),
    ord("\x8d"): _text(8),
    ord("}"): lambda m: m.push({}),
    ord("]"): lambda m: m.push([]),
    ord(")"): lambda m: m.push(()),
    ord("\x85"): lambda m: m.tuple(1),
    ord("\x86"): lambda m: m.tuple(2),
    ord("\x87"): lambda m: m.tuple(3),
    ord("t"): lambda m: m.push(tuple(m.since_mark())),
    ord("a"): _append,
    ord("e"): _appends,
    ord("s"): _set_item,
    ord("u"): lambda m: m.set_items(m.since_mark()),
    ord("q"): lambda m: _put(m, m.byte()),
    ord("r"): lambda m: _put(m, m.number(4)),
    ord("\x94"): lambda m: _put(m, len(m.memo)),
    ord("h"): lambda m: m.push(m.memo[m.byte()]),
    ord("j"): lambda m: m.push(m.memo[m.number(4)]),
    ord("c"): lambda m: m.global_name(m.line(), m.line()),
    ord("\x93"): _stack_global,
    ord("R"): lambda m: m.reduce(),
    ord("b"): lambda m: m.build(),
}
