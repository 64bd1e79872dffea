"""Runs of NMF from several starts, one after the other or side by side."""

from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from ..fit.arguments import Seed, check_seed, seeded
from ..fit.callbacks import told
from ..fit.checkpoint import Runs
from ..fit.kept import Kept
from ..fit.monitor import Monitor
from ..fit.warn import warn
from ..fold.across import laid_across
from ..fold.in_step import in_files
from ..fold.side_by_side import runs_beside
from ..fold.source import Array, Source
from ..linalg.powers import power_of_two
from .divergence import BetaDivergence
from .losses import Loss
from .start import Factors, initialize, with_frozen
from .weights import Weighted


@dataclass(frozen=True, slots=True)
class Starts:
    """What the runs of a fit share.

    Parameters
    ----------
    model : NMF
    loss : Loss
    weighted : Weighted or None
        What is minimised in place of the loss.
    begun : float
        When the fit began.
    """

    model: Any
    loss: Loss
    weighted: Weighted | None
    begun: float

    def best(self, W: Any, H: Any, kept: Kept | None) -> Factors:
        """Iterate from each start, the first of which may be given, and give the best result.

        Where X lies in files runs share its reads, unless a checkpoint or `shuffle` needs them in turn.
        """
        model, count = self.model, self._count()
        draws = model.random_state if model.n_init == 1 else seeded(model.random_state)
        if count > 1 and kept is None and not model.shuffle and self._reads_files():
            return self._side_by_side(count, W, H, draws)
        check_seed(draws)
        runs = Runs(kept, count, [] if kept is None else [seeded(draws)])
        for run in runs:
            monitor = self._monitor(model.verbose, told(model), kept)
            if monitor.state is None:
                W, H = self._start(run, W, H, draws)
            else:
                W, H = model._any_start(self.loss.x, H)
            given, W = [W], None  # to be held no longer than it is needed
            with monitor:
                found = self._iterate(self._solved, given, self._frozen(H), draws, monitor)
            if runs.best is None or found.objective < runs.best.objective:
                runs.best = found
            if monitor.stopped:
                break
        best: Factors = runs.best
        return best

    def _side_by_side(self, count: int, W: Any, H: Any, draws: Seed) -> Factors:
        model, begun = self.model, []
        for run in range(count):
            W, H = self._start(run, W, H, draws)
            begun.append((W, self._frozen(H)))

        def iterate(W: Array, H: Array, x: Source, monitor: Monitor) -> Factors:
            return self._iterate(replace(self._solved, x=x), [W], H, None, monitor)  # type: ignore[type-var]

        x: Any = self._solved.x
        if isinstance(self._solved, BetaDivergence) and self._solved.coordinates:
            laid_across(x)  # once for all
        found = runs_beside(
            x, self._monitor(model.verbose, told(model), None),
            lambda callback: self._monitor(0, callback, None), [partial(iterate, *start) for start in begun],
        )  # fmt: skip
        return min(found, key=lambda one: one.objective)

    def _reads_files(self) -> bool:
        """Whether each pass of an iteration does."""
        x = self._solved.x
        if not isinstance(x, Source) or not in_files(x):
            return False
        return not x.sparse or (x.rows >= x.cols and not (x.held and x.gathers))  # else a copy is transposed

    @property
    def _solved(self) -> Loss:
        return self.weighted.loss if self.weighted else self.loss

    def _iterate(
        self, loss: Loss, given: list[Array], H: Array, draws: Seed, monitor: Monitor
    ) -> Factors:  # fmt: skip
        """One run, from W (n, k), which is taken out of a list, and H (k, m)."""
        model = self.model
        if self.weighted:
            given.append(self.weighted.rows(given.pop()))
            monitor.unit = power_of_two(2 * self.weighted.exponent)
        solver = loss.solver(
            given.pop(), np.ascontiguousarray(H.T), max_sweeps=model._most_sweeps,
            extrapolate=model.extrapolate, shuffle=seeded(draws) if model.shuffle else None,
        )  # fmt: skip
        return Factors(*solver.run(monitor, model.tol), monitor.history)

    def _monitor(self, verbose: int, callback: Any, kept: Kept | None) -> Monitor:
        model = self.model
        return Monitor(model.max_iter, verbose, callback, model.max_time, begun=self.begun, kept=kept)

    def _frozen(self, H: Array) -> Array:
        return with_frozen(self.model._frozen(self.loss.x), H)

    def _start(self, run: int, W: Any, H: Any, draws: Seed) -> tuple[Array, Array]:
        """W (n, k) and H (k, m) to start from; later ones are random if there is but one of a kind."""
        model, x = self.model, self.loss.x
        if run == 0:
            return model._start(x, W, H, draws)
        init = model.init if model.init == "nndsvdar" else "random"
        return initialize(x, len(H), init, draws, (model.W_nonneg, model.H_nonneg))

    def _count(self) -> int:
        """How many starts to try: of one that is given only that."""
        model = self.model
        if model.init != "custom" or model.n_init == 1:
            return int(model.n_init)
        warn(
            f"init='custom' is one start: performing only that in {type(model).__name__} instead of "
            f"n_init={model.n_init}",
            RuntimeWarning,
        )
        return 1
