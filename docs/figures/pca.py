"""Principal components of faces, and what a Krylov space leaves of each singular value after some steps."""

import matplotlib.pyplot as plt
import numpy as np

import gramfold as gf

X = gf.datasets.make_counts(4000, 3000, 20, row_nnz=30, random_state=0)[0]
left, right = plt.figure(figsize=(9.5, 3.8)).subplots(1, 2, width_ratios=(1, 1.5))
gf.plot.atoms(gf.PCA(16).fit(gf.datasets.faces()).components_, (25, 25), ax=left)
for steps in (1, 2, 4, 8):
    model = gf.TruncatedSVD(20, n_iter=steps, random_state=0).fit(X)
    right.semilogy(np.arange(1, 21), model.residuals_, "o-", markersize=3, label=f"n_iter={steps}")
right.set(xlabel="component", ylabel="residuals_")
right.legend(frameon=False)
