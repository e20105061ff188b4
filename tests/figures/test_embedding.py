import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.colors import to_rgba
from PIL import Image
from threadpoolctl import threadpool_limits

from pplr.errors import DataError, MissingInputError
from pplr.figures import embedding
from pplr.figures.embedding import (
    COLOURS,
    GREY,
    colour,
    draw_embedding,
    embed,
    make_figure,
    sample_rows,
)
from pplr.runs import open_run
from pplr.settings.writing import format_schedule
from pplr.storage.replacing import remove
from tests.figures.changing import change
from tests.tiny import tiny_schedule


@pytest.fixture(scope="module")
def features():
    return np.random.default_rng(0).normal(size=(20, 8)).astype(np.float16)


# --- which images --------------------------------------------------------------------------


def test_rows_by_hand():
    labels = np.array([1, 0, -1, 1, 1, 0, -1], np.int32)
    assert sample_rows(labels).tolist() == [0, 1, 3, 4, 5]


def test_many_clusters_and_images_are_sampled_evenly():
    labels = np.repeat(np.arange(30), 100 - np.arange(30)).astype(np.int32)  # the largest first
    rows = sample_rows(labels)
    clusters, counts = np.unique(labels[rows], return_counts=True)
    assert len(clusters) == 12
    assert clusters[[0, -1]].tolist() == [0, 27]
    assert set(counts) == {40}
    first = rows[labels[rows] == 0]
    assert first[[0, -1]].tolist() == [0, 97]
    assert set(np.diff(first)) == {2, 3}


# --- which colours -------------------------------------------------------------------------


def test_colours_are_of_identities_where_one_is_known():
    found = colour(np.array([5, 3, -1, 5], np.int32), np.array([0, 0, 1, 1], np.int32))
    assert found.colours == [COLOURS[1], COLOURS[0], GREY, COLOURS[1]]
    assert found.meaning == "true identity (for looking only)"
    assert found.names == {COLOURS[0]: "3", COLOURS[1]: "5", GREY: "others"}


def test_colours_are_of_clusters_where_no_identity_is_known():
    found = colour(np.full(3, -1, np.int32), np.array([7, 2, 7], np.int32))
    assert found.colours == [COLOURS[1], COLOURS[0], COLOURS[1]]
    assert (found.meaning, found.names) == ("cluster", {COLOURS[0]: "2", COLOURS[1]: "7"})


def test_identities_of_most_images_have_colours_and_the_others_one():
    pids = np.concatenate((np.arange(20), np.arange(8, 20))).astype(np.int32)
    found = colour(pids, np.zeros_like(pids))
    assert list(found.names.values()) == [*(str(pid) for pid in range(8, 20)), "others"]
    assert found.colours == [GREY] * 8 + 2 * list(COLOURS)
    assert len({to_rgba(one) for one in (*COLOURS, GREY)}) == 13


# --- where ---------------------------------------------------------------------------------


def test_places_are_the_same_each_time_whatever_the_threads(features):
    before = features.copy()
    once = embed(features)
    with threadpool_limits(4):
        assert np.array_equal(embed(features), once)
    assert np.array_equal(features, before)
    assert once.shape == (20, 2)
    assert np.isfinite(once).all()


def test_groups_apart_stay_apart():
    groups = np.repeat(np.eye(3, 8, dtype=np.float32), 8, axis=0)
    noise = np.random.default_rng(1).normal(scale=0.01, size=groups.shape)
    places = embed((groups + noise).astype(np.float32)).reshape(3, 8, 2)
    middles = places.mean(axis=1)
    spread = np.linalg.norm(places - middles[:, None], axis=2).max()
    apart = np.linalg.norm(middles[[0, 1, 2]] - middles[[1, 2, 0]], axis=1).min()
    assert apart > 2 * spread


@pytest.mark.parametrize("n", [4, 5, 7])
def test_few_images_have_places(features, n):
    places = embed(features[:n])
    assert np.isfinite(places).all()
    assert len(np.unique(places, axis=0)) == n


def test_features_that_are_all_one_have_one_place():
    assert np.array_equal(embed(np.ones((6, 8), np.float16)), np.zeros((6, 2)))


def test_images_in_two_places_alone():
    places = embed(np.repeat(np.eye(2, 8, dtype=np.float32), 3, axis=0))
    assert np.isfinite(places).all()


# --- the figure ----------------------------------------------------------------------------


def figure_of(P, names=("00", "03"), *, agreement=0.5):
    rng = np.random.default_rng(P)
    places = {name: rng.normal(size=(6, 1 + P, 2)).astype(np.float32) for name in names}
    cross = np.full((6, P), agreement, np.float32)
    cross[:2, -1] = 0.1
    colouring = colour(np.arange(6, dtype=np.int32), np.zeros(6, np.int32))
    return make_figure(places, [cross for _ in names], colouring, title="Title"), places


