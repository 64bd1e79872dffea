"""Centroids between the mean of their rows and the prior, for a growing ridge; inertia of two starts."""

import matplotlib.pyplot as plt
import numpy as np

import gramfold as gf

rng = np.random.default_rng(0)
X = np.concatenate(
    [rng.normal(at, 0.6, (size, 2)) for at, size in (((-3, 0), 60), ((1, 2.5), 30), ((3, -1.5), 6))]
)
means = gf.KMeans(3, random_state=0).fit(X)

left, right = plt.figure(figsize=(9.5, 3.8)).subplots(1, 2)
left.scatter(*X.T, s=12, c=means.labels_, cmap="Set2")
ridges = np.geomspace(0.1, 1000, 60)
paths = [gf.KMeans(3, init=means.cluster_centers_, ridge=ridge).fit(X).cluster_centers_ for ridge in ridges]
for path in np.transpose(paths, (1, 2, 0)):
    left.plot(*path, color="0.3", linewidth=1)
left.scatter(*means.cluster_centers_.T, marker="x", color="k", label="without a ridge")
at_ten = paths[np.searchsorted(ridges, 10)]
left.scatter(*at_ten.T, marker="s", s=18, color="k", label="ridge=10")
left.scatter(0, 0, marker="+", s=90, color="#d1602b", label="prior_mean")
left.set_title("the ridge draws small clusters most")
left.legend(frameon=False)

patches = gf.datasets.image_patches((8, 8), n_patches=5000, center=True, random_state=0)
for init in ("k-means++", "random"):
    found = gf.KMeans(64, init=init, n_init=1, random_state=0).fit(patches)
    right.plot(found.history_["objective"], label=f'init="{init}"')
right.set(title="5,000 image patches, 64 clusters", xlabel="iteration", ylabel="inertia")
right.legend(frameon=False)
