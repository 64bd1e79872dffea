"""Deaths in The Times as one and as two Poisson distributions; EM with and without SQUAREM."""

import matplotlib.pyplot as plt
import numpy as np
from scipy.stats import poisson

import gramfold as gf

deaths, days = gf.datasets.times_deaths()
left, right = plt.figure(figsize=(9.5, 3.8)).subplots(1, 2)
left.bar(deaths[:, 0], days, color="0.8", label="days")
for k in (1, 2):
    model = gf.PoissonMixture(k, tol=1e-10, max_iter=5000, random_state=0).fit(deaths, sample_weight=days)
    expected = days.sum() * poisson.pmf(deaths, model.rates_[:, 0]) @ model.weights_
    left.plot(deaths[:, 0], expected, "o-", markersize=4, label=f"{k} component{'s' * (k > 1)}")
left.set(xlabel="deaths on a day")
left.legend(frameon=False)

start = {"weights_init": [0.3, 0.7], "rates_init": [[1.0], [2.5]], "tol": 1e-13, "max_iter": 4000}
for accelerate in (False, True):
    model = gf.PoissonMixture(2, accelerate=accelerate, **start).fit(deaths, sample_weight=days)
    gap = -1989.9458599 / 1096 - np.array(model.lower_bounds_)
    right.loglog(np.arange(1, len(gap) + 1), np.maximum(gap, 1e-12), label="SQUAREM" if accelerate else "EM")
right.set(xlabel="step, each a read of X", ylabel="maximum - lower bound")
right.legend(frameon=False)
