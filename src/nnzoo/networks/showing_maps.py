"""What a report shows of a map: how far rows are from their units, beside means without a map, and its pictures."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from sklearn.cluster import KMeans

from nnzoo.evaluation.rowvalues import Competitor, RowValues, Shown, as_bytes, timed_competitor
from nnzoo.networks.map_units import distances
from nnzoo.pictures.maps import draw_maps

MOST_PLANES = 12
MEANS_ROWS = 20_000


def map_values(network: Any, X: Any, X_train: Any | None, inputs: Sequence[str]) -> RowValues:
    """Return how far each row is from its unit, beside as many means without a map; pictures of the map."""
    competitors: tuple[Competitor, ...] = ()
    if X_train is not None:
        known, rows = (network._standardized(network._check_inputs(each)) for each in (X_train, X))
        competitors = _competitors(network, known, rows)
    sentence = "Share of rows whose two nearest units are no neighbours on the map: 0 where it is smooth."
    return RowValues(
        "quantization_error",
        "lower",
        "How far a row is from the unit that answers, as standardised.",
        -network.score_samples(X),
        competitors,
        {"topographic_error": (network.topographic_error(X), "lower", sentence)},
        _shows(network, X, inputs),
    )


def _competitors(network: Any, known: np.ndarray, rows: np.ndarray) -> tuple[Competitor, ...]:
    """Return the distance from the mean row, and from as many means as the map has units, found by k-means."""
    known = known[:: -(-len(known) // MEANS_ROWS)]
    n_means = min(network.network_.body.units.n_out, len(np.unique(known, axis=0)))

    def nearest(points: np.ndarray) -> np.ndarray:
        apart = distances(torch.from_numpy(rows), torch.from_numpy(points), network.metric)
        return apart.min(dim=1)[0].numpy()

    def clustered() -> np.ndarray:
        fitted: Any = KMeans(n_means, n_init=1, random_state=0).fit(known)  # pyright: ignore[reportArgumentType]
        return nearest(fitted.cluster_centers_)

    return (
        timed_competitor("constant", lambda: nearest(known.mean(axis=0, keepdims=True)), "the mean row"),
        timed_competitor("k-means", clustered, f"{n_means} means, no map"),
    )


def _shows(network: Any, X: Any, inputs: Sequence[str]) -> tuple[Shown, ...]:
    side = (network.n_rows, network.n_columns)
    hexagonal = network.grid == "hexagonal"
    hits = np.bincount(network.predict(X), minlength=network.network_.body.units.n_out).reshape(side)
    landscape = Shown(
        "The map",
        "How far each unit is from its neighbours (the U-matrix; dark ridges part what belongs together), and how "
        "many of the rows that are measured each unit answers to.",
        draw_maps({"distance apart": network.u_matrix_, "rows": hits}, hexagonal=hexagonal),
    )
    if network.inputs_.kind == "image":
        tiles = as_bytes(network.codebook_).reshape(*side, *network.inputs_.shape)
        sheet = {f"row {number}": row for number, row in enumerate(tiles, start=1)}
        return landscape, Shown("The units", "What each unit of the map stands for.", sheet)
    planes = network.codebook_.reshape(network.network_.body.units.n_out, -1).T[:MOST_PLANES]
    names = inputs if len(inputs) == network.n_features_in_ else getattr(network, "feature_names_in_", ())
    names = names if len(names) else [f"x{k + 1}" for k in range(len(planes))]
    drawn = {str(name): plane.reshape(side) for name, plane in zip(names, planes, strict=False)}
    sentence = "What each unit stands for, input by input: planes that look alike go together in the data."
    return landscape, Shown("The component planes", sentence, draw_maps(drawn, hexagonal=hexagonal))