@pytest.mark.parametrize(
    ("P", "titles"),
    [
        (1, ["part 1"]),
        (2, ["part 1 (top)", "part 2 (bottom)"]),
        (6, ["part 1 (top)", *(f"part {p}" for p in range(2, 6)), "part 6 (bottom)"]),
    ],
)
def test_a_column_for_each_space_and_a_line_for_each_alternation(P, titles):
    figure, places = figure_of(P)
    assert len(figure.axes) == 2 * (1 + P)
    assert [axes.get_title() for axes in figure.axes] == ["global", *titles, *[""] * (1 + P)]
    lefts = [figure.axes[0], figure.axes[1 + P]]
    assert [axes.get_ylabel() for axes in lefts] == ["alternation 00", "alternation 03"]
    for i, axes in enumerate(figure.axes):
        line, s = divmod(i, 1 + P)
        (dots,) = axes.collections
        np.testing.assert_allclose(dots.get_offsets(), places[("00", "03")[line]][:, s], rtol=1e-6)
        assert (list(axes.get_xticks()), list(axes.get_yticks())) == ([], [])


def test_images_of_low_agreement_are_hollow_in_that_part_alone():
    figure, _ = figure_of(2)
    hollow = [(axes.collections[0].get_facecolors()[:, 3] == 0).tolist() for axes in figure.axes]
    low = [True, True, *[False] * 4]
    assert hollow == 2 * [[False] * 6, [False] * 6, low]
    labels = [axes.get_xlabel() for axes in figure.axes[:3]]
    assert labels == ["", "agreement 0.50, low in 0%", "agreement 0.37, low in 33%"]
    edges = figure.axes[2].collections[0].get_edgecolors()
    np.testing.assert_allclose(edges, [to_rgba(one) for one in COLOURS[:6]])


def test_half_of_the_neighbours_are_enough():
    """Lists of 12 that share 6 have agreement 6/18, as it is stored."""
    figure, _ = figure_of(1, agreement=np.float32(6) / np.float32(18))
    faces = figure.axes[1].collections[0].get_facecolors()
    assert (faces[:, 3] == 0).tolist() == [True, True, *[False] * 4]


def test_the_legends_say_what_colours_and_markers_are():
    figure, _ = figure_of(1)
    above, below = figure.legends
    assert above.get_title().get_text() == "Title"
    assert len(above.get_texts()) == 2
    assert below.get_title().get_text() == "colour: true identity (for looking only)"
    assert [text.get_text() for text in below.get_texts()] == list("012345")


# --- of a run ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def picture(tiny_run):
    """The picture that the stage has drawn."""
    with Image.open(open_run(tiny_run).paths.figure("embedding")) as image:
        assert image.info.keys() <= {"dpi"}  # no date and no version
        return image.copy()


def test_the_picture_of_a_run_whatever_this_user_has_set(tiny_run, picture):
    assert picture.size == (round(120 * (2.2 * 4 + 0.3)), round(120 * (2 * 2.45 + 1.5)))
    assert picture.mode == "RGB"
    assert len(picture.getcolors(2**16)) > 100
    with mpl.rc_context({"axes.facecolor": "black", "font.size": 20, "savefig.dpi": 50}):
        assert draw_embedding(open_run(tiny_run)).tobytes() == picture.tobytes()


def test_another_agreement_is_another_picture(copy, picture):
    agreement = np.array(copy.alternation("00").cross_agreement)
    agreement[3, 1] = 1 - agreement[3, 1]
    change(copy, "00", "cross_agreement", agreement)
    assert draw_embedding(copy).tobytes() != picture.tobytes()


def test_another_cluster_is_another_picture(copy, picture):
    labels = np.array(copy.alternation("01").pseudo_labels)
    labels[:2] = -1
    change(copy, "01", "pseudo_labels", labels)
    assert draw_embedding(copy).tobytes() != picture.tobytes()


def test_one_alternation_is_one_line(copy, picture):
    copy.paths.schedule.write_text(format_schedule(tiny_schedule(epochs=1)))
    once = draw_embedding(open_run(copy.paths.root))
    assert once.size == (picture.width, round(120 * (2.45 + 1.5)))


@pytest.mark.parametrize("kept", [[], [4], [0, 7, 9]])
def test_too_few_images_are_a_picture_that_says_so(copy, monkeypatch, kept):
    labels = np.full(48, -1)
    labels[kept] = 0
    change(copy, "01", "pseudo_labels", labels)
    said = []
    draw = embedding.draw_strips
    monkeypatch.setattr(
        embedding,
        "draw_strips",
        lambda strips, **sizes: said.extend(strips) or draw(strips, **sizes),
    )
    drawn = draw_embedding(copy)
    (strip,) = said
    num_clusters = 1 if kept else 0
    found = f"alternation 01 has {len(kept)} images in {num_clusters} clusters, 4 are needed"
    assert strip.words == found
    assert drawn.width > 300


def test_an_alternation_that_is_not_there(copy):
    for group in ("features", "clusters", "agreement"):
        remove(copy.paths.arrays("01", group))
    with pytest.raises(MissingInputError, match="group of arrays is missing"):
        draw_embedding(copy)


def test_a_damaged_array_is_one_error(copy):
    for file in (copy.paths.arrays("01", "features") / "parts" / "c").rglob("*"):
        if file.is_file():
            content = bytearray(file.read_bytes())
            content[len(content) // 2] ^= 0xFF
            file.write_bytes(content)
    with pytest.raises(DataError, match="cannot be read"):
        draw_embedding(copy)
