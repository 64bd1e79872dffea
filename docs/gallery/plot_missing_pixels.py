"""
PCA where a third of the numbers is missing
===========================================

Rows with gaps need not be thrown away, nor filled with means: PCA of what is there fills the gaps by its
components, again and again, until they agree. How many components? Too many fit noise, and the more is
missing the sooner. So some known pixels are hidden as well, and the number is chosen that predicts those
best.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits

import gramfold as gf

digits = load_digits().data  # 8 x 8 pixels from 0 to 16
draw = np.random.default_rng(0).random(digits.shape)
missing, held_out = draw < 0.3, (draw >= 0.3) & (draw < 0.35)
given = np.where(missing | held_out, np.nan, digits)


def error(filled, where):
    """Root mean squared error of some pixels."""
    return np.sqrt(np.mean((filled - digits)[where] ** 2))


sizes = [1, 2, 4, 7, 10, 14, 18]
filled = {}
for k in sizes:
    pca = gf.PCA(k, missing="mask", tol=3e-3).fit(given)
    filled[k] = pca.inverse_transform(pca.transform(given))
best = min(sizes, key=lambda k: error(filled[k], held_out))
means = np.broadcast_to(np.nanmean(given, axis=0), digits.shape)
print(f"{best} components predict the hidden pixels best")
for name, picture in {"means": means, "PCA": filled[best]}.items():
    print(f"error of the missing pixels, of 16: {name} {error(picture, missing):.2f}")
assert error(filled[best], missing) < error(means, missing)
assert sizes[0] < best < sizes[-1]

# %%

figure, ax = plt.subplots(figsize=(6.4, 3.8), layout="constrained")
for name, where in {"hidden, to choose by": held_out, "missing": missing}.items():
    ax.plot(sizes, [error(filled[k], where) for k in sizes], "o-", label=name)
ax.plot(sizes, [error(filled[k], ~(missing | held_out)) for k in sizes], "o-", color="0.6", label="given")
ax.axhline(error(means, missing), color="black", linestyle=":", label="missing, filled with means")
ax.set_xticks(sizes)
ax.axvline(best, color="0.8", zorder=0)
ax.set_xlabel("components")
ax.set_ylabel("error of pixels, of 16")
ax.set_title("More components fit what is given, not what is missing")
ax.legend(frameon=False)

# %%
# Ten digits: as they were, what PCA was given (missing pixels red), and the missing pixels filled in.

lines = {"original": digits, "given": given, "filled": np.where(np.isnan(given), filled[best], given)}
figure, axes = plt.subplots(3, 10, figsize=(10, 3.2), layout="constrained")
for line, (name, rows) in zip(axes, lines.items(), strict=True):
    for ax, row in zip(line, rows, strict=False):
        ax.imshow(row.reshape(8, 8), cmap=plt.get_cmap("gray").with_extremes(bad="tab:red"), vmin=0, vmax=16)
        ax.set_xticks([])
        ax.set_yticks([])
    line[0].set_ylabel(name)
figure.suptitle(
    f"Digits with {np.isnan(given).mean():.0%} of their pixels missing, and by PCA with {best} components"
)

plt.show()
