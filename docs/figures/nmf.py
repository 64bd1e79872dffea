"""Components of faces, and how far three solvers are after each iteration."""

import matplotlib.pyplot as plt

import gramfold as gf

faces = gf.datasets.faces()
start = {"init": "nndsvda", "max_iter": 150, "tol": 0}
fits = {
    "cd": gf.NMF(16, **start),
    "cd, one sweep, not extrapolated": gf.NMF(16, max_sweeps=1, extrapolate=False, **start),
    "mu": gf.NMF(16, solver="mu", **start),
}
for model in fits.values():
    model.fit(faces)

left, right = plt.figure(figsize=(9.5, 3.8)).subplots(1, 2, width_ratios=(1, 1.5))
gf.plot.atoms(fits["cd"].components_, (25, 25), ax=left)
gf.plot.convergence({name: model.history_ for name, model in fits.items()}, ax=right)
