"""The error of what was left out, by rank."""

import gramfold as gf

X = gf.datasets.make_nmf(300, 100, 6, density=0.4, noise=0.1, random_state=0)[0]
gf.select_rank(gf.NMF(init="random", max_iter=2000), X, range(2, 11), random_state=0).plot()
