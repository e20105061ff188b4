"""Who is photographed where, and what each strength does."""

import re
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pplr.datasets.demo.drawing import Shot, demo_person, draw_shot
from pplr.datasets.demo.people import GARMENTS
from pplr.datasets.demo.reader import read_demo
from pplr.settings.groups import DemoSettings
from pplr.settings.presets import EMBEDDED

STRENGTHS = (
    "demo_camera",
    "demo_light",
    "demo_blur",
    "demo_pose",
    "demo_views",
    "demo_boxes",
    "demo_occluders",
    "demo_backgrounds",
)


def demo_of(**changes):
    """Return the presets' settings of the embedded data set, with changes."""
    return DemoSettings(**{**EMBEDDED, **{f"demo_{name}": v for name, v in changes.items()}})


SMALL = demo_of(people=4, images=6, cameras=4, distractors=5, seed=7)
STILL = SMALL.model_copy(update=dict.fromkeys(STRENGTHS, 0.0))


def changed(demo, **changes):
    return demo.model_copy(update={f"demo_{name}": value for name, value in changes.items()})


def read(demo=SMALL):
    return read_demo(demo, height=128, width=64)


def draw(demo, shot):
    return np.asarray(draw_shot(demo, shot, height=128, width=64)).astype(int)


def shots(count=12):
    return [Shot(who=1, camid=i % 4, number=i) for i in range(count)]


def test_counts_and_distractors():
    tables = read()
    assert list(tables) == ["train", "query", "gallery"]
    assert len(tables["train"]) == 4 * 6
    assert len(tables["query"]) == 4 * 3  # six images, two in each of three cameras
    assert len(tables["gallery"]) == 4 * 3 + 5
    assert (tables["gallery"].pids == 0).sum() == 5
    assert set(tables["train"].pids) == {1, 2, 3, 4}
    assert set(tables["query"].pids) == {5, 6, 7, 8}
    assert set(tables["gallery"].pids) == {0, 5, 6, 7, 8}
    for table in tables.values():
        assert table.pids.dtype == table.camids.dtype == np.int32


@given(
    st.integers(4, 8), st.integers(4, 20), st.integers(2, 9), st.integers(0, 5), st.integers(0, 99)
)
@settings(max_examples=60, deadline=None)
def test_protocol_holds_for_all_counts(people, images, cameras, distractors, seed):
    counts = {"people": people, "images": images, "cameras": cameras}
    tables = read(demo_of(**counts, distractors=distractors, seed=seed))
    train, query, gallery = tables.values()
    assert len(train) == people * images
    assert len(query) + len(gallery) == people * images + distractors
    assert set(train.pids).isdisjoint(query.pids)
    assert set(query.pids) | {0} == set(gallery.pids) | {0}
    visits = list(zip(query.pids, query.camids, strict=True))
    assert len(set(visits)) == len(visits)  # one query a person and camera
    for pid, camid in visits:  # each with a match in the gallery from another camera
        assert ((gallery.pids == pid) & (gallery.camids != camid)).any()


def test_paths_are_sorted_unique_and_named_as_market_names_them():
    for split, table in read().items():
        assert list(table.paths) == sorted(set(table.paths))
        for path, pid, camid in zip(table.paths, table.pids, table.camids, strict=True):
            found = re.fullmatch(rf"{split}/(\d{{4}})_c(\d)s1_\d{{6}}_00\.jpg", path)
            assert found is not None
            assert (int(found[1]), int(found[2]) - 1) == (pid, camid)
        frames = sorted(path.split("_")[2] for path in table.paths)
        assert frames == [f"{i:06d}" for i in range(len(table))]  # unique without the person


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others():
    first, again, other = read(), read(), read(changed(SMALL, seed=8))
    for split in first:
        assert first[split].paths == again[split].paths
        for row in range(3):
            image = first[split].open_image(row)
            assert (image.size, image.mode) == ((64, 128), "RGB")
            assert image.tobytes() == again[split].open_image(row).tobytes()
            assert image.tobytes() != other[split].open_image(row).tobytes()


def test_a_row_drawn_alone_equals_the_row_drawn_in_sequence():
    table = read()["gallery"]
    sequence = [table.open_image(row).tobytes() for row in range(len(table))]
    assert read()["gallery"].open_image(6).tobytes() == sequence[6]
    assert [table.open_image(row).tobytes() for row in reversed(range(len(table)))] == sequence[
        ::-1
    ]
    assert len(set(sequence)) == len(sequence)


def test_images_have_the_size_asked_for():
    table = read_demo(SMALL, height=96, width=48)["train"]
    assert table.open_image(0).size == (48, 96)


def test_without_strengths_all_images_of_a_person_are_one():
    first, *others = [draw(STILL, shot) for shot in shots()]
    for other in others:
        np.testing.assert_array_equal(first, other)


@pytest.mark.parametrize("name", STRENGTHS)
def test_each_strength_alone_makes_images_differ(name):
    def spread(strength):
        images = [draw(STILL.model_copy(update={name: strength}), shot) for shot in shots()]
        return float(np.std(images, axis=0).mean())

    assert 0 < spread(0.5) <= spread(1.0)  # equal only where strength is how often, not how much


def test_camera_changes_colours_by_camera_only():
    coloured = changed(STILL, camera=1.0)
    first, same, other = (
        draw(coloured, shot) for shot in (Shot(1, 0, 0), Shot(1, 0, 5), Shot(1, 1, 0))
    )
    np.testing.assert_array_equal(first, same)
    assert np.abs(first.mean(axis=(0, 1)) - other.mean(axis=(0, 1))).max() > 5


def test_backgrounds_change_what_is_behind_the_person_only():
    grey, scene = draw(STILL, Shot(1, 0, 0)), draw(changed(STILL, backgrounds=1.0), Shot(1, 0, 0))
    differing = np.abs(grey - scene).max(axis=2)
    assert (differing[:, :6] > 8).mean() > 0.5
    assert (differing[35:65, 30:35] == 0).all()  # the chest


def test_views_turn_people_and_boxes_move_them():
    def outlines(name):
        images = [draw(changed(STILL, **{name: 1.0}), shot) for shot in shots(24)]
        return np.array([(np.abs(image - images[0]) > 20).any(axis=2).mean() for image in images])

    assert (outlines("views") > 0.05).mean() > 0.4
    assert (outlines("boxes") > 0.05).mean() > 0.4


def test_occluders_come_in_the_share_asked_for():
    hidden = changed(STILL, occluders=1.0)
    plain = draw(STILL, Shot(1, 0, 0))
    share = np.mean([(draw(hidden, Shot(1, 0, i)) != plain).any() for i in range(200)])
    assert 0.25 < share < 0.45


@pytest.mark.parametrize(("share", "pairs"), [(0.0, 0), (0.4, 2), (1.0, 5)])
def test_lookalikes_come_in_the_share_asked_for(share, pairs):
    demo = demo_of(people=10, lookalikes=share, seed=3)
    for first in (1, 11):  # the train people and the test people
        people = [demo_person(demo, who) for who in range(first, first + 10)]
        shared = [
            sum(getattr(a, name) == getattr(b, name) for name in GARMENTS)
            for a, b in pairwise(people)
        ]
        assert [n == 4 for n in shared] == [i % 2 == 0 and i < 2 * pairs for i in range(9)]


def test_people_of_one_seed_do_not_depend_on_the_other_settings():
    for who in (1, 2, 3):
        assert demo_person(SMALL, who) == demo_person(changed(STILL, images=9, cameras=2), who)
