"""scikit-learn's examples of these classes, from their idea: small, each giving losses, the lower the better.

They import scikit-learn when they run, and say nothing of gramfold.
"""

import numpy as np


def _picture(size):
    """Waves with a disc on them, of three colours in [0, 1]."""
    y, x = np.mgrid[:size, :size] / size
    waves = [np.sin(9 * x + k * y) + np.cos((5 + k) * x * y) for k in (1, 4, 7)]
    disc = (x - 0.4) ** 2 + y**2 < 0.2
    return np.stack([0.25 * wave + 0.5 for wave in waves], axis=2) * (1 - 0.5 * disc)[..., None]


def faces():
    """Parts of pictures by five decompositions."""
    from sklearn.cluster import MiniBatchKMeans
    from sklearn.datasets import load_digits
    from sklearn.decomposition import NMF, PCA, MiniBatchDictionaryLearning

    X = load_digits().data[:200] / 16
    pca = PCA(6, svd_solver="randomized", whiten=True, random_state=0).fit(X)
    nmf = NMF(n_components=6, tol=5e-3, random_state=0).fit(X)
    atoms = MiniBatchDictionaryLearning(
        n_components=6, alpha=0.1, max_iter=50, batch_size=3, random_state=0, positive_dict=True,
        positive_code=True, fit_algorithm="cd",
    ).fit(X - X.mean(axis=0))  # fmt: skip
    means = MiniBatchKMeans(n_clusters=6, tol=1e-3, batch_size=20, max_iter=50, random_state=0).fit(X)
    assert atoms.components_.shape == pca.components_.shape == means.cluster_centers_.shape
    back = pca.inverse_transform(pca.transform(X))
    return [np.linalg.norm(X - back), nmf.reconstruction_err_]


def topics():
    """Topics of texts, by three losses."""
    from sklearn.decomposition import NMF, MiniBatchNMF
    from sklearn.feature_extraction.text import TfidfVectorizer

    rng = np.random.default_rng(0)
    texts = [" ".join(f"{'abcd'[i % 4]}{w}" for w in rng.integers(10, 20, 30)) for i in range(120)]
    words = TfidfVectorizer(max_df=0.95, min_df=2)
    X = words.fit_transform(texts)
    losses = []
    for options in ({}, {"beta_loss": "kullback-leibler", "solver": "mu"}):
        model = NMF(
            n_components=4, random_state=1, init="nndsvda", max_iter=500, alpha_W=5e-5, alpha_H=5e-5,
            l1_ratio=0.5, **options,
        ).fit(X)  # fmt: skip
        first = model.components_.argsort(axis=1)[:, :-6:-1]
        assert all(len({word[0] for word in words.get_feature_names_out()[row]}) == 1 for row in first)
        losses.append(model.reconstruction_err_)
    batches = MiniBatchNMF(n_components=4, random_state=1, batch_size=32, init="nndsvda").fit(X)
    return [*losses, batches.reconstruction_err_]


def denoising():
    """A picture whose patches are sparse in a learned dictionary."""
    from sklearn.decomposition import MiniBatchDictionaryLearning
    from sklearn.feature_extraction.image import extract_patches_2d, reconstruct_from_patches_2d

    face = _picture(40).mean(axis=2)
    noisy = face + 0.075 * np.random.default_rng(0).standard_normal(face.shape)
    data = extract_patches_2d(face, (7, 7)).reshape(-1, 49)
    mean, scale = data.mean(axis=0), data.std(axis=0)
    data = (data - mean) / scale
    atoms = MiniBatchDictionaryLearning(
        n_components=10, batch_size=200, alpha=1.0, max_iter=10, random_state=0
    ).fit(data)
    atoms.set_params(transform_algorithm="lasso_cd", transform_alpha=1.0)
    codes = atoms.transform(data)
    loss = 0.5 * np.square(data - codes @ atoms.components_).sum() + np.abs(codes).sum()
    patches = extract_patches_2d(noisy, (7, 7)).reshape(-1, 49)
    patch_means = patches.mean(axis=0)
    for name, options in (
        ("omp", {"transform_n_nonzero_coefs": 2}), ("lars", {"transform_n_nonzero_coefs": 4}),
        ("threshold", {"transform_alpha": 0.1}),
    ):  # fmt: skip
        codes = atoms.set_params(transform_algorithm=name, **options).transform(patches[:100] - patch_means)
        found = patches.copy()
        found[:100] = codes @ atoms.components_ + patch_means
        picture = reconstruct_from_patches_2d(found.reshape(-1, 7, 7), face.shape)
        assert picture.shape == face.shape
    return [loss]


