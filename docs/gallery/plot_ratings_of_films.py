"""
What would you give this film?
==============================

Of all pairs of a viewer and a film few have a rating. In a sparse matrix these are stored, and with
``missing="unstored"`` nothing else is looked at: an entry that is not stored is unknown, and not a rating of
0. The ratings are simulated, whole stars from 1 to 5, so that tastes can be known; a tenth of them is left
out to judge by.
"""

import matplotlib.pyplot as plt
import numpy as np
from scipy.sparse import csr_array

import gramfold as gf

rng = np.random.default_rng(0)
n_viewers, n_films, n_tastes = 1000, 300, 3
taste = rng.dirichlet(np.full(n_tastes, 0.4), n_viewers)  # most viewers have one
appeal = rng.uniform(1, 5, (n_tastes, n_films))
stars = np.clip(np.rint(taste @ appeal + rng.normal(0, 0.5, (n_viewers, n_films))), 1, 5)
popularity = rng.uniform(0.02, 0.2, n_films)  # the share of viewers who rate a film
rated = rng.random(stars.shape) < popularity
test = rated & (rng.random(stars.shape) < 0.1)
train = rated & ~test
X = csr_array((stars[train], np.nonzero(train)), shape=stars.shape)
print(f"{X.nnz} ratings, {X.nnz / stars.size:.1%} of all pairs; {test.sum()} left out")

# %%
# NMF of each rank, with a penalty that keeps the factors of viewers with few ratings small, beside what a
# film gets on average:


def error(predicted):
    """Root mean squared error of the ratings left out, in stars."""
    return np.sqrt(np.mean((predicted - stars)[test] ** 2))


average = np.broadcast_to(X.sum(axis=0) / train.sum(axis=0), stars.shape)
ranks = [1, 2, 3, 4, 6, 8]
predicted = {}
for rank in ranks:
    model = gf.NMF(
        rank, init="random", random_state=0, missing="unstored", alpha_W=1e-3, alpha_H=1e-3, max_iter=500
    )
    W = model.fit_transform(X)
    predicted[rank] = np.clip(W @ model.components_, 1, 5)
best = min(ranks, key=lambda rank: error(predicted[rank]))
print(
    f"average of the film: {error(average):.2f} stars; "
    + ", ".join(f"rank {r}: {error(predicted[r]):.2f}" for r in ranks)
)
assert error(predicted[best]) < error(average)

# %%
# Nothing can be better than the true tastes, whose error is the noise of the ratings.

noise = error(np.clip(taste @ appeal, 1, 5))
assert noise < error(predicted[best])
figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4.2), layout="constrained")
left.plot(ranks, [error(predicted[rank]) for rank in ranks], "o-", label="NMF")
left.axhline(error(average), color="tab:orange", linestyle="--", label="average of the film")
left.axhline(noise, color="0.5", linestyle=":", label="true tastes")
left.set_ylim(bottom=0)
left.set_xlabel("rank")
left.set_ylabel("error of ratings left out, in stars")
left.set_title("How far predictions are from what viewers gave")
left.legend(frameon=False)
given = [predicted[best][test & (stars == star)] for star in range(1, 6)]
right.boxplot(given, positions=range(1, 6), showfliers=False)
right.plot([1, 5], [1, 5], color="0.8", zorder=0)
right.set_xlabel("stars given")
right.set_ylabel("stars predicted")
right.set_title(f"NMF of rank {best}: ratings left out")

plt.show()
