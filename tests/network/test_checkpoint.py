import os
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from pplr.errors import DataError, MissingInputError, PplrError
from pplr.network.backbones import make_backbone
from pplr.network.checkpoint import (
    epoch_bytes,
    read_model,
    read_optimizer,
    read_settings,
    read_teacher,
    recorded_size,
    write_model,
)
from pplr.network.model import ReIDModel
from pplr.storage.checksums import write_checksums
from pplr.storage.json_files import read_json, write_json
from pplr.training.optimizer import make_optimizer, optimizer_state

SETTINGS = {"backbone": "demo_resnet", "height": 64, "width": 32, "num_parts": 2}


@pytest.fixture
def model():
    """Return a model whose every tensor is random, running statistics included."""
    generator = torch.Generator().manual_seed(0)
    model = ReIDModel(make_backbone("demo_resnet", height=32, width=16), 2)
    with torch.no_grad():
        for tensor in model.state_dict().values():
            tensor.copy_(torch.rand(tensor.shape, generator=generator) * 9)
    return model


def files_below(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def assert_equal(actual, expected):
    assert set(actual) == set(expected)
    assert all(torch.equal(actual[key], expected[key]) for key in expected)


def test_a_model_comes_back_as_it_was(tmp_path, model):
    write_model(tmp_path / "init", model, SETTINGS)
    again = read_model(tmp_path / "init")
    assert_equal(again.state_dict(), model.state_dict())
    assert again.num_parts == 2
    images = torch.rand(2, 3, 32, 16, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        assert torch.equal(again.eval()(images), model.eval()(images))
    assert read_settings(tmp_path / "init") == SETTINGS


def test_whoever_may_read_the_folder_may_read_its_files(tmp_path, model):
    before = os.umask(0o027)
    try:
        write_model(tmp_path / "init", model, SETTINGS, classifiers=torch.zeros(3, 2, 4))
    finally:
        os.umask(before)
    modes = {path.name: path.stat().st_mode & 0o777 for path in (tmp_path / "init").iterdir()}
    assert len(modes) == 4
    assert set(modes.values()) == {0o640}


def test_pooling_and_the_pixels_mean_come_back(tmp_path):
    model = ReIDModel(make_backbone("demo_resnet", height=32, width=16), 2, pooling="gem")
    torch.nn.init.constant_(model.pooling.p, 4.5)
    colours = {"mean": (0.5, 0.25, 0.125), "std": (0.1, 0.2, 0.3)}
    write_model(tmp_path / "00", model, {**SETTINGS, "pooling": "gem", **colours})
    assert "pooling.p" in load_file(tmp_path / "00" / "weights.safetensors")
    again = read_model(tmp_path / "00")
    assert again.pooling.p.item() == 4.5
    assert (again.backbone.mean, again.backbone.std) == (colours["mean"], colours["std"])
    images = torch.full((1, 2, 2, 3), 51, dtype=torch.uint8)  # 0.2
    expected = torch.tensor([(0.2 - 0.5) / 0.1, (0.2 - 0.25) / 0.2, (0.2 - 0.125) / 0.3])
    torch.testing.assert_close(again.normalised(images, "cpu")[0, :, 0, 0], expected)


def test_a_folder_from_before_says_nothing_of_pooling_and_pixels(tmp_path, model):
    write_model(tmp_path / "00", model, SETTINGS)
    again = read_model(tmp_path / "00")
    assert again.backbone.mean == (0.485, 0.456, 0.406)
    assert list(again.pooling.parameters()) == []


def test_the_folder_by_hand(tmp_path, model):
    optimizer = {"step": torch.tensor(40.0), "exp_avg.a": torch.ones(2)}
    classifiers = torch.rand(3, 5, 512)
    write_model(tmp_path / "00", model, SETTINGS, optimizer=optimizer, classifiers=classifiers)
    assert set(files_below(tmp_path / "00")) == {
        "weights.safetensors",
        "checksums.json",
        "settings.json",
        "optimizer.safetensors",
        "classifiers.safetensors",
    }
    assert read_json(tmp_path / "00" / "settings.json") == SETTINGS
    assert_equal(load_file(tmp_path / "00" / "optimizer.safetensors"), optimizer)
    stored = load_file(tmp_path / "00" / "classifiers.safetensors")
    assert_equal(stored, {"classifiers": classifiers})


def test_before_the_first_epoch_there_is_no_optimizer(tmp_path, model):
    write_model(tmp_path / "init", model, SETTINGS)
    written = {"weights.safetensors", "settings.json", "checksums.json"}
    assert set(files_below(tmp_path / "init")) == written
    assert read_optimizer(tmp_path / "init", model) is None


def test_writing_replaces_the_whole_folder(tmp_path, model):
    write_model(tmp_path / "00", model, SETTINGS, optimizer={"step": torch.tensor(1.0)})
    write_model(tmp_path / "00", model, SETTINGS)
    assert read_optimizer(tmp_path / "00", model) is None
    assert [path.name for path in tmp_path.iterdir()] == ["00"]


def test_the_bytes_depend_on_the_values_alone(tmp_path, model):
    optimizer = {"b": torch.rand(2, 3), "a": torch.rand(4)}
    write_model(tmp_path / "one", model, SETTINGS, optimizer=optimizer)
    # Another place, another memory layout, gradients, another order, a view of something larger.
    model.to(memory_format=torch.channels_last)
    for parameter in model.parameters():
        parameter.grad = torch.ones_like(parameter)
    wide = torch.zeros(2, 6)
    wide[:, ::2] = optimizer["b"]
    other = {"a": optimizer["a"], "b": wide[:, ::2]}
    write_model(tmp_path / "two", model, SETTINGS, optimizer=other)
    assert files_below(tmp_path / "one") == files_below(tmp_path / "two")


def test_writing_leaves_the_model_as_it_was(tmp_path, model):
    before = {key: value.clone() for key, value in model.state_dict().items()}
    model.train()
    write_model(tmp_path / "00", model, SETTINGS)
    assert_equal(model.state_dict(), before)
    assert model.training
    assert next(model.parameters()).requires_grad


def test_training_can_go_on_from_what_is_read(tmp_path, model):
    write_model(tmp_path / "00", model, SETTINGS)
    again = read_model(tmp_path / "00")
    trainable = [name for name, p in again.named_parameters() if p.requires_grad]
    assert trainable == [name for name, p in model.named_parameters() if p.requires_grad]
    assert "bnnecks.0.bias" not in trainable


def test_a_missing_model(tmp_path):
    with pytest.raises(MissingInputError, match="A model is missing") as caught:
        read_model(tmp_path / "07")
    assert str(tmp_path / "07") in str(caught.value)
    assert "dvc repro" in str(caught.value)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_values_that_are_no_numbers_are_refused_by_file_and_key(tmp_path, model, dtype, value):
    write_model(tmp_path / "00", model, SETTINGS, teacher=model.state_dict())
    for name, read in (("weights", read_model), ("ema", lambda path: read_teacher(path, model))):
        file = tmp_path / "00" / f"{name}.safetensors"
        tensors = load_file(file)
        tensors["bnnecks.1.running_var"] = torch.ones(512, dtype=dtype)
        tensors["bnnecks.1.running_var"][7] = value
        save_file(tensors, file)
        write_checksums(tmp_path / "00")
        with pytest.raises(DataError, match="A model's file cannot be read") as caught:
            read(tmp_path / "00")
        assert f"where:   {file}" in str(caught.value)
        assert "bnnecks.1.running_var: 1 of 512 values are NaN or infinite" in str(caught.value)


@pytest.mark.parametrize(
    ("name", "content", "found"),
    [
        ("settings.json", {}, "KeyError: 'height'"),
        ("settings.json", "[1]", "TypeError"),
        ("settings.json", "{", "JSONDecodeError"),
        ("settings.json", SETTINGS | {"num_parts": "two"}, "num_parts: 'two', where whole number"),
        ("settings.json", SETTINGS | {"num_parts": 10**6}, "num_parts: 1000000, where whole"),
        ("settings.json", SETTINGS | {"num_parts": True}, "num_parts: True, where whole number"),
        ("settings.json", SETTINGS | {"height": 10**9}, "height: 1000000000, where whole number"),
        ("settings.json", SETTINGS | {"backbone": "resnet19"}, "backbone: 'resnet19', where demo"),
        ("settings.json", SETTINGS | {"pooling": ["gem"]}, "pooling: ['gem'], where mean | gem"),
        ("settings.json", SETTINGS | {"num_parts": 3}, "bnnecks.3.weight"),
        ("settings.json", SETTINGS | {"mean": [0.5, 0.5]}, "ValueError"),
        ("settings.json", SETTINGS | {"std": 0.5}, "TypeError"),
        ("settings.json", SETTINGS | {"pooling": "max"}, "pooling: 'max', where mean | gem"),
        ("weights.safetensors", "PK", "header too small"),
    ],
)
def test_a_folder_that_another_program_has_written_is_one_message(
    tmp_path, model, name, content, found
):
    write_model(tmp_path / "00", model, SETTINGS)
    if isinstance(content, dict):
        write_json(tmp_path / "00" / name, content)
    else:
        (tmp_path / "00" / name).write_text(content)
    write_checksums(tmp_path / "00")
    with pytest.raises(PplrError, match="cannot be read") as caught:
        read_model(tmp_path / "00")
    assert found in str(caught.value)
    assert len(str(caught.value).splitlines()) == 5
    assert str(tmp_path / "00") in str(caught.value)


@pytest.mark.parametrize("name", ["weights", "optimizer", "classifiers", "ema"])
@pytest.mark.parametrize("damage", ["flipped", "cut", "missing"])
def test_a_model_with_a_damaged_file_is_not_read(tmp_path, model, name, damage):
    some = {"a": torch.ones(3)}
    write_model(
        tmp_path / "00",
        model,
        SETTINGS,
        optimizer=some,
        teacher=some,
        classifiers=torch.ones(3, 2, 512),
    )
    file = tmp_path / "00" / f"{name}.safetensors"
    content = bytearray(file.read_bytes())
    content[-3] ^= 64
    if damage == "missing":
        file.unlink()
    else:
        file.write_bytes(content if damage == "flipped" else content[:-1])
    with pytest.raises(PplrError) as caught:  # an optimizer that is not there is no fresh one
        read_model(tmp_path / "00")
    assert str(tmp_path / "00") in str(caught.value)


def test_the_size_that_a_model_was_trained_at(tmp_path, model):
    write_model(tmp_path / "00", model, SETTINGS, teacher=model.state_dict())
    weights = (tmp_path / "00" / "weights.safetensors").rename(tmp_path / "mine.safetensors")
    assert recorded_size(weights) == (64, 32)  # wherever the file lies
    assert recorded_size(tmp_path / "00" / "ema.safetensors") is None
    assert recorded_size(tmp_path / "none.safetensors") is None
    assert recorded_size(Path("imagenet")) is None
    for metadata in ({"size": "big"}, {"size": "1x2x3"}, {"format": "pt"}, None):
        save_file({"a": torch.ones(2)}, weights, metadata=metadata)
        assert recorded_size(weights) is None
    weights.write_bytes(b"PK")
    assert recorded_size(weights) is None


def test_layers_that_share_their_memory_are_written(tmp_path, model):
    shared = {"a": torch.arange(4.0)}
    shared["b"] = shared["a"]
    shared["c"] = shared["a"][1:]
    write_model(tmp_path / "00", model, SETTINGS, optimizer=shared)
    again = load_file(tmp_path / "00" / "optimizer.safetensors")
    assert again["c"].tolist() == [1, 2, 3]
    assert again["b"].tolist() == again["a"].tolist() == [0, 1, 2, 3]


def test_a_failed_write_leaves_the_old(tmp_path, model):
    write_model(tmp_path / "00", model, SETTINGS)
    before = files_below(tmp_path / "00")
    with pytest.raises(TypeError):
        write_model(tmp_path / "00", model, {**SETTINGS, "backbone": object()})
    assert files_below(tmp_path / "00") == before
    assert [path.name for path in tmp_path.iterdir()] == ["00"]


def test_a_teacher_has_a_file_of_its_own(tmp_path, model):
    assert read_teacher(tmp_path / "00", model) is None
    teacher = {name: value + 1 for name, value in model.state_dict().items()}
    write_model(tmp_path / "00", model, SETTINGS, teacher=teacher)
    assert (tmp_path / "00" / "ema.safetensors").is_file()
    assert_equal(read_teacher(tmp_path / "00", model), teacher)
    assert_equal(read_model(tmp_path / "00").state_dict(), model.state_dict())


def test_weights_and_optimizer_are_three_times_the_parameters(tmp_path):
    model = ReIDModel(make_backbone("resnet18", height=64, width=32), 3)
    classifiers = torch.nn.Parameter(torch.ones(4, 700, 512))
    optimizer = make_optimizer(model, classifiers, lr=0.1, weight_decay=0.0, state=None)
    model(torch.rand(2, 3, 64, 32)).sum().backward()
    classifiers.sum().backward()
    optimizer.step()
    write_model(
        tmp_path / "00",
        model,
        SETTINGS,
        optimizer=optimizer_state(model, optimizer),
        classifiers=classifiers,
    )
    sizes = {path.name: path.stat().st_size for path in (tmp_path / "00").iterdir()}
    parameters = 4 * sum(parameter.numel() for parameter in model.parameters())
    stored = sizes["weights.safetensors"] + sizes["optimizer.safetensors"]
    assert stored <= 1.05 * 3 * parameters
    assert sizes["classifiers.safetensors"] <= 1.05 * 4 * classifiers.numel()


@pytest.mark.parametrize("teacher", [False, True])
def test_an_epochs_model_is_as_large_as_is_foretold(tmp_path, model, teacher):
    moments = {name: torch.zeros_like(value) for name, value in model.named_parameters()}
    optimizer = {f"{kind}.{name}": m for name, m in moments.items() for kind in ("exp_avg", "sq")}
    write_model(
        tmp_path / "model",
        model,
        {"height": 64, "width": 32},
        optimizer=optimizer,
        teacher=model.state_dict() if teacher else None,
        classifiers=torch.zeros(len(model.bnnecks), 11, model.backbone.num_features),
    )
    written = sum(file.stat().st_size for file in (tmp_path / "model").iterdir())
    foretold = epoch_bytes(model, 11, with_teacher=teacher)
    assert foretold < written < foretold + 40_000  # with the heads of its files


def rename(tensors, key):
    tensors["x"] = tensors.pop(key)


@pytest.mark.parametrize("name", ["optimizer", "ema"])
@pytest.mark.parametrize(
    ("change", "found"),
    [
        (rename, "nothing, where the model has (512,) torch.float32"),
        (lambda t, key: t.update({key: torch.ones(3)}), "(3,) torch.float32, where the model has"),
        (lambda t, key: t.update({key: t[key].int()}), "(512,) torch.int32, where the model has"),
        (
            lambda t, _: t.update(more=torch.ones(2)),
            "more: (2,) torch.float32, where the model has",
        ),
    ],
)
def test_states_of_another_model_are_one_message(tmp_path, model, name, change, found):
    optimizer = make_optimizer(model, torch.nn.Parameter(torch.ones(3, 4, 512)), **ADAM)
    model(torch.rand(2, 3, 64, 32)).sum().backward()
    optimizer.step()
    state = optimizer_state(model, optimizer)
    write_model(tmp_path / "00", model, SETTINGS, optimizer=state, teacher=dict(model.state_dict()))
    assert read_optimizer(tmp_path / "00", model).keys() == state.keys()
    assert read_teacher(tmp_path / "00", model).keys() == model.state_dict().keys()
    file = tmp_path / "00" / f"{name}.safetensors"
    tensors = load_file(file)
    change(tensors, "exp_avg.bnnecks.1.weight" if name == "optimizer" else "bnnecks.1.weight")
    save_file(tensors, file)
    with pytest.raises(DataError, match="A model's file cannot be read") as caught:
        (read_optimizer if name == "optimizer" else read_teacher)(tmp_path / "00", model)
    assert found in str(caught.value)
    assert f"where:   {file}\n" in str(caught.value)


ADAM = {"lr": 0.1, "weight_decay": 0.0, "state": None}
