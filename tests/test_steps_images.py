"""The five steps on images: folders, arrays, tables of paths; the same network from files and from arrays."""

import numpy as np
import polars as pl
import pytest
from PIL import Image
from sklearn.datasets import load_digits

import nnzoo
from nnzoo import DataError, UsageError
from nnzoo.data.imagerecipe import ImageRecipe

SHORT = {"n_filters": (4, 8), "n_epochs": 2}


@pytest.fixture(scope="module")
def digits():
    """Return 300 digits as bytes, and their labels as text."""
    found = load_digits()
    return (found.images[:300] * 15).astype(np.uint8), np.array([f"d{n}" for n in found.target[:300]])


@pytest.fixture(scope="module")
def folder(digits, tmp_path_factory):
    """Return a folder with one sub-folder a class."""
    root = tmp_path_factory.mktemp("digits")
    for number, (image, label) in enumerate(zip(*digits, strict=True)):
        (root / label).mkdir(exist_ok=True)
        Image.fromarray(image).save(root / label / f"{number:03}.png")
    return root


@pytest.fixture(scope="module")
def trained(folder):
    """Return the data of the folder and a model trained on them."""
    data = nnzoo.load(folder)
    return data, nnzoo.train(nnzoo.build("cnn", data, SHORT), data, verbose=0)


def test_a_folder_is_loaded_with_its_labels_size_and_parts(folder):
    data = nnzoo.load(folder)
    assert (data.kind, data.task, data.target) == ("image", "classification", "label")
    assert data.images.shape == (300, 8, 8)
    assert data.images.dtype == np.uint8
    assert sum(map(len, (data.train, data.valid, data.test))) == 300
    assert (data.rule.height, data.rule.width, data.rule.channels) == (8, 8, 1)
    assert "300 images" in str(data)
    assert data.train.images.shape == (len(data.train), 8, 8)


def test_the_images_of_a_part_belong_to_its_rows(folder):
    part = nnzoo.load(folder).test
    for name, image in zip(part.frame["file"].to_list()[:5], part.images, strict=False):
        np.testing.assert_array_equal(np.asarray(Image.open(folder / name)), image)


def test_evaluation_shows_pictures_and_baselines(trained, tmp_path):
    data, model = trained
    report = nnzoo.evaluate(model, data)
    assert {each.name for each in report.baselines} == {"constant", "linear", "boosted trees"}
    assert report.gallery is not None
    assert report.gallery.filters["first layer"].shape == (4, 3, 3, 1)
    report.to_html(tmp_path / "report.html")
    assert "data:image/png;base64," in (tmp_path / "report.html").read_text()


def test_photo_folder_table_list_and_array_get_the_same_predictions(trained, folder, tmp_path):
    data, model = trained
    names = data.test.frame["file"].to_list()[:4]
    wanted = nnzoo.predict(model, data.test.images[:4])
    assert wanted.columns[:2] == ["row", "prediction"]
    paths = [str(folder / name) for name in names]
    frame = nnzoo.predict(model, paths)
    assert frame["file"].to_list() == paths
    (tmp_path / "paths.csv").write_text("photo,other\n" + "".join(f"{path},1\n" for path in paths))
    of_table = nnzoo.predict(model, tmp_path / "paths.csv")
    assert of_table["photo"].to_list() == paths
    single = pl.concat([nnzoo.predict(model, path) for path in paths])
    for found in (frame, of_table, single):
        assert found["prediction"].to_list() == wanted["prediction"].to_list()
        for column in wanted.columns[2:-1]:
            np.testing.assert_allclose(found[column].to_numpy(), wanted[column].to_numpy(), atol=1e-6)
    assert len(nnzoo.predict(model, folder)) == 300


def test_saved_model_predicts_the_same_bits(trained, tmp_path):
    data, model = trained
    model.save(tmp_path / "digits.nnzoo")
    again = nnzoo.load_model(tmp_path / "digits.nnzoo")
    assert isinstance(again.recipe, ImageRecipe)
    assert again.recipe == model.recipe
    assert nnzoo.predict(again, data.test.images).equals(nnzoo.predict(model, data.test.images))


def test_rows_that_were_trained_on_are_recognised_in_other_content(trained, digits):
    data, model = trained
    images, labels = digits
    report = nnzoo.evaluate(model, (images, labels))
    assert f"{len(data.train)} that the model was trained on" in " ".join(report.how).replace(",", "")


def test_an_array_and_a_folder_of_the_same_images_train_the_same_way(digits):
    data = nnzoo.load(digits)
    assert data.task == "classification"
    model = nnzoo.train(nnzoo.build("mlp", data, {"n_epochs": 30}), data, verbose=0)
    accuracy = (model.network.predict(data.test.images) == data.test.frame[data.target].to_numpy()).mean()
    assert accuracy > 0.5
    assert model.network.inputs_.pixels


def test_parts_of_the_source_are_respected(digits, tmp_path):
    images, labels = digits
    np.savez(tmp_path / "d.npz", x_train=images[:200], y_train=labels[:200], x_test=images[200:], y_test=labels[200:])
    data = nnzoo.load(tmp_path / "d.npz")
    assert len(data.test) == 100
    assert len(data.train) + len(data.valid) == 200
    assert len(data.valid) == pytest.approx(20, abs=5)


def test_images_that_are_numbers_are_standardised(digits):
    images, labels = digits
    data = nnzoo.load((images / 7.0 - 3, labels))
    model = nnzoo.train(nnzoo.build("cnn", data, SHORT), data, verbose=0)
    assert not model.network.inputs_.pixels
    nnzoo.evaluate(model, data)


def test_colour_images_that_are_not_square_train(tmp_path):
    random = np.random.default_rng(0)
    for label in ("dark", "light"):
        (tmp_path / label).mkdir()
        for number in range(30):
            pixels = random.integers(0, 128, size=(24, 40, 3)) + 127 * (label == "light")
            Image.fromarray(pixels.astype(np.uint8)).save(tmp_path / label / f"{number}.png")
    data = nnzoo.load(tmp_path)
    assert data.images.shape == (60, 24, 40, 3)
    model = nnzoo.train(nnzoo.build("cnn", data, SHORT | {"n_epochs": 5}), data, verbose=0)
    assert nnzoo.evaluate(model, data).metrics["accuracy"].value > 0.9
    assert nnzoo.load(tmp_path, image_size=12).images.shape == (60, 12, 12, 3)


def test_a_table_does_not_go_through_a_convolutional_network():
    data = nnzoo.load("penguins", target="species")
    with pytest.raises(UsageError, match=r"DeepConvolutionalNetwork reads \"image\"; the data are of the kind table"):
        nnzoo.build("cnn", data)


def test_B1_a_broken_image_is_left_out_listed_and_said(folder, tmp_path, digits):
    for number, (image, label) in enumerate(zip(*digits, strict=True)):
        (tmp_path / label).mkdir(exist_ok=True)
        Image.fromarray(image).save(tmp_path / label / f"{number:03}.png")
    whole = (tmp_path / "d1" / "001.png").read_bytes()
    (tmp_path / "d1" / "001.png").write_bytes(whole[:-20])
    data = nnzoo.load(tmp_path)
    assert len(data) == 299
    assert [reject.file for reject in data.rejects] == ["d1/001.png"]
    assert any(finding.level == "warning" and "d1/001.png" in finding.message for finding in data.findings)


def test_a_photo_model_refuses_a_table_and_a_table_model_images(trained, folder):
    _, model = trained
    with pytest.raises(DataError, match="needs images"):
        nnzoo.predict(model, {"age": [3]})
