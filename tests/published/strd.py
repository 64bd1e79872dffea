"""NIST's Statistical Reference Datasets for linear least squares: data and certified coefficients, as text.

National Institute of Standards and Technology, https://www.itl.nist.gov/div898/strd/lls/lls.shtml. Numbers
are kept as NIST prints them, so that they can be read as fractions.
"""

from dataclasses import dataclass
from fractions import Fraction

import numpy as np


@dataclass(frozen=True)
class Dataset:
    """Rows of y and x, a power of x to a feature unless `degree` is 0, and what NIST certifies."""

    rows: tuple[tuple[str, ...], ...]
    certified: tuple[str, ...]
    degree: int = 0
    intercept: bool = True

    def features(self, number):
        """X and y by rows, of the type that `number` makes of text; powers in that type."""
        y = [number(row[0]) for row in self.rows]
        x = [[number(entry) for entry in row[1:]] for row in self.rows]
        if self.degree:
            x = [[row[0] ** power for power in range(1, self.degree + 1)] for row in x]
        return x, y

    def solution(self, X, y):
        """The least-squares solution of these numbers, without any rounding."""
        X = [[Fraction(1)] * self.intercept + [Fraction(v) for v in row] for row in X]
        y = [Fraction(v) for v in y]
        columns = list(zip(*X, strict=True))
        return solved([[dot(a, b) for b in columns] + [dot(a, y)] for a in columns])


def dot(a, b):
    return sum(map(lambda s, t: s * t, a, b))


def solved(table):
    """The solution of a system whose right side is the last column, by Gauss and Jordan."""
    n = len(table)
    for i in range(n):
        table[i] = [v / table[i][i] for v in table[i]]
        for j in range(n):
            if j != i and table[j][i]:
                by = table[j][i]
                table[j] = [a - by * b for a, b in zip(table[j], table[i], strict=True)]
    return [row[-1] for row in table]


def table(text):
    return tuple(tuple(line.split()) for line in text.strip().splitlines())


def pairs(text):
    words = text.split()
    return tuple(zip(words[::2], words[1::2], strict=True))


# Norris, J., NIST: calibration of ozone monitors.
NORRIS = Dataset(
    pairs("""
        0.1 0.2  338.8 337.4  118.1 118.2  888.0 884.6  9.2 10.1  228.1 226.5  668.5 666.3  998.5 996.3
        449.1 448.6  778.9 777.0  559.2 558.2  0.3 0.4  0.1 0.6  778.1 775.5  668.8 666.9  339.3 338.0
        448.9 447.5  10.8 11.6  557.7 556.0  228.3 228.1  998.0 995.8  888.8 887.6  119.6 120.2  0.3 0.3
        0.6 0.3  557.6 556.8  339.3 339.1  888.0 887.2  998.5 999.0  778.9 779.0  10.2 11.1  117.6 118.3
        228.9 229.2  668.4 669.1  449.2 448.9  0.2 0.5
    """),
    ("-0.262323073774029", "1.00211681802045"),
)

# Pontius, P., NIST: load cell calibration.
PONTIUS = Dataset(
    pairs("""
        .11019 150000  .21956 300000  .32949 450000  .43899 600000  .54803 750000  .65694 900000
        .76562 1050000  .87487 1200000  .98292 1350000  1.09146 1500000  1.20001 1650000  1.30822 1800000
        1.41599 1950000  1.52399 2100000  1.63194 2250000  1.73947 2400000  1.84646 2550000  1.95392 2700000
        2.06128 2850000  2.16844 3000000  .11052 150000  .22018 300000  .32939 450000  .43886 600000
        .54798 750000  .65739 900000  .76596 1050000  .87474 1200000  .98300 1350000  1.09150 1500000
        1.20004 1650000  1.30818 1800000  1.41613 1950000  1.52408 2100000  1.63159 2250000  1.73965 2400000
        1.84696 2550000  1.95445 2700000  2.06177 2850000  2.16829 3000000
    """),
    ("0.673565789473684E-03", "0.732059160401003E-06", "-0.316081871345029E-14"),
    degree=2,
)

# Eberhardt, K., NIST: lines through the origin.
NOINT1 = Dataset(
    tuple((str(y), str(y - 70)) for y in range(130, 141)), ("2.07438016528926",), intercept=False
)
NOINT2 = Dataset(pairs("3 4  4 5  4 6"), ("0.727272727272727",), intercept=False)

# Longley (1967), An appraisal of least squares programs for the electronic computer from the viewpoint of the
# user, Journal of the American Statistical Association 62.
LONGLEY = Dataset(
    table("""
        60323  83.0 234289 2356 1590 107608 1947
        61122  88.5 259426 2325 1456 108632 1948
        60171  88.2 258054 3682 1616 109773 1949
        61187  89.5 284599 3351 1650 110929 1950
        63221  96.2 328975 2099 3099 112075 1951
        63639  98.1 346999 1932 3594 113270 1952
        64989  99.0 365385 1870 3547 115094 1953
        63761 100.0 363112 3578 3350 116219 1954
        66019 101.2 397469 2904 3048 117388 1955
        67857 104.6 419180 2822 2857 118734 1956
        68169 108.4 442769 2936 2798 120445 1957
        66513 110.8 444546 4681 2637 121950 1958
        68655 112.6 482704 3813 2552 123366 1959
        69564 114.2 502601 3931 2514 125368 1960
        69331 115.7 518173 4806 2572 127852 1961
        70551 116.9 554894 4007 2827 130081 1962
    """),
    (
        "-3482258.63459582", "15.0618722713733", "-0.358191792925910E-01", "-2.02022980381683",
        "-1.03322686717359", "-0.511041056535807E-01", "1829.15146461355",
    ),
)  # fmt: skip

