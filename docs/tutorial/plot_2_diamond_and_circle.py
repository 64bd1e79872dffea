r"""
2. The diamond and the circle: why L1 makes zeros
=================================================

Least squares with a budget for the coefficients, :math:`\min_b \tfrac12 |Xb - y|^2` subject to :math:`|b|_p
\le r`, is the same as with a price, :math:`\min_b \tfrac12 |Xb - y|^2 + \lambda |b|_1` or
:math:`\tfrac{\lambda}{2} |b|_2^2`: for each :math:`r` there is a :math:`\lambda`. At the minimum the contour
of the loss touches the ball. The ball of :math:`L_1` is a diamond with its corners on the axes, where a
coefficient is 0; that of :math:`L_2` is a circle and has no corners.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_diabetes

import gramfold as gf

figure, axes = plt.subplots(1, 2, figsize=(9, 4.6), layout="constrained")
gf.plot.penalty_contours(axes=axes)
figure.suptitle("Where the contour through the solution touches the ball")

# %%
# In formulas: :math:`b` is optimal for the price :math:`\lambda` if
#
# .. math::
#
#    L_2:\quad & X^\top (y - Xb) = \lambda b \\
#    L_1:\quad & x_j^\top (y - Xb) = \lambda \operatorname{sign}(b_j)
#    \quad\text{or}\quad b_j = 0,\ |x_j^\top (y - Xb)| \le \lambda .
#
# With :math:`L_2` a coefficient is 0 only if its column happens to be orthogonal to the residual; with
# :math:`L_1` it is 0 as long as their product is at most :math:`\lambda`. Ten coefficients, from the
# measurements of diabetes patients, for all prices:

data = load_diabetes()
X, y = data.data / data.data.std(axis=0), data.target - data.target.mean()
strongest = np.abs(X.T @ y).max()  # from here on all coefficients are 0 with L1
l1 = strongest * np.geomspace(1e-3, 1.1, 80)
l2 = np.geomspace(1e0, 1e5, 80)
lasso = np.array([gf.encode(y[None], X.T, l1=price, nonneg=False)[0] for price in l1])
ridge, _ = gf.ridge_path(X, y, l2, fit_intercept=False)

for price, b in zip(l1[::20], lasso[::20], strict=True):
    slope = X.T @ (y - X @ b)
    gap = gf.certify(y[None], X.T, b[None], alpha=price).gap[0]
    print(f"L1 price {price:8.1f}: {np.count_nonzero(b):>2} of {len(b)} coefficients; duality gap {gap:.0e}")
    np.testing.assert_allclose(slope[b != 0], price * np.sign(b[b != 0]), rtol=1e-6)
    assert np.all(np.abs(slope[b == 0]) <= price)
for price, b in zip(l2[::20], ridge[::20], strict=True):
    print(f"L2 price {price:8.1f}: {np.count_nonzero(b):>2} of {len(b)} coefficients")
    np.testing.assert_allclose(X.T @ (y - X @ b), price * b, rtol=1e-6, atol=1e-6)
assert np.all(ridge != 0)
assert np.count_nonzero(lasso[-1]) == 0
crossed = [name for name, b in zip(data.feature_names, lasso.T, strict=True) if b.min() < 0 < b.max()]
print(f"of both signs along the path of L1: {', '.join(crossed)}")

# %%
# With :math:`L_1` one coefficient after the other is exactly 0, until the last is, though one may come back
# with the other sign in between. With :math:`L_2` they fade together.

figure, axes = plt.subplots(1, 2, figsize=(11, 4.2), sharey=True, layout="constrained")
for ax, prices, path, name in zip(axes, (l1, l2), (lasso, ridge), ("L1", "L2"), strict=True):
    for feature, line in zip(data.feature_names, path.T, strict=True):
        ax.plot(prices, line, label=feature)
    ax.axhline(0, color="0.8", linewidth=0.8, zorder=0)
    ax.set_xscale("log")
    ax.set_xlabel(r"price $\lambda$")
    ax.set_title(f"{name}: {'zeros' if name == 'L1' else 'no zeros'}")
axes[0].set_ylabel("coefficient")
axes[1].legend(frameon=False, ncols=2, fontsize="small")

plt.show()
