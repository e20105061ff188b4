"""The curves of the runs on Market-1501."""

from pathlib import Path

from matplotlib.figure import Figure

from benchmarks.market_tables import RUNS, Results
from pplr.settings.schedule import INIT

PANELS = {
    "mAP, % (model after alternation)": ("mAP", 100.0),
    "Adjusted Rand index of the labels": ("adjusted_rand_index", 1.0),
    "Right labels, % of images in a cluster": ("right pseudo-labels", 100.0),
    "Outliers": ("outliers", 1.0),
    "AUC: agreement tells right from wrong labels": ("auc mean", 1.0),
    "Mean agreement": ("agreement", 1.0),
}


def draw(found: Results, changes: tuple[int, ...], file: Path) -> None:
    """Draw each figure over the alternations, a line for each run.

    Parameters
    ----------
    found
        The runs; their first model is init.
    changes
        Epochs from which on training is another, shown as dotted lines.
    file
        The picture to write.
    """
    figure = Figure(figsize=(15, 8), layout="constrained")
    axes = figure.subplots(2, 3, sharex=True)
    colours = {row: f"C{i}" for i, row in enumerate(dict.fromkeys(run.row for run in RUNS))}
    place = {name: -1 if name == INIT else int(name) for _, name, _ in found.values}
    for axis, (title, (wanted, scale)) in zip(axes.flat, PANELS.items(), strict=True):
        for run in RUNS:
            points = sorted(
                (place[name], scale * value)
                for (of, name, known), value in found.values.items()
                if (of, known) == (run, wanted)
            )
            if points:
                axis.plot(
                    *zip(*points, strict=True),
                    "-" if run.seed == 1 else "--",
                    marker="o" if wanted == "mAP" else "",
                    color=colours[run.row],
                    label=f"{run.row}, seed {run.seed}",
                )
        for epoch in changes:
            axis.axvline(epoch, color="grey", linestyle=":", linewidth=1)
        axis.set_title(title)
        axis.grid(alpha=0.3)
        axis.set_xticks([place[name] for name in found.evaluated], found.evaluated)
    for axis in axes[1]:
        axis.set_xlabel("alternation")
    handles, labelled = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labelled, loc="outside lower center", ncols=5)
    figure.savefig(file, dpi=90, metadata={"Software": None})
