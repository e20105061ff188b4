"""Runs and alternations compared: what is changed is found where it was changed."""

import shutil

import numpy as np
import pytest
from ruamel.yaml import YAML
from safetensors.numpy import load_file, save_file

from pplr.errors import DataError, MissingInputError, SettingError
from pplr.runs.compare import MEASURES, PIECES, beyond, compare_alternations, compare_runs
from pplr.runs.comparison_words import format_comparison
from pplr.runs.differences import DIFFERENCES
from pplr.runs.sides import compare_sides, read_pieces, read_tolerances
from pplr.storage.arrays import read_arrays, read_digest, write_arrays
from pplr.storage.checksums import write_checksums
from pplr.storage.images import chunk_file
from pplr.storage.json_files import read_json, write_json
from pplr.storage.layout import SPLITS
from tests.packing import write_split
from tests.tiny import ROOT, working_in

RANKING = ("average_precision", "gallery_ranked_list")


def rewrite(run, name, group, change):
    """Write a group anew with arrays that `change` has changed in place."""
    path = run.paths.arrays(name, group)
    names = {"features": ("global", "parts"), "clusters": ("pseudo_labels", "ranked_list")}.get(
        group, ("ranked_lists", "cross_agreement")
    )
    values = dict(zip(names, map(np.array, read_arrays(path, *names)), strict=True))
    change(values)
    write_arrays(path, values, digest=read_digest(path))


def test_a_run_is_the_same_as_its_copy(run, copy):
    comparison = compare_runs(run, copy)
    assert comparison.not_compared == []
    assert beyond(comparison, {}) == []
    assert list(comparison.rows) == ["dataset", "init", "00", "01"]
    assert comparison.rows["dataset"] == {"pixels": 0}
    assert comparison.rows["init"].keys() == {
        *("weights", "mAP", "rank1", "rank5", "rank10", "gallery_overlap")
    }
    assert comparison.rows["01"].keys() == MEASURES.keys() - {"pixels"}
    assert comparison.rows["00"] == {name: MEASURES[name].same for name in comparison.rows["00"]}


@pytest.mark.parametrize("piece", ["features", "clusters", "agreement", "ranking"])
def test_arrays_of_the_same_checksums_are_not_read(run, copy, piece):
    path = copy.paths.ranking("01") if piece == "ranking" else copy.paths.arrays("01", piece)
    a, b = (one.alternation("01") for one in (run, copy))
    measures = {name: one.same for name, one in MEASURES.items() if one.piece == piece}
    assert DIFFERENCES[piece](a, b) == measures
    for file in path.rglob("c/**/*"):
        if file.is_file():
            file.write_bytes(b"damaged")
    assert DIFFERENCES[piece](a, b) == measures


def bump_pixel(run):
    file = chunk_file(run.paths.split("query"), 0)
    content = bytearray(file.read_bytes())
    content[1000] ^= 8
    file.write_bytes(content)
    write_checksums(run.paths.split("query"))


def bump_feature(run):
    rewrite(run, "01", "features", lambda arrays: arrays["parts"].__setitem__((3, 1, 5), 0.75))


def bump_label(run):
    rewrite(run, "01", "clusters", lambda arrays: arrays["pseudo_labels"].__setitem__(0, -1))


def bump_agreement(run):
    rewrite(run, "00", "agreement", lambda arrays: arrays["cross_agreement"].__iadd__(0.001))


def bump_weight(run):
    folder = run.paths.model("init")
    tensors = load_file(folder / "weights.safetensors")
    name = sorted(tensors)[0]
    tensors[name] = tensors[name] + np.float32(0.25)
    save_file(tensors, folder / "weights.safetensors")
    write_checksums(folder)


def bump_ranking(run):
    path = run.paths.ranking("init")
    precisions, ranked = map(np.array, read_arrays(path, *RANKING))
    ranked[0, 0] = -1
    arrays = dict(zip(RANKING, (precisions, ranked), strict=True))
    write_arrays(path, arrays, digest=read_digest(path))


def bump_json(kind, key):
    def bump(run):
        path = getattr(run.paths, kind)("01")
        values = read_json(path)
        write_json(path, {**values, key: values[key] + 0.125})

    return bump


