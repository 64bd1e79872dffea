"""What one pass of robust PCA takes and gives besides arrays; the formulas are in cpp/rpca/shrink.hpp."""

from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Numbers:
    """Scalars of one pass, in the order of the kernel's `numbers`.

    `mu_old` and `shrink_old` are those that z was written with; `mu_next` is what the pass after
    this one will use. `shrink` is kappa / (kappa + mu) for the noise term kappa/2 |N|^2, 1 without.
    """

    lam: float
    mu_old: float
    mu: float
    mu_next: float
    shrink_old: float = 1.0
    shrink: float = 1.0
    relax: float = 1.0

    def as_tuple(self) -> tuple[float, float, float, float, float, float, float]:
        """As the kernel takes them."""
        return self.lam, self.mu_old, self.mu, self.mu_next, self.shrink_old, self.shrink, self.relax

    def after(self) -> "Numbers":
        """What decodes z once the pass is done."""
        return replace(self, mu_old=self.mu, shrink_old=self.shrink)


@dataclass(frozen=True, slots=True)
class Totals:
    """Sums of one pass over the observed entries, for the new Y, S and T = S + N, and the L that was given.

    misfit: lam |X - L|_1; dot: <Y, X>; dual: |Y|^2; moved: |T - T_old|^2 (with what L moved by,
    unobserved); residual: |X - L - T|^2; noise: |X - L - S|^2; outlying: lam |S|_1; unexplained:
    lam |X - L - S|_1; count: entries (rows: entries in such rows) of S that are not 0.
    """

    misfit: float
    dot: float
    dual: float
    moved: float
    residual: float
    noise: float
    outlying: float
    unexplained: float
    count: float
