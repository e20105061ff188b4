"""What `pplr inspect` shows, in plain text for a terminal."""

from collections.abc import Iterable, Sequence
from typing import Any

from pplr.printing import printable
from pplr.runs.progress import aligned, format_history

LOOKING = "purity: the share of a cluster's images that have its commonest true identity, which "
LOOKING += "training never reads; for looking only"
_BARS = " ▁▂▃▄▅▆▇█"


def run_words(facts: dict[str, Any]) -> str:
    """Return a run in words."""
    images = ", ".join(f"{count:,} {name}" for name, count in facts["images"].items())
    changed = [
        f"  {name}: {values['here']}  (preset {values['preset']})"
        for name, values in facts["changed"].items()
    ]
    lines = [
        f"{facts['dataset']}: {images or 'no images yet'}; "
        f"{len(facts['alternations'])} alternations",
        *(["settings other than the preset's:", *changed] if changed else []),
        "",
        format_history(facts["history"]) if facts["history"] else "nothing has run yet",
    ]
    if facts["unfinished"]:
        lines += ["", f"{facts['unfinished']}; `dvc repro` goes on"]
    if facts["missing"]:
        missing = f"{len(facts['missing'])} outputs of this revision"
        lines += ["", f"DVC's cache lacks {missing}, as {facts['missing'][0]}: `dvc fetch`"]
    return "\n".join(lines)


def alternation_words(facts: dict[str, Any]) -> str:
    """Return an alternation in words."""
    sizes = facts["sizes"]
    spread = f" of {sizes[-1]} to {sizes[0]} images, half of them up to {_median(sizes)}"
    lines = [
        f"alternation {facts['alternation']}: {facts['images']:,} images in {facts['clusters']} "
        f"clusters{spread}; {facts['outliers']} outliers",
    ]
    if facts["adjusted_rand_index"] is not None:
        lines.append(
            f"adjusted Rand index with the true identities {facts['adjusted_rand_index']:.3f}"
        )
    for part, found in enumerate(facts.get("agreement", ()), start=1):
        lines.append(
            f"agreement of part {part}: mean {found['mean']:.3f}  0 |{_bars(found['histogram'])}| 1"
        )
    for title, key in (("largest", "largest"), ("most mixed", "most_mixed")):
        if facts.get(key):
            lines += ["", f"{title} clusters", _clusters(facts[key])]
    for key in ("lowest", "highest"):
        if facts.get(key):
            lines += ["", f"images of {key} agreement", _images(facts[key])]
    for name in ("training", "evaluation"):
        if facts[name]:
            lines += ["", f"{name}: " + _values(facts[name])]
    if "most_mixed" in facts:
        lines += ["", LOOKING]
    return "\n".join(lines)


def cluster_words(facts: dict[str, Any]) -> str:
    """Return a cluster in words."""
    lines = [
        f"cluster {facts['cluster']} of alternation {facts['alternation']}: {facts['size']} images",
        "",
        _images(facts["images"]),
        "",
    ]
    for key, words in (("before", "the alternation before"), ("after", "the next alternation")):
        if facts[key] is not None:
            places = ", ".join(f"{count} in {_place(int(c))}" for c, count in facts[key].items())
            lines.append(f"in {words}: {places}")
    if facts.get("nearest"):
        near = ", ".join(f"{one['cluster']} ({one['similarity']:.2f})" for one in facts["nearest"])
        lines.append(f"nearest clusters, by cosine similarity of mean features: {near}")
    if facts["purity"] is not None:
        lines += [f"purity {facts['purity']:.2f}, of identity {facts['pid']}", LOOKING]
    return "\n".join(lines)


def image_words(facts: dict[str, Any]) -> str:
    """Return an image in words; a star marks neighbours that a part shares with the global list."""
    pid = "" if facts["pid"] is None else f", true identity {facts['pid']}"
    shared = set(facts["neighbours"]["global"])
    table = [["nearest", *facts["neighbours"]]]
    for rank in range(max(len(ranked) for ranked in facts["neighbours"].values())):
        cells = [
            f"{ranked[rank]}{'*' if space != 'global' and ranked[rank] in shared else ' '}"
            if rank < len(ranked)
            else ""
            for space, ranked in facts["neighbours"].items()
        ]
        table.append([str(rank + 1), *cells])
    parts = max(len(seen["agreement"] or ()) for seen in facts["through"].values())
    titles = [f"agreement {part}" for part in range(1, parts + 1)]
    through = [["alternation", "cluster", *titles, "refined label"]]
    for name, seen in facts["through"].items():
        label = "" if seen["pseudo_label"] is None else str(seen["pseudo_label"])
        values = [f"{value:.3f}" for value in seen["agreement"] or ()]
        agreement = values + [""] * (parts - len(values))
        through.append([name, label, *agreement, _refined_label(seen["refined_label"])])
    path, camera = printable(facts["path"]), _camera(facts["camid"])
    return "\n".join(
        [
            f"image {facts['row']}: {path}, camera {camera}{pid}",
            "",
            aligned(through),
            "",
            f"neighbours in alternation {facts['alternation']}; * is in the global list too",
            aligned(table),
            "",
            _images(facts["images"]),
        ]
    )


def _refined_label(classes: Sequence[dict[str, Any]] | None) -> str:
    """Return the classes of a refined label with their weights; empty before the epoch."""
    if classes is None:
        return ""
    words = ", ".join(f"{one['cluster']}: {one['weight']:.2f}" for one in classes)
    return words or "not trained on"


def _clusters(clusters: Sequence[dict[str, Any]]) -> str:
    parts = len(clusters[0]["agreement"] or ())
    has_purity = any(one["purity"] is not None for one in clusters)
    titles = [f"agreement {part}" for part in range(1, parts + 1)]
    table = [["cluster", "images", *titles, *(["purity"] if has_purity else [])]]
    for one in clusters:
        purity = [] if not has_purity else ["" if one["purity"] is None else f"{one['purity']:.2f}"]
        means = [f"{value:.3f}" for value in one["agreement"] or ()]
        table.append([str(one["cluster"]), str(one["size"]), *means, *purity])
    return aligned(table)


def _images(images: Iterable[dict[str, Any]]) -> str:
    images = list(images)
    parts = len(images[0].get("agreement", ())) if images else 0
    titles = [f"agreement {part}" for part in range(1, parts + 1)]
    has_pid = any(one["pid"] is not None for one in images)
    table = [["row", "cluster", "camera", *(["identity"] if has_pid else []), *titles, "path"]]
    for one in images:
        pid = [] if not has_pid else ["" if one["pid"] is None else str(one["pid"])]
        values = [f"{value:.3f}" for value in one.get("agreement", ())]
        cells = [str(one["row"]), str(one["pseudo_label"]), _camera(one["camid"]), *pid, *values]
        table.append([*cells, printable(one["path"])])
    width = max(len(line[-1]) for line in table)
    return aligned([[*line[:-1], line[-1].ljust(width)] for line in table])


def _bars(counts: Sequence[int]) -> str:
    highest = max(1, *counts)
    return "".join(_BARS[-(-count * (len(_BARS) - 1) // highest)] for count in counts)


def _values(values: dict[str, Any]) -> str:
    return ", ".join(
        f"{name} {value:.4g}" if isinstance(value, float) else f"{name} {value}"
        for name, value in values.items()
    )


def _median(descending: Sequence[int]) -> int:
    return descending[len(descending) // 2]


def _place(cluster: int) -> str:
    return "no cluster" if cluster < 0 else f"cluster {cluster}"


def _camera(camid: int) -> str:
    return "?" if camid < 0 else str(camid)
