"""
One rate of deaths, or two?
===========================

From 1910 to 1912, The Times of London printed each day's deaths of women of 80 years and over. Were they all
alike likely, counts would follow a Poisson distribution, whose variance is its mean. They vary more. A
mixture of two Poisson distributions asks whether there are two kinds of days, as winter and summer might
make.
"""

import matplotlib.pyplot as plt
from scipy.stats import poisson

import gramfold as gf

deaths, days = gf.datasets.times_deaths()  # the numbers 0 to 9, and on how many days there were so many
total = days.sum()
mean = days @ deaths[:, 0] / total
print(f"{total:.0f} days, mean {mean:.2f} deaths, variance {days @ (deaths[:, 0] - mean) ** 2 / total:.2f}")

# %%
# A row of X is a number of deaths, and its weight the days. Akaike's criterion decides: the smaller, the
# better.

one, two = (
    gf.PoissonMixture(k, tol=1e-9, max_iter=500, random_state=0).fit(deaths, sample_weight=days)
    for k in (1, 2)
)
aic = {"one rate": one.aic(deaths, sample_weight=days), "two rates": two.aic(deaths, sample_weight=days)}
for weight, rate in zip(two.weights_, two.rates_[:, 0], strict=True):
    print(f"on {weight:.0%} of the days {rate:.2f} deaths are expected")
print("AIC: " + ", ".join(f"{name} {value:.1f}" for name, value in aic.items()))
assert aic["two rates"] < aic["one rate"]

# %%

expected = {"one rate": total * poisson.pmf(deaths[:, 0], mean)}
parts = total * two.weights_ * poisson.pmf(deaths, two.rates_[:, 0])
expected["two rates"] = parts.sum(axis=1)

figure, ax = plt.subplots(figsize=(7, 4.2), layout="constrained")
ax.bar(deaths[:, 0], days, color="0.85", label="observed")
for name, values in expected.items():
    ax.plot(deaths[:, 0], values, "o-", label=f"{name}, AIC {aic[name]:.1f}")
for part, weight, rate, line in zip(parts.T, two.weights_, two.rates_[:, 0], (":", "-."), strict=True):
    ax.plot(
        deaths[:, 0], part, line, color="tab:orange", label=f"{weight:.0%} of the days, {rate:.2f} deaths"
    )
ax.set_xticks(deaths[:, 0])
ax.set_xlabel("deaths on a day")
ax.set_ylabel("days")
ax.set_title("Deaths of women of 80 and over in The Times")
ax.legend(frameon=False)

plt.show()
