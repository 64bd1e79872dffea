"""Coefficients of a ridge path, and the certificates of four solvers."""

import matplotlib.pyplot as plt
import numpy as np

import gramfold as gf

rng = np.random.default_rng(0)
X = (
    rng.normal(size=(200, 12))
    @ np.diag(np.geomspace(1, 0.2, 12))
    @ np.linalg.qr(rng.normal(size=(12, 12)))[0]
)
y = X @ rng.normal(size=12) + 0.1 * rng.normal(size=200)

left, right = plt.figure(figsize=(9.5, 3.8)).subplots(1, 2)
alphas = np.geomspace(1e-3, 1e4, 80)
left.semilogx(alphas, gf.ridge_path(X, y, alphas)[0])
left.set(xlabel="alpha", title="coefficients")
for solver in ("gd", "cg", "admm"):
    model = gf.Ridge(0.5, solver=solver, tol=0, max_iter=60).fit(X, y)
    right.semilogy(np.maximum(model.history_["gap"], 1e-14), label=solver)
right.set(xlabel="iteration", title="duality gap")
right.legend(frameon=False)
