"""Examples written for scikit-learn run with gramfold as they are, and end no worse."""

import inspect
import logging

import pytest
from sklearn_suite import examples

import gramfold as gf

pytest.importorskip("pandas")
EXAMPLES = [found for name, found in vars(examples).items() if inspect.isfunction(found) and name[0] != "_"]


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.__name__)
def test_an_example_runs_as_it_is_and_ends_no_worse(example, tmp_path, caplog):
    wanted = inspect.signature(example).parameters
    theirs = example(*([tmp_path / "theirs"] if wanted else []))
    with caplog.at_level(logging.INFO, "gramfold"), gf.accelerate():
        ours = example(*([tmp_path / "ours"] if wanted else []))
    assert not caplog.messages, "nothing is left to scikit-learn"
    for mine, other in zip(ours, theirs, strict=True):
        assert mine <= other + 0.002 * abs(other) + 1e-9
