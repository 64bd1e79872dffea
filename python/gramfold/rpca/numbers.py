"""The scalars of one pass of robust PCA; the formulas are in cpp/rpca/shrink.hpp."""

from typing import NamedTuple


class Numbers(NamedTuple):
    """Scalars of one pass, by the names that the kernels take.

    `mu_old` and `damping_old` are those that z was written with; `mu_next` is what the pass after this one
    will use. `damping` is kappa / (kappa + mu) for the noise term kappa/2 |N|^2, 1 without.
    """

    lam: float
    mu_old: float
    mu: float
    mu_next: float
    damping_old: float = 1.0
    damping: float = 1.0
    relax: float = 1.0

    def after(self) -> "Numbers":
        """What decodes z once the pass is done."""
        return self._replace(mu_old=self.mu, damping_old=self.damping)