def sparse_coding():
    """A signal in wavelets of two widths."""
    from sklearn.decomposition import SparseCoder

    x, centres = np.arange(256.0), np.linspace(0, 255, 40)
    t = np.concatenate([(x - centres[:, None]) / width for width in (10, 40)])
    atoms = (1 - t**2) * np.exp(-(t**2) / 2)
    atoms /= np.sqrt((atoms**2).sum(axis=1))[:, None]
    y = np.where(x < 64, 3.0, -1.0)[None]
    losses = []
    for name, alpha, count in (("omp", None, 15), ("lasso_lars", 2, None), ("lars", None, 15)):
        coder = SparseCoder(
            dictionary=atoms, transform_n_nonzero_coefs=count, transform_alpha=alpha,
            transform_algorithm=name,
        )  # fmt: skip
        losses.append(np.linalg.norm(coder.transform(y) @ atoms - y))
    return losses


def handwriting():
    """Clusters from three starts, one of them principal components; silhouettes; a pipeline."""
    from sklearn.cluster import KMeans
    from sklearn.datasets import load_digits
    from sklearn.decomposition import PCA
    from sklearn.metrics import silhouette_score
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    data = load_digits().data[:300]
    pca = PCA(n_components=10).fit(data)
    losses = []
    for model in (
        KMeans(init="k-means++", n_clusters=10, n_init=4, random_state=0),
        KMeans(init="random", n_clusters=10, n_init=4, random_state=0),
        KMeans(init=pca.components_, n_clusters=10, n_init=1),
    ):
        steps = make_pipeline(StandardScaler(), model).fit(data)
        losses.append(steps[-1].inertia_)
        assert -1 < silhouette_score(data, steps[-1].labels_, sample_size=200, random_state=0) < 1
    return losses


def colours():
    """The colours of a picture by 8, and what its patches are like, learned batch by batch."""
    from sklearn.cluster import KMeans, MiniBatchKMeans
    from sklearn.metrics import pairwise_distances_argmin
    from sklearn.utils import shuffle

    pixels = _picture(32).reshape(-1, 3)
    model = KMeans(n_clusters=8, random_state=0).fit(shuffle(pixels, random_state=0, n_samples=300))
    labels = model.predict(pixels)
    assert (labels == pairwise_distances_argmin(pixels, model.cluster_centers_)).all()
    learner = MiniBatchKMeans(n_clusters=8, random_state=0, n_init=3)
    for batch in np.array_split(shuffle(pixels, random_state=0), 4):
        learner.partial_fit(batch)
    return [np.linalg.norm(pixels - model.cluster_centers_[labels])]


def documents():
    """Latent semantic analysis, then clusters."""
    from sklearn.cluster import KMeans
    from sklearn.decomposition import TruncatedSVD
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.metrics import v_measure_score
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import Normalizer

    rng = np.random.default_rng(0)
    texts = [" ".join(f"{'abcd'[i % 4]}{w}" for w in rng.integers(10, 20, 30)) for i in range(120)]
    X = TfidfVectorizer().fit_transform(texts)
    X = make_pipeline(TruncatedSVD(n_components=4, random_state=0), Normalizer(copy=False)).fit_transform(X)
    labels = KMeans(n_clusters=4, max_iter=100, n_init=5, random_state=0).fit(X).labels_
    return [1 - v_measure_score(np.arange(120) % 4, labels)]


def mixtures():
    """The number of components and their shape by BIC; starts; means that are given later."""
    from sklearn.datasets import load_iris
    from sklearn.mixture import GaussianMixture
    from sklearn.model_selection import GridSearchCV

    X, y = load_iris(return_X_y=True)
    search = GridSearchCV(
        GaussianMixture(random_state=0),
        {"n_components": [1, 3], "covariance_type": ["spherical", "tied", "diag", "full"]},
        scoring=lambda model, X: -model.bic(X),
        cv=2,
    ).fit(X)
    for name in ("kmeans", "random_from_data", "k-means++", "random"):
        start = GaussianMixture(4, init_params=name, tol=1e-9, max_iter=0, random_state=0)
        assert start.fit(X).means_.shape == (4, 4)
    model = GaussianMixture(n_components=3, max_iter=20, random_state=0)
    model.means_init = np.array([X[y == i].mean(axis=0) for i in range(3)])
    model.fit(X)
    assert (model.predict(X) == y).mean() > 0.95
    assert model.sample(5)[0].shape == (5, 4)
    return [-search.best_score_, -model.score(X)]


