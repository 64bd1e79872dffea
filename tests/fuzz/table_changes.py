"""Sound files of Parquet and Arrow, and how they are changed by one who knows what they are."""

import decimal
import io
import json
import random
from collections.abc import Callable
from typing import Any

import pyarrow as pa
from fuzz.hdf5_changes import words_changed
from fuzz.matrix_changes import X
from pyarrow import feather, ipc, parquet

COLUMNS: dict[str, Callable[[], Any]] = {
    **{
        name: lambda kind=kind: pa.array(X[:, 0].astype(kind))
        for name, kind in {"u1": "u1", "i8": "i8", "u8": "u8", "f2": "f2", "f4": "f4", "i2": "i2"}.items()
    },
    "nulls": lambda: pa.array([None, *X[1:, 0]]),
    "no numbers": lambda: pa.nulls(len(X)),
    "all null": lambda: pa.nulls(len(X), pa.float32()),
    "whole nulls": lambda: pa.array([2**62, None, *range(len(X) - 2)]),
    "bool": lambda: pa.array([None, True] * (len(X) // 2)),
    "plain bool": lambda: pa.array(X[:, 0] > 1),
    "text": lambda: pa.array(["1.5"] * len(X)),
    "codes": lambda: pa.array(["a", "b"] * (len(X) // 2)).dictionary_encode(),
    "codes of numbers": lambda: pa.array([1.5, 2.5] * (len(X) // 2)).dictionary_encode(),
    "codes that lead outside": lambda: pa.DictionaryArray.from_arrays(
        pa.array([99] * len(X), pa.int32()), pa.array([1.5]), safe=False
    ),
    "decimal": lambda: pa.array([decimal.Decimal("1.50")] * len(X)),
    "dates": lambda: pa.array(range(len(X)), pa.timestamp("ns")),
    "lists": lambda: pa.array([[1.0]] * len(X)),
    "fixed lists": lambda: pa.array([[1.0, 2.0]] * len(X), pa.list_(pa.float64(), 2)),
    "records": lambda: pa.array([{"a": 1.0}] * len(X)),
    "bytes": lambda: pa.array([b"12345678"] * len(X), pa.binary(8)),
    "runs": lambda: pa.RunEndEncodedArray.from_arrays([len(X)], [1.5]),
    "tensors": lambda: pa.ExtensionArray.from_storage(
        pa.fixed_shape_tensor(pa.float64(), [1]), pa.array([[1.0]] * len(X), pa.list_(pa.float64(), 1))
    ),
    "no nulls after all": lambda: _of_buffers(pa.py_buffer(b"\xff\xff"), pa.py_buffer(X[:, 0].tobytes()), 5),
    "nulls after all": lambda: _of_buffers(pa.py_buffer(b"\x0f\x00"), pa.py_buffer(X[:, 0].tobytes()), 0),
}
NAMES = ("", "a", "b", "c", "__index_level_0__", "é" * 99, "a.b", "x\0y", "list.element")
PANDAS: tuple[Any, ...] = (
    {}, [], None, 3, "x", {"index_columns": ["a"]}, {"index_columns": ["none"]}, {"index_columns": [["a"]]},
    {"index_columns": 3}, {"index_columns": None}, {"index_columns": "a"}, {"index_columns": {"a": 1}},
    {"index_columns": ["a", "b", "c", "d", "e"]}, {"index_columns": [{"kind": "range", "start": 0}]}, {"columns": 3},
)  # fmt: skip


def _of_buffers(bits: Any, numbers: Any, null_count: int) -> Any:
    """A column as a file may describe one, whether it fits or not."""
    return pa.Array.from_buffers(pa.float64(), len(X), [bits, numbers], null_count)


def _table() -> Any:
    return pa.table({name: X[:, j] for j, name in enumerate("abcde")})


def _seeds(written: Callable[[Any, random.Random], bytes]) -> list[bytes]:
    plain, draw = _table(), random.Random(0)
    indexed = plain.replace_schema_metadata({"pandas": json.dumps({"index_columns": ["a"], "columns": []})})
    mixed = pa.table({name: COLUMNS[name]() for name in ("u1", "f4", "nulls", "bool", "f2")})
    return [written(table, draw) for table in (plain, indexed, mixed, plain[:0], plain[:1]) for _ in range(2)]


def parquet_seeds() -> list[bytes]:
    """Files of some row groups."""
    return _seeds(_parquet)


def arrow_seeds() -> list[bytes]:
    """Files of some record batches."""
    return _seeds(_arrow)


def _parquet(table: Any, draw: random.Random) -> bytes:
    file = io.BytesIO()
    parquet.write_table(
        table, file, row_group_size=draw.choice((1, 5, 100)), compression=draw.choice(("none", "snappy", "zstd")),
        use_dictionary=draw.random() < 0.5, write_statistics=draw.random() < 0.5, version=draw.choice(("1.0", "2.6")),
        data_page_version=draw.choice(("1.0", "2.0")), write_page_index=draw.random() < 0.3,
        store_schema=draw.random() < 0.7,
    )  # fmt: skip
    return file.getvalue()


def _arrow(table: Any, draw: random.Random) -> bytes:
    file = io.BytesIO()
    if draw.random() < 0.2:
        feather.write_feather(table, file, compression="uncompressed", version=draw.choice((1, 2)))
        return file.getvalue()
    options = ipc.IpcWriteOptions(compression=draw.choice((None, None, "zstd", "lz4")))
    make = ipc.new_stream if draw.random() < 0.05 else ipc.new_file
    with make(file, table.schema, options=options) as out:
        for batch in table.to_batches(draw.choice((1, 5, 100))):
            out.write_batch(batch)
        if draw.random() < 0.1:
            out.write_batch(pa.RecordBatch.from_pylist([], schema=table.schema))
    return file.getvalue()


def _table_changed(table: Any, draw: random.Random) -> Any:
    """Other columns, names, rows and metadata."""
    for _ in range(draw.choice((1, 1, 2, 3))):
        j = draw.randrange(max(1, table.num_columns))
        match draw.randrange(8):
            case 0 if table.num_columns:
                table = table.remove_column(j)
            case 1:
                names = list(table.column_names)
                names[j : j + 1] = [draw.choice(NAMES)]
                table = table.rename_columns(names)
            case 2:
                table = table.slice(draw.choice((0, 0, 3)), draw.choice((0, 1, 9)))
            case 3 | 4:
                text = json.dumps(draw.choice(PANDAS)).encode()
                text = draw.choice((text, text, text, text[:-1], b"\xff", b"[" * 3000))
                table = table.replace_schema_metadata({draw.choice((b"pandas", b"pandas", b"x")): text})
            case _:
                made = COLUMNS[draw.choice(list(COLUMNS))]()[: table.num_rows]
                if len(made) < table.num_rows or not table.num_columns:
                    table, made = _table(), COLUMNS[draw.choice(list(COLUMNS))]()
                    j = draw.randrange(5)
                name = draw.choice((*NAMES, table.column_names[j]))
                table = table.set_column(j, pa.field(name, made.type, draw.random() < 0.8), made)
    return table


def _read(read: Callable[[Any], Any], data: bytes) -> Any:
    """The table of a file, if it is one, else another."""
    try:
        table = read(io.BytesIO(data))
        table.validate(full=True)
    except Exception:
        return _table()
    return table


def parquet_changed(data: bytes, draw: random.Random) -> bytes:
    """A file with other columns; or with the description of another."""
    table = _table_changed(_read(parquet.read_table, data), draw)
    made = _parquet(table, draw)
    if draw.random() < 0.2:
        size = int.from_bytes(data[-8:-4], "little") + 8
        return (
            data[: max(0, len(data) - size)] + made[len(made) - int.from_bytes(made[-8:-4], "little") - 8 :]
        )
    if draw.random() < 0.1:
        return words_changed(data, draw)
    return made


def arrow_changed(data: bytes, draw: random.Random) -> bytes:
    """A file with other columns; or with other numbers where it keeps lengths and places."""
    if draw.random() < 0.3:
        return words_changed(data, draw)
    return _arrow(_table_changed(_read(lambda file: ipc.open_file(file).read_all(), data), draw), draw)
