"""Why convolution suits images: equal weights, honest shuffles and moves, words that follow from the numbers."""

import json

import numpy as np
import pytest

import nnzoo
from nnzoo.explanation import why_convolution as why

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    path = tmp_path_factory.mktemp("images") / "images.npz"
    draw = np.random.default_rng(0)
    y = np.arange(300) % 3
    X = (draw.random((300, 12, 12)) * 90).astype(np.uint8)
    for image, label in zip(X, y, strict=True):
        down, right = draw.integers(1, 8, 2)
        image[down : down + (3 if label else 1), right : right + (1 if label == 1 else 3)] = 250
    np.savez(path, X=X, y=y)
    return why.why_convolution(path, n_seeds=2)


@pytest.mark.parametrize(("shape", "n_classes"), [((28, 28), 10), ((32, 32, 3), 10), ((12, 12), 3)])
def test_both_have_about_as_many_weights(shape, n_classes):
    draw = np.random.default_rng(0)
    X = (draw.random((64, *shape)) * 255).astype(np.uint8)
    y = np.arange(64) % n_classes
    width = why.dense_width(shape, n_classes)
    counts = [
        sum(p.numel() for p in why._fit(n, width, X, y, 0).network_.parameters()) for n in ("convolutional", "dense")
    ]
    half_a_unit = (np.prod(shape) + 1 + n_classes) / 2
    assert abs(counts[0] - counts[1]) <= half_a_unit
    assert abs(counts[0] - counts[1]) < 0.02 * counts[0] or np.prod(shape) > 1000


def test_shuffling_moves_pixels_alike_in_all_images():
    images = np.arange(2 * 9 * 3).reshape(2, 3, 3, 3)
    mixed = why.shuffled(images, 0)
    assert (np.sort(mixed, axis=None) == np.sort(images, axis=None)).all()
    assert (mixed[1] - mixed[0] == 27).all()
    assert (why.shuffled(images[:1], 0) == mixed[:1]).all()
    assert (mixed[..., 1] - mixed[..., 0] == 1).all()


def test_a_move_by_hand():
    image = np.array([[[1, 2, 3], [4, 5, 6], [7, 8, 9]]])
    assert why.moved(image, 1, 0)[0].tolist() == [[1, 2, 3], [1, 2, 3], [4, 5, 6]]
    assert why.moved(image, 0, -1)[0].tolist() == [[2, 3, 3], [5, 6, 6], [8, 9, 9]]
    assert why.moved(image, 0, 0).tolist() == image.tolist()


def test_a_draw_of_few_images_holds_every_class():
    y = np.array([0] * 50 + [1] * 2 + [2])
    assert set(y[why._some(y, 5, 3)]) == {0, 1, 2}


def test_everything_is_measured_with_every_seed(study):
    wanted = {("as they are", 1), ("shuffled", 1), ("moved", 5), ("fewer", 2)}
    assert {(q, len(study.settings(q))) for q in why.TITLES} == wanted
    assert len(study.results) == 2 * 2 * 9
    assert all(0 <= r.accuracy <= 1 for r in study.results)
    assert study.accuracies("moved", 0, "dense") == study.accuracies("as they are", study.n_train, "dense")


def test_the_words_follow_from_the_numbers():
    def made(conv, dense):
        results = [
            why.Result(q, n, name, 0, value)
            for q, n in (("as they are", 9), ("shuffled", 9), ("moved", 0), ("moved", 4), ("fewer", 1), ("fewer", 9))
            for name, value in (("convolutional", conv), ("dense", dense))
        ]
        return why.Study("s", 9, 9, {"convolutional": 1, "dense": 1}, tuple(results), 0.0)

    assert (
        made(0.9, 0.8).words("as they are")
        == "As the images are, the convolutional network is 10.0 points better than the dense one."
    )
    assert "the dense network is 10.0 points better" in made(0.8, 0.9).words("as they are")
    assert "cannot be told apart" in made(0.9, 0.9).words("fewer")


def test_the_study_is_text_a_page_and_plain_data(study, tmp_path):
    assert json.loads(json.dumps(study.to_json()))["n_weights"].keys() == {"convolutional", "dense"}
    assert all(title in str(study) for title, _ in why.TITLES.values())
    study.to_html(tmp_path / "why.html")
    text = (tmp_path / "why.html").read_text()
    assert text.count("<figcaption>") == text.count("<table>") == 4
    assert len(text) < 10**6


def test_a_table_is_refused(tmp_path):
    (tmp_path / "t.csv").write_text("a,b\n" + "1,x\n2,y\n" * 20)
    with pytest.raises(nnzoo.DataError, match="images with labels"):
        why.why_convolution(tmp_path / "t.csv")
