r"""
6. Ridge regression, four ways
==============================

.. math::

   \min_b f(b) = \tfrac12 |Xb - y|^2 + \tfrac{\alpha}{2} |b|^2, \qquad
   \nabla f(b) = (X^\top X + \alpha I)\, b - X^\top y .

- **Closed form**: the gradient is 0 at :math:`b^* = (X^\top X + \alpha I)^{-1} X^\top y`.
- **Gradient descent**: :math:`b \leftarrow b - \gamma \nabla f(b)`. With :math:`\mu` and :math:`L` the
  extreme eigenvalues of :math:`X^\top X + \alpha I`, the best step is :math:`\gamma = 2 / (\mu + L)`, and
  each step brings :math:`b` closer to :math:`b^*` by the factor :math:`(\kappa - 1) / (\kappa + 1)` at least,
  :math:`\kappa = L / \mu`.
- **Stochastic gradient descent**: the gradient of a few rows, drawn anew, with steps that get shorter.
- **ADMM**: :math:`b` is split in two, one for each term, and a multiplier draws both together, with a penalty
  :math:`\rho` on their difference. With :math:`\rho = \alpha` the distance to :math:`b^*` is halved by each
  step, whatever :math:`\kappa` is; other :math:`\rho` may do better.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_diabetes

import gramfold as gf

data = load_diabetes()
X, y = data.data / data.data.std(axis=0), data.target - data.target.mean()
alpha = 1.0
eigenvalues = np.linalg.eigvalsh(X.T @ X) + alpha
kappa = eigenvalues[-1] / eigenvalues[0]
factor = (kappa - 1) / (kappa + 1)
print(f"condition number {kappa:.0f}: a step of gradient descent leaves at most {factor:.3f} of the distance")

# %%
# The closed form, by hand and by `Ridge`, which also says how far its objective is from the minimum at most:

closed = np.linalg.solve(X.T @ X + alpha * np.eye(X.shape[1]), X.T @ y)
model = gf.Ridge(alpha, fit_intercept=False).fit(X, y)
np.testing.assert_allclose(model.coef_, closed)
print(f"closed form by {model.solver_}: duality gap {model.duality_gap_:.0e}")

# %%
# The others, for more and more steps. `Ridge` starts them from 0.

steps = np.unique(np.geomspace(1, 1000, 30).astype(int))


def distances(solver, **options):
    """How far the coefficients are from the closed form after each number of steps, relative to the start."""
    found = []
    for n in steps:
        model = gf.Ridge(
            alpha, solver=solver, fit_intercept=False, max_iter=int(n), tol=0, random_state=0, **options
        )
        found.append(np.linalg.norm(model.fit(X, y).coef_ - closed))
    return np.array(found) / np.linalg.norm(closed)


away = {
    "gradient descent": distances("gd"),
    "stochastic gradient descent": distances("sgd"),
    "ADMM, rho = alpha": distances("admm", rho=alpha),
    "ADMM, best rho": distances("admm"),
}
for name, distance in away.items():
    few = np.searchsorted(steps, 10)
    print(f"{name:>27}: {distance[few]:.1e} after {steps[few]} steps, {distance[-1]:.1e} after {steps[-1]}")

# %%
# What the theory says holds at every step:

descent, halved = away["gradient descent"], away["ADMM, rho = alpha"]
assert np.all(descent <= factor**steps * (1 + 1e-9))
np.testing.assert_allclose(halved[steps <= 25], 0.5 ** steps[steps <= 25], rtol=1e-6)

figure, ax = plt.subplots(figsize=(7.2, 4.6), layout="constrained")
for name, distance in away.items():
    ax.loglog(steps, distance, "o-", markersize=3, label=name)
ax.loglog(steps, factor**steps, ":", color="0.4", label=r"$((\kappa - 1) / (\kappa + 1))^t$")
ax.loglog(steps, 0.5 ** steps.astype(float), "--", color="0.4", label=r"$2^{-t}$")
ax.set_ylim(1e-16, 2)
ax.set_xlabel("steps t (of stochastic gradient descent: reads of all rows)")
ax.set_ylabel("relative distance to the closed form")
ax.set_title("Ridge regression: four ways to one solution")
ax.legend(frameon=False)

plt.show()
