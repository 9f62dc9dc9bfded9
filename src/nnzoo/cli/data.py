"""The commands of the first two steps: load and build."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from nnzoo.cli.options import Json, LoadOptions, NetworkName, Settings, Source, network_settings, with_load_options
from nnzoo.cli.running import show_json
from nnzoo.errors import counted, quote

if TYPE_CHECKING:
    from nnzoo.data.dataset import Data


@with_load_options
def load(source: Source, as_json: Json = False, *, given: LoadOptions) -> None:
    """Step 1: what the data are, and what is wrong with them."""
    data = given.load(source)
    from nnzoo.fitting import fits_text, fitting

    found = fitting(data)
    if as_json:
        show_json(data.to_json() | {"networks": [each.to_json() for each in found]})
        return
    print(data)
    print(f"\n{fits_text(found)}")
    if data.target is None and data.output != "next":
        print(f"\nNext: {given.command('load', source)} --target COLUMN")
    else:
        print(f"\nNext: {given.command('train', source)}")


@with_load_options
def build(
    source: Source,
    network: NetworkName = None,
    settings: Settings = None,
    as_json: Json = False,
    *,
    given: LoadOptions,
) -> None:
    """Step 2: layers, weights, memory, time of an untrained network."""
    params = network_settings(network, settings)
    from nnzoo import steps
    from nnzoo.cli.outline import outline

    data = given.load_to_learn(source, network)
    network, params = chosen_network(network, params, settings, data)
    found = outline(steps.build(network, data, params, seed=given.seed), data)
    if as_json:
        show_json(found.to_json())
        return
    print(short_summary(data))
    print(f"\n{found}")
    chosen = [word for text in settings or () for word in ("--set", text)]
    print(f"\nNext: {given.command('train', source, '--network', network, *chosen)}")


def chosen_network(
    network: str | None, params: dict[str, Any], settings: Sequence[str] | None, data: "Data"
) -> tuple[str, dict[str, Any]]:
    """Return the network and its parameters: as said, or the default for data of this kind."""
    if network is not None:
        return network, params
    from nnzoo.steps import DEFAULT_NETWORKS

    network = DEFAULT_NETWORKS[data.kind]
    return network, network_settings(network, settings)


def _without_target(data: "Data") -> str:
    """Return what is learned in place of a target."""
    return f"what comes {data.output}" if data.output else "none; what the rows are like is learned"


def short_summary(data: "Data") -> str:
    """Return what the data are in three lines, and the warnings of the check-up."""
    sizes = ", ".join(f"{part.name} {len(part):,}" for part in (data.train, data.valid, data.test))
    what = counted(len(data), data.thing)
    if data.images is not None:
        what += f", {' x '.join(map(str, data.images.shape[1:]))}"
    else:
        what += f", {counted(data.sequences.n_steps, 'step')}" if data.sequences is not None else ""
        what += "" if data.kind == "text" else f", {counted(len(data.columns), 'input column')}"
    target = f"{quote(data.target)}, {data.task}" if data.target is not None else _without_target(data)
    lines = [
        f"{data.origin}: {what}",
        f"Target: {target}",
        f"Split: {sizes} {data.thing}s; {data.how_split}",
    ]
    lines += [f"! {each.message} {each.hint}".rstrip() for each in data.findings if each.level == "warning"]
    if data.rejects:
        lines.append(f"! {len(data.rejects):,} rows were left out.")
    return "\n".join(lines)
