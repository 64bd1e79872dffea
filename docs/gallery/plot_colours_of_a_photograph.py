"""
How many colours does a photograph need?
========================================

k-means of the pixels finds the palette of k colours that is closest to a photograph. With more colours the
picture gets better, and twice as many colours are worth a little less each time.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_sample_image

import gramfold as gf

photograph = load_sample_image("flower.jpg")
pixels = photograph.reshape(-1, 3).astype(np.float32) / 255
print(f"{len(pixels)} pixels, {len(np.unique(pixels, axis=0))} different colours")

sizes = [2, 4, 8, 16, 32]
models = {k: gf.KMeans(k, random_state=0).fit(pixels) for k in sizes}
psnr = [10 * np.log10(pixels.size / models[k].inertia_) for k in sizes]
for k, quality in zip(sizes, psnr, strict=True):
    print(f"{k:>3} colours: {models[k].n_iter_:>3} iterations, PSNR {quality:.1f} dB")
assert np.all(np.diff(psnr) > 0)
assert np.all(np.diff(psnr, 2) < 0)

# %%
# The photograph in few colours, each above its palette, wide where a colour is used much:

shown = [2, 8, 32]
figure, axes = plt.subplots(2, 4, figsize=(13, 3.1), height_ratios=(7, 1), layout="constrained")
axes[0, 0].imshow(photograph)
axes[0, 0].set_title("original")
for k, (above, below) in zip(shown, axes.T[1:], strict=True):
    model = models[k]
    above.imshow(np.clip(model.cluster_centers_, 0, 1)[model.labels_].reshape(photograph.shape))
    above.set_title(f"{k} colours, PSNR {psnr[sizes.index(k)]:.1f} dB")
    rank = model.cluster_centers_.sum(axis=1).argsort().argsort()  # dark ones first
    palette = np.clip(model.cluster_centers_, 0, 1)[model.labels_[np.argsort(rank[model.labels_])]]
    below.imshow(palette[None, :: len(palette) // 400], aspect="auto")
for ax in axes.flat:
    ax.set_axis_off()

# %%

figure, ax = plt.subplots(figsize=(5.5, 3.4), layout="constrained")
ax.plot(sizes, psnr, "o-")
ax.set_xscale("log", base=2)
ax.set_xticks(sizes, sizes)
ax.set_xlabel("colours")
ax.set_ylabel("PSNR in dB")
ax.set_title("What twice as many colours are worth")

plt.show()
