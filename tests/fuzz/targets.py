"""The targets of the fuzzer by name: what is run, on which bytes, and how they are changed."""

import random
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from fuzz import library_files as libraries
from fuzz import matrix_changes as changes
from fuzz import matrix_files as matrices
from fuzz import saved_files as saved
from fuzz.forged import forged
from fuzz.hdf5_changes import hdf5_changed, hdf5_seeds
from fuzz.table_changes import arrow_changed, arrow_seeds, parquet_changed, parquet_seeds
from fuzz.zarr_changes import zarr_changed, zarr_seeds


class Target(NamedTuple):
    """One target; `knowing` changes bytes and leaves them such a file."""

    run: Callable[[bytes, Path], None]
    seeds: Callable[[], list[bytes]]
    knowing: Callable[[bytes, random.Random], bytes]

    def change(self, data: bytes, most: int, seed: int, blind: Callable[[bytes, int], bytes]) -> bytes:
        """Change bytes, as a rule knowing what they are."""
        draw = random.Random(seed)
        if draw.random() < 0.25:
            return blind(data, most)
        try:
            return self.knowing(data, draw)[:most]
        except Exception:  # it is no such file any more
            return blind(data, most)


def _forged_fit(data: bytes, draw: random.Random) -> bytes:
    return data[:1] + forged(data[1:], draw.getrandbits(32))


def _held(run: Callable[[bytes, Path], None]) -> Callable[[bytes, Path], None]:
    """Let a matrix be too large for the memory of the fuzzer: sparse rows may be empty, and need no bytes."""

    def tried(data: bytes, folder: Path) -> None:
        with suppress(MemoryError):
            run(data, folder)

    return tried


TARGETS = {
    "load": Target(
        saved.load, lambda: saved.seeds()["load"], lambda data, draw: forged(data, draw.getrandbits(32))
    ),
    "checkpoint": Target(saved.checkpoint, lambda: saved.seeds()["checkpoint"], _forged_fit),
    "text": Target(matrices.text, changes.text_seeds, changes.text_changed),
    "flat": Target(_held(matrices.flat), changes.flat_seeds, changes.flat_changed),
    "market": Target(_held(matrices.market), changes.market_seeds, changes.market_changed),
    "hdf5": Target(_held(libraries.hdf5), hdf5_seeds, hdf5_changed),
    "zarr": Target(_held(libraries.zarr_zip), zarr_seeds, zarr_changed),
    "parquet": Target(_held(libraries.parquet_file), parquet_seeds, parquet_changed),
    "arrow": Target(_held(libraries.arrow_file), arrow_seeds, arrow_changed),
}
