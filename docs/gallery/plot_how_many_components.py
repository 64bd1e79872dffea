"""
How many components?
====================

No fit gets worse from more components, so that its own error cannot say how many there should be.
`select_rank` asks what a fit says about numbers that it has not seen: here about quarters of the digits'
matrix, left out in turn, for PCA; and for clusters of wines how well they are apart.
"""

import matplotlib.pyplot as plt
from sklearn.datasets import load_digits, load_wine
from sklearn.preprocessing import StandardScaler

import gramfold as gf

digits = load_digits().data
wine = load_wine()
components = gf.select_rank(gf.PCA(), digits, range(2, 33, 2), random_state=0)
clusters = gf.select_rank(
    gf.KMeans(n_init=5), StandardScaler().fit_transform(wine.data), range(2, 9), random_state=0
)

# %%
# What is found can be printed; the star marks the choice.

print(components)
print(clusters)

# %%
# Of the digits' components as few are taken as predict within a standard error of the best. Of wines there
# are as many clusters as there are cultivars, of which the fit knows nothing.

print(f"clusters found: {clusters.best_rank_}, cultivars: {len(wine.target_names)}")
assert clusters.best_rank_ == len(wine.target_names)
assert components.best_rank_ is not None

figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4), layout="constrained")
components.plot(ax=left)
left.set_title(f"Digits: {components.best_rank_} principal components")
clusters.plot(ax=right)
right.set_title(f"Wines: {clusters.best_rank_} clusters")

plt.show()
