"""Ridge regression and least-norm solutions."""
