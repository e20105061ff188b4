from pathlib import Path

import pytest

from pplr.errors import DataError, MissingInputError
from pplr.runs import open_run
from pplr.storage.arrays import read_arrays, write_arrays


def test_arrays_of_other_images_are_refused(copy):
    path = copy.paths.arrays("01", "clusters")
    labels, ranked = read_arrays(path, "pseudo_labels", "ranked_list")
    write_arrays(path, {"pseudo_labels": labels, "ranked_list": ranked}, digest="another")
    with pytest.raises(DataError, match="another table of images") as caught:
        _ = copy.alternation("01").pseudo_labels
    assert str(path) in str(caught.value)
    with pytest.raises(DataError, match="another table of images"):
        copy.row(0)


@pytest.mark.parametrize("row", [-1, 48, 10**9])
def test_a_row_that_is_not_there(run, row):
    with pytest.raises(DataError, match="There is no such training image") as caught:
        run.row(row)
    assert f"found:   row {row}\n" in str(caught.value)
    assert "allowed: rows 0 to 47\n" in str(caught.value)


@pytest.mark.parametrize("name", ["02", "init", "1", ""])
def test_an_alternation_that_is_not_there(run, name):
    with pytest.raises(MissingInputError, match="There is no such alternation") as caught:
        run.alternation(name)
    assert f"found:   {name}\n" in str(caught.value)
    assert "allowed: 00 | 01\n" in str(caught.value)
    assert "dvc repro" in str(caught.value)


def test_a_model_and_a_split_that_are_not_there(run):
    with pytest.raises(MissingInputError, match="There is no such model") as caught:
        run.model("07")
    assert "allowed: init | 00 | 01\n" in str(caught.value)
    with pytest.raises(MissingInputError, match="There is no such split") as caught:
        run.split("test")
    assert "allowed: train | query | gallery\n" in str(caught.value)


def test_part_agreement_of_a_run_that_has_none(run):
    with pytest.raises(MissingInputError, match="no agreement of the parts") as caught:
        _ = run.alternation("01").part_agreement
    assert "allowed: a run with `part_refinement: parts`\n" in str(caught.value)


def test_a_folder_that_holds_no_run(tmp_path):
    with pytest.raises(MissingInputError, match="This folder holds no run") as caught:
        open_run(tmp_path)
    assert f"where:   {tmp_path}\n" in str(caught.value)
    assert "found:   no params.yaml and no schedule.yaml\n" in str(caught.value)
    assert "next:    name the root" in str(caught.value)
    (tmp_path / "params.yaml").touch()
    with pytest.raises(MissingInputError, match=r"found:   no schedule\.yaml\n"):
        open_run(tmp_path)


def test_a_folder_below_the_root_names_the_root(tiny_run):
    with pytest.raises(MissingInputError, match="This folder holds no run") as caught:
        open_run(Path(tiny_run) / "data" / "alternations")
    assert f"next:    open {tiny_run}, which is the root" in str(caught.value)
