"""
What is a library about?
========================

The documentation of SciPy's functions is text that is installed with it. Counts of words, one row a function,
are factorised by NMF with the Kullback-Leibler loss, which is the likelihood of Poisson counts: a component
is a topic, the words that come up together. Nobody tells the fit which package a function is from; do the
topics find out?
"""

import importlib
import inspect

import matplotlib.pyplot as plt
import numpy as np
from sklearn.feature_extraction.text import CountVectorizer

import gramfold as gf

packages = [
    "fft",
    "integrate",
    "interpolate",
    "linalg",
    "ndimage",
    "optimize",
    "signal",
    "sparse",
    "special",
    "stats",
]
texts, package = [], []
for name in packages:
    module = importlib.import_module(f"scipy.{name}")
    for public in module.__all__:
        text = inspect.getdoc(getattr(module, public)) or ""
        if len(text) > 500:
            texts.append(text)
            package.append(name)
package = np.array(package)

words = CountVectorizer(token_pattern="[a-z]{4,}", stop_words="english", min_df=8, max_df=0.25)
X = words.fit_transform(texts).astype(np.float64)  # sparse, and stays so
print(f"{X.shape[0]} functions, {X.shape[1]} words, {X.nnz} counts that are not 0")

# %%
# Eight topics, and the words that weigh most in each:

model = gf.NMF(8, beta_loss="kullback-leibler", init="random", random_state=0, max_iter=500)
W = model.fit_transform(X)
vocabulary = words.get_feature_names_out()
topics = [vocabulary[np.argsort(-topic)[:4]] for topic in model.components_]
for topic in topics:
    print(", ".join(topic))

# %%
# How the words of each package are shared out among the topics: most packages have one that is theirs.

amount = W * model.components_.sum(axis=1)  # words that a topic accounts for in a text
share = np.array([amount[package == name].sum(axis=0) for name in packages])
share /= share.sum(axis=1, keepdims=True)
order = np.argsort(share.argmax(axis=1), kind="stable")

figure, ax = plt.subplots(figsize=(9.6, 5), layout="constrained")
image = ax.imshow(share[order], cmap="Blues", vmin=0, vmax=1, aspect="auto")
ax.set_xticks(range(len(topics)), ["\n".join(topic) for topic in topics])
ax.set_yticks(range(len(packages)), [f"scipy.{packages[i]}" for i in order])
ax.set_xlabel("topic, by the words that weigh most in it")
ax.set_ylabel("package")
ax.set_title("Topics of SciPy's documentation, and the packages that they are found in")
figure.colorbar(image, label="share of the package's words")

# %%
# Were all packages alike, the largest share would hardly exceed that of the largest topic in all of the text.

largest = share.max(axis=1)
everywhere = (amount.sum(axis=0) / amount.sum()).max()
print(f"largest share of a topic: {everywhere:.0%} of all, in the median package {np.median(largest):.0%}")
assert np.median(largest) > 2 * everywhere

plt.show()