# Filippelli, A., NIST.
FILIP = Dataset(
    pairs("""
        0.8116 -6.860120914  0.9072 -4.324130045  0.9052 -4.358625055  0.9039 -4.358426747
        0.8053 -6.955852379  0.8377 -6.661145254  0.8667 -6.355462942  0.8809 -6.118102026
        0.7975 -7.115148017  0.8162 -6.815308569  0.8515 -6.519993057  0.8766 -6.204119983
        0.8885 -5.853871964  0.8859 -6.109523091  0.8959 -5.79832982   0.8913 -5.482672118
        0.8959 -5.171791386  0.8971 -4.851705903  0.9021 -4.517126416  0.909  -4.143573228
        0.9139 -3.709075441  0.9199 -3.499489089  0.8692 -6.300769497  0.8872 -5.953504836
        0.89   -5.642065153  0.891  -5.031376979  0.8977 -4.680685696  0.9035 -4.329846955
        0.9078 -3.928486195  0.7675 -8.56735134   0.7705 -8.363211311  0.7713 -8.107682739
        0.7736 -7.823908741  0.7775 -7.522878745  0.7841 -7.218819279  0.7971 -6.920818754
        0.8329 -6.628932138  0.8641 -6.323946875  0.8804 -5.991399828  0.7668 -8.781464495
        0.7633 -8.663140179  0.7678 -8.473531488  0.7697 -8.247337057  0.77   -7.971428747
        0.7749 -7.676129393  0.7796 -7.352812702  0.7897 -7.072065318  0.8131 -6.774174009
        0.8498 -6.478861916  0.8741 -6.159517513  0.8061 -6.835647144  0.846  -6.53165267
        0.8751 -6.224098421  0.8856 -5.910094889  0.8919 -5.598599459  0.8934 -5.290645224
        0.894  -4.974284616  0.8957 -4.64454848   0.9047 -4.290560426  0.9129 -3.885055584
        0.9209 -3.408378962  0.9219 -3.13200249   0.7739 -8.726767166  0.7681 -8.66695597
        0.7665 -8.511026475  0.7703 -8.165388579  0.7702 -7.886056648  0.7761 -7.588043762
        0.7809 -7.283412422  0.7961 -6.995678626  0.8253 -6.691862621  0.8602 -6.392544977
        0.8809 -6.067374056  0.8301 -6.684029655  0.8664 -6.378719832  0.8834 -6.065855188
        0.8898 -5.752272167  0.8964 -5.132414673  0.8963 -4.811352704  0.9074 -4.098269308
        0.9119 -3.66174277   0.9228 -3.2644011
    """),
    (
        "-1467.48961422980", "-2772.17959193342", "-2316.37108160893", "-1127.97394098372",
        "-354.478233703349", "-75.1242017393757", "-10.8753180355343", "-1.06221498588947",
        "-0.670191154593408E-01", "-0.246781078275479E-02", "-0.402962525080404E-04",
    ),
    degree=10,
)  # fmt: skip


# Wampler (1970), A report of the accuracy of some widely used least squares computer programs, Journal of the
# American Statistical Association 65: polynomials of degree 5, alone and under these errors, a hundred times
# and ten thousand times these.
ERRORS = (
    759, -2048, 2048, -2048, 2523, -2048, 2048, -2048, 1838, -2048, 2048,
    -2048, 1838, -2048, 2048, -2048, 2523, -2048, 2048, -2048, 759,
)  # fmt: skip


def wampler(base, times):
    rows = [
        (str(sum((base * x) ** power for power in range(6)) + times * ERRORS[x]), str(x)) for x in range(21)
    ]
    return Dataset(tuple(rows), tuple(str(base**power) for power in range(6)), degree=5)


DATASETS = {
    "Norris": NORRIS, "Pontius": PONTIUS, "NoInt1": NOINT1, "NoInt2": NOINT2, "Longley": LONGLEY,
    "Filip": FILIP, "Wampler1": wampler(1, 0), "Wampler2": wampler(Fraction(1, 10), 0),
    "Wampler3": wampler(1, 1), "Wampler4": wampler(1, 100), "Wampler5": wampler(1, 10_000),
}  # fmt: skip


def digits(found, true):
    """How many leading digits of the worst coefficient are right, up to 15: NIST's log relative error."""
    pairs_of = ((Fraction(float(a)), Fraction(b)) for a, b in zip(found, true, strict=True))
    worst = max(abs((a - b) / b) for a, b in pairs_of)
    return 15.0 if worst == 0 else min(15.0, -float(np.log10(float(worst))))
