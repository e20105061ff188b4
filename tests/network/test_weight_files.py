import argparse
import collections
import pickle
import re
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file
from torch import nn

from pplr.errors import PplrError, WeightsError
from pplr.network.weight_files import read_weights
from pplr.network.weights import load_backbone
from tests.network.small import assert_equal, small_backbone, small_state


@pytest.mark.parametrize("suffix", [".pth", ".pt", ".safetensors"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_files_come_back_as_they_were(tmp_path, suffix, dtype):
    state = {k: v.to(dtype) if v.is_floating_point() else v for k, v in small_state().items()}
    path = tmp_path / f"w{suffix}"
    (save_file if suffix == ".safetensors" else torch.save)(state, path)
    assert_equal(read_weights(path), state)


def test_a_training_checkpoint_gives_its_state_dict(tmp_path):
    # As parallel training saves it: below `state_dict`, every key after `module.`
    state = small_state()
    wrapped = {"epoch": 3, "state_dict": {f"module.{key}": v for key, v in state.items()}}
    torch.save(wrapped, tmp_path / "w.pth")
    assert_equal(read_weights(tmp_path / "w.pth"), wrapped["state_dict"])
    backbone = small_backbone()
    assert load_backbone(backbone, read_weights(tmp_path / "w.pth"), where="w.pth") == []
    assert_equal(backbone.state_dict(), state)


@pytest.mark.parametrize(
    ("content", "found"),
    [
        ([1, 2], "a list that is no state dict"),
        ({"a": 1}, "a dict that is no state dict"),
        (torch.zeros(2), "a Tensor that is no state dict"),
        ({"state_dict": {"a": "b"}}, "a dict that is no state dict"),
    ],
)
def test_a_file_of_something_else(tmp_path, content, found):
    torch.save(content, tmp_path / "w.pth")
    with pytest.raises(WeightsError, match="The weights cannot be read") as caught:
        read_weights(tmp_path / "w.pth")
    assert f"found:   {found}" in str(caught.value)


class Touch:
    """Creates a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


@pytest.mark.parametrize("legacy", [False, True])
def test_pickled_code_is_not_run(tmp_path, legacy):
    trace, path = tmp_path / "trace", tmp_path / "w.pth"
    content = {"a.weight": Touch(trace)}
    torch.save(content, path, _use_new_zipfile_serialization=not legacy)
    with pytest.raises(WeightsError, match="The weights cannot be read") as caught:
        read_weights(path)
    assert str(path) in str(caught.value)
    assert len(str(caught.value).splitlines()) == 5  # torch's own explanation is long
    assert not trace.exists()
    pickle.loads(pickle.dumps(content))
    assert trace.exists()  # it does run where it is allowed to


@pytest.mark.parametrize("name", ["w.pth", "w.safetensors"])
@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize("share", [0, 0.01, 0.5, 0.99])
def test_a_cut_file(tmp_path, name, legacy, share):
    path = tmp_path / name
    if path.suffix == ".safetensors":
        save_file(small_state(), path)
    else:
        torch.save(small_state(), path, _use_new_zipfile_serialization=not legacy)
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(WeightsError, match="The weights cannot be read"):
        read_weights(path)


@pytest.mark.parametrize("name", ["w.pth", "w.safetensors", "README.md"])
def test_any_bytes_end_in_one_message(tmp_path, name):
    rng = np.random.default_rng(0)
    path = tmp_path / name
    for content in (b"hello world\n", b"{}", *(rng.bytes(n) for n in range(1, 60))):
        path.write_bytes(content)
        with pytest.raises(WeightsError) as caught:
            read_weights(path)
        assert len(str(caught.value).splitlines()) == 5


@pytest.mark.parametrize("name", ["none.pth", "none.safetensors", "folder.pth"])
def test_a_missing_file(tmp_path, name):
    (tmp_path / "folder.pth").mkdir()
    with pytest.raises(WeightsError, match="The weights cannot be read") as caught:
        read_weights(tmp_path / name)
    assert str(tmp_path / name) in str(caught.value)
    assert "--set weights=PATH" in str(caught.value)


# --- checkpoints of others -----------------------------------------------------------------


@pytest.mark.parametrize(
    "wrap",
    [
        lambda state: {"state_dict": state, "best": np.float64(0.9), "epoch": np.int64(3)},
        lambda state: {"model": state, "acc": np.float32(0.5), "done": np.True_},
        lambda state: {"model": state, "cmc": np.arange(3.0), "name": np.str_("x")},
        lambda state: {"model": state, "args": argparse.Namespace(lr=0.1)},
        lambda state: {"net": state, "optimizer": {"state": {0: {"m": torch.ones(1)}}}},
        lambda state: {"weights": state, "epoch": 3},  # the only tensors there are
        lambda state: {"state_dict": {"model": state}},
        lambda state: state | {"epoch": 3},
        lambda state: collections.OrderedDict((k, nn.Parameter(v)) for k, v in state.items()),
    ],
)
def test_the_state_dict_of_a_checkpoint_is_found(tmp_path, wrap):
    state = {k: v for k, v in small_state().items() if v.is_floating_point()}
    torch.save(wrap(state), tmp_path / "w.pth")
    assert_equal(read_weights(tmp_path / "w.pth"), state)


def test_numpys_numbers_under_their_old_name(tmp_path):
    # NumPy 1 pickled `numpy.core.multiarray`; the file is of torch's old format, one pickle
    torch.save(
        {"model": small_state(), "acc": np.float64(0.5)},
        tmp_path / "w.pth",
        _use_new_zipfile_serialization=False,
    )
    content = (tmp_path / "w.pth").read_bytes()
    assert b"numpy._core.multiarray" in content
    (tmp_path / "w.pth").write_bytes(content.replace(b"numpy._core.multi", b"numpy.core.multi"))
    assert_equal(read_weights(tmp_path / "w.pth"), small_state())


def test_a_damaged_number_of_numpys_does_no_harm(tmp_path):
    # flipping one byte of its type made NumPy itself read where nothing is, and the process died
    torch.save({"model": small_state(), "acc": np.float64(1)}, tmp_path / "w.pth")
    content = (tmp_path / "w.pth").read_bytes()
    assert content.count(b"\x00<q=N") == 1
    (tmp_path / "w.pth").write_bytes(content.replace(b"\x00<q=N", b"\x00<q=q"))
    enter(tmp_path / "w.pth")


def test_either_format_under_either_name(tmp_path):
    torch.save(small_state(), tmp_path / "w.safetensors")
    save_file(small_state(), tmp_path / "w.pth")
    for name in ("w.safetensors", "w.pth"):
        assert_equal(read_weights(tmp_path / name), small_state())


def test_several_state_dicts_are_named(tmp_path):
    torch.save({"student": small_state(), "teacher": small_state(1)}, tmp_path / "w.pth")
    with pytest.raises(WeightsError, match="no state dict; its keys: student, teacher"):
        read_weights(tmp_path / "w.pth")


POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 102530333\n"


@pytest.mark.parametrize(
    ("content", "found", "advice"),
    [
        (b"", "an empty file", "download the file itself again"),
        (POINTER, "a Git LFS pointer", "git lfs pull"),
        (b"<!DOCTYPE html>\n<html><head>", "a web page", "download the file itself again"),
        (b"\n <html>", "a web page", "download the file itself again"),
        (b'<?xml version="1.0"?><Error><Code>AccessDenied', "a web page", "again"),
    ],
)
@pytest.mark.parametrize("name", ["w.pth", "w.safetensors"])
def test_what_is_no_file_of_weights_is_called_by_its_name(tmp_path, name, content, found, advice):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(WeightsError, match=f"found:   {found}") as caught:
        read_weights(tmp_path / name)
    assert advice in str(caught.value)


@pytest.mark.parametrize("name", ["program", "network", "old network", "path"])
def test_programs_and_objects_are_not_run_and_never_to_be(tmp_path, name):
    path = tmp_path / "w.pth"
    found = "it holds objects, which are not loaded because they could run code: "
    if name == "program":
        with warnings.catch_warnings(action="ignore"):  # deprecated, and still around
            torch.jit.trace(small_backbone().eval(), torch.ones(1, 3, 2, 2)).save(path)
        found = "a TorchScript archive, a program with its weights"
    elif name == "path":
        torch.save({"model": small_state(), "from": path}, path)
        found += "pathlib.PosixPath"
    else:
        torch.save(small_backbone(), path, _use_new_zipfile_serialization="old" not in name)
        found += "pplr.network.backbones.Backbone"
    with pytest.raises(WeightsError, match=f"found:   {found}\n") as caught:
        read_weights(path)
    message = str(caught.value)
    assert "save `model.state_dict()` where the file was made" in message
    assert not re.search("weights_only|trust", message)


# --- whatever a file holds, there is one message -------------------------------------------


def enter(path: Path) -> None:
    """Read a file and load it, which goes well or ends in one message of a readable size."""
    message = ""
    try:
        load_backbone(small_backbone(), read_weights(path), where=str(path))
    except PplrError as error:
        message = str(error)
    lines = message.splitlines()
    assert len(lines) <= 10
    assert max((len(line) for line in lines if str(path) not in line), default=0) <= 240
    assert all(line.isprintable() for line in lines)
    assert not re.search("weights_only|trust", message)


@settings(max_examples=150, deadline=None)
@given(content=st.binary(max_size=200), name=st.sampled_from(["w.pth", "w.safetensors"]))
def test_random_bytes(tmp_path_factory, content, name):
    path = tmp_path_factory.getbasetemp() / f"random-{name}"
    path.write_bytes(content)
    enter(path)


@pytest.fixture(scope="module")
def real_files(tmp_path_factory) -> list[bytes]:
    folder = tmp_path_factory.mktemp("real")
    torch.save({"model": small_state(), "acc": np.float64(1)}, folder / "zip")
    torch.save(small_state(), folder / "old", _use_new_zipfile_serialization=False)
    save_file(small_state(), folder / "safe")
    return [(folder / name).read_bytes() for name in ("zip", "old", "safe")]


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_cut_and_flipped_files(tmp_path_factory, real_files, data):
    content = bytearray(data.draw(st.sampled_from(real_files)))
    for place in data.draw(st.lists(st.integers(0, len(content) - 1), max_size=4)):
        content[place] ^= data.draw(st.integers(1, 255))
    end = data.draw(st.one_of(st.just(len(content)), st.integers(0, len(content))))
    path = tmp_path_factory.getbasetemp() / "changed.pth"
    path.write_bytes(content[:end])
    enter(path)


TENSORS = st.builds(
    lambda shape, dtype: torch.ones(shape, dtype=dtype),
    st.sampled_from([(), (2,), (2, 3, 1, 1), (0,)]),
    st.sampled_from([torch.float32, torch.float16, torch.int64, torch.bool, torch.complex64]),
)
KEYS = st.one_of(
    st.sampled_from(["model", "state_dict", "module.a.weight", "a.weight", "b.bias", "a", ""]),
    st.text(max_size=5),
    st.integers(0, 3),
)
LEAVES = st.one_of(TENSORS, st.none(), st.integers(), st.floats(), st.text(max_size=3))


@settings(max_examples=200, deadline=None)
@given(
    content=st.recursive(
        LEAVES,
        lambda inner: st.one_of(
            st.dictionaries(KEYS, inner, max_size=5),
            st.lists(inner, max_size=3),
            st.dictionaries(KEYS, inner, max_size=3).map(collections.OrderedDict),
        ),
        max_leaves=12,
    )
)
def test_random_structures(tmp_path_factory, content):
    path = tmp_path_factory.getbasetemp() / "structure.pth"
    torch.save(content, path)
    enter(path)
