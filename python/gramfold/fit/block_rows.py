"""What every model takes as blocks is checked block by block: of those in files, when they are read."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from sklearn.utils import check_X_y
from sklearn.utils.validation import validate_data

from ..io.matrix import csr_below
from ..io.parts import Passes
from .blocks import Blocks
from .missing import about_nan
from .sound import sound_csr

Read = Callable[..., Any]


def read_blocks(
    X: Blocks, estimator: Any, name: str, options: dict[str, Any], segments: bool, read: Read
) -> Any:  # fmt: skip
    """Check every block as `read` does, and all of them together against the estimator and y."""
    y, reset = options.pop("y", None), options.pop("reset", True)
    least = options.pop("ensure_min_samples", 1)
    if X.shape[0] < least:
        raise ValueError(
            f"Found array with {X.shape[0]} sample(s) while a minimum of {least} is required: {X}"
        )
    if estimator is not None:
        named = X if X.header is None else X.header
        validate_data(estimator, named, reset=reset, skip_check_array=True)
    about = {key: options.pop(key) for key in ("multi_output", "y_numeric") if key in options}
    if "n_threads" in options and options["n_threads"] is None:
        options["n_threads"] = getattr(estimator, "n_threads", None)
    if isinstance(X.parts, tuple):
        parts = []
        for i, part in enumerate(X.parts):
            try:
                parts.append(read(part, name=name, ensure_min_samples=0, **options))
            except (TypeError, ValueError) as error:
                said = _with_hint(str(error), about_nan(estimator))
                raise type(error)(f"block {i} of {name}: {said}") from None
        found: Any = Blocks(parts)
    else:
        passes = Passes("gramfold" if estimator is None else type(estimator).__name__.lower())
        found = X.map(_Checked(options, name, about_nan(estimator), read), passes)
    if not segments:
        parts = list(found.parts)
        found = sound_csr(csr_below(parts)) if found.sparse else np.concatenate(parts)
    if y is None:
        return found
    nothing = np.zeros((X.shape[0], 1))
    return found, check_X_y(nothing, y, estimator=estimator, **about)[1]


@contextmanager
def named_rows(at: Any, name: str = "X", hint: str = "") -> Iterator[None]:
    """Say of which rows an error is, and what to do about NaN."""
    try:
        yield
    except (TypeError, ValueError) as error:
        first, last = (at.start, at.stop - 1) if isinstance(at, slice) else (at.min(), at.max())
        where = f"rows {first} to {last}" if isinstance(at, slice) else f"some of the rows {first} to {last}"
        raise type(error)(f"{where} of {name}: {_with_hint(str(error), hint)}") from None


def _with_hint(said: str, hint: str) -> str:
    return f"Input contains NaN: {hint}" if hint and "contains NaN" in said else said


class _Checked:
    """What `read` makes of segments whenever they are read; numbers are looked at once."""

    def __init__(self, options: dict[str, Any], name: str, hint: str, read: Read) -> None:
        self._options, self._name, self._hint, self._read = options, name, hint, read
        self._seen: set[tuple[int, int]] = set()

    def looked_at(self, spans: list[slice]) -> None:
        """Say that such rows were looked at by others."""
        self._seen.update((at.start, at.stop) for at in spans)

    def __call__(self, rows: Any, at: Any) -> Any:
        span = (at.start, at.stop) if isinstance(at, slice) else None
        options = self._options | ({"ensure_all_finite": False} if span in self._seen else {})
        with named_rows(at, self._name, self._hint):
            found = self._read(rows, name=self._name, ensure_min_samples=0, **options)
        if span is not None:
            self._seen.add(span)
        return found
