"""
Can a photograph clean itself?
==============================

Every small patch of a photograph is nearly a sum of few atoms, if the atoms suit it; noise is not. So patches
are coded until what is left over is as large as the noise, and no further. Atoms may be fixed, such as
cosines, or learned from the noisy photograph: it has thousands of patches, and what they share is not noise.
"""

import matplotlib.pyplot as plt
import numpy as np
from skimage.data import camera

import gramfold as gf

sigma, side, waves = 0.1, 8, 12
original = (camera()[60:316, 100:356] / 255).astype(np.float32)
noisy = original + np.float32(sigma) * np.random.default_rng(0).standard_normal(
    original.shape, dtype=np.float32
)

# %%
# Cosines across and down, more of them than pixels, centred and of norm 1:

lines = np.cos(np.pi * np.outer(np.arange(side) + 0.5, np.arange(waves)) / waves)
cosines = np.einsum("ai,bj->ijab", lines, lines).reshape(waves**2, side**2)[1:]
cosines -= cosines.mean(axis=1, keepdims=True)
cosines = (cosines / np.linalg.norm(cosines, axis=1, keepdims=True)).astype(np.float32)

# %%
# The same atoms as a start, adapted to patches of the noisy photograph:

patches = gf.patches.extract(noisy, (side, side), max_patches=8000, random_state=0)
patches -= patches.mean(axis=1, keepdims=True)
learner = gf.MiniBatchDictionaryLearning(
    len(cosines),
    alpha=0.3,
    dict_init=cosines,
    batch_size=512,
    max_iter=3,
    tol=0,
    max_no_improvement=None,
    random_state=0,
)
learned = learner.fit(patches).components_

# %%
# Patches that overlap are coded by orthogonal matching pursuit, and what they say of a pixel is averaged.


def psnr(picture):
    """Peak signal to noise ratio in dB, of values in [0, 1]."""
    return -10 * np.log10(np.mean((picture - original) ** 2))


pictures = {"noisy": noisy}
for name, atoms in {"cosines": cosines, "learned": learned}.items():
    pictures[name] = gf.restore.denoise(noisy, atoms, (side, side), sigma=sigma, stride=2)
for name, picture in pictures.items():
    print(f"{name:>8}: PSNR {psnr(picture):.2f} dB")
assert psnr(pictures["learned"]) > psnr(pictures["cosines"]) > psnr(noisy)

# %%

figure, axes = plt.subplots(2, 3, figsize=(10.5, 7.4), layout="constrained")
for ax, (name, picture) in zip(axes[0], pictures.items(), strict=True):
    ax.imshow(picture, cmap="gray", vmin=0, vmax=1)
    ax.set_title(f"{name}, PSNR {psnr(picture):.1f} dB")
axes[1, 0].imshow(original, cmap="gray", vmin=0, vmax=1)
axes[1, 0].set_title("original")
for ax, (name, atoms) in zip(axes[1, 1:], {"cosines": cosines, "learned": learned}.items(), strict=True):
    gf.plot.atoms(atoms[::3], (side, side), ax=ax, columns=7)
    ax.set_title(f"{name}: every third atom")
for ax in axes.flat:
    ax.set_axis_off()

plt.show()
