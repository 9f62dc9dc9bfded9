"""What is shown of a recall: its steps in a trace, and in a report how much of a damaged row comes back."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor

from nnzoo.evaluation.rowvalues import Competitor, RowValues, Shown, as_bytes, timed_competitor
from nnzoo.networks.associative import AssociativeMemory, Recall
from nnzoo.networks.unlabelled import MAX_BESIDE
from nnzoo.opsteps import dense
from nnzoo.pictures.curves import energy_curves
from nnzoo.trace import Step, Working, cell_name, shown_rows, written
from nnzoo.tracing import Names, array

DAMAGED = 0.1
"""Share of the entries of a row that are turned round before the network is asked to recall it."""
MAX_WORKED = 64


def trace_recall(memory: AssociativeMemory, recall: Recall, x: Tensor, names: Names) -> Iterator[Step]:
    """Yield how one row (1, n_in) is recalled, and which stored pattern it has become."""
    s = memory.state_of(x)
    patterns = memory.patterns.double().cpu().numpy()
    if memory.is_modern:
        yield from _trace_attention(memory, array(s), patterns, names)
        names.next("r")  # what it is when nothing moves any more
    else:
        before, name = names.next("s", new_layer=True)
        yield Step(
            "signs",
            "The row as a state",
            f"{name} = 1 where {before} > 0, else -1",
            f"{int((s > 0).sum())} of {s.shape[1]:,} are 1",
            name,
            array(s),
            "A unit knows two states only: above its usual value, or not.",
            {before: array(x)},
        )
        if memory.memory == "classic":
            told, W = array(memory.fields(s)), memory.weight.double().cpu().numpy()
            bias = np.full(len(W), -memory.threshold) if memory.threshold else None
            title = "What the others tell each unit at first"
            yield dense(array(s), W, bias, told, names.next("h"), title=title)
        yield _trace_sweeps(memory, recall, s, names)
    end = recall(s)
    overlap = array(memory.overlaps(end))
    before, name = names.next("m")
    best = int(overlap.argmax())
    yield Step(
        "overlaps",
        "Overlaps with what is stored",
        f"{name}[μ] = ξ[μ]·{before} / {memory.n_out}",
        f"{cell_name(name, (best,))} = {written(overlap[best])}",
        name,
        overlap,
        "1 is the stored pattern itself, -1 all of it turned round.",
        {before: array(end)} | shown_rows("ξ", patterns, best),
        (best,),
    )
    before, name = names.next("c")
    yield Step(
        "best pattern",
        "The nearest stored pattern",
        f"{name} = argmax over μ of {before}[μ], counted from 0",
        f"{name} = {best}: {cell_name(before, (best,))} = {written(overlap[best])} is the largest",
        name,
        np.array([best]),
        "What comes out is a pattern again only where this overlap is 1; all else is a spurious state.",
        {before: overlap},
    )


def _trace_sweeps(memory: AssociativeMemory, recall: Recall, s: Tensor, names: Names) -> Step:
    """Return the step of all sweeps, the energies after each, and the first turns one by one."""
    states = [s, *recall.sweeps(s)]
    energies = [float(memory.energy(state)) for state in states]
    before, name = names.next("r")
    first, after = array(s), array(states[1])
    rows = tuple((f"unit {i + 1}", float(first[i]), float(after[i])) for i in range(min(len(first), MAX_WORKED)))
    changed = int((array(states[-1]) != first).sum())
    operands = {before if before.startswith("s") else f"s{names.number}": first}
    if memory.memory == "classic" and memory.weight.numel() <= MAX_WORKED**2:
        operands["W"] = memory.weight.double().cpu().numpy()
    return Step(
        "recall",
        f"Recall, {recall.update if not recall.temperature else 'by chance'}",
        f"{name}[i] ← sign(Σ over j of W[i, j] {name}[j] - θ), where it is 0 as it was, again and again",
        f"E from {written(energies[0])} to {written(energies[-1])} in {len(states) - 1} sweeps; {changed} changed",
        name,
        array(states[-1]),
        "Each turn of a unit lowers the energy or leaves it, so the state runs down to a valley and stays.",
        operands,
        working=Working(("unit", "at first", "after one sweep"), rows),
    )


def _trace_attention(memory: AssociativeMemory, q: np.ndarray, patterns: np.ndarray, names: Names) -> Iterator[Step]:
    """Yield the first modern step as attention."""
    agreement = memory.agreement(torch.from_numpy(q[None]).to(memory.patterns))
    values, shares = array(agreement), array(torch.softmax(agreement, dim=1))
    best, prior = int(values.argmax()), memory.mass.log().double().cpu().numpy()
    before, name = names.next("a", new_layer=True)
    yield Step(
        "agreement",
        "Agreement with each pattern",
        f"{name}[μ] = β ξ[μ]·{before} + log w[μ]",
        f"{cell_name(name, (best,))} = {written(values[best])}",
        name,
        values,
        "The larger it is, the more of the pattern comes back; w are the weights of the rows, 1 without.",
        {before: q, "log w": prior, "β": np.array(memory.beta)} | shown_rows("ξ", patterns, best),
        (best,),
    )
    before, name = names.next("p")
    yield Step(
        "attention shares",
        "Shares of the patterns",
        f"{name} = softmax({before})",
        f"{cell_name(name, (best,))} = {written(shares[best])}",
        name,
        shares,
        "They are above 0 and add up to 1.",
        {before: values},
        (best,),
    )
    after = shares @ patterns
    cell = int(np.abs(after).argmax())
    before, name = names.next("q")
    column = {f"ξ[:, {cell + 1}]": patterns[:, cell]}
    yield Step(
        "context",
        "The mean of the patterns by their shares",
        f"{name} = Σ over μ of {before}[μ] ξ[μ]",
        f"{cell_name(name, (cell,))} = {written(after[cell])}",
        name,
        after,
        "This is attention; it goes on from here until nothing moves.",
        {before: shares} | column,
        (cell,),
    )


def recall_values(network: Any, X: Any) -> RowValues:
    """Return the share of each row that is right after a tenth of it was turned round and recalled."""
    body, memory = network.network_.body, network.network_.body.memory
    wanted = network._states(network._check_inputs(X))
    turned = np.random.default_rng(0).random(wanted.shape) < DAMAGED
    damaged = torch.from_numpy(np.where(turned, -wanted, wanted)).to(network._weight)
    found = network._pass(body.recall, damaged)

    def right(states: np.ndarray) -> np.ndarray:
        return ((states > 0) == (wanted > 0)).mean(axis=1)

    def nearest() -> np.ndarray:
        overlap = network._pass(memory.overlaps, damaged)
        return right(memory.patterns.double().cpu().numpy()[overlap.argmax(axis=1)])

    def usual() -> np.ndarray:
        mass = memory.mass.double().cpu().numpy()
        return right(np.broadcast_to(mass @ memory.patterns.double().cpu().numpy(), wanted.shape))

    competitors: tuple[Competitor, ...] = (
        timed_competitor("constant", usual, "the commoner side of each column"),
        timed_competitor("nearest stored row", nearest, "looked up"),
    )
    load = network.n_patterns_ / memory.n_out
    return RowValues(
        "recalled",
        "higher",
        "Share of the entries of a row on the right side of their column's mean, after a tenth of them was turned "
        "round and the network recalled the row.",
        right(found),
        competitors,
        {"load": (load, "lower", "Stored rows a unit; Hebb's rule breaks down from 0.138 on, for random rows.")},
        _shows(network, damaged, wanted, found),
    )


def _shows(network: Any, damaged: Tensor, wanted: np.ndarray, found: np.ndarray) -> tuple[Shown, ...]:
    memory, few = network.network_.body.memory, damaged[:MAX_BESIDE]
    with torch.inference_mode():
        states = [few, *network.network_.body.recall.sweeps(few)]
        energies = np.array([memory.energy(each).double().cpu().numpy() for each in states])
    sentence = "Each line is a row of which a tenth was turned round: recall runs down until it stays in a valley."
    shows = (Shown("Energy along a recall", sentence, energy_curves(energies)),)
    if network.inputs_.kind != "image":
        return shows
    rows = {
        "as it was": wanted[:MAX_BESIDE],
        "damaged": few.double().cpu().numpy(),
        "recalled": found[:MAX_BESIDE],
    }
    images = {name: as_bytes(network._rows_of(each)) for name, each in rows.items()}
    return (*shows, Shown("What is recalled", "Images that the network was not trained on.", images))
