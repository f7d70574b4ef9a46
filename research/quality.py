"""Measure the tables of docs/quality.md anew and write them there: `python research/quality.py --data DIR [TABLE ...]`.

`quality.toml` says what each table measures. Every figure, with differences of all pairs, goes to JSON files beside it.
"""

import argparse
import re
import tomllib
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from recsys.evaluation.compare import evaluate
from recsys.evaluation.datasets import known
from recsys.evaluation.judging import Judged
from recsys.evaluation.peers.known import make
from recsys.evaluation.protocols.base import Side
from recsys.evaluation.protocols.known import choose
from recsys.evaluation.report import EvaluationReport
from recsys.ranking.ranked_list import RANKED_LISTS, make_ranked

HERE = Path(__file__).parent
PAGE = HERE.parent / "docs" / "quality.md"


def measure(name: str, table: dict[str, Any], data: Path, side: Side) -> EvaluationReport:
    """Fit and judge all models of a table."""
    dataset = table.get("dataset", name)
    # What needs no files of its own comes from a package, or is simulated.
    content = known.read(dataset, data if (data / dataset).is_dir() or known.DATASETS[dataset].needs_folder else None)
    models: dict[str, Judged] = {
        model: make_ranked(model, content, **given) if model in RANKED_LISTS else make(model, **given)
        for model, given in table["models"].items()
    }
    cutoff = int(table["metrics"][0].partition("@")[2])
    protocol = choose(content, table.get("protocol"))
    return evaluate(content, models, [cutoff], protocol=protocol, side=side, say=lambda text: print(text, flush=True))


def markdown(found: dict[str, dict[str, Any]], metrics: list[str], notes: list[str]) -> str:
    """The table, the best model first; the last columns say how far the others are behind and what they cost.

    Args:
        found: by model, as in `EvaluationReport.as_dict`.
        notes: on what was not measured.
    """
    first, cutoff = metrics[0], metrics[0].partition("@")[2]
    ordered = sorted(found, key=lambda model: -found[model][first])
    best = ordered[0]
    heads = ["model", *metrics, f"item_coverage@{cutoff}", f"{first} below {best}", "fit + scoring, s"]
    lines = [
        f"{found[best]['users']:,} judged, {datetime.now(UTC):%Y-%m-%d}.",
        "",
        "| " + " | ".join(heads) + " |",
        "|---" * len(heads) + "|",
    ]
    for model in ordered:
        values, cells = found[model], [model]
        for metric in metrics:
            low, high = values["intervals"][metric]
            cells.append(f"{values[metric]:.4f} ± {(high - low) / 2:.4f}")
        cells.append(f"{values[f'item_coverage@{cutoff}']:.4f}")
        behind = found[best]["differences"].get(model, {}).get(first)
        cells.append("{mean:.4f} ({interval[0]:+.4f} to {interval[1]:+.4f})".format(**behind) if behind else "")
        cells.append(f"{values['fit_s']:.1f} + {values['score_s']:.1f}")
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join([*lines, *(["", "Not measured: " + " ".join(notes)] if notes else [])])


def write(name: str, text: str) -> None:
    """Put a table between its marks in docs/quality.md."""
    page = PAGE.read_text()
    place = re.compile(rf"(<!-- table {name} -->\n).*?(<!-- end -->)", re.DOTALL)
    if not place.search(page):
        raise SystemExit(f"{PAGE} has no place for the table {name}: <!-- table {name} --> and <!-- end -->.")
    PAGE.write_text(place.sub(lambda marks: f"{marks[1]}{text}\n{marks[2]}", page))


def main() -> None:
    """Measure what the command line asks for."""
    tables: dict[str, dict[str, Any]] = tomllib.loads((HERE / "quality.toml").read_text())
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("tables", nargs="*", help=f"default: all of {', '.join(tables)}")
    parser.add_argument("--data", type=Path, required=True, help="holds the datasets in folders of their names")
    parser.add_argument("--models", help="only these, separated by commas; nothing is written to the page")
    parser.add_argument("--validation", action="store_true", help="the side to choose by; nothing is written either")
    parser.add_argument("--json", type=Path, help="also write all figures into this folder")
    asked = parser.parse_args()
    if unknown := set(asked.tables) - tables.keys():
        parser.error(f"there is no table {', '.join(sorted(unknown))}; there are {', '.join(tables)}")
    side = Side.VALIDATION if asked.validation else Side.TEST
    for name in asked.tables or tables:
        table = tables[name]
        if asked.models:
            table["models"] = {model: table["models"].get(model, {}) for model in asked.models.split(",")}
        report = measure(name, table, asked.data, side)
        notes = [table["left_out"]] if "left_out" in table else []
        notes += [f"{model}: {error.message}" for model, error in report.failed.items()]
        text = markdown(report.as_dict()["models"], table["metrics"], notes)
        if asked.json:
            asked.json.mkdir(parents=True, exist_ok=True)
            report.to_json(asked.json / f"{name}.json")
        if asked.models or asked.validation:
            print(text)
        else:
            write(name, text)


if __name__ == "__main__":
    main()
