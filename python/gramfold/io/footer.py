"""What the end of a Parquet file says of nulls.

pyarrow tells it too, but ends the process where a forged file contradicts itself: its objects of column
chunks are made by C++ that throws what nobody catches. To read rows is another way, which raises errors.

The end of a file is a struct of Thrift's compact protocol: a field is a byte with the step from the field
before and the kind of its value, a struct ends with 0, and whole numbers are in base 128.
"""

from collections.abc import Iterator

TRUE, FALSE, BYTE, I16, I32, I64, DOUBLE, BINARY, LIST, SET, MAP, STRUCT, UUID = range(1, 14)
LENGTHS = {TRUE: 0, FALSE: 0, BYTE: 1, DOUBLE: 8, UUID: 16}
DEEPEST = 64  # as Thrift's own reader
ROW_GROUPS, COLUMNS = 4, 1  # fields of a file and of a row group
NULL_COUNT = (3, 12, 3)  # of a column chunk: its metadata, their statistics, the number of nulls


def has_nulls(path: str) -> bool:
    """Whether a file may hold nulls, as far as its statistics tell.

    Raises
    ------
    ValueError
        If its end is damaged.
    """
    with open(path, "rb") as file:
        length = file.seek(-8, 2)
        size = int.from_bytes(file.read(4), "little")
        file.seek(max(0, length - size))
        end = Thrift(file.read(size))
    try:
        return any(end.null_counts())
    except IndexError:
        raise ValueError("its metadata are cut") from None


class Thrift:
    """A struct that is read from its beginning."""

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    def null_counts(self) -> Iterator[int]:
        """The nulls of every column chunk; -1 of one that does not say."""
        for group in self._structs(ROW_GROUPS):
            if not group:
                yield -1
                continue
            for column in self._structs(COLUMNS):
                yield self._number(NULL_COUNT) if column else -1

    def _structs(self, wanted: int) -> Iterator[bool]:
        """Whether each item of a list, a field of a struct, is a struct, which whoever asks then reads."""
        for field, kind in self._fields():
            if (field, kind) != (wanted, LIST):
                self._at = _after(self._data, self._at, kind)
                continue
            count, kind, self._at = _list(self._data, self._at)
            for _ in range(count):
                yield kind == STRUCT
                if kind != STRUCT:
                    self._at = _after(self._data, self._at, BYTE if kind == FALSE else kind)

    def _number(self, path: tuple[int, ...]) -> int:
        """A field of a field of a struct; -1 if it has none, the last of several as Thrift's own reader."""
        found = -1
        wanted = STRUCT if path[1:] else I64
        for field, kind in self._fields():
            if field != path[0] or kind != wanted:
                self._at = _after(self._data, self._at, kind)
            elif path[1:]:
                found = self._number(path[1:])
            else:
                found, self._at = _signed(self._data, self._at)
        return found

    def _fields(self) -> Iterator[tuple[int, int]]:
        """Number and kind of each field of a struct; whoever asks reads its value."""
        field = 0
        while byte := self._data[self._at]:
            self._at += 1
            if byte > 15:
                field += byte >> 4
            else:
                field, self._at = _signed(self._data, self._at)
            yield field, byte & 15
        self._at += 1


def _whole(data: bytes, at: int) -> tuple[int, int]:
    """A whole number, and where it ends."""
    found = shift = 0
    while True:
        byte = data[at]
        at += 1
        found |= (byte & 127) << shift
        if byte < 128:
            return found, at
        shift += 7
        if shift > 63:
            raise ValueError("its metadata have a number of more than 64 bits")


def _signed(data: bytes, at: int) -> tuple[int, int]:
    found, at = _whole(data, at)
    return (found >> 1) ^ -(found & 1), at


def _list(data: bytes, at: int) -> tuple[int, int, int]:
    """How many items a list has, of which kind, and where they begin."""
    byte = data[at]
    count, at = (byte >> 4, at + 1) if byte < 0xF0 else _whole(data, at + 1)
    return count, byte & 15, at


def _after(data: bytes, at: int, kind: int, depth: int = 0) -> int:
    """Where a value ends."""
    if I16 <= kind <= I64:
        while data[at] > 127:
            at += 1
        return at + 1
    if kind == BINARY:
        length, at = _whole(data, at)
        return at + length
    if kind in LENGTHS:
        return at + LENGTHS[kind]
    if depth > DEEPEST:
        raise ValueError("its metadata are nested too deep")
    if kind == STRUCT:
        while byte := data[at]:
            at += 1
            if byte < 16:
                at = _after(data, at, I16)
            kind = byte & 15
            if I16 <= kind <= I64:  # most are
                while data[at] > 127:
                    at += 1
                at += 1
            else:
                at = _after(data, at, kind, depth + 1)
        return at + 1
    if kind in (LIST, SET):
        count, kind, at = _list(data, at)
        kinds = [kind]
    elif kind == MAP:
        count, at = _whole(data, at)
        kinds = [data[at] >> 4, data[at] & 15] if count else []
        at += bool(count)
    else:
        raise ValueError(f"its metadata have a value of kind {kind}, which there is none")
    for _ in range(count):
        for kind in kinds:
            at = _after(data, at, BYTE if kind <= FALSE else kind, depth + 1)
    return at
