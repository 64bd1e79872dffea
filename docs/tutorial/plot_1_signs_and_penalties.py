r"""
1. Signs and penalties: four switches for a dictionary
======================================================

Rows of :math:`X` are patches of photographs. A *dictionary* :math:`H` of few atoms and *codes* :math:`W` are
fitted by alternating over

.. math::

   \min_{W, H}\ \tfrac12 |X - W H|_F^2 + \lambda_1 (|W|_1 + |H|_1) + \tfrac{\lambda_2}{2} (|W|_F^2 + |H|_F^2)
   \quad\text{with or without}\quad W \ge 0,\ H \ge 0 .

With one factor fixed, the other is found coordinate by coordinate. With :math:`a` the part of :math:`X` that
a coordinate :math:`h` has to explain and :math:`g` its curvature (:math:`|w|^2` of its column of :math:`W`),
the minimum has a formula, and each switch is one change of it:

.. math::

   h = \frac{a}{g}
   \quad\xrightarrow{\ \lambda_2\ }\quad \frac{a}{g + \lambda_2}
   \quad\xrightarrow{\ \lambda_1\ }\quad \frac{\operatorname{sign}(a) \max(|a| - \lambda_1, 0)}{g + \lambda_2}
   \quad\xrightarrow{\ h \ge 0\ }\quad \frac{\max(a - \lambda_1, 0)}{g + \lambda_2} .

Only :math:`\lambda_1` makes exact zeros of small coordinates without a bound, and the bound makes zeros
without :math:`\lambda_1`.
"""

import matplotlib.pyplot as plt
import numpy as np

import gramfold as gf

X = gf.datasets.image_patches((8, 8), n_patches=1500, dtype=np.float64, random_state=0)
n_atoms, size = 16, np.linalg.norm(X)

# %%
# Twelve dictionaries: each pair of signs without a penalty, with L1 and with L2. `alpha` times the number of
# columns is the weight on :math:`W`, times the number of rows that on :math:`H`, so that both count alike in
# the sum of squares.

signs = {
    "W, H of any sign": {"W_nonneg": False, "H_nonneg": False},
    "W >= 0": {"H_nonneg": False},
    "H >= 0": {"W_nonneg": False},
    "W >= 0, H >= 0": {},
}
penalties = {
    "no penalty": {},
    "L1": {"alpha_W": 4e-4, "l1_ratio": 1.0},
    "L2": {"alpha_W": 1e-3, "l1_ratio": 0.0},
}
dictionaries, errors, zeros = {}, {}, {}
for penalty, strength in penalties.items():
    for sign, bounds in signs.items():
        model = gf.NMF(n_atoms, init="random", random_state=0, max_iter=200, tol=0, **bounds, **strength)
        W = model.fit_transform(X)
        H = model.components_
        use = np.linalg.norm(W, axis=0) * np.linalg.norm(H, axis=1)
        dictionaries[penalty, sign] = H[np.argsort(-use)]
        errors[penalty, sign] = np.linalg.norm(X - W @ H) / size
        zeros[penalty, sign] = np.mean(H == 0)
        facts = f"error {errors[penalty, sign]:.1%}, zeros in H {zeros[penalty, sign]:.0%}"
        print(f"{penalty:>10}, {sign:<16}: {facts}")

# %%
# The atoms, most used first: red is positive, blue negative; a dictionary without negative numbers is black
# (0) to white.

figure, axes = plt.subplots(3, 4, figsize=(11, 9.4), layout="constrained")
for ax, key in zip(axes.flat, dictionaries, strict=True):
    gf.plot.atoms(dictionaries[key], (8, 8), ax=ax)
    ax.set_title(f"{key[1]}, {key[0]}\nerror {errors[key]:.1%}, zeros {zeros[key]:.0%}", fontsize=10)
figure.suptitle(f"{n_atoms} atoms for {len(X)} patches of 8 x 8 pixels")

# %%
# What the formulas say holds. Without bounds and penalties the fit is as close as any of this rank can be,
# which is what the singular value decomposition gives (Eckart and Young). Bounds and penalties cost
# closeness. L2 makes no zeros, L1 does.

singular = np.linalg.svd(X, compute_uv=False)
least = np.linalg.norm(singular[n_atoms:]) / size
print(f"SVD of rank {n_atoms}: error {least:.1%}")
free, both = "W, H of any sign", "W >= 0, H >= 0"
np.testing.assert_allclose(errors["no penalty", free], least, rtol=1e-3)
assert min(errors.values()) > least * (1 - 1e-9)
assert errors["no penalty", free] < errors["no penalty", both]
assert zeros["no penalty", free] == zeros["L2", free] == 0 < zeros["L1", free]
assert zeros["no penalty", both] < zeros["L1", both]

# %%
# A penalty on one factor alone has no minimum: :math:`(tW)(H/t) = WH` for every :math:`t > 0`, so that the
# penalised factor shrinks and the other one grows, for ever. `NMF` says so if it ends at `max_iter`.

plt.show()
