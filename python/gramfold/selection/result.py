"""The scores of ranks, and the one they speak for."""

from typing import Any

import numpy as np

from ..plot.axes import axes
from .found import Found
from .rule import Array

LABELS = {
    "error": "error of what was left out (1: without components)", "deviation": "standard deviation",
    "silhouette": "silhouette", "calinski_harabasz": "Calinski-Harabasz", "gap": "gap statistic",
    "log_evidence": "log evidence", "bic": "BIC", "aic": "AIC", "icl": "ICL",
}  # fmt: skip


class RankSelection:
    """What `select_rank` found; to be printed, or drawn by `plot`.

    Attributes
    ----------
    best_rank_ : int or None
        By cross-validation the least rank whose error is within a standard error (of the differences in the
        same folds) of the lowest; by other methods that of the best score. None where none stands out.
    reason : str
        Why there is none; else empty.
    table : structured ndarray
        A record for each rank and restart: 'rank', 'restart', and by method 'error', 'inertia', 'bic', ...;
        'converged' says whether the fits ended before `max_iter`. ``pandas.DataFrame(table)`` takes it.
    ranks, scores : ndarray of shape (n_ranks,)
        What was tried, and by what ranks are compared: the mean error, or the criterion of the best restart.
    spreads : ndarray of shape (n_ranks,) or None
        Standard errors of the scores, or for a spectrum the threshold.
    models_ : dict of int to list
        Models fitted to all of X, the best first: of clusters and mixtures for every rank, of others for
        `best_rank_`, if there is one. `consensus` takes such a list.
    method, criterion : str
        The method, and the name of the scores.

    Examples
    --------
    >>> import gramfold as gf
    >>> X = gf.datasets.make_nmf(60, 40, 3, density=0.5, noise=0.1, random_state=0)[0]
    >>> gf.select_rank(gf.PCA(), X, range(1, 7), method="gavish_donoho").reason
    ''
    """

    def __init__(self, method: str, ranks: Array, found: Found) -> None:
        self.method, self.criterion, self.ranks = method, found.criterion, ranks
        self.scores, self.spreads, self.models_ = found.scores, found.spreads, found.models
        self.best_rank_, self.reason = found.choice
        kinds = [(name, np.asarray(value).dtype) for name, value in found.records[0].items()]
        self.table = np.array([tuple(record.values()) for record in found.records], dtype=kinds)

    def __repr__(self) -> str:
        spread = "threshold" if self.criterion == "deviation" else "standard error"
        lines = [
            f"RankSelection by {self.method}: {self.best_rank_}" + f" ({self.reason})" * bool(self.reason)
        ]
        lines += [f"  {'rank':>4}  {self.criterion:>17}" + f"  {spread:>14}" * (self.spreads is not None)]
        for i, rank in enumerate(self.ranks):
            spreads = "" if self.spreads is None else f"  {self.spreads[i]:14.5g}"
            mark = "*" if rank == self.best_rank_ else " "
            lines.append(f"{mark} {rank:>4}  {self.scores[i]:17.6g}{spreads}")
        return "\n".join(lines)

    def plot(self, *, ax: Any = None) -> Any:
        """Draw the scores over the ranks, each restart as a dot, and the best rank as a line.

        Needs the extra `plot`.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, optional
            Where to draw; by default on a new figure.

        Returns
        -------
        ax : matplotlib.axes.Axes
        """
        ax = axes(ax, figsize=(6.4, 4))
        threshold = self.criterion == "deviation"
        ax.errorbar(
            self.ranks, self.scores, yerr=None if threshold else self.spreads, marker="o", capsize=3,
            label=self.method,
        )  # fmt: skip
        if threshold:
            ax.plot(self.ranks, self.spreads, color="0.4", linestyle="--", label="threshold")
        else:
            ax.plot(
                self.table["rank"], self.table[self.criterion], ".", color="0.6", zorder=0, label="restarts"
            )
        if self.best_rank_ is not None:
            ax.axvline(self.best_rank_, color="0.8", zorder=0)
        ax.set_title(self.reason or f"{self.best_rank_} by {self.method}", fontsize="medium")
        ax.set_xlabel("rank")
        ax.set_ylabel(LABELS[self.criterion])
        ax.xaxis.get_major_locator().set_params(integer=True)
        ax.spines[["top", "right"]].set_visible(False)
        ax.legend(frameon=False)
        return ax