def reductions(folder):
    """Reducers as a parameter of a search, whose results are cached in files."""
    from joblib import Memory
    from sklearn.datasets import load_digits
    from sklearn.decomposition import NMF, PCA
    from sklearn.feature_selection import SelectKBest, mutual_info_classif
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GridSearchCV
    from sklearn.pipeline import FeatureUnion, Pipeline

    X, y = load_digits(return_X_y=True)
    X, y = X[:200] / 16, y[:200]
    steps = Pipeline(
        [("reduce_dim", "passthrough"), ("classify", LogisticRegression())], memory=Memory(folder, verbose=0)
    )
    both = FeatureUnion([("pca", PCA(n_components=4)), ("best", SelectKBest(mutual_info_classif, k=4))])
    grid = [
        {"reduce_dim": [PCA(iterated_power=7), NMF(max_iter=1000, tol=1e-3)],
         "reduce_dim__n_components": [4, 8]},
        {"reduce_dim": [both]},
    ]  # fmt: skip
    search = GridSearchCV(steps, grid, cv=2, n_jobs=2, error_score="raise").fit(X, y)
    return [1 - search.score(X, y)]


def titanic():
    """Columns of two kinds, each with its own steps, as data frames."""
    import pandas as pd
    from sklearn.cluster import KMeans
    from sklearn.compose import make_column_transformer
    from sklearn.decomposition import PCA, TruncatedSVD
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import Ridge
    from sklearn.pipeline import make_pipeline
    from sklearn.utils import estimator_html_repr

    rng = np.random.default_rng(0)
    table = pd.DataFrame(rng.random((80, 4)), columns=list("abcd"))
    table["text"] = [" ".join(rng.choice(["x1", "y2", "z3", "w4"], 6)) for _ in range(80)]
    y = table["a"] + 0.1 * table["b"]
    columns = make_column_transformer(
        (PCA(2), ["a", "b"]), (KMeans(3, random_state=0), ["c", "d"]),
        (make_pipeline(TfidfVectorizer(), TruncatedSVD(2, random_state=0)), "text"),
    )  # fmt: skip
    model = make_pipeline(columns, Ridge(alpha=1e-3))
    assert "TruncatedSVD" in estimator_html_repr(model)
    model.fit(table, y)
    named = PCA(2).set_output(transform="pandas").fit_transform(table[["a", "b"]])
    assert list(named.columns) == ["pca0", "pca1"]
    return [1 - model.score(table, y)]


def regressions():
    """Ridge's path, and Ridge in all that takes a regressor."""
    from sklearn.compose import TransformedTargetRegressor
    from sklearn.datasets import load_diabetes
    from sklearn.ensemble import BaggingRegressor, StackingRegressor
    from sklearn.experimental import enable_iterative_imputer  # noqa: F401
    from sklearn.feature_selection import RFE
    from sklearn.impute import IterativeImputer
    from sklearn.inspection import permutation_importance
    from sklearn.linear_model import LinearRegression, Ridge
    from sklearn.model_selection import cross_val_predict, learning_curve
    from sklearn.multioutput import MultiOutputRegressor

    X, y = load_diabetes(return_X_y=True)
    path = [Ridge(alpha=a, fit_intercept=False).fit(X, y).coef_ for a in np.logspace(-3, 1, 5)]
    assert np.diff([np.linalg.norm(coef) for coef in path]).max() < 0
    losses = [
        -model.fit(X, y).score(X, y)
        for model in (
            TransformedTargetRegressor(Ridge(0.1), func=np.log1p, inverse_func=np.expm1),
            StackingRegressor([("one", LinearRegression())], final_estimator=Ridge(), cv=3),
            RFE(Ridge(0.1), n_features_to_select=4),
            BaggingRegressor(Ridge(0.1), n_estimators=5, random_state=0),
        )
    ]  # fmt: skip
    gaps = np.where(np.random.default_rng(0).random(X.shape) < 0.1, np.nan, X)
    filled = IterativeImputer(estimator=Ridge(), max_iter=3, random_state=0).fit_transform(gaps)
    assert permutation_importance(Ridge().fit(X, y), X, y, n_repeats=2).importances.shape == (10, 2)
    assert learning_curve(Ridge(), X, y, cv=2, train_sizes=[0.5, 1.0])[1].shape == (2, 2)
    both = MultiOutputRegressor(Ridge(0.1)).fit(X, np.c_[y, -y])
    assert both.predict(X).shape == (442, 2)
    return [*losses, np.linalg.norm(filled - X), np.linalg.norm(cross_val_predict(Ridge(0.1), X, y) - y)]


def batches():
    """Principal components from batches, beside those of all rows; how many by cross-validation."""
    from sklearn.datasets import load_iris
    from sklearn.decomposition import PCA, IncrementalPCA
    from sklearn.model_selection import cross_val_score

    X = load_iris().data
    scores = [cross_val_score(PCA(svd_solver="full", n_components=n), X).mean() for n in (1, 2, 3)]
    assert PCA(svd_solver="full", n_components="mle").fit(X).n_components_ == 3
    model = IncrementalPCA(n_components=2, batch_size=10).fit(X)
    back = model.inverse_transform(model.transform(X))
    return [np.linalg.norm(X - back), -max(scores)]
