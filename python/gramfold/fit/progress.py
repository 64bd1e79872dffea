"""What a fit tells its callback, and a progress bar that listens."""

from dataclasses import dataclass
from typing import Any

from ..extras import require


@dataclass(frozen=True, slots=True)
class IterationInfo:
    """What `callback` is given once per iteration.

    Attributes
    ----------
    iteration : int
        Iterations done, from 1.
    max_iter : int or None
        The most there may be, if that is bounded.
    objective : float
        Value of the objective, penalties included.
    kkt : float
        Scale-invariant KKT residual: 0 at a stationary point.
    seconds : float
        Since the start of the fit.
    """

    iteration: int
    max_iter: int | None
    objective: float
    kkt: float
    seconds: float


class ProgressBar:
    """A callback that shows a tqdm bar; made by `progress`.

    A callback is anything called with an `IterationInfo`; if it returns True, the fit stops. If
    it has a method ``close()``, the fit calls that once when it ends, by convergence, at the
    limit or by an error.

    A fit that starts over at iteration 1 gets a bar of its own. Copies and pickles carry the
    options and not the open bar, so `sklearn.base.clone` and parallel searches work.
    """

    _bar: Any = None

    def __init__(self, **tqdm_kwargs: Any) -> None:
        self.tqdm_kwargs = tqdm_kwargs

    def __call__(self, info: IterationInfo) -> None:
        if self._bar is not None and info.iteration <= self._bar.n:
            self.close()
        if self._bar is None:
            tqdm = require("tqdm.auto", extra="progress").tqdm
            self._bar = tqdm(**{"total": info.max_iter, **self.tqdm_kwargs})
        self._bar.set_postfix(self.values(info), refresh=False)
        self._bar.update(info.iteration - self._bar.n)
        if info.iteration == info.max_iter:
            self.close()

    def values(self, info: IterationInfo) -> dict[str, str]:
        """What is shown behind the bar."""
        return {"objective": f"{info.objective:.6g}", "kkt": f"{info.kkt:.1e}"}

    def close(self) -> None:
        """End the bar, full: a fit that converged early needed no more than it did."""
        if self._bar is None:
            return
        bar, self._bar = self._bar, None
        bar.total = bar.n
        bar.refresh()
        bar.close()

    def __deepcopy__(self, memo: dict[int, Any]) -> "ProgressBar":
        return ProgressBar(**self.tqdm_kwargs)  # shares `file`, which cannot be copied

    def __getstate__(self) -> dict[str, Any]:
        return {"tqdm_kwargs": self.tqdm_kwargs}


def progress(**tqdm_kwargs: Any) -> ProgressBar:
    """Return a `callback` that shows iterations, objective and KKT residual as a tqdm bar.

    Needs the extra `progress`.

    Parameters
    ----------
    **tqdm_kwargs
        Options of ``tqdm.auto.tqdm``, such as ``desc``, ``leave`` or ``file``.

    Returns
    -------
    callback : ProgressBar
        One may serve several fits, one after the other.

    Raises
    ------
    ImportError
        If tqdm is not installed.

    Examples
    --------
    >>> import io
    >>> from gramfold.fit.progress import IterationInfo, progress
    >>> callback = progress(desc="NMF", file=io.StringIO())
    >>> callback(IterationInfo(1, 200, objective=3.5, kkt=0.2, seconds=0.01))
    >>> callback.close()
    """
    require("tqdm.auto", extra="progress")
    return ProgressBar(**tqdm_kwargs)
