"""
What are faces made of?
=======================

Principal components of faces are ghosts that add to and cancel each other. If neither a component nor its
share in a face may be negative, nothing cancels: a face is a sum of what is there, of foreheads, lit cheeks,
backgrounds. An L1 penalty leaves less of each, at the price of a larger error.
"""

import matplotlib.pyplot as plt
import numpy as np

import gramfold as gf

X = gf.datasets.faces()  # 100 faces of 25 x 25 pixels, one a row
size = np.linalg.norm(X)

# %%
# The same number of components three times: PCA, NMF, and NMF with an L1 penalty. Both factors are penalised:
# if only the components were, they would shrink without end while their shares grow, and there would be no
# minimum.

n_components = 25
pca = gf.PCA(n_components).fit(X)
nmf = gf.NMF(n_components, init="nndsvda", max_iter=1000).fit(X)
sparse = gf.NMF(n_components, init="nndsvda", alpha_W=2e-4, alpha_H=2e-3, l1_ratio=1.0, max_iter=1000).fit(X)

# %%
# How far each is from the faces, and how many pixels of its components are exactly 0:

fits = {"PCA": pca, "NMF": nmf, "NMF with an L1 penalty": sparse}
errors, zeros = {}, {}
for name, model in fits.items():
    errors[name] = np.linalg.norm(X - model.inverse_transform(model.transform(X))) / size
    zeros[name] = np.mean(model.components_ == 0)
    print(f"{name:>22}: error {errors[name]:.1%} of |X|, zeros {zeros[name]:.0%}")

# %%
# The most used component comes first. Signed ones run from blue through white (0) to red, others from black
# (0) to white. One that the penalty has emptied is black.

figure, axes = plt.subplots(1, 3, figsize=(12, 4.4), layout="constrained")
for ax, (name, model) in zip(axes, fits.items(), strict=True):
    use = np.linalg.norm(model.transform(X), axis=0) * np.linalg.norm(model.components_, axis=1)
    gf.plot.atoms(model.components_[np.argsort(-use)], (25, 25), ax=ax)
    ax.set_title(f"{name}\nerror {errors[name]:.1%}, zeros {zeros[name]:.0%}")
figure.suptitle(f"{n_components} components of {len(X)} faces")

# %%
# PCA is the best fit of its rank, and must be the closest; what non-negativity and sparsity cost is the
# difference.

assert errors["PCA"] < errors["NMF"] < errors["NMF with an L1 penalty"]
assert zeros["PCA"] == 0 < zeros["NMF"] < zeros["NMF with an L1 penalty"]

plt.show()
