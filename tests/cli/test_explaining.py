"""The command explain: topics, models, rows, units, pages, and the reader's own answers."""

import io
import json
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

pytestmark = pytest.mark.usefixtures("folder")


def test_a_topic_is_explained_on_the_terminal(cli):
    assert "p[1] = e^2 / 11.107 = 7.3891 / 11.107 = 0.66524" in cli.done("explain", "softmax", "2", "1", "0").out
    assert "4 + 2 - 1 = 5" in cli.done("explain", "padding", "4", "2").out
    assert "f(z) = max(0, z)" in cli.done("explain", "activation", "relu").out
    assert "0.43782" in cli.done("explain", "neuron", "1", "2", "3", "0.5", "-1", "0.25", "0.5").out
    assert "Step 3" in cli.done("explain", "lstm").out
    assert "0.5·1" in cli.done("explain", "neuron").out
    assert "Wᵀ" in cli.done("explain", "layer").out


def test_the_convolution_of_the_unit_on_the_command_line(cli):
    image = "0 10 10 0; 20 30 30 20; 10 20 20 10; 0 5 5 0"
    said = json.loads(cli.done("explain", "convolution", "--image", image, "--kernel", "1 0; 0 2", "--json").out)
    assert said["steps"][-1]["result"]["values"] == [[60, 70, 50], [60, 70, 50], [20, 30, 20]]


def test_a_picture_is_sharpened_and_written(cli):
    Image.fromarray(np.full((9, 7), 100, dtype=np.uint8)).save("photo.png")
    cli.done("explain", "convolution", "--image", "photo.png", "--kernel", "sharpen", "--out", "sharp.png")
    assert (np.asarray(Image.open("sharp.png")) == 100).all()
    assert "9 · 7 · 1 · 8 = 504 bits" in cli.done("explain", "image", "photo.png").out
    assert "max of each 3 x 3" in cli.done("explain", "pooling", "photo.png", "--size", "3").out


def test_a_row_of_a_model_is_explained(cli):
    told = cli.done("explain", "m.nnzoo", "new.csv", "--row", "2", "--html", "t.html")
    assert "reads row 2" in told.out
    assert "<section" in Path("t.html").read_text()
    assert "The prediction" in cli.done("explain", "m.nnzoo", "new.csv").out


def test_a_unit_is_looked_into(cli):
    assert "The 9 inputs that excite it most" in cli.done("explain", "m.nnzoo", "people.csv", "--unit", "1:2").out


def test_networks_side_by_side(cli):
    said = cli.done("explain", "rnn", "lstm").out
    assert "Recurrent Neural Network against Long Short-Term Memory" in said
    assert max(map(len, said.split("\n"))) < 160


def test_the_reader_answers(cli, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.StringIO("zero\n0,665\n"))
    said = cli.done("explain", "softmax", "2", "1", "0", "--predict").out
    assert "A number, please" in said
    assert "Right." in said
    assert "1 of 1 right." in said
    monkeypatch.setattr(sys, "stdin", io.StringIO("3\n"))
    assert "It is 0.66524." in cli.done("explain", "softmax", "2", "1", "0", "--predict").out
    monkeypatch.setattr(sys, "stdin", io.StringIO(""))
    assert "0 of 0 right." in cli.done("explain", "softmax", "--predict").out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("foo",), 'needs a model file, a topic or a network; got "foo"'),
        (("softmax", "a"), 'needs numbers; got "a"'),
        (("softmax", "inf"), "needs finite numbers"),
        (("layer", "1"), "takes no numbers"),
        (("neuron", "1", "2"), "as many weights, and a bias"),
        (("padding", "1.5", "2"), "whole numbers"),
        (("activation", "relu", "1", "2"), "fewer numbers"),
        (("softmax", "--row", "1"), '--row belongs to a model; got it with "softmax"'),
        (("softmax", "--kernel", "blur"), "--kernel belongs to convolution"),
        (("m.nnzoo",), "needs one source of rows"),
        (("m.nnzoo", "new.csv", "--unit", "9:1"), "needs a unit that the model has"),
        (("m.nnzoo", "new.csv", "--unit", "x"), "needs LAYER:UNIT"),
        (("m.nnzoo", "new.csv", "--unit", "1:1", "--row", "2"), "--unit looks through all rows"),
        (("m.nnzoo", "new.csv", "--id", "a"), "have no names"),
        (("convolution", "--kernel", "1 0; 2"), "rows of equally many"),
        (("convolution", "1 2", "--image", "1 2"), "needs one image; got 2"),
        (("convolution", "--image", "1 2; 3 4", "--out", "x.csv"), "needs a name that ends in"),
        (("rnn", "lstn"), "needs the name of one on the chart"),
    ],
)
def test_what_does_not_fit_is_refused(cli, words, message):
    cli.refused("explain", *words, code=2, message=message)


def test_a_row_that_is_not_there_and_a_picture_that_is_none(cli):
    cli.refused("explain", "m.nnzoo", "new.csv", "--row", "999", code=3, message="needs a row 999; the source has")
    Path("broken.png").write_bytes(b"\x89PNG\r\n\x1a\nrest")
    cli.refused("explain", "image", "broken.png", code=3, message="broken.png")


def test_draw_writes_pictures_of_models_networks_and_the_chart(cli):
    assert "The chart of neural networks: c.svg" in cli.done("draw", "--out", "c.svg").out
    assert "Feed Forward (FF): n.png" in cli.done("draw", "m.nnzoo", "--out", "n.png").out
    assert json.loads(cli.done("draw", "gan", "--json").out)["title"] == "Generative Adversarial Network (GAN)"
    assert "add --out net.svg" in cli.done("draw", "m.nnzoo").out
    cli.refused("draw", "--out", "c.gif", code=2, message="ends in .svg, .pdf, .png")
    cli.refused("draw", "--out", "d.svg", "--theme", "blue", code=2, message="needs a theme")
    cli.refused("draw", "foo", code=2, message="needs the name of a network of the chart")
    cli.refused("draw", "none.nnzoo", code=4, message="none.nnzoo")
