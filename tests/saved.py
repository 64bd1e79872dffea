"""What tests of saved models and checkpoints share: equality to the bit, and files taken apart.

They are put together again with digests that fit, as a forger would.
"""

import hashlib
import json

import numpy as np
import scipy.sparse as sp

from gramfold.fit.estimator import Estimator
from gramfold.keep import registry


def taken_apart(data):
    """Header, description and arrays of the bytes of a file."""
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length])
    return header, json.loads(header["__metadata__"]["gramfold"]), data[8 + length :]


def put_together(header, described, arrays):
    """The bytes of a file; `described` may be any JSON."""
    text = json.dumps(described)
    header["__metadata__"] = {"gramfold": text, "sha256": hashlib.sha256(text.encode()).hexdigest()}
    made = json.dumps(header).encode()
    return len(made).to_bytes(8, "little") + made + arrays


def rewritten(path, change):
    """Let `change` have its way with the description of a file."""
    header, described, arrays = taken_apart(path.read_bytes())
    change(described)
    path.write_bytes(put_together(header, described, arrays))


def assert_same(a, b):
    """The same bits, in the same types and order."""
    assert type(a) is type(b)
    if isinstance(a, np.ndarray):
        assert (a.dtype, a.shape) == (b.dtype, b.shape)
        assert a.flags.f_contiguous == b.flags.f_contiguous
        assert a.tolist() == b.tolist() if a.dtype == object else a.tobytes() == b.tobytes()
    elif isinstance(a, dict):
        assert a.keys() == b.keys()
        for key in a:
            assert_same(a[key], b[key])
    elif isinstance(a, list | tuple):
        assert len(a) == len(b)
        for one, other in zip(a, b, strict=True):
            assert_same(one, other)
    elif sp.issparse(a):
        assert a.shape == b.shape
        for part in ("data", "indices", "indptr"):
            assert_same(getattr(a, part), getattr(b, part))
    elif isinstance(a, np.random.RandomState):
        assert_same(a.get_state(legacy=False), b.get_state(legacy=False))
    elif isinstance(a, Estimator):
        assert_same(a.get_params(deep=False), b.get_params(deep=False))
        assert_same(vars(a), vars(b))
    elif registry.is_object(a):
        assert_same(registry.fields_of(a), registry.fields_of(b))
    else:
        assert a == b or (a != a and b != b)
