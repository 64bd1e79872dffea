r"""
5. Robust PCA for ratings
=========================

A matrix of ratings is nearly of low rank :math:`L`, most of it is unknown, and some of what is known is
wrong: slips, jokes, bought praise. Squared errors weigh one wrong rating of four stars as much as sixteen of
one star. *Principal component pursuit* [1]_ gives wrong entries a matrix :math:`S` of their own, and a price
:math:`\lambda` each:

.. math::

   \min_{L, S}\ |L|_* + \lambda |S|_1
   \quad\text{subject to}\quad L_{ij} + S_{ij} = X_{ij} \ \text{for observed}\ (i, j),

where the nuclear norm :math:`|L|_*` is the sum of the singular values. Both norms are :math:`L_1` norms, of
singular values and of entries, and both make zeros: few singular values, few wrong ratings. The price needs
no tuning, :math:`\lambda = 1 / \sqrt{p\, \max(m, n)}` for an :math:`m \times n` matrix of which the share
:math:`p` is observed. As ratings are noisy as well, a third part takes small errors. The ratings are
simulated, so that the truth is known.

.. [1] E. Candès, X. Li, Y. Ma, J. Wright, "Robust principal component analysis?", Journal of the ACM 58,
   2011.
"""

import matplotlib.pyplot as plt
import numpy as np

import gramfold as gf

rng = np.random.default_rng(0)
n_viewers, n_films, rank = 300, 150, 3
truth = 3 + rng.normal(0, 0.6, (n_viewers, rank)) @ rng.normal(0, 0.8, (rank, n_films))
truth = np.clip(truth, 1, 5)
seen = rng.random(truth.shape) < 0.5
wrong = seen & (rng.random(truth.shape) < 0.05)
X = truth + rng.normal(0, 0.1, truth.shape)
X[wrong] = np.where(truth[wrong] > 3, 1, 5)  # the opposite of what is meant
X[~seen] = np.nan

# %%
# PCA is told the rank, and fits what is observed with squares. Robust PCA is told nothing.

robust = gf.RobustPCA(noise="sqrt", tol=1e-5).fit(X)
pca = gf.PCA(rank, missing="mask", tol=1e-4).fit(X)
made = {"PCA": pca.inverse_transform(pca.transform(X)), "robust PCA": robust.complete()}
unseen = {name: np.sqrt(np.mean((L - truth)[~seen] ** 2)) for name, L in made.items()}
for name, error in unseen.items():
    print(f"{name:>10}: error of what nobody rated {error:.3f} stars")
assert unseen["robust PCA"] < unseen["PCA"]
assert robust.dual_gap_ <= 1e-5

# %%
# Robust predictions lie closer to a line. Both lines are flatter than they should be: wrong ratings pull the
# squares of PCA towards the middle, and the nuclear norm makes all singular values smaller.

slope = {name: np.polyfit(truth[~seen], L[~seen], 1)[0] for name, L in made.items()}
for name, value in slope.items():
    print(f"{name:>10}: predictions rise by {value:.2f} stars a star")
assert max(slope.values()) < 1

# %%
# Which ratings were wrong? Those with a large entry in :math:`S`.

sparse = robust.sparse_ if isinstance(robust.sparse_, np.ndarray) else robust.sparse_.toarray()
suspects = np.abs(sparse) > 0.5
print(f"{suspects.sum()} ratings are suspected, of which {wrong[suspects].mean():.0%} are wrong")
print(f"{wrong.sum()} ratings are wrong, of which {suspects[wrong].mean():.0%} are suspected")

figure, axes = plt.subplots(1, 3, figsize=(13, 4.2), layout="constrained")
for ax, (name, L) in zip(axes, made.items(), strict=False):
    ax.plot(truth[~seen], L[~seen], ".", markersize=2, alpha=0.2, rasterized=True)
    ax.plot([1, 5], [1, 5], color="black", linewidth=0.8)
    ax.set_xlim(0.8, 5.2)
    ax.set_ylim(0, 6)
    ax.set_xlabel("what the viewer thinks of the film, in stars")
    ax.set_ylabel("predicted")
    ax.set_title(f"{name}: unseen films, error {unseen[name]:.2f}")
bins = np.linspace(0, 4, 41)
axes[2].hist(np.abs(sparse)[seen & ~wrong], bins, label="honest ratings", alpha=0.7)
axes[2].hist(np.abs(sparse)[wrong], bins, label="wrong ratings", alpha=0.7)
axes[2].set_yscale("log")
axes[2].set_xlabel("|S|, in stars")
axes[2].set_ylabel("ratings")
axes[2].set_title("What robust PCA finds odd")
axes[2].legend(frameon=False)

plt.show()