CHANGES = {
    "pixels": (bump_pixel, "dataset", 8),
    "features": (bump_feature, "01", None),
    "rand_index": (bump_label, "01", None),
    "agreement": (bump_agreement, "00", 0.001),
    "weights": (bump_weight, "init", 0.25),
    "losses": (bump_json("training", "part_loss"), "01", 0.125),
    "mAP": (bump_json("evaluation", "mAP"), "01", 0.125),
    "gallery_overlap": (bump_ranking, "init", None),
}


@pytest.mark.parametrize("measure", CHANGES)
def test_a_change_is_found_where_it_is(run, copy, measure):
    change, row, value = CHANGES[measure]
    change(copy)
    found = beyond(compare_runs(run, copy), {})
    piece = MEASURES[measure].piece
    assert {(one.row, MEASURES[one.measure].piece) for one in found} == {(row, piece)}
    assert found[0].measure == measure
    if value is not None:
        assert abs(found[0].value) == pytest.approx(value, abs=1e-6)
    allowed = {one.measure: abs(one.value) for one in found}
    assert beyond(compare_runs(run, copy), allowed) == []
    others = [one for one in PIECES if one != piece]
    assert beyond(compare_runs(run, copy, others), {}) == []


def test_numbers_of_two_alternations(run):
    a, b = (run.alternation(name) for name in run.alternations)
    comparison = compare_alternations(a, b)
    assert list(comparison.rows) == ["00, 01"]
    measures = comparison.rows["00, 01"]
    labels = [one.pseudo_labels[:] for one in (a, b)]
    assert measures["outliers"] == (labels[1] < 0).sum() - (labels[0] < 0).sum()
    assert measures["clusters"] == labels[1].max() - labels[0].max()
    gap = np.abs(a.cross_agreement[:].astype(float) - b.cross_agreement[:])
    assert measures["agreement"] == pytest.approx(gap.max())
    assert measures["agreement_mean"] == pytest.approx(gap.mean())
    shared = [
        len({*x} & {*y}) / len(x)
        for x, y in zip(a.ranked_list[:].tolist(), b.ranked_list[:].tolist(), strict=True)
    ]
    assert measures["overlap"] == pytest.approx(np.mean(shared))
    assert comparison.not_compared == [
        "evaluation of 00, 01: only in B",
        "ranking of 00, 01: only in B",
    ]


def test_what_one_lacks_is_said(run, copy):
    shutil.rmtree(copy.paths.arrays("01", "agreement"))
    shutil.rmtree(copy.paths.split("gallery"))
    rewrite(copy, "00", "features", lambda arrays: arrays.update(parts=arrays["parts"][:, :2]))
    comparison = compare_runs(run, copy)
    assert len(comparison.not_compared) == 3
    assert comparison.not_compared[0] == "gallery of dataset: not in both"
    assert "features of 00: (48, 3, 512) in A, (48, 2, 512) in B" in comparison.not_compared
    assert comparison.not_compared[2] == "agreement of 01: only in A"
    assert beyond(comparison, {}) == []


def of_other_images(split):
    """Give a split the digest of another table of images."""
    path = split / "zarr.json"
    path.write_text(path.read_text().replace(read_digest(split), "0" * 64))
    write_checksums(split)


def test_another_gallery_is_not_compared_row_by_row(run, copy):
    bump_ranking(copy)
    of_other_images(copy.paths.split("gallery"))
    comparison = compare_runs(run, copy)
    assert comparison.not_compared == [
        "gallery of dataset: other images",
        "ranking of init: the two have other gallery images",
    ]
    assert comparison.rows["init"]["mAP"] == 0


def test_pixels_of_other_sizes_are_not_the_same(run, copy):
    for name in SPLITS:
        split, path = run.split(name), copy.paths.split(name)
        shutil.rmtree(path)
        smaller = np.zeros((len(split), 8, 4, 3), np.uint8)
        columns = {"pids": split.pids[:], "camids": split.camids[:]}
        write_split(path, smaller, columns=columns, paths=split.paths[:].tolist())
    comparison = compare_runs(run, copy, ("images",))
    assert comparison.rows == {}
    assert "train of dataset: (48, 64, 32, 3) in A, (48, 8, 4, 3) in B" in comparison.not_compared
    assert len(comparison.not_compared) == 3
    assert format_comparison(comparison, []).endswith("\nnothing could be compared")


