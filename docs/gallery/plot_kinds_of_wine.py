"""
How many kinds of wine?
=======================

Thirteen chemical measurements of 178 wines, made from three cultivars of one region. A Gaussian mixture does
not know the cultivars. Bayes' information criterion weighs how well it fits against how many numbers it
needs; what does it find?
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_wine
from sklearn.metrics import adjusted_rand_score
from sklearn.preprocessing import StandardScaler

import gramfold as gf

wine = load_wine()
X = StandardScaler().fit_transform(wine.data)

sizes = range(1, 8)
kinds = {
    "full": "a covariance each",
    "tied": "one covariance",
    "diag": "variances each",
    "spherical": "one variance each",
}
bic, models = {}, {}
for kind in kinds:
    for k in sizes:
        model = gf.GaussianMixture(k, covariance_type=kind, n_init=5, max_iter=300, random_state=0).fit(X)
        models[kind, k], bic[kind, k] = model, model.bic(X)
kind, k = min(bic, key=bic.get)
print(f"lowest BIC: {k} components with {kinds[kind]}")

# %%
# How the wines of each cultivar are shared out among the components:

labels = models[kind, k].predict(X)
table = np.zeros((k, len(wine.target_names)), int)
np.add.at(table, (labels, wine.target), 1)
table = table[np.argsort(table.argmax(axis=1), kind="stable")]
print(table)
purity = table.max(axis=1).sum() / len(X)
agreement = adjusted_rand_score(wine.target, labels)
print(f"{purity:.0%} of the wines are of the cultivar that most of their component are of")
print(f"adjusted Rand index {agreement:.2f}; 1 were the cultivars themselves")
assert purity > 0.9

# %%

figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4.2), layout="constrained")
for name, described in kinds.items():
    left.plot(sizes, [bic[name, size] for size in sizes], "o-", label=described)
left.plot(k, bic[kind, k], "o", markersize=14, markerfacecolor="none", color="black", label="the lowest")
left.set_xlabel("components")
left.set_ylabel("BIC")
left.set_title("Which mixture?")
left.legend(frameon=False)
bottom = np.zeros(k)
for name, column in zip(wine.target_names, table.T, strict=True):
    right.bar(range(1, k + 1), column, bottom=bottom, label=name.replace("class_", "cultivar "))
    bottom += column
right.set_xticks(range(1, k + 1))
right.set_xlabel("component")
right.set_ylabel("wines")
right.set_title(f"Who is in the {k} components")
right.set_ylim(top=1.2 * table.sum(axis=1).max())
right.legend(frameon=False, loc="upper center", ncols=3)

plt.show()
