"""The README's speed section is what its script writes."""

from pathlib import Path

from bench import table

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")


def run(*rows):
    limits = {"peak": {"float32": 2e11, "float64": 1e11}, "bandwidth": 3e10}
    return {"environment": {"cpu": "a CPU", "packages": "numpy 2"}, "limits": limits, "rows": list(rows)}


def row(case, ratio, *, family="calls", dtype="float32", size="middle", equal=True, **more):
    fixed = {"group": "PCA", "at_least": 2, "ours s": 5e-5, "peer s": 5e-5 * ratio, "ratio": ratio}
    return (
        {"family": family, "case": case, "dtype": dtype, "size": size, "equal_quality": equal} | fixed | more
    )


def test_the_readmes_speed_section_is_written_from_the_stored_runs():
    assert table.rewritten(README, table.stored()) == README


def test_whole_calls_come_first_with_a_line_for_each_model_from_the_worst_case_to_the_best():
    text = table.section([
        run(row("fit a", 3.0), row("fit b", 1.52), row("fit a", 4.0, dtype="float64", equal=False),
            row("fit 100x10", 0.5, size="small"), row("transform one row", 2.0, size="small")),
        run(row("a", 10.0, family="nmf", group="dense")),
    ])  # fmt: skip
    assert "| `PCA` | 1.5 to 3 | 4 \\* | 2 |  | 0.5 | 50 us (2) |" in text
    assert text.index("`PCA`") < text.index("| nmf, dense | 1 | 10 |  |")
    assert "200 GFLOP/s in float32, 100 in float64; 30 GB/s" in text


def test_the_ratio_to_a_peer_that_was_stopped_is_a_bound():
    text = table.section([run(row("fit a", 30.0, stopped=True), row("fit b", 123.4))])
    assert "| > 30 to 123 |" in text


def test_a_case_without_a_peer_has_no_ratio():
    text = table.section([run(row("fit a", 0.0, **{"peer s": None}))])
    assert "| `PCA` |  |  | 2 |" in text


def test_writing_the_section_keeps_the_rest_of_the_file():
    text = f"before\n{table.BEGIN}old\n{table.END}after\n"
    written = table.rewritten(text, [run(row("fit a", 3.0))])
    assert written.startswith(f"before\n{table.BEGIN}Measured on a CPU")
    assert written.endswith(f"|\n{table.END}after\n")
    assert table.rewritten(written, []) == f"before\n{table.BEGIN}{table.END}after\n"
