"""
When does shrinking help a regression?
======================================

Ten standardised measurements of 442 patients predict how their diabetes has gone on a year later. Some of the
measurements say nearly the same, so that least squares gives large coefficients of opposite signs; an L2
penalty makes them small. Whether that helps depends on how many patients there are. `ridge_path` has the
coefficients for all penalties from one read of the data.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_diabetes

import gramfold as gf

data = load_diabetes()
X, y = data.data / data.data.std(axis=0), data.target
alphas = np.geomspace(1e-1, 1e4, 60)

# %%
# The coefficients of all patients by the penalty. Along the path their norm only falls, though single ones
# may rise.

coefs, _ = gf.ridge_path(X, y, alphas)
assert np.all(np.diff(np.linalg.norm(coefs, axis=1)) < 0)

# %%
# The error of patients that a fit has not seen, when it has seen few or many, and how much less that is with
# the best penalty than with the smallest:

numbers, draws = [20, 50, 200], 40
error = np.zeros((len(numbers), draws, len(alphas)))
for draw in range(draws):
    order = np.random.default_rng(draw).permutation(len(X))
    test = order[max(numbers) :]
    for i, number in enumerate(numbers):
        train = order[:number]
        B, c = gf.ridge_path(X[train], y[train], alphas)
        error[i, draw] = np.sqrt(np.mean((X[test] @ B.T + c - y[test, None]) ** 2, axis=0))
error = error.mean(axis=1)
best = error.argmin(axis=1)
gain = 1 - error.min(axis=1) / error[:, 0]
for i, number in enumerate(numbers):
    least = f"error {error[i].min():.1f}, {gain[i]:.1%} less"
    print(f"{number:>3} patients: best penalty {alphas[best[i]]:.3g}, {least}")
assert np.all(np.diff(gain) < 0)

# %%

figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4.4), layout="constrained")
for name, line in zip(data.feature_names, coefs.T, strict=True):
    left.plot(alphas, line, label=name)
left.set_ylabel("coefficient")
left.set_title("Coefficients, from all patients")
left.legend(frameon=False, ncols=2, fontsize="small")
for number, line, at in zip(numbers, error, best, strict=True):
    (drawn,) = right.plot(alphas, line, label=f"{number} patients seen")
    right.plot(alphas[at], line[at], "o", color=drawn.get_color())
right.set_ylabel("root mean squared error of unseen patients")
right.set_title(f"Error, mean of {draws} draws, and where it is least")
right.legend(frameon=False)
for ax in (left, right):
    ax.set_xscale("log")
    ax.set_xlabel("penalty alpha")

plt.show()
