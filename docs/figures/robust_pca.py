"""A frame of a synthetic video, split into scene and moving objects, and the residuals on the way."""

import matplotlib.pyplot as plt
import numpy as np

import gramfold as gf

frames, _, _ = gf.datasets.make_video(60, (48, 60), random_state=0)
X = frames.reshape(len(frames), -1)
model = gf.RobustPCA().fit(X)
parts = {"X": X, "L": model.complete(), "S": np.asarray(model.sparse_.toarray())}

axes = plt.figure(figsize=(9.5, 2.4)).subplots(1, 4, width_ratios=(1, 1, 1, 1.2))
for ax, (name, part) in zip(axes, parts.items(), strict=False):
    signed = name == "S"
    ax.imshow(part[30].reshape(48, 60), cmap="RdBu_r" if signed else "gray", vmin=-signed, vmax=1)
    ax.set_title(f"L, rank {model.rank_}" if name == "L" else name)
    ax.set_axis_off()
axes[3].semilogy(model.history_["kkt"])
axes[3].set(xlabel="iteration", ylabel="residuals", title=f"gap {model.dual_gap_:.0e}")
