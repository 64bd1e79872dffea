"""A model on a data set, and the cases that come of it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from bench.calls.contest import Apply, Contest, Data, Fit
from bench.calls.models import Model
from bench.frame import Case

DTYPES = ("float32", "float64")
ONE_ROW = 60e-6  # seconds that one row may take
SMALL = (1.0, 1.0)  # never slower

Bars = tuple[float, float]


@dataclass(frozen=True)
class Task:
    """What is fitted: `arguments` are the constructor's, `make` gives the data of a dtype.

    `bars`: how many times a peer's speed is asked for, in float32 and float64. `or_read`: % of the read
    bandwidth that is enough as well. `slow`: peers that may not end.
    """

    model: Model
    size: str
    name: str
    make: Callable[[str], Data]
    arguments: tuple[Any, ...] = ()
    bars: Bars = SMALL
    or_read: float = np.inf
    slow: tuple[str, ...] = ()

    def fit(self, *dtypes: str) -> Iterator[Case]:
        """`fit`, in these dtypes or in all."""
        for dtype in dtypes or DTYPES:
            yield self._case("fit", Fit(self.model.drawn), dtype, self.model.judge_fit)

    def apply(self) -> Iterator[Case]:
        """`transform` or `predict` of all rows."""
        for dtype in DTYPES:
            call = Apply(self.model.method, shared=self.model.shared)
            yield self._case(self.model.method, call, dtype, self.model.judge_applied)

    def one_row(self) -> Iterator[Case]:
        """`transform` or `predict` of one row, never slower and within `ONE_ROW`."""
        call = Apply(self.model.method, rows=1, shared=self.model.shared)
        yield self._case(f"{self.model.method} one row", call, "float64", self.model.judge_applied, ONE_ROW)

    def _case(self, what: str, call: Any, dtype: str, judge: Any, at_most: float = np.inf) -> Case:
        model = self.model
        bar = self.bars[DTYPES.index(dtype)]
        contest = Contest(
            call, partial(self.make, dtype), model.makers(dtype, *self.arguments), judge, bar,
            model.work if isinstance(call, Fit) else None, self.slow, self.or_read, at_most,
        )  # fmt: skip
        return Case(
            model.title,
            f"{what} {self.name}",
            dtype,
            f"{model.title} {what}, {self.size}",
            bar,
            contest.run,
            self.size,
        )


def small(model: Model, make: Callable[[str], Data], *arguments: Any) -> Iterator[Case]:
    """All calls on 100 x 10."""
    task = Task(model, "small", "100x10", make, arguments)
    yield from task.fit()
    if model.method:
        yield from task.apply()
        yield from task.one_row()
