"""Seconds of training until the test accuracy reaches a goal: recipes as documented, and peers given nnzoo's recipe."""

import statistics
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from machine import bold, ran, reasons, spread, table

from sections.epochs import PEERS, WORDS

TITLE = "Time to accuracy"
CAP_SECONDS, RECIPE_CAP_SECONDS = 120, 300
SHORTER_RUNS = (3, 4, 5, 7)
N_ROWS = 60_000


def recipe(network: str, optimizer: str, rate: float, batch: int, n_epochs: int = 100, **more: Any) -> dict[str, Any]:
    """Return a recipe with a constant learning rate; documented epochs are a lower limit, the cap ends the run."""
    return {
        "network": network,
        "optimizer": optimizer,
        "learning_rate": rate,
        "batch_size": batch,
        "n_epochs": n_epochs,
        "schedule": "constant",
    } | more


@dataclass(frozen=True)
class Frame:
    """A goal on a set of images: nnzoo's network, and the documented recipes of the peers with their sources."""

    data: str
    network: str
    kind: str
    goals: tuple[float, ...]
    documented: tuple[tuple[str, str, dict[str, Any]], ...]
    most_weights: int | None = None


# keras-team/keras, examples/mnist_mlp.py: 512-512, dropout 0.2, RMSprop, batch 128.
KERAS_MLP = recipe("mnist_mlp", "rmsprop", 1e-3, 128, scaling="unit")
# keras.io/examples/vision/mnist_convnet (34,826 weights): Adam, batch 128.
KERAS_CONVNET = recipe("simple_convnet", "adam", 1e-3, 128, scaling="unit")
# keras.io/guides/working_with_rnns: LSTM 64, batch normalisation, SGD at its default 0.01, batch 64.
KERAS_RNN = recipe("rnn_guide", "sgd", 1e-2, 64, scaling="unit")
# skorch, notebooks/MNIST.ipynb: 98 hidden units, dropout 0.5, SGD at 0.1, skorch's default batch 128.
SKORCH_MLP = recipe("skorch_mnist", "sgd", 0.1, 128, scaling="unit")
# lightning.ai/docs, notebook mnist-hello-world (LitMNIST): 64-64, dropout 0.1, Adam at 2e-4, batch 256 (64 on a CPU).
LIGHTNING_MLP = recipe("lightning_mnist", "adam", 2e-4, 64)
# docs.pytorch.org/tutorials/beginner/basics/quickstart_tutorial: 512-512, SGD at 1e-3, batch 64.
TORCH_MLP = recipe("quickstart", "sgd", 1e-3, 64, scaling="unit")
# pytorch/examples, mnist_hogwild (21,840 weights): SGD at 0.01, momentum 0.5, batch 64.
TORCH_CNN = recipe("hogwild", "sgd", 1e-2, 64, momentum=0.5)
# pytorch/examples, mnist_rnn: LSTM 64, Adadelta at 0.1, times 0.7 after every epoch, batch 64.
TORCH_RNN = recipe("mnist_rnn", "adadelta", 0.1, 64, gamma=0.7)
# yunjey/pytorch-tutorial, 02-intermediate/recurrent_neural_network: two layers of LSTM 128, Adam at 0.01, batch 100.
TORCH_LSTM = recipe("tutorial_lstm", "adam", 1e-2, 100, scaling="unit")
# scikit-learn's own defaults: 100 hidden units, Adam at 1e-3, batch 200, L2 1e-4.
SKLEARN_MLP = recipe("mlp_default", "adam", 1e-3, 200, weight_decay=1e-4, scaling="unit")

FRAMES = {
    "MNIST, feed-forward": Frame(
        "mnist",
        "deep-feed-forward",
        "image",
        (0.98,),
        (
            ("plain", "PyTorch quickstart, 512-512", TORCH_MLP),
            ("skorch", "notebook MNIST, 98", SKORCH_MLP),
            ("lightning", "mnist-hello-world, 64-64", LIGHTNING_MLP),
            ("keras-jax", "mnist_mlp, 512-512", KERAS_MLP),
            ("keras-torch", "mnist_mlp, 512-512", KERAS_MLP),
            ("scikit-learn", "MLPClassifier()", SKLEARN_MLP),
        ),
    ),
    "Fashion-MNIST, convolutional network below 100,000 weights": Frame(
        "fashion-mnist",
        "deep-convolutional-network",
        "image",
        (0.91, 0.92),
        (
            ("plain", "examples mnist_hogwild, 21,840 weights", TORCH_CNN),
            ("keras-jax", "mnist_convnet, 34,826 weights", KERAS_CONVNET),
            ("keras-torch", "mnist_convnet, 34,826 weights", KERAS_CONVNET),
        ),
        most_weights=100_000,
    ),
    "Fashion-MNIST, LSTM over rows": Frame(
        "fashion-mnist",
        "lstm",
        "sequence",
        (0.88,),
        (
            ("plain", "examples mnist_rnn, LSTM 64", TORCH_RNN),
            ("plain", "tutorial, 2 x LSTM 128", TORCH_LSTM),
            ("keras-jax", "guide working_with_rnns, LSTM 64", KERAS_RNN),
            ("keras-torch", "guide working_with_rnns, LSTM 64", KERAS_RNN),
        ),
    ),
}
GIVEN = ("plain", "resident", "skorch", "lightning", "keras-jax", "keras-torch", "scikit-learn")


