r"""
4. EM against direct ascent
===========================

A mixture of two Poisson distributions gives a count :math:`x` the chance :math:`p(x) = \sum_k \pi_k\,
\lambda_k^x e^{-\lambda_k} / x!`. Its logarithm, summed over the data, can be climbed in two ways. **Direct
ascent** follows the gradient. With the *responsibility* :math:`r_{ik} = \pi_k p_k(x_i) / p(x_i)`, the share
of component :math:`k` in row :math:`i`,

.. math:: \frac{\partial \ell}{\partial \lambda_k} = \sum_i r_{ik} \Big( \frac{x_i}{\lambda_k} - 1 \Big) .

**EM** holds :math:`r` fixed, and goes to the maximum of what is then a simple problem:

.. math::

   \pi_k \leftarrow \frac1n \sum_i r_{ik}, \qquad
   \lambda_k \leftarrow \frac{\sum_i r_{ik} x_i}{\sum_i r_{ik}}
   = \lambda_k + \frac{\lambda_k}{\sum_i r_{ik}}\, \frac{\partial \ell}{\partial \lambda_k} .

So EM is ascent, too, with a step of its own for each parameter, which never leads down and need not be
chosen.
"""

import matplotlib.pyplot as plt
import numpy as np
from scipy.special import gammaln

import gramfold as gf

x, days = gf.datasets.times_deaths()  # deaths on a day, 0 to 9, and on how many days
x, n = x[:, 0], days.sum()
start_weights, start_rates = np.array([0.5, 0.5]), np.array([1.0, 4.0])


def likelihood(weights, rates):
    """The mean log-likelihood of a day, and the responsibilities."""
    parts = weights * np.exp(x[:, None] * np.log(rates) - rates - gammaln(x + 1)[:, None])
    total = parts.sum(axis=1)
    return days @ np.log(total) / n, parts / total[:, None]


def gradient(weights, rates):
    """Of the mean log-likelihood: with respect to the rates, and to logits z with weights = softmax(z)."""
    r = days[:, None] * likelihood(weights, rates)[1] / n
    return (r * (x[:, None] / rates - 1)).sum(axis=0), r.sum(axis=0) - weights


# %%
# One step of EM by `PoissonMixture` is the step of the formula, to rounding:

options = {"weights_init": start_weights, "rates_init": start_rates[:, None], "tol": 0}
one = gf.PoissonMixture(2, max_iter=1, accelerate=False, **options).fit(x[:, None], sample_weight=days)
up, up_logits = gradient(start_weights, start_rates)
share = start_weights + up_logits
np.testing.assert_allclose(one.rates_[:, 0], start_rates + start_rates / share * up)
np.testing.assert_allclose(one.weights_, share)
print(f"rates after a step: {one.rates_[:, 0].round(4)}")

# %%
# Many steps: EM, EM with steps that are extrapolated (SQUAREM, what `PoissonMixture` does unless told
# otherwise), and direct ascent with three lengths of step. A step that is too long does not climb.

steps = 600
curves = {}
for name, accelerate in {"EM": False, "EM, extrapolated": True}.items():
    model = gf.PoissonMixture(2, max_iter=steps, accelerate=accelerate, **options).fit(
        x[:, None], sample_weight=days
    )
    curves[name] = np.array(model.lower_bounds_)
for step in (0.5, 2, 8):
    rates, logits = start_rates.copy(), np.log(start_weights)
    curve = []
    for _ in range(steps):
        weights = np.exp(logits) / np.exp(logits).sum()
        curve.append(likelihood(weights, rates)[0])
        for values, direction in zip((rates, logits), gradient(weights, rates), strict=True):
            values += step * direction
        rates = np.maximum(rates, 1e-3)
    curves[f"gradient, step {step:g}"] = np.array(curve)
best = max(curve.max() for curve in curves.values())
for name, curve in curves.items():
    below, falls = n * (best - curve[-1]), np.sum(np.diff(curve) < -1e-12)
    print(f"{name:>18}: {below:.1e} below the best after {len(curve)} steps, of which {falls} led down")
assert not np.any(np.diff(curves["EM"]) < -1e-12)
assert np.any(np.diff(curves["gradient, step 8"]) < -1e-6)

# %%

figure, ax = plt.subplots(figsize=(7, 4.4), layout="constrained")
for name, curve in curves.items():
    gap = n * (best - curve)
    ax.semilogy(np.arange(1, len(gap) + 1), np.where(gap > 1e-9, gap, np.nan), label=name)
ax.set_xlabel("reads of the data")
ax.set_ylabel("log-likelihood, distance from the best")
ax.set_title("Mixture of two Poisson distributions: ways up")
ax.legend(frameon=False)

plt.show()