def test_what_only_one_could_evaluate_is_said(run, copy):
    path = copy.paths.evaluation("01")
    values = read_json(path)
    write_json(path, dict.fromkeys(values, None) | {"num_valid_queries": 0})
    comparison = compare_runs(run, copy, ("evaluation",))
    assert comparison.not_compared == ["evaluation of 01: no query had a correct image in B"]


def test_nothing_compared_is_not_called_the_same(run, copy):
    for name in ("00", "01"):
        shutil.rmtree(copy.paths.arrays(name, "features"))
    comparison = compare_runs(copy, copy, ("features",))
    assert comparison.not_compared == ["all that was asked for: neither has any of it"]
    assert format_comparison(comparison, []).endswith("\nnothing could be compared")


def test_runs_of_other_images_are_refused(run, copy):
    of_other_images(copy.paths.split("train"))
    with pytest.raises(DataError, match="other training images"):
        compare_runs(run, copy)


def test_a_damaged_model_is_refused(run, copy):
    bump_weight(copy)
    weights = copy.paths.model("init") / "weights.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    with pytest.raises(DataError, match="not what was written"):
        compare_runs(run, copy)


# --- what a user names ---------------------------------------------------------------------


def test_folders_and_alternations(run, copy):
    bump_label(copy)
    with working_in(copy.paths.root):
        here = compare_sides("00", "01")
        assert here == compare_sides(".:00", f"{copy.paths.root}:01")
        assert list(compare_sides(":01", f"{run.paths.root}:01").rows) == ["01"]
        whole = compare_sides(str(run.paths.root), ".", ("clusters",))
    assert {row: set(measures) for row, measures in whole.rows.items()} == {
        name: {"rand_index", "clusters", "outliers", "split", "merged", "overlap"}
        for name in ("00", "01")
    }


@pytest.mark.parametrize(
    ("a", "b", "error", "text"),
    [
        ("00", ".", SettingError, "cannot be compared with a run"),
        ("00", "07", MissingInputError, "no such"),
        (":00", ".:07", MissingInputError, "no such alternation"),
        ("/", ".", MissingInputError, "holds no run"),
        ("main", ".", MissingInputError, "git and DVC"),
    ],
)
def test_sides_that_are_not_there(run, a, b, error, text):
    with working_in(run.paths.root), pytest.raises(error, match=text):
        compare_sides(a, b)


def test_tolerances_of_a_file_and_of_the_command_line(tmp_path):
    file = tmp_path / "tolerances.yaml"
    file.write_text("features: 0.001\nmAP: 1e-2\n")
    assert read_tolerances(file, ["mAP=0.5"]) == {"features": 0.001, "mAP": 0.5}
    assert read_tolerances(None, []) == {}


def test_the_workflow_compares_with_the_documented_tolerances():
    allowed = read_tolerances(ROOT / "docs" / "tolerances.yaml", [])
    assert allowed.keys() <= MEASURES.keys()
    workflow = YAML(typ="safe").load(ROOT / ".github" / "workflows" / "regression.yml")
    steps = workflow["jobs"]["regression"]["steps"]
    commands = "\n".join(step.get("run", "") for step in steps)
    assert 'pplr compare "$BASE" . --tolerances docs/tolerances.yaml' in commands
    assert commands.index("dvc pull") < commands.index("dvc repro") < commands.index("pplr compare")


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ("feature=1", "did you mean `features`"),
        ("features", "no number"),
        ("features=-1", "no number"),
        ("features=nan", "no number"),
        ("mAP=high", "mAP=0.001"),
    ],
)
def test_tolerances_that_are_none(given, text):
    with pytest.raises(SettingError, match=text):
        read_tolerances(None, [given])


def test_a_file_of_tolerances_that_is_not_there(tmp_path):
    with pytest.raises(MissingInputError, match="file of tolerances"):
        read_tolerances(tmp_path / "none.yaml", [])


def test_pieces():
    assert read_pieces("") == PIECES
    assert read_pieces("features, clusters") == ("features", "clusters")
    with pytest.raises(SettingError, match="did you mean `clusters`"):
        read_pieces("cluster")
