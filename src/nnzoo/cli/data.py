"""The commands of the first two steps: load and build."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from nnzoo.cli.options import Json, LoadOptions, NetworkName, Settings, Source, network_settings, with_load_options
from nnzoo.cli.running import show_json

if TYPE_CHECKING:
    from nnzoo.data.dataset import Data
    from nnzoo.model import Model

DEFAULT_NETWORK = "deep-feed-forward"


@with_load_options
def load(source: Source, as_json: Json = False, *, given: LoadOptions) -> None:
    """Say what the data are, what is wrong with them, and which networks fit."""
    data = given.load(source)
    networks = fitting_networks(data)
    if as_json:
        show_json(data.to_json() | {"networks": networks})
        return
    print(data)
    if data.target is None:
        print(f"\nNext: nnzoo load {source} --target COLUMN")
    else:
        print(f"\nNetworks that fit: {', '.join(networks)}")
        print(f"Next: nnzoo train {source} --target {data.target}")


@with_load_options
def build(
    source: Source,
    network: NetworkName = DEFAULT_NETWORK,
    settings: Settings = None,
    as_json: Json = False,
    *,
    given: LoadOptions,
) -> None:
    """Show the network that the data ask for: layers, shapes, weights, memory, time."""
    given.need_target()
    params = network_settings(network, settings)
    data, model = _built(source, network, params, given)
    from nnzoo.cli.outline import outline

    found = outline(model, data)
    if as_json:
        show_json(found.to_json())
        return
    print(short_summary(data))
    print(f"\n{found}")
    print(f"\nNext: nnzoo train {source} --target {data.target} --network {network}")


def fitting_networks(data: "Data") -> list[str]:
    """Return the networks that read such data and can be asked its task."""
    from nnzoo.catalog import CATALOG

    return [row.id for row in CATALOG if "table" in row.kinds and (data.task is None or data.task in row.tasks)]
