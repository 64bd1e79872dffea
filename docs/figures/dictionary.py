"""Atoms of photographs, and the objective of three kinds of dictionary learning."""

import matplotlib.pyplot as plt

import gramfold as gf

patches = gf.datasets.image_patches((8, 8), n_patches=4000, center=True, random_state=0)
lasso = gf.DictionaryLearning(64, alpha=0.05, max_iter=30, tol=0, random_state=0).fit(patches)
ksvd = gf.DictionaryLearning(
    64, fit_algorithm="ksvd", transform_n_nonzero_coefs=4, max_iter=30, tol=0, random_state=0
).fit(patches)
axes = plt.figure(figsize=(9.5, 3.5)).subplots(1, 3, width_ratios=(1, 1, 1.2))
for ax, name, model in ((axes[0], "lasso", lasso), (axes[1], "K-SVD", ksvd)):
    gf.plot.atoms(model.components_, (8, 8), ax=ax)
    ax.set_title(name)
    axes[2].plot(model.error_ / model.error_[-1], label=name)
axes[2].set(xlabel="iteration", ylabel="objective / last")
axes[2].legend(frameon=False)