def settings(bench: Any, frame: Frame) -> dict[str, Any]:
    """Return nnzoo's class and default parameters for the data."""
    spec = {"section": "accuracy", "work": "settings", "network": frame.network, "data": frame.data}
    return bench.run("nnzoo_.py", "nnzoo", spec | {"as": frame.kind, "rows": N_ROWS})


def ours(bench: Any, frame: Frame, n_epochs: int | None, number: int) -> dict[str, Any]:
    """Return a run of nnzoo's defaults, or of fewer epochs."""
    found = settings(bench, frame)
    if "not_run" in found:
        return found
    n_epochs = 1 if bench.quick else n_epochs or found["params"]["n_epochs"]
    params = found["params"] | {"n_epochs": n_epochs, "patience": n_epochs, "random_state": number}
    spec = {"section": "accuracy", "work": "train", "class": found["class"], "data": frame.data, "params": params}
    spec |= {"epochs": n_epochs, "round": number, "test": True, "rows": min(bench.n_rows, N_ROWS)}
    return bench.run("nnzoo_.py", "nnzoo", spec)


def lengths(bench: Any, frame: Frame) -> list[int]:
    """Return the numbers of epochs that are tried, the default last."""
    found = settings(bench, frame)
    if "not_run" in found:
        return []
    n_epochs = 1 if bench.quick else found["params"]["n_epochs"]
    return [each for each in SHORTER_RUNS if each < n_epochs] + [n_epochs]


def shortest(bench: Any, frame: Frame, goal: float) -> int | None:
    """Return the fewest epochs whose median accuracy at the end reaches the goal."""
    for n_epochs in lengths(bench, frame):
        results = ran(ours(bench, frame, n_epochs, k) for k in range(bench.n_rounds))
        if results and statistics.median(each["accuracies"][-1] for each in results) >= goal:
            return n_epochs
    return None


def theirs(
    bench: Any, frame: Frame, name: str, own: dict[str, Any], number: int, *, precision: str = "fp32", documented: bool
) -> dict[str, Any]:
    """Return a run of a peer: to the goal as documented, or to the end of nnzoo's recipe."""
    peer = PEERS[name]
    spec: dict[str, Any] = {
        "section": "accuracy",
        "peer": name,
        "data": frame.data,
        "precision": precision,
        "test": True,
    }
    spec |= {"flags": [], "round": number, "seed": number, "rows": min(bench.n_rows, N_ROWS), "recipe": own}
    limits = {"goal": max(frame.goals), "cap": CAP_SECONDS} if documented else {"cap": RECIPE_CAP_SECONDS}
    if bench.quick:
        spec["recipe"] = own | {"n_epochs": 1}
    return bench.run(peer.worker, peer.environment, spec | limits, backend=peer.backend, peer=name)


def documented(
    bench: Any, frame: Frame, name: str, own: dict[str, Any], numbers: Iterable[int]
) -> list[dict[str, Any]]:
    """Return some rounds of a documented recipe; one that does not reach the lowest goal is not run again."""
    first = theirs(bench, frame, name, own, 0, documented=True)
    if "not_run" in first or reached(first, min(frame.goals)) is None:
        return [first]
    return [theirs(bench, frame, name, own, number, documented=True) for number in numbers]


def given_length(bench: Any, frame: Frame) -> int:
    """Return the epochs that peers get with nnzoo's recipe: those of its shortest run to the highest goal it reaches."""
    lasts = (shortest(bench, frame, goal) for goal in reversed(frame.goals))
    return next((each for each in lasts if each), lengths(bench, frame)[-1])


def given(bench: Any, frame: Frame, name: str, numbers: Iterable[int]) -> list[dict[str, Any]]:
    """Return some rounds of a peer with nnzoo's network, batch, schedule and precision, for as many epochs as nnzoo needs."""
    if name == "scikit-learn":
        return [{"not_run": "MLPClassifier has no dropout, no one-cycle schedule and no bfloat16"}]
    found = settings(bench, frame)
    if "not_run" in found:
        return [found]
    n_epochs = given_length(bench, frame)
    if found["recipe"].get("average") or found["recipe"].get("warmup"):
        return [{"not_run": "averaged weights and warm-up are not written for the peers"}]
    own = found["recipe"] | {"network": {"class": found["class"], **found["params"]}, "n_epochs": n_epochs}
    ours_first = ours(bench, frame, n_epochs, 0)
    precision = "bf16" if ours_first.get("arithmetic") == "bfloat16" else "fp32"
    return [theirs(bench, frame, name, own, k, precision=precision, documented=False) for k in numbers]


