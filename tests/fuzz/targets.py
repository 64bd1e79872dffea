"""The targets of the fuzzer by name: what is run, on which bytes, and how they are changed."""

import random
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from fuzz import matrix_files as matrices
from fuzz import saved_files as saved
from fuzz.forged import forged


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


TARGETS = {
    "load": Target(
        saved.load, lambda: saved.seeds()["load"], lambda data, draw: forged(data, draw.getrandbits(32))
    ),
    "checkpoint": Target(saved.checkpoint, lambda: saved.seeds()["checkpoint"], _forged_fit),
    "text": Target(matrices.text, matrices.text_seeds, matrices.text_changed),
    "flat": Target(matrices.flat, matrices.flat_seeds, matrices.flat_changed),
    "market": Target(matrices.market, matrices.market_seeds, matrices.market_changed),
}
