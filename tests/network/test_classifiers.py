import pytest
import torch
from safetensors.torch import save_file

from pplr.errors import DataError, MissingInputError
from pplr.network.checkpoint import write_model
from pplr.network.classifiers import read_classifiers
from pplr.network.model import ReIDModel
from tests.network.small import small_backbone

SETTINGS = {"height": 4, "width": 2}


@pytest.fixture
def model():
    return ReIDModel(small_backbone(), 1)


def test_they_come_back_as_they_were_written(tmp_path, model):
    classifiers = torch.randn(2, 5, 2)
    write_model(tmp_path / "00", model, SETTINGS, classifiers=classifiers)
    assert torch.equal(read_classifiers(tmp_path / "00", model, 5), classifiers)


def test_a_model_without_them(tmp_path, model):
    write_model(tmp_path / "init", model, SETTINGS)
    with pytest.raises(MissingInputError) as error:
        read_classifiers(tmp_path / "init", model, 5)
    assert str(error.value) == (
        "A model has no classifiers.\n"
        f"  where:   {tmp_path}/init/classifiers.safetensors\n"
        "  found:   no such file\n"
        "  allowed: the classifiers that train-epoch writes beside the model\n"
        "  next:    remove the model's folder and run `dvc repro`, which fetches or makes it anew"
    )


@pytest.mark.parametrize(
    ("tensors", "found"),
    [
        ({"classifiers": torch.zeros(2, 4, 2)}, "classifiers of shape (2, 4, 2)"),
        ({"classifiers": torch.zeros(4, 5, 2)}, "classifiers of shape (4, 5, 2)"),
        ({"classifiers": torch.zeros(2, 5, 3)}, "classifiers of shape (2, 5, 3)"),
        ({"classifiers": torch.zeros(10, 2)}, "classifiers of shape (10, 2)"),
        ({"other": torch.zeros(2, 5, 2)}, "other of shape (2, 5, 2)"),
        ({}, "none"),
    ],
)
def test_those_of_others_are_one_error(tmp_path, model, tensors, found):
    save_file(tensors, tmp_path / "classifiers.safetensors")
    with pytest.raises(DataError) as error:
        read_classifiers(tmp_path, model, 5)
    assert str(error.value).splitlines()[1:4] == [
        f"  where:   {tmp_path}/classifiers.safetensors",
        f"  found:   {found}",
        "  allowed: classifiers of shape (2, 5, 2): spaces, clusters, features",
    ]


@pytest.mark.parametrize("value", [float("nan"), float("-inf")])
def test_values_that_are_no_numbers(tmp_path, model, value):
    classifiers = torch.zeros(2, 5, 2)
    classifiers[1, 2, 0] = value
    save_file({"classifiers": classifiers}, tmp_path / "classifiers.safetensors")
    with pytest.raises(DataError, match="1 of 20 values are NaN or infinite"):
        read_classifiers(tmp_path, model, 5)


def test_a_cut_file(tmp_path, model):
    file = tmp_path / "classifiers.safetensors"
    save_file({"classifiers": torch.zeros(2, 5, 2)}, file)
    file.write_bytes(file.read_bytes()[:-8])
    with pytest.raises(DataError, match="A model's file cannot be read"):
        read_classifiers(tmp_path, model, 5)
