"""The stand-in for ImageNet weights can be made again."""

from safetensors.torch import load_file

from demo.train_backbone import TARGET, make_stand_in


def test_a_few_images_make_weights_like_the_shipped_ones(tmp_path, capsys):
    target = tmp_path / "backbone.safetensors"
    make_stand_in(target, images=20, held_out=4, epochs=1, seed=0)
    told = capsys.readouterr().out
    assert told.startswith("epoch 1/1: loss ")
    assert "upper colour " in told
    assert "backbone.safetensors: " in told
    made, shipped = load_file(target), load_file(TARGET)
    assert {key: (value.shape, value.dtype) for key, value in made.items()} == {
        key: (value.shape, value.dtype) for key, value in shipped.items()
    }
    assert all(value.isfinite().all() for value in made.values())
