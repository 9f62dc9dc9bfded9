"""Seconds per epoch on the three networks: at equal precision, and each at its own best flags."""

import math
import statistics
from dataclasses import dataclass
from typing import Any

from machine import bold, ran, reasons, spread, table

TITLE = "Seconds per epoch"
NETWORKS = {
    "mlp": "784-128-10",
    "cnn": "convolutions 32-64-128, stride 2, dense 512",
    "lstm": "LSTM 128 over 28 rows",
}
GOALS = {"mlp": 1.0, "cnn": 1.5, "lstm": 1.5}
N_ROWS, BATCH = 60_000, 128
RECIPE = {"batch_size": BATCH, "optimizer": "adam", "learning_rate": 1e-3, "schedule": "constant"}
COMMON = {"batch_size": BATCH, "learning_rate": 1e-3, "weight_decay": 0.0, "early_stopping": False}
OURS: dict[str, tuple[str, dict[str, Any]]] = {
    "mlp": ("FeedForward", {"n_hidden": 128, "kind": "image"}),
    "cnn": (
        "DeepConvolutionalNetwork",
        {
            "n_filters": [32, 64, 128],
            "stride": 2,
            "pool_size": 1,
            "normalization": None,
            "dropout": 0.0,
            "hidden_layer_sizes": [512],
            "kind": "image",
        },
    ),
    "lstm": ("LSTM", {"n_hidden": 128, "clip_norm": None}),
}


@dataclass(frozen=True)
class Peer:
    """A peer: its environment, worker and backend, and the flags that it is measured with; the first word is the precision."""

    environment: str
    worker: str
    variants: tuple[str, ...] = ("fp32", "bf16")
    backend: str | None = None
    networks: tuple[str, ...] = tuple(NETWORKS)


PEERS = {
    "nnzoo": Peer("nnzoo", "nnzoo_.py", ("fp32", "auto")),
    "plain": Peer("torch", "plain.py"),
    "resident": Peer(
        "torch",
        "resident.py",
        ("fp32", "bf16", "fp32 channels_last", "bf16 channels_last", "fp32 compile", "bf16 compile"),
    ),
    "skorch": Peer("skorch", "skorch_.py"),
    "lightning": Peer("lightning", "lightning_.py"),
    "keras-jax": Peer("keras-jax", "keras_.py", backend="jax"),
    "keras-torch": Peer("keras-torch", "keras_.py", ("fp32", "bf16", "bf16 compile"), backend="torch"),
    "scikit-learn": Peer("sklearn", "sklearn_.py", ("fp32",), networks=("mlp",)),
}
WORDS = {
    "plain": "plain PyTorch loop, DataLoader",
    "resident": "PyTorch, data one tensor, fused Adam",
    "keras-jax": "Keras (JAX)",
    "keras-torch": "Keras (torch)",
    "lightning": "Lightning",
}


def one(bench: Any, network: str, name: str, variant: str, number: int) -> dict[str, Any]:
    """Return one measurement."""
    peer, n_epochs = PEERS[name], 2 if bench.quick else 4
    precision, *flags = variant.split()
    spec: dict[str, Any] = {"section": "epochs", "peer": name, "network": network, "precision": precision}
    spec |= {"flags": flags, "round": number, "data": "fashion-mnist", "rows": min(bench.n_rows, N_ROWS)}
    if name == "nnzoo":
        which, own = OURS[network]
        named = {"fp32": "float32"}.get(precision, precision)
        params = own | COMMON | {"n_epochs": n_epochs, "random_state": number, "precision": named}
        return bench.run(peer.worker, peer.environment, spec | {"work": "train", "class": which, "params": params})
    spec |= {"seed": number, "recipe": RECIPE | {"network": network, "n_epochs": n_epochs}}
    return bench.run(peer.worker, peer.environment, spec, backend=peer.backend, peer=name)


def variants(network: str, name: str) -> tuple[str, ...]:
    """Return the flags that make sense for a network."""
    return tuple(each for each in PEERS[name].variants if suits(network, name, each))


def suits(network: str, name: str, variant: str) -> bool:
    """Return whether a flag makes sense: channels last for images; Keras compiles an LSTM step by step, for minutes."""
    if "channels_last" in variant:
        return network == "cnn"
    return not ("compile" in variant and network == "lstm" and name == "keras-torch")


def warm(results: list[dict[str, Any]]) -> list[float]:
    """Return the seconds of all epochs but the first of each process."""
    return [second for each in ran(results) for second in each["seconds"][1:]]


def fastest(bench: Any, network: str, name: str, precision: str) -> str:
    """Return the flags with which the first round was fastest; of one precision, or of any ("")."""
    able = [each for each in variants(network, name) if each.startswith(precision)]
    times = {each: warm([one(bench, network, name, each, 0)]) for each in able}
    return min(able, key=lambda each: statistics.median(times[each]) if times[each] else math.inf)


def measure(bench: Any) -> None:
    """Measure all flags once, then each peer's fastest ones in turn; and the products alone."""
    for number in range(bench.n_rounds):
        for network in NETWORKS:
            for name, peer in PEERS.items():
                if network in peer.networks:
                    chosen = variants(network, name)
                    if number:
                        chosen = tuple(dict.fromkeys(fastest(bench, network, name, each) for each in ("fp32", "")))
                    for variant in chosen:
                        one(bench, network, name, variant, number)
            for precision in ("fp32", "bf16"):
                products(bench, network, precision, number)


