"""
Which dye is where?
===================

A slice of tissue is stained with two dyes, and a camera sees three colours. Light that passes through dye is
weakened by a factor, so that logarithms add up (the law of Beer and Lambert): each pixel is amounts of dye
times the colours that the dyes absorb, neither of them negative. NMF of rank 2 finds both, from one
photograph and without a look at the literature.
"""

import matplotlib.pyplot as plt
import numpy as np
from skimage.color import rgb_from_hed
from skimage.data import immunohistochemistry

import gramfold as gf

photograph = immunohistochemistry()[::2, ::2]
absorbed = -np.log((photograph.reshape(-1, 3) + 1.0) / 256)

model = gf.NMF(2, init="random", n_init=3, random_state=0, max_iter=500)
amount = model.fit_transform(absorbed)
error = np.linalg.norm(absorbed - amount @ model.components_) / np.linalg.norm(absorbed)
print(f"{len(absorbed)} pixels, {model.n_iter_} iterations: error {error:.1%} of what is absorbed")

# %%
# scikit-image knows the colours of these dyes, as they were measured by others. How close are ours? A cosine
# of 1 is the same colour.

colours = model.components_ / np.linalg.norm(model.components_, axis=1, keepdims=True)
known = {"hematoxylin": rgb_from_hed[0], "DAB": rgb_from_hed[2]}
dye = {}
for name, colour in known.items():
    cosines = colours @ colour / np.linalg.norm(colour)
    dye[name] = int(cosines.argmax())
    print(f"{name:>11}: absorbs red, green, blue {colours[dye[name]].round(2)}, cosine {cosines.max():.2f}")
assert sorted(dye.values()) == [0, 1]

# %%
# Each dye alone, in its own colour: what the camera would see if the other one were washed out.

figure, axes = plt.subplots(1, 3, figsize=(11, 4.1), layout="constrained")
axes[0].imshow(photograph)
axes[0].set_title("tissue with two dyes")
for ax, (name, k) in zip(axes[1:], dye.items(), strict=True):
    ax.imshow(np.exp(-np.outer(amount[:, k], model.components_[k])).reshape(photograph.shape))
    ax.set_title(f"{name} alone, by NMF")
for ax in axes:
    ax.set_axis_off()

plt.show()
