"""`make figures`: pictures of README.md and docs/method.md, from real queries, by the code that runs in production."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

import matplotlib as mpl
import numpy as np

mpl.use("svg")
# The same figure gives the same bytes, and text stays text.
mpl.rcParams.update({"svg.hashsalt": "synalign", "svg.fonttype": "none", "font.size": 9, "axes.spines.top": False})
mpl.rcParams.update({"axes.spines.right": False, "legend.frameon": False, "figure.facecolor": "white"})

from matplotlib import pyplot as plt  # noqa: E402
from sklearn.decomposition import PCA  # noqa: E402
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis  # noqa: E402

from synalign.alignment import align  # noqa: E402
from tests.benchmarks.coverage import FULL, SMOKE, Budgets, curves, warm_and_cold  # noqa: E402
from tests.benchmarks.datasets import kept_folder  # noqa: E402
from tests.benchmarks.made_data import data_folder  # noqa: E402
from tests.benchmarks.measurement import add_size  # noqa: E402
from tests.benchmarks.pools import Pool, pool  # noqa: E402

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

COLOURS = {"coverage": "#0b6e99", "variance": "#c0392b", "random": "#888888", "k-means++": "#c9a227"}
RIDGES = (0.0, 3e-5, 1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 1e-1)
COVERAGES = {0.0: "#c0392b", 1e-2: "#0b6e99"}


def demonstrations(data: Path, shown: Budgets) -> Figure:
    """Selected against random: mean distance of held-out traffic to the nearest demonstration; warm against cold."""
    found = curves(data, shown)
    figure, panels = plt.subplots(1, len(found) + 1, figsize=(12, 2.8), layout="constrained")
    for panel, curve in zip(panels, found, strict=False):
        for name, distance in zip(curve.criteria, curve.distance, strict=True):
            panel.plot(curve.batches, distance, marker="o", markersize=3, color=COLOURS[name], label=name)
        panel.set(title=curve.name, xscale="log", xlabel="batches of 8 shown")
        panel.set_xticks(curve.batches, [str(count) for count in curve.batches])
        panel.minorticks_off()
    panels[0].set_ylabel("mean distance to the nearest shown")
    panels[0].legend()
    days, distance = warm_and_cold(data, shown.a_day[len(shown.a_day) // 2])
    for row, name, colour in ((0, "given earlier days", COLOURS["coverage"]), (1, "cold start", COLOURS["variance"])):
        panels[-1].plot([day[-2:] for day in days], distance[row], marker="o", markersize=3, color=colour, label=name)
    panels[-1].set(title="bing_covid, day by day", xlabel="day of January 2020")
    panels[-1].legend()
    return figure


def before_and_after(made: Pool) -> Figure:
    """The written queries before and after weighting, and the real ones they were never shown, on one plane."""
    alignment = align(made.candidates, made.train, documents=made.documents, held_out=made.held_out)
    written, real = made.candidates @ (axes := _plane(made)), made.held_out @ axes
    extent = np.concatenate([real, written])
    bins = [np.linspace(*np.quantile(extent[:, axis], [0.002, 0.998]), 28) for axis in range(2)]
    sets = (
        (f"{len(written):,} written queries, equal weights", written, None),
        (f"the same, weighted (squared MMD {_times(alignment)} lower)", written, alignment.weights),
        (f"{len(real):,} real queries, held out", real, None),
    )
    figure, panels = plt.subplots(1, 3, figsize=(12, 3.6), layout="constrained", sharex=True, sharey=True)
    densities = [np.histogram2d(*points.T, bins=bins, weights=weights, density=True)[0] for _, points, weights in sets]
    for panel, (title, *_), density in zip(panels, sets, densities, strict=True):
        panel.imshow(np.sqrt(density).T, origin="lower", aspect="auto", cmap="Blues", interpolation="none",
                     vmin=0.0, vmax=np.sqrt(np.max(densities)),
                     extent=(bins[0][0], bins[0][-1], bins[1][0], bins[1][-1]))  # fmt: skip
        panel.set(title=title, xticks=[], yticks=[])
    figure.supxlabel(
        "across: what best tells written from real train queries; up: what varies most beside it", fontsize=8
    )
    return figure


def _plane(made: Pool) -> NDArray[np.float64]:
    """(d, 2): the direction that discriminates written from real train queries, and the first component beside it."""
    rows = np.concatenate([made.candidates, made.train]).astype(np.float64)
    labels = np.repeat([0, 1], [len(made.candidates), len(made.train)])
    across = LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto").fit(rows, labels).coef_[0]
    across /= np.linalg.norm(across)
    beside = PCA(1, random_state=0).fit(rows - np.outer(rows @ across, across)).components_[0]
    return np.column_stack([across, beside])


def size_against_distance(made: Pool) -> Figure:
    """What a closer match costs: effective sample size against held-out squared MMD, as the ridge grows."""
    figure, panels = plt.subplots(1, 2, figsize=(8, 3), layout="constrained", sharey=True)
    documents = len(set(made.documents))
    for coverage, colour in COVERAGES.items():
        found = [
            align(made.candidates, made.train, documents=made.documents, ridge=ridge, coverage=coverage,
                  held_out=made.held_out, tolerance=1e-4)
            for ridge in RIDGES
        ]  # fmt: skip
        distances = [one.held_out.mmd2 for one in found if one.held_out]
        sizes = [one.effective_sample_size / len(made.candidates) for one in found]
        kept = [(one.document_effective_sample_size or 0.0) / documents for one in found]
        for panel, shares in zip(panels, (sizes, kept), strict=True):
            panel.plot(shares, distances, marker="o", markersize=3, color=colour, label=f"coverage = {coverage:g}")
    uniform = found[0].held_out
    for panel, title in zip(panels, ("effective sample size / rows", "document ESS / documents"), strict=True):
        if uniform:
            panel.axhline(uniform.mmd2_uniform, color="#888888", linestyle=":", label="equal weights")
        panel.set(xlabel=title, yscale="log", xlim=(0, 1))
    panels[0].set_ylabel("held-out squared MMD")
    panels[0].legend()
    return figure


def _times(alignment: object) -> str:
    held_out = getattr(alignment, "held_out", None)
    return f"{held_out.mmd2_uniform / held_out.mmd2:.1f}x" if held_out else ""


def main(argv: list[str] | None = None) -> None:
    """Draw every figure into the folder beside this file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, help="folder of public data sets")
    add_size(parser)
    parser.add_argument("--output", type=Path, help="folder of the pictures")
    arguments = parser.parse_args(argv)
    smoke = arguments.size == "smoke"
    with data_folder(arguments.data, arguments.size) as data:
        if data is None:
            parser.error("--data is needed")
        made = pool("clapnq", data / "clapnq")
        figures = {
            "demonstrations": demonstrations(data, SMOKE if smoke else FULL),
            "before-and-after": before_and_after(made),
            "size-against-distance": size_against_distance(made),
        }
    # Pictures of made data never replace those of the pages.
    folder = arguments.output or (kept_folder() if smoke else Path(__file__).parent) / "figures"
    folder.mkdir(parents=True, exist_ok=True)
    for name, figure in figures.items():
        target = folder / f"{name}.svg"
        figure.savefig(target, metadata={"Date": None})
        print(target)


if __name__ == "__main__":
    main()
