"""The worked examples of the course unit, digit by digit, and what a reader would check beside them."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from nnzoo import explanation
from nnzoo.errors import UsageError
from nnzoo.explanation.basics import save_picture
from nnzoo.explanation.matrices import KERNELS, MAX_TEXT, parse_matrix, read_image, read_kernel
from nnzoo.networks.parts import ACTIVATIONS

IMAGE = [[0, 10, 10, 0], [20, 30, 30, 20], [10, 20, 20, 10], [0, 5, 5, 0]]
KERNEL = [[1, 0], [0, 2]]


def step_of(trace, op):
    return next(step for step in trace.steps if step.op == op)


def test_softmax_of_2_1_0_is_worked_through():
    step = explanation.softmax([2, 1, 0]).steps[0]
    assert [row[2] for row in step.working.rows] == pytest.approx([7.389, 2.718, 1.0, 11.107], abs=5e-4)
    assert step.result.tolist() == pytest.approx([0.665, 0.245, 0.090], abs=5e-4)
    assert step.numbers == "p[1] = e^2 / 11.107 = 7.3891 / 11.107 = 0.66524"


def test_softmax_of_scores_that_no_exponential_holds_is_right():
    step = explanation.softmax([1000.0, 999.0]).steps[0]
    assert step.result.tolist() == pytest.approx([0.73106, 0.26894], abs=1e-5)
    assert np.isfinite([row[2] for row in step.working.rows]).all()


def test_the_convolution_of_the_unit():
    trace = explanation.convolution(IMAGE, KERNEL)
    slid = step_of(trace, "convolution")
    assert trace.result.tolist() == [[60, 70, 50], [60, 70, 50], [20, 30, 20]]
    assert slid.numbers.split("\n") == [
        "Z[1, 1] = 1·0 + 0·10 + 0·20 + 2·30 = 60",
        "Z[1, 2] = 1·10 + 0·10 + 0·30 + 2·30 = 70",
    ]
    assert [row[2] for row in slid.working.rows] == trace.result.ravel().tolist()


@pytest.mark.parametrize(("padding", "sizes"), [("valid", (3, 3)), ("same", (4, 4)), ("full", (5, 5))])
def test_sizes_follow_the_padding(padding, sizes):
    trace = explanation.convolution(IMAGE, KERNEL, padding=padding)
    assert trace.result.shape == sizes
    assert step_of(trace, "size").result.tolist() == list(sizes)


def test_an_even_kernel_pads_below_and_to_the_right_under_same():
    padded = step_of(explanation.convolution(IMAGE, KERNEL, padding="same"), "padding").result
    assert padded.shape == (5, 5)
    assert padded[:4, :4].tolist() == IMAGE
    assert not padded[4].any()
    assert not padded[:, 4].any()


@given(
    st.integers(1, 7), st.integers(1, 7), st.integers(1, 4), st.integers(1, 4), st.integers(1, 3),
    st.sampled_from(["valid", "same", "full"]), st.integers(0, 2**32 - 1),
)  # fmt: skip
@settings(max_examples=80)
def test_convolution_is_the_sum_over_windows(height, width, kh, kw, stride, padding, seed):
    draw = np.random.default_rng(seed)
    A, K = draw.integers(-9, 9, (height, width)), draw.integers(-9, 9, (kh, kw))
    before, after = {"valid": (0, 0), "full": (1, 1), "same": (0.5, 0.5)}[padding]
    around = [(int(np.floor(before * (k - 1))), int(np.ceil(after * (k - 1)))) for k in (kh, kw)]
    wide = np.pad(A, around)
    if wide.shape[0] < kh or wide.shape[1] < kw:
        with pytest.raises(UsageError, match="needs a kernel that fits"):
            explanation.convolution(A, K, padding=padding, stride=stride)
        return
    windows = np.lib.stride_tricks.sliding_window_view(wide, (kh, kw))[::stride, ::stride]
    trace = explanation.convolution(A, K, padding=padding, stride=stride)
    np.testing.assert_allclose(step_of(trace, "convolution").result, (windows * K).sum(axis=(2, 3)))


@pytest.mark.parametrize(("n", "k"), [(28, 3), (4, 2), (5, 5), (1, 1)])
def test_padding_gives_all_three_sizes(n, k):
    assert [int(step.result[0]) for step in explanation.padding(n, k).steps] == [n - k + 1, n, n + k - 1]


def test_an_image_of_the_unit_weighs_732_KiB():
    trace = explanation.image(np.zeros((500, 500, 3)))
    weight = step_of(trace, "bits")
    assert weight.result.tolist() == [6_000_000]
    assert weight.numbers == "500 · 500 · 3 · 8 = 6,000,000 bits = 750,000 bytes = 732.42 KiB"
    assert step_of(trace, "colours").numbers == "256 · 256 · 256 = 16,777,216"


def test_a_neuron_and_a_layer_worked_by_hand():
    # 0.5·1 - 1·2 + 0.25·3 + 0.5 = -0.25, σ(-0.25) = 0.43782
    neuron = explanation.neuron([1, 2, 3], [0.5, -1, 0.25], 0.5)
    assert neuron.steps[0].result.tolist() == [-0.25]
    assert neuron.result.tolist() == pytest.approx([0.437823], abs=1e-6)
    # W is D x M = 2 x 3: Wᵀ x + b = (1+1, -1+2+0.5, 0.5-1+1)
    layer = explanation.layer([1, 2], [[1, -1, 0.5], [0.5, 1, -0.5]], [0, 0.5, 1])
    assert layer.steps[0].operands["W"].shape == (3, 2)
    assert layer.result.tolist() == [2.0, 1.5, 0.5]


FORMULAS = {
    "identity": (lambda z: z, lambda z: 1),
    "sigmoid": (lambda z: 1 / (1 + np.exp(-z)), lambda z: np.exp(-z) / (1 + np.exp(-z)) ** 2),
    "tanh": (np.tanh, lambda z: 1 - np.tanh(z) ** 2),
    "relu": (lambda z: max(0, z), lambda z: float(z > 0)),
    "leaky_relu": (lambda z: z if z > 0 else 0.01 * z, lambda z: 1 if z > 0 else 0.01),
    "elu": (lambda z: z if z > 0 else np.exp(z) - 1, lambda z: 1 if z > 0 else np.exp(z)),
}


@pytest.mark.parametrize("name", FORMULAS)
@pytest.mark.parametrize("z", [-2.5, -0.1, 0.7, 3.0])
def test_an_activation_has_value_and_derivative(name, z):
    value, slope = FORMULAS[name]
    trace = explanation.activation(name, z)
    assert trace.steps[0].result[0] == pytest.approx(value(z))
    assert step_of(trace, "derivative").result[0] == pytest.approx(slope(z))


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_the_curve_of_an_activation_stays_in_its_range(name):
    curve = step_of(explanation.activation(name), "curve")
    lowest = {"sigmoid": 0, "tanh": -1, "relu": 0, "elu": -1, "gelu": -0.17, "selu": -1.7581}.get(name, -np.inf)
    highest = {"sigmoid": 1, "tanh": 1}.get(name, np.inf)
    assert lowest <= curve.result[0].min()
    assert curve.result[0].max() <= highest


def test_pooling_takes_the_largest_and_the_mean():
    assert explanation.pooling(IMAGE).steps[0].result.tolist() == [[[30, 30], [20, 20]]]
    assert explanation.pooling(IMAGE, kind="average").steps[0].result.tolist() == [[[15, 15], [8.75, 8.75]]]


def test_pooling_measures_what_a_small_move_changes():
    image = np.zeros((8, 8))
    image[2, 2] = 9
    moved = explanation.pooling(image).steps[1]
    assert "of the pooled values 100 %" in moved.numbers


@pytest.mark.parametrize("make", [explanation.rnn, explanation.lstm, explanation.gru])
def test_a_cell_reads_three_steps(make):
    trace = make([1, -0.5, 0.25])
    assert {step.title.split(":")[0] for step in trace.steps} == {"Step 1", "Step 2", "Step 3"}


def test_an_lstm_worked_from_its_page():
    steps = {step.name: step for step in explanation.lstm([1.0, -0.5]).steps}
    i, f, g, c = (steps[f"{symbol}(2)"].result for symbol in "ifgc")
    np.testing.assert_allclose(c, f * steps["c(1)"].result + i * g)
    np.testing.assert_allclose(steps["h1(2)"].result, steps["o(2)"].result * np.tanh(c))


def test_networks_side_by_side_show_what_changed():
    trace = explanation.compare("rnn", "lstm", "gru")
    lines = {row[0]: row[1:] for row in trace.steps[0].working.rows}
    # (8 + 16 + 2) · 16 for each set of weights: one, four and three of them
    assert lines["weights, 8 inputs, 16 units"] == ("416", "1,664", "1,248")
    assert "c(t)" in lines["computes"][1]


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: explanation.softmax([]), "needs one row of finite numbers"),
        (lambda: explanation.softmax([np.nan]), "needs one row of finite numbers"),
        (lambda: explanation.neuron([1], [1, 2]), "as many weights as inputs"),
        (lambda: explanation.layer([1], [[1, 2]], [1]), "W of shape 1 x 1"),
        (lambda: explanation.activation("relo"), "needs one that is known"),
        (lambda: explanation.convolution(IMAGE, KERNEL, padding="ful"), "padding needs one of"),
        (lambda: explanation.convolution(IMAGE, KERNEL, stride=0), "stride needs"),
        (lambda: explanation.convolution([[1]], KERNEL), "needs a kernel that fits"),
        (lambda: explanation.convolution(IMAGE, [1, 2]), "kernel needs a matrix"),
        (lambda: explanation.convolution([1, 2], KERNEL), "image needs a matrix"),
        (lambda: explanation.padding(0, 1), "whole numbers from 1"),
        (lambda: explanation.pooling(IMAGE, 9), "windows from 1 to 4"),
        (lambda: explanation.pooling(IMAGE, 2, "sum"), "max or average"),
        (lambda: explanation.compare("lstn"), "needs the name of one on the chart"),
    ],
)
def test_what_does_not_fit_is_refused(call, words):
    with pytest.raises(UsageError, match=words):
        call()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("1 2; 3", "rows of equally many"),
        ("", "rows of equally many"),
        ("1 a", 'needs numbers; got "a"'),
        ("1 nan", "finite numbers"),
        ("1 " * MAX_TEXT, "at most"),
        ("1 " * 1000, "rows and columns"),
    ],
)
def test_a_matrix_that_is_none_is_refused(text, words):
    with pytest.raises(UsageError, match=words):
        parse_matrix(text, "kernel")


@given(
    st.lists(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=3, max_size=3), min_size=1, max_size=4)
)
def test_a_matrix_is_read_as_it_is_written(rows):
    text = "; ".join(" ".join(map(repr, row)) for row in rows)
    assert parse_matrix(text, "kernel").tolist() == rows


def test_named_kernels():
    assert KERNELS["blur"].sum() == pytest.approx(1)
    assert KERNELS["edges"].sum() == 0
    assert read_kernel("sharpen").sum() == 1
    assert read_kernel("1 0; 0 2").tolist() == KERNEL


def test_a_picture_is_read_blurred_and_written(tmp_path):
    pixels = np.arange(36 * 3, dtype=np.uint8).reshape(6, 6, 3)
    Image.fromarray(pixels).save(tmp_path / "in.png")
    assert read_image(tmp_path / "in.png").tolist() == pixels.tolist()
    trace = explanation.convolution(str(tmp_path / "in.png"), "blur", padding="valid")
    save_picture(trace.result, tmp_path / "out.png")
    back = np.asarray(Image.open(tmp_path / "out.png"))
    windows = np.lib.stride_tricks.sliding_window_view(pixels, (3, 3), axis=(0, 1)).mean(axis=(3, 4))
    assert np.abs(back - windows).max() <= 0.5 + 1e-9
    with pytest.raises(UsageError, match="needs a name that ends in"):
        save_picture(trace.result, tmp_path / "out.txt")


TRACES = [
    explanation.neuron, explanation.layer, explanation.activation, explanation.softmax, explanation.image,
    explanation.convolution, explanation.padding, explanation.pooling, explanation.rnn, explanation.lstm,
    explanation.gru,
]  # fmt: skip


@pytest.mark.parametrize("make", TRACES)
def test_every_trace_is_text_a_page_and_plain_data(make, tmp_path):
    trace = make()
    assert all(f"{n}. {step.title}" in str(trace) for n, step in enumerate(trace.steps, start=1))
    trace.to_html(tmp_path / "t.html")
    assert json.loads(json.dumps(trace.to_json(), allow_nan=False))["steps"][-1]["result"]["shape"] == list(
        trace.result.shape
    )
