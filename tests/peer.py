"""Which scikit-learn results are compared with."""

import sklearn

VERSION = tuple(map(int, sklearn.__version__.split(".")[:2]))
