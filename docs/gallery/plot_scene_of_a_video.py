"""
A scene without what moves before it
====================================

A camera that stands still sees the same scene in every frame, only the light changes: as a matrix with a row
for each frame it is of low rank. What moves covers few pixels at a time. Robust PCA splits the video into
both, and needs not be told the rank, where objects are, or which pixels the camera has lost (NaN). The video
is simulated, so that what is behind the objects is known.
"""

import matplotlib.pyplot as plt
import numpy as np

import gramfold as gf

frames, scene, moving = gf.datasets.make_video(
    100, (48, 64), dead=0.02, noise=0.01, dtype=np.float32, random_state=0
)
X = frames.reshape(len(frames), -1)

robust = gf.RobustPCA(noise="sqrt", tol=1e-4).fit(X)
ordinary = gf.PCA(robust.rank_, missing="mask").fit(X)
scenes = {
    "robust PCA": robust.complete().reshape(frames.shape),
    "PCA": ordinary.inverse_transform(ordinary.transform(X)).reshape(frames.shape),
}
print(f"rank {robust.rank_}; at most {robust.dual_gap_:.0e} from the optimum, as the fit has proved")

# %%
# The outliers are pixels of moving objects, or nothing has been understood:

sparse = robust.sparse_ if isinstance(robust.sparse_, np.ndarray) else robust.sparse_.toarray()
found = (np.abs(sparse) > 0.05).reshape(frames.shape)
known = np.isfinite(frames)
print(f"{moving[found].mean():.1%} of the outliers are pixels of objects")
print(f"{found[moving & known].mean():.1%} of the pixels of objects are found")
error = {name: np.sqrt(np.mean((made - scene) ** 2)) for name, made in scenes.items()}
for name, value in error.items():
    print(f"{name:>10}: error of the scene {value:.4f} of 1")
assert error["robust PCA"] < error["PCA"] / 5

# %%
# Squares are what ordinary PCA weighs errors with, so that an object pulls the scene towards itself and
# leaves a shadow.

shown = [10, 55, 90]
lines = {"video (lost pixels red)": frames, "scene, robust PCA": scenes["robust PCA"]}
lines |= {"what moves": sparse.reshape(frames.shape), "scene, PCA": scenes["PCA"]}
figure, axes = plt.subplots(4, len(shown), figsize=(8, 8), layout="constrained")
for line, (name, pictures) in zip(axes, lines.items(), strict=True):
    signed = name == "what moves"
    colours = plt.get_cmap("RdBu_r" if signed else "gray").with_extremes(bad="tab:red")
    for ax, i in zip(line, shown, strict=True):
        ax.imshow(pictures[i], cmap=colours, vmin=-1 if signed else 0, vmax=1)
        ax.set_xticks([])
        ax.set_yticks([])
    line[0].set_ylabel(name)
for ax, i in zip(axes[0], shown, strict=True):
    ax.set_title(f"frame {i}")

plt.show()
