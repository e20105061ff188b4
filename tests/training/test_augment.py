import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pplr.network.normalising import IMAGENET_MEAN, IMAGENET_STD, to_normalised
from pplr.training.augment import augment, draw_augmentation, draw_boxes, erase, flip_and_crop

MEAN_PIXEL = (124, 116, 104)  # 255 · (0.485, 0.456, 0.406) = (123.7, 116.3, 103.5)


def random_images(*shape, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (*shape, 3), generator=generator, dtype=torch.uint8)


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


# --- to_normalised -------------------------------------------------------------------------


def test_normalised_by_hand():
    images = np.array([[[[0, 128, 255]]]], np.uint8)
    # (0 - 0.485) / 0.229; (128/255 - 0.456) / 0.224; (1 - 0.406) / 0.225
    expected = torch.tensor([-2.117904, 0.205182, 2.64]).view(1, 3, 1, 1)
    torch.testing.assert_close(to_normalised(images, "cpu"), expected)


def test_normalised_keeps_every_pixel_in_its_place():
    images = random_images(2, 5, 4)
    result = to_normalised(images, "cpu")
    assert result.shape == (2, 3, 5, 4)
    assert result.dtype == torch.float32
    assert result.is_contiguous(memory_format=torch.channels_last)
    mean, std = torch.tensor(IMAGENET_MEAN), torch.tensor(IMAGENET_STD)
    for b, y, x in np.ndindex(2, 5, 4):
        torch.testing.assert_close(result[b, :, y, x], (images[b, y, x] / 255 - mean) / std)


def test_normalised_takes_read_only_and_strided_arrays():
    images = random_images(4, 6, 4).numpy()
    expected = to_normalised(images[::2].copy(), "cpu")
    images.flags.writeable = False
    assert torch.equal(to_normalised(images[::2], "cpu"), expected)
    assert torch.equal(to_normalised(torch.from_numpy(images.copy())[::2], "cpu"), expected)


def test_normalised_leaves_its_input():
    images = random_images(2, 5, 4)
    copy = images.clone()
    to_normalised(images, "cpu")
    to_normalised(images.numpy(), "cpu")
    assert torch.equal(images, copy)


# --- flip and crop -------------------------------------------------------------------------


def test_flip_and_crop_by_hand():
    row = torch.tensor([[1, 2, 3], [4, 5, 6]], dtype=torch.uint8)
    images = row[None, :, :, None].expand(3, 2, 3, 3).contiguous()
    result = flip_and_crop(
        images,
        torch.tensor([False, True, True]),
        torch.tensor([1, 1, 0]),
        torch.tensor([1, 1, 2]),
        pad=1,
    )
    expected = torch.tensor([
        [[1, 2, 3], [4, 5, 6]],  # the middle of the padded image
        [[3, 2, 1], [6, 5, 4]],  # the same, mirrored
        [[0, 0, 0], [2, 1, 0]],  # mirrored, one up and one right in the padded image
    ], dtype=torch.uint8)  # fmt: skip
    assert torch.equal(result, expected[..., None].expand(3, 2, 3, 3))


@given(
    H=st.integers(1, 6), W=st.integers(1, 6), pad=st.integers(0, 8), seed=st.integers(0, 2**32 - 1)
)
@settings(max_examples=60, deadline=None)
def test_flip_and_crop_equals_its_slow_twin(H, W, pad, seed):
    images = random_images(3, H, W, seed=seed)
    generator = rng(seed)
    flip = torch.rand(3, generator=generator) < 0.5
    top, left = torch.randint(0, 2 * pad + 1, (2, 3), generator=generator)
    result = flip_and_crop(images, flip, top, left, pad=pad)
    for b in range(3):
        image = images[b].numpy()
        image = image[:, ::-1] if flip[b] else image
        image = np.pad(image, ((pad, pad), (pad, pad), (0, 0)))
        expected = image[top[b] : top[b] + H, left[b] : left[b] + W]
        assert np.array_equal(result[b].numpy(), expected)


def test_flipping_twice_gives_the_image_back():
    images = random_images(4, 7, 5)
    flip, middle = torch.ones(4, dtype=torch.bool), torch.full((4,), 2)
    once = flip_and_crop(images, flip, middle, middle, pad=2)
    assert not torch.equal(once, images)
    assert torch.equal(flip_and_crop(once, flip, middle, middle, pad=2), images)


# --- erasing -------------------------------------------------------------------------------


def test_erase_by_hand():
    images = torch.zeros(2, 3, 4, 3, dtype=torch.uint8)
    result = erase(images, torch.tensor([[1, 2, 2, 1], [0, 0, 0, 0]]))
    expected = images.clone()
    expected[0, 1, 2] = expected[0, 2, 2] = torch.tensor(MEAN_PIXEL, dtype=torch.uint8)
    assert torch.equal(result, expected)
    assert not images.any()


@pytest.mark.parametrize(("height", "width"), [(384, 128), (256, 256), (128, 64)])
def test_boxes_are_of_the_allowed_size_and_inside(height, width):
    top, left, h, w = draw_boxes(20_000, height, width, generator=rng()).double().unbind(1)
    drawn = h > 0
    assert drawn.double().mean() > 0.9999
    top, left, h, w = (x[drawn] for x in (top, left, h, w))
    # Rounding moves each side by half a pixel at most.
    area = height * width
    assert ((h + 0.5) * (w + 0.5) >= 0.02 * area).all()
    assert ((h - 0.5) * (w - 0.5) <= 0.4 * area).all()
    assert ((h + 0.5) / (w - 0.5) >= 0.3).all()
    assert ((h - 0.5) / (w + 0.5) <= 1 / 0.3).all()
    for start, side, size in ((top, h, height), (left, w, width)):
        assert (start >= 0).all()
        assert (start + side <= size).all()
        assert (start == 0).any()  # both edges are reached
        assert (start + side == size).any()
        # Uniform between the edges.
        assert (start / (size - side)).mean().item() == pytest.approx(0.5, abs=0.02)


