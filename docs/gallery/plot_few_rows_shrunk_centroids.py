r"""
Clusters of very few rows
=========================

A centroid that is the mean of two or three rows fits those, and not the rows to come. A prior on the
centroids pulls them towards the mean of all rows, small clusters more than large ones:

.. math:: c_j = \frac{\lambda m + \sum_{i \in j} x_i}{\lambda + n_j}

which minimises :math:`\sum_i |x_i - c_{z(i)}|^2 + \lambda \sum_j |c_j - m|^2`. How much of it is right?
Twenty clusters of sixty handwritten digits are judged by the other digits.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits

import gramfold as gf

X = load_digits().data
strengths = np.array([0, 0.25, 0.5, 1, 2, 4])
seen, unseen = np.zeros((2, 8, len(strengths)))
for draw in range(len(seen)):
    order = np.random.default_rng(draw).permutation(len(X))
    few, others = X[order[:60]], X[order[60:]]
    for i, strength in enumerate(strengths):
        model = gf.KMeans(20, ridge=strength, prior_mean=few.mean(axis=0), n_init=2, random_state=0).fit(few)
        seen[draw, i] = model.inertia_ / len(few)
        unseen[draw, i] = -model.score(others) / len(others)

# %%
# The formula holds for every centroid of the last fit:

for j, centroid in enumerate(model.cluster_centers_):
    rows = few[model.labels_ == j]
    expected = (strength * few.mean(axis=0) + rows.sum(axis=0)) / (strength + len(rows))
    np.testing.assert_allclose(centroid, expected)

# %%
# Without a prior the rows that were seen are closest to their centroids, and those that were not are far:

for strength, a, b in zip(strengths, seen.mean(axis=0), unseen.mean(axis=0), strict=True):
    print(f"lambda {strength:<4g}: squared distance {a:.0f} seen, {b:.0f} unseen")
mean = unseen.mean(axis=0)
best = mean.argmin()
print(f"best for unseen digits: lambda {strengths[best]:g}, {1 - mean[best] / mean[0]:.1%} closer")
assert best > 0

# %%

figure, ax = plt.subplots(figsize=(6.4, 4), layout="constrained")
for name, values in {"60 digits that were seen": seen, "all others": unseen}.items():
    ax.errorbar(
        range(len(strengths)), values.mean(axis=0), values.std(axis=0), marker="o", capsize=3, label=name
    )
ax.set_xticks(range(len(strengths)), [f"{strength:g}" for strength in strengths])
ax.set_xlabel("weight of the prior, in rows")
ax.set_ylabel("mean squared distance to the nearest centroid")
ax.set_title("20 centroids of 60 digits, 8 draws")
ax.legend(frameon=False)

plt.show()