def reached(result: dict[str, Any], goal: float) -> float | None:
    """Return the seconds of training after which the test accuracy first reached the goal."""
    total = 0.0
    for second, accuracy in zip(result["seconds"], result["accuracies"], strict=True):
        total += second
        if accuracy >= goal:
            return total
    return None


def measure(bench: Any) -> None:
    """Measure nnzoo and the documented recipes; then the peers with nnzoo's recipe, whose length nnzoo's runs decide."""
    for frame in FRAMES.values():
        for number in range(bench.n_rounds):
            for n_epochs in lengths(bench, frame):
                ours(bench, frame, n_epochs, number)
            for name, _, own in frame.documented:
                documented(bench, frame, name, own, [number])
        for number in range(bench.n_rounds):
            for name in GIVEN:
                given(bench, frame, name, [number])


def report(bench: Any) -> list[str]:
    """Return the tables."""
    lines = [
        f"Seconds of training, the clock standing while the test images are predicted. nnzoo's schedule ends at zero, so its "
        "accuracy counts at the end of a run: its row is the shortest of some lengths whose median accuracy reaches the "
        "goal, and the default. Documented recipes are measured after each epoch, and end at the goal or after "
        f"{CAP_SECONDS} s; torchvision's loading and scaling of single images, which most of them use, is left out in "
        "their favour. Peers *given nnzoo's recipe* have its network, batch, optimiser, schedule, precision and number of "
        f"epochs, and all 60,000 images, of which nnzoo holds back a tenth for validation; they too are cut off, after "
        f"{RECIPE_CAP_SECONDS} s, and one that is has not come to the low end of its schedule. The ratio is to nnzoo's "
        "shortest run, and they stand in the table of the goal that decided its length.",
        "",
    ]
    for title, frame in FRAMES.items():
        for goal in frame.goals:
            lines += [f"### {title}: {goal}", "", *one_table(bench, frame, goal)]
    return lines


def one_table(bench: Any, frame: Frame, goal: float) -> list[str]:
    """Return the table of one goal."""
    able, base = shortest(bench, frame, goal), None
    rows, fastest = [], []
    for n_epochs in dict.fromkeys(each for each in (able, *lengths(bench, frame)[-1:]) if each):
        results = [ours(bench, frame, n_epochs, k) for k in range(bench.n_rounds)]
        there = ran(results)
        if not there:
            continue
        times, end = [sum(each["seconds"]) for each in there], [each["accuracies"][-1] for each in there]
        base = statistics.median(times) if n_epochs == able else base
        words = f"{n_epochs} epochs, {there[0]['arithmetic']}, {there[0]['weights']:,} weights"
        words += " (default)" if n_epochs == lengths(bench, frame)[-1] else ""
        rows.append(["nnzoo", words, spread(times), "1" if n_epochs == able else "", spread(end, 4)])
    if not rows:
        rows.append(["nnzoo", "", reasons([ours(bench, frame, None, 0)]), "", ""])
    for name, words, own in frame.documented:
        results = documented(bench, frame, name, own, range(bench.n_rounds))
        rows.append(peer_row(name, f"as documented: {words}", results, goal, base))
        fastest += [each for each in (reached(one, goal) for one in ran(results)) if each is not None]
    if able is not None and able == given_length(bench, frame):  # the same schedule, so the same work
        for name in GIVEN:
            results = given(bench, frame, name, range(bench.n_rounds))
            rows.append(peer_row(name, "given nnzoo's recipe", results, goal, base))
    lines = table(("", "recipe", "seconds to the goal", "ratio", "accuracy at the end"), rows)
    if base and fastest:
        lines += [f"Fastest documented recipe to nnzoo: {min(fastest) / base:.1f}; wanted: at least 3.", ""]
    if able is None and ran(ours(bench, frame, each, 0) for each in lengths(bench, frame)):
        lines += ["nnzoo does not reach this goal.", ""]
    return lines


def peer_row(name: str, words: str, results: list[dict[str, Any]], goal: float, base: float | None) -> list[str]:
    """Return the row of a peer."""
    there = ran(results)
    if not there:
        return [WORDS.get(name, name), words, reasons(results), "", ""]
    times = [each for each in (reached(one, goal) for one in there) if each is not None]
    best = spread([max(each["accuracies"]) for each in there], 4)
    end = spread([each["accuracies"][-1] for each in there], 4)
    if 2 * len(times) <= len(there):
        took = statistics.median(sum(each["seconds"]) for each in there)
        return [WORDS.get(name, name), words, f"not reached in {took:.0f} s: best {best}", "", end]
    middle = statistics.median(times)
    ratio = f"{middle / base:.2f}" if base else ""
    return [WORDS.get(name, name), words, bold(spread(times), base is not None and middle < base), ratio, end]