def test_boxes_cover_the_range_of_areas():
    _, _, h, w = draw_boxes(20_000, 256, 256, generator=rng()).double().unbind(1)
    share = h * w / 256**2
    assert share.min() < 0.03
    assert share.max() > 0.38


def test_a_box_that_cannot_fit_is_empty():
    # Area 2–40 % with aspect ≤ 3.33 is at least two pixels wide, never less than 1.
    boxes = draw_boxes(100, 400, 1, generator=rng())
    assert not boxes[:, 2:].any()
    images = random_images(100, 400, 1)
    assert torch.equal(erase(images, boxes), images)


# --- all together --------------------------------------------------------------------------


def augmented(images, *, pad, erase_probability, generator):
    draws = draw_augmentation(
        *images.shape[:3], pad=pad, erase_probability=erase_probability, generator=generator
    )
    return augment(images, draws, pad=pad)


def test_without_padding_and_erasing_half_of_the_images_are_flipped():
    images = random_images(2000, 3, 4)
    result = augmented(images, pad=0, erase_probability=0.0, generator=rng())
    same = (result == images).flatten(1).all(1)
    mirrored = (result == images.flip(2)).flatten(1).all(1)
    assert (same | mirrored).all()
    assert mirrored.double().mean().item() == pytest.approx(0.5, abs=0.05)


def test_values_come_from_the_image_the_padding_or_the_mean():
    images = (torch.arange(32) + 200).to(torch.uint8)[:, None, None, None].repeat(1, 40, 20, 3)
    result = augmented(images, pad=6, erase_probability=1.0, generator=rng())
    assert result.shape == images.shape
    assert result.dtype == torch.uint8
    own = (result == images).all(3)
    black = (result == 0).all(3)
    mean = (result == torch.tensor(MEAN_PIXEL, dtype=torch.uint8)).all(3)
    assert (own ^ black ^ mean).all()
    assert own.any()
    assert black.any()
    assert mean.flatten(1).any(1).all()


@pytest.mark.parametrize("probability", [0.0, 0.3, 1.0])
def test_the_share_of_erased_images(probability):
    images = torch.zeros(3000, 16, 8, 3, dtype=torch.uint8)
    result = augmented(images, pad=2, erase_probability=probability, generator=rng())
    share = result.flatten(1).any(1).double().mean().item()
    assert share == pytest.approx(probability, abs=0.04)


def test_every_shift_occurs_alike():
    # One bright pixel in the middle tells the shift; flips of an odd width keep it there.
    images = torch.zeros(5000, 5, 5, 3, dtype=torch.uint8)
    images[:, 2, 2] = 255
    result = augmented(images, pad=2, erase_probability=0.0, generator=rng())
    share = (result[..., 0] == 255).double().mean(0)
    assert (share - 1 / 25).abs().max() < 0.012


def test_the_seed_decides_and_threads_do_not():
    images = random_images(8, 24, 12)
    options = {"pad": 3, "erase_probability": 0.5}
    before = torch.get_num_threads()
    results = []
    for threads in (1, 2):
        torch.set_num_threads(threads)
        results.append(augmented(images, **options, generator=rng(1)))
    torch.set_num_threads(before)
    assert torch.equal(*results)
    assert not torch.equal(augmented(images, **options, generator=rng(2)), results[0])


def test_the_settings_do_not_move_the_generator():
    images = random_images(8, 24, 12)
    states = []
    for pad, probability in ((0, 0.0), (3, 1.0)):
        generator = rng()
        augmented(images, pad=pad, erase_probability=probability, generator=generator)
        states.append(generator.get_state())
    assert torch.equal(*states)


def test_augment_leaves_its_input():
    images = random_images(8, 24, 12)
    copy = images.clone()
    result = augmented(images, pad=0, erase_probability=1.0, generator=rng())
    assert torch.equal(images, copy)
    assert result.data_ptr() != images.data_ptr()


def test_a_single_pixel():
    result = augmented(random_images(1, 1, 1), pad=0, erase_probability=1.0, generator=rng())
    assert result.shape == (1, 1, 1, 3)


def test_a_part_of_the_batch_is_augmented_as_in_the_whole():
    images = random_images(8, 24, 12)
    draws = draw_augmentation(8, 24, 12, pad=3, erase_probability=0.5, generator=rng())
    whole = augment(images, draws, pad=3)
    for part in (slice(0, 4), slice(4, 8), slice(2, 3)):
        assert torch.equal(augment(images[part], draws.take(part), pad=3), whole[part])


def test_a_box_is_filled_with_the_mean_that_is_taken_away():
    mean, std = (0.5, 0.25, 0.75), (0.1, 0.2, 0.3)
    images = random_images(1, 6, 4)
    erased = erase(images, torch.tensor([[1, 0, 4, 3]]), mean)
    assert erased[0, 1:5, :3].unique(dim=0).tolist() == [[[128, 64, 191]] * 3]
    normalised = to_normalised(erased, "cpu", mean=mean, std=std)
    assert normalised[0, :, 1:5, :3].abs().max() <= 0.5 / 255 / min(std) + 1e-6


def test_normalised_by_other_means():
    images = np.array([[[[0, 128, 255]]]], np.uint8)
    result = to_normalised(images, "cpu", mean=(0.5, 0.0, 0.2), std=(0.5, 1.0, 0.4))
    expected = torch.tensor([-1.0, 128 / 255, 2.0]).view(1, 3, 1, 1)
    torch.testing.assert_close(result, expected)
