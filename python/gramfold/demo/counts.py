"""The picture of a Poisson mixture that `gramfold demo` writes."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import poisson

from ..datasets import times_deaths
from ..extras import require
from ..mixture.poisson import PoissonMixture

Array = NDArray[Any]

DPI = 110
START = {"weights_init": [0.3, 0.7], "rates_init": [[1.0], [2.5]]}
READS = 600
SMALLEST_GAP = 1e-9


def fit(n_components: int, **options: Any) -> PoissonMixture:
    """Fit the deaths in The Times for as many steps as asked for, converged or not."""
    deaths, days = times_deaths()
    return PoissonMixture(n_components, tol=0, random_state=0, **options).fit(deaths, sample_weight=days)


def write(folder: Path, n_threads: int) -> Path:
    """Draw the counts with the fitted mixture, and how it was reached; returns the PNG file."""
    mixture = fit(2, max_iter=READS, n_threads=n_threads, **START)
    plain = fit(2, max_iter=READS, accelerate=False, n_threads=n_threads, **START)
    figure = require("matplotlib.figure", extra="demo").Figure((11, 4.4), layout="constrained")
    figure.suptitle(
        "Deaths of women of 80 and over in The Times, 1096 days: a mixture of two Poissons", fontsize=13
    )
    histogram, curves = figure.subplots(1, 2, width_ratios=(3, 2))
    _histogram(histogram, fit(1), mixture)
    _convergence(curves, plain, mixture)
    path = folder / "counts.png"
    figure.savefig(path, dpi=DPI)
    return path


def _histogram(ax: Any, single: PoissonMixture, mixture: PoissonMixture) -> None:
    """Observed days as bars; expected ones under one and under two rates as lines."""
    deaths, days = times_deaths()
    x, total = deaths[:, 0], days.sum()
    ax.bar(x, days, width=0.8, color="0.82", label="observed")
    ax.plot(x, total * poisson.pmf(x, single.rates_[0]), "o--", color="tab:red", label=_named(single))
    parts = total * mixture.weights_ * poisson.pmf(deaths, mixture.rates_[:, 0])
    ax.plot(x, parts.sum(axis=1), "o-", color="tab:blue", label=_named(mixture))
    for part, weight, rate, style in zip(
        parts.T, mixture.weights_, mixture.rates_[:, 0], (":", "-."), strict=True
    ):
        ax.plot(x, part, style, color="tab:blue", label=f"{weight:.2f} Poisson({rate:.2f})")
    ax.set(xlabel="deaths on a day", ylabel="days", xticks=x)
    ax.spines[["top", "right"]].set_visible(False)
    ax.legend(frameon=False)


def _named(model: PoissonMixture) -> str:
    deaths, days = times_deaths()
    k = len(model.rates_)
    return f"{k} component{'s' * (k > 1)}: AIC {model.aic(deaths, sample_weight=days):.1f}"


def _convergence(ax: Any, plain: PoissonMixture, accelerated: PoissonMixture) -> None:
    """What is missing to the highest log-likelihood, by reads of the data."""
    total = times_deaths()[1].sum()
    best = max(plain.lower_bound_, accelerated.lower_bound_)
    for name, model, colour in (("EM", plain, "0.4"), ("SQUAREM", accelerated, "tab:blue")):
        gap = total * (best - np.array(model.lower_bounds_))
        ended = int(np.argmax(gap < SMALLEST_GAP)) if (gap < SMALLEST_GAP).any() else len(gap)
        ax.semilogy(np.arange(1, ended + 1), gap[:ended], color=colour, label=name)
    ax.set(xlabel="reads of the data", ylabel="log-likelihood, gap to the highest")
    ax.spines[["top", "right"]].set_visible(False)
    ax.legend(frameon=False)
