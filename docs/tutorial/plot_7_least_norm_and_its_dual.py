r"""
7. The shortest solution, and its Lagrange dual
===============================================

With fewer equations than unknowns :math:`Ax = b` has many solutions. The shortest is

.. math:: \min_x |x|^2 \quad\text{subject to}\quad Ax = b .

The Lagrangian :math:`|x|^2 + \nu^\top (Ax - b)` is smallest at :math:`x = -\tfrac12 A^\top \nu`, which gives
the *dual function*

.. math:: g(\nu) = -\tfrac14 |A^\top \nu|^2 - b^\top \nu .

It is concave, and below :math:`|x|^2` for every :math:`\nu` and every solution :math:`x`: a multiplier proves
how good a solution can be. The best bound, at :math:`\nu^* = -2 (AA^\top)^{-1} b`, leaves no gap: there
:math:`x^* = A^\top (AA^\top)^{-1} b` and :math:`g(\nu^*) = |x^*|^2`.
"""

import matplotlib.pyplot as plt
import numpy as np

import gramfold as gf

A, b = np.array([[1.0, 2.0]]), np.array([4.0])
found = gf.least_norm(A, b)
print(f"x = {found.x}, |x|^2 = {found.value:.3f}")
print(f"multiplier {found.multiplier}, g = {found.dual_value:.3f}, gap {found.gap:.0e}")
np.testing.assert_allclose(found.x, A.T @ np.linalg.solve(A @ A.T, b))
np.testing.assert_allclose(found.multiplier, -2 * np.linalg.solve(A @ A.T, b))
np.testing.assert_allclose(found.value, found.dual_value)


def dual(nu):
    """g, of one multiplier or many."""
    return -0.25 * np.sum((A.T @ nu) ** 2, axis=0) - b @ nu


# %%
# Left: the circle around 0 grows until it touches the line of the solutions. Right: every multiplier gives a
# lower bound, and the highest is the squared radius.

nu = np.linspace(-4, 0.8, 200)[None]
assert np.all(dual(nu) <= found.value + 1e-12)
figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4.6), layout="constrained")
line = np.linspace(-1.5, 4, 2)
left.plot(line, (b[0] - A[0, 0] * line) / A[0, 1], color="tab:blue", label="solutions of Ax = b")
for radius in np.sqrt(found.value) * np.array([0.25, 0.5, 0.75]):
    left.add_patch(plt.Circle((0, 0), radius, fill=False, color="0.8"))
left.add_patch(plt.Circle((0, 0), np.sqrt(found.value), fill=False, color="tab:orange"))
left.annotate("", found.x, (0, 0), arrowprops={"arrowstyle": "->", "shrinkA": 0, "shrinkB": 0})
left.plot(*found.x, "o", color="tab:orange", label="the shortest")
left.set_aspect("equal")
left.set_xlim(-2, 3.6)
left.set_ylim(-2.6, 2.4)
left.set_xlabel("first entry of x")
left.set_ylabel("second entry of x")
left.set_title("Primal: the nearest point to 0")
left.legend(frameon=False, loc="lower right")
right.plot(nu[0], dual(nu), color="tab:blue", label=r"$g(\nu)$")
right.axhline(found.value, color="0.6", linestyle=":", label=r"$|x^*|^2$")
right.plot(found.multiplier, found.dual_value, "o", color="tab:orange", label=r"$\nu^*$")
right.set_xlabel(r"multiplier $\nu$")
right.set_ylabel("lower bound of $|x|^2$")
right.set_title("Dual: the best lower bound")
right.legend(frameon=False)

# %%
# Three other ways lead to the same point, here with 20 equations for 60 unknowns: the pseudo-inverse; ridge
# regression whose penalty goes to 0; and gradient descent of :math:`|Ax - b|^2` from 0, which never leaves
# the span of the rows of :math:`A`.

rng = np.random.default_rng(0)
A, b = rng.standard_normal((20, 60)), rng.standard_normal(20)
shortest = gf.least_norm(A, b).x
np.testing.assert_allclose(np.linalg.pinv(A) @ b, shortest)

alphas = np.geomspace(1e-6, 1e4, 50)
ridge, _ = gf.ridge_path(A, b, alphas, fit_intercept=False)
descent, x = [], np.zeros(60)
step = 1 / np.linalg.norm(A, 2) ** 2
for _ in range(300):
    x = x - step * A.T @ (A @ x - b)
    descent.append(np.linalg.norm(x - shortest) / np.linalg.norm(shortest))
away = np.linalg.norm(ridge - shortest, axis=1) / np.linalg.norm(shortest)
print(f"ridge regression, penalty {alphas[0]:.0e}: {away[0]:.0e} away")
print(f"gradient descent, {len(descent)} steps: {descent[-1]:.0e} away")
assert np.all(np.diff(away) > 0)
assert np.all(np.diff(descent[:100]) < 0)

figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4), layout="constrained")
left.loglog(alphas, away)
left.set_xlabel(r"penalty $\alpha$ of ridge regression")
left.set_ylabel("relative distance to the shortest solution")
left.set_title("Ridge regression of small penalty")
right.semilogy(descent)
right.set_xlabel("steps of gradient descent from 0")
right.set_ylabel("relative distance to the shortest solution")
right.set_title("Gradient descent")

plt.show()
