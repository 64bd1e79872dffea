"""`python -m bench.table`: write the README's speed section from the runs stored in bench/results/."""

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
RESULTS, README = ROOT / "bench" / "results", ROOT / "README.md"
OTHER = ("instructions", "dask")  # begin the names of results that are not in it
BEGIN, END = "<!-- speed -->\n", "<!-- /speed -->\n"
DTYPES = ("float32", "float64")
WHOLE_CALLS = """\
Whole default calls: how many times as fast as the fastest peer of equal quality, from the worst case to the
best; > where the peer was stopped; \\* where in some case a peer's result is better by more than 1e-3."""

Row = dict[str, Any]


def section(runs: list[Row]) -> str:
    """The text between the markers: whole calls first, then ratios from the same start."""
    whole = [row for run in runs for row in run["rows"] if row["family"] == "calls"]
    same_start = [row for run in runs for row in run["rows"] if row["family"] not in ("calls", "contention")]
    parts = [machine(run) for run in runs[:1]]
    if whole:
        parts.append(whole_calls(whole))
    if same_start:
        parts.append(from_the_same_start(same_start))
    return "\n\n".join(parts) + "\n" if parts else ""


def machine(run: Row) -> str:
    """Where it was measured."""
    about, peak = run["environment"], run["limits"]["peak"]
    return (
        f"Measured on {about['cpu']}, {about['packages']}; {peak['float32'] / 1e9:.0f} GFLOP/s in float32, "
        f"{peak['float64'] / 1e9:.0f} in float64; {run['limits']['bandwidth'] / 1e9:.0f} GB/s read."
    )


def whole_calls(rows: list[Row]) -> str:
    """One line a model: how many times the yardstick's speed, from the worst case to the best."""
    lines = [
        ("model", "fit, float32", "fit, float64", "asked", "transform, predict", "100 x 10", "one row"),
        ("---",) * 7,
    ]
    for model, members in _grouped(rows, lambda row: row["group"]).items():
        fits = [row for row in members if row["case"].startswith("fit") and row["size"] != "small"]
        applied = [row for row in members if not row["case"].startswith("fit") and row["size"] != "small"]
        one_row = [row for row in members if "one row" in row["case"]]
        small = [row for row in members if row["size"] == "small" and row not in one_row]
        asked = sorted({row["at_least"] for row in fits})
        lines.append((
            f"`{model}`", *(_times(row for row in fits if row["dtype"] == dtype) for dtype in DTYPES),
            " to ".join(f"{bar:g}" for bar in dict.fromkeys((asked[0], asked[-1]))) if asked else "",
            _times(applied), _times(small),
            ", ".join(f"{1e6 * row['ours s']:.0f} us{_of_peer(row)}" for row in one_row),
        ))  # fmt: skip
    return f"{WHOLE_CALLS}\n\n{_markdown(lines)}"


def from_the_same_start(rows: list[Row]) -> str:
    """One line a group of cases."""
    lines = [("from the same start", "cases", *DTYPES), ("---",) * 4]
    for (family, group), members in _grouped(rows, lambda row: (row["family"], row["group"])).items():
        ratios = (_times(row for row in members if row["dtype"] == dtype) for dtype in DTYPES)
        lines.append((f"{family}, {group}", str(len(members)), *ratios))
    return f"From the same start to the same objective:\n\n{_markdown(lines)}"


def cases(runs: list[Row]) -> str:
    """Every case for the documentation: a table a model, with the seconds of all that were asked."""
    parts = []
    rows = [row for run in runs for row in run["rows"] if row["family"] == "calls"]
    for model, members in _grouped(rows, lambda row: row["group"]).items():
        names = list(dict.fromkeys(name for row in members for name in row["entries"]))
        lines = [("case", "", *names, "ratio"), ("---",) * (3 + len(names))]
        for row in members:
            seconds = (str(row.get(name, "")) for name in names)
            lines.append((row["case"], row["dtype"], *seconds, _times([row])))
        parts.append(f"### {model}\n\n{_markdown(lines)}")
    return "\n\n".join(parts) + "\n"


def _grouped(rows: Iterable[Row], key: Callable[[Row], Any]) -> dict[Any, list[Row]]:
    groups: dict[Any, list[Row]] = {}
    for row in rows:
        groups.setdefault(key(row), []).append(row)
    return groups


def _times(rows: Iterable[Row]) -> str:
    """The range of the ratios of the cases that had a peer."""
    members = [row for row in rows if row.get("peer s")]
    if not members:
        return ""
    members.sort(key=lambda row: row["ratio"])
    ends = dict.fromkeys(_ratio(row) for row in (members[0], members[-1]))
    return " to ".join(ends) + ("" if all(row["equal_quality"] for row in members) else " \\*")


def _ratio(row: Row) -> str:
    ratio = row["ratio"]
    stopped = "> " if row.get("stopped") else ""
    return stopped + (f"{ratio:.2g}" if ratio < 100 else f"{ratio:.0f}")


def _of_peer(row: Row) -> str:
    return f" ({_times([row])})" if row.get("peer s") else ""


def _markdown(lines: Iterable[Iterable[str]]) -> str:
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def stored() -> list[Row]:
    """The stored runs; ValueError if they are of different machines."""
    paths = [path for path in sorted(RESULTS.glob("*.json")) if not path.stem.startswith(OTHER)]
    runs = [json.loads(path.read_text()) for path in paths]
    if len({run["environment"]["cpu"] for run in runs}) > 1:
        raise ValueError(f"{RESULTS} has runs of different machines: keep those of one")
    return runs


def rewritten(readme: str, runs: list[Row]) -> str:
    """The README with this section."""
    before, _, rest = readme.partition(BEGIN)
    return before + BEGIN + section(runs) + END + rest.partition(END)[2]


if __name__ == "__main__":
    README.write_text(rewritten(README.read_text(encoding="utf-8"), stored()), encoding="utf-8")