def products(bench: Any, network: str, precision: str, number: int) -> dict[str, Any]:
    """Return the time of the matrix products of one step, alone."""
    spec = {"section": "epochs", "network": network, "precision": precision, "round": number, "batch": BATCH}
    return bench.run("products.py", "nnzoo", spec, peer="products")


def report(bench: Any) -> list[str]:
    """Return the tables."""
    n_rows = min(bench.n_rows, N_ROWS)
    lines = [
        f"Fashion-MNIST, {n_rows:,} images, batch {BATCH}, Adam at 1e-3, no weight decay. *Epoch* is every epoch after the first "
        "of a process. The first epoch, which holds compilation, and the set-up between arrays in memory and the first "
        "epoch stand apart. *Loss* is the mean training loss of the last epoch: all train the same thing. Peers get "
        "their images scaled beforehand, outside the clock; nnzoo gets them as bytes (the LSTM as numbers).",
        "",
    ]
    for title, precision in (("Equal precision: all in float32", "fp32"), ("Each at its own best flags", "")):
        lines += [f"### {title}", ""]
        if not precision:
            lines += [
                "All flags that a peer has are measured once; the fastest goes on. *auto* is nnzoo's default.",
                "",
            ]
        for network in NETWORKS:
            lines += one_table(bench, network, precision)
    return [*lines, "### How much of a step is the network's own products", "", *share(bench)]


def one_table(bench: Any, network: str, precision: str) -> list[str]:
    """Return the table of a network."""
    found: dict[str, tuple[str, list[dict[str, Any]]]] = {}
    for name, peer in PEERS.items():
        if network in peer.networks:
            variant = fastest(bench, network, name, precision)
            found[name] = variant, [one(bench, network, name, variant, k) for k in range(bench.n_rounds)]
    times = {name: statistics.median(warm(results)) for name, (_, results) in found.items() if warm(results)}
    ours = times.get("nnzoo", math.nan)
    rows = []
    for name, (variant, results) in found.items():
        words = WORDS.get(name, name)
        if name not in times:
            rows.append([words, variant, reasons(results), *[""] * 5])
            continue
        there = ran(results)
        said = f"{variant} ({there[0]['arithmetic']})" if "arithmetic" in there[0] else variant
        rows.append(
            [
                words,
                said,
                bold(spread(warm(results)), times[name] < ours),
                "1" if name == "nnzoo" else f"{times[name] / ours:.2f}" if "nnzoo" in times else "",
                spread([each["seconds"][0] for each in there]),
                spread([each["setup"] for each in there], 2),
                spread([each["losses"][-1] for each in there], 3),
                f"{statistics.median(each['peak_mib'] for each in there):,.0f}",
            ]
        )
    head = ("", "flags", "epoch, s", "ratio", "first epoch, s", "set-up, s", "loss", "peak, MiB")
    others = {name: value for name, value in times.items() if name != "nnzoo"}
    lines = [f"**{NETWORKS[network]}**", "", *table(head, rows)]
    if others and "nnzoo" in times:
        best = min(others, key=others.__getitem__)
        goal = 1.0 if precision else GOALS[network]
        lines += [
            f"Fastest peer ({WORDS.get(best, best)}) to nnzoo: {others[best] / ours:.2f}; wanted: at least {goal}.",
            "",
        ]
    return lines


def share(bench: Any) -> list[str]:
    """Return the table of training steps beside their products."""
    rows = []
    n_rows = min(bench.n_rows, N_ROWS)
    n_steps = math.ceil(n_rows / BATCH)
    for network, words in NETWORKS.items():
        for variant in ("fp32", "auto"):
            results = ran(one(bench, network, "nnzoo", variant, k) for k in range(bench.n_rounds))
            bf16 = variant == "auto" and bool(results) and results[0]["arithmetic"] == "bfloat16"
            alone = [products(bench, network, "bf16" if bf16 else "fp32", k) for k in range(bench.n_rounds)]
            if not results or not ran(alone):
                own = [one(bench, network, "nnzoo", variant, k) for k in range(bench.n_rounds)]
                rows.append([words, variant, reasons([*own, *alone]), "", "", ""])
                continue
            step = [1e3 * second / n_steps for second in warm(results)]
            bare = [each["milliseconds"] for each in ran(alone)]
            ratio = statistics.median(step) / statistics.median(bare)
            how = ", ".join(sorted({each["routes"] for each in ran(alone)}))
            rows.append([words, results[0]["arithmetic"], spread(step), spread(bare), f"{ratio:.2f}", how])
    head = ("", "precision", "nnzoo's step, ms", "its products alone, ms", "ratio", "fastest routes")
    text = (
        f"A step of {BATCH} rows beside the products of its forward and backward pass at the same shapes and precision, each by "
        "torch's fastest route, run alone in a loop: no activations, no loss, no optimiser, no data. Wanted: at most 2 "
        "for the convolutional network and the LSTM."
    )
    return [text, "", *table(head, rows)]
