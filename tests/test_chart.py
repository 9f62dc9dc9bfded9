"""The chart has the cells that the charts of 2016 and 2019 have, written down here once more by hand."""

from collections import Counter

import pytest

from nnzoo.catalog import CATALOG
from nnzoo.chart import CHART, KINDS, counted_cells, drawing_of

COUNTS = {
    "P": "2 Input, 1 Output",
    "FF": "2 Input, 2 Hidden, 1 Output",
    "RBF": "2 Input, 2 Hidden, 1 Output",
    "DFF": "3 Input, 8 Hidden, 2 Output",
    "RNN": "3 Input, 6 Recurrent, 3 Output",
    "LSTM": "3 Input, 6 Memory, 3 Output",
    "GRU": "3 Input, 6 Gated Memory, 3 Output",
    "AE": "4 Input, 2 Hidden, 4 Match Input Output",
    "VAE": "4 Input, 4 Probabilistic Hidden, 4 Match Input Output",
    "DAE": "4 Noisy Input, 4 Hidden, 4 Match Input Output",
    "SAE": "2 Input, 4 Hidden, 2 Match Input Output",
    "MC": "8 Probabilistic Hidden",
    "HN": "8 Backfed Input",
    "BM": "3 Backfed Input, 5 Probabilistic Hidden",
    "RBM": "3 Backfed Input, 4 Probabilistic Hidden",
    "DBN": "4 Backfed Input, 6 Probabilistic Hidden, 8 Hidden, 4 Match Input Output",
    "DCN": "5 Input, 5 Kernel, 9 Convolution or Pool, 8 Hidden, 3 Output",
    "DN": "2 Input, 7 Convolution or Pool, 5 Kernel, 5 Output",
    "DCIGN": "5 Input, 10 Kernel, 14 Convolution or Pool, 3 Probabilistic Hidden, 5 Output",
    "GAN": "3 Backfed Input, 12 Hidden, 5 Match Input Output",
    "LSM": "3 Input, 12 Spiking Hidden, 2 Output",
    "ELM": "3 Input, 12 Hidden, 2 Output",
    "ESN": "3 Input, 12 Recurrent, 2 Output",
    "DRN": "2 Input, 14 Hidden, 2 Output",
    "KN": "2 Input, 9 Hidden",
    "SVM": "3 Input, 6 Hidden, 1 Output",
    "NTM": "3 Input, 7 Hidden, 1 Output, 3 Memory",
    "DNC": "3 Input, 6 Recurrent, 2 Output, 14 Memory",
    "CN": "5 Input, 5 Kernel, 9 Capsule, 6 Hidden, 3 Output",
    "AN": "3 Input, 6 Recurrent, 4 Memory, 2 Output, 4 Hidden",
}
DIFFERENT = {"VAE", "DAE", "MC", "DBN", "DN", "DCIGN", "GAN", "ELM", "LSM", "ESN", "SVM", "NTM", "AN"}


def test_all_27_networks_of_2016_and_the_3_of_2019_are_drawn():
    assert [drawing.abbreviation for drawing in CHART if 2016 in drawing.years] == list(COUNTS)[:27]
    assert {drawing.abbreviation for drawing in CHART if drawing.years == (2019,)} == {"DNC", "CN", "AN"}
    assert sum(2019 in drawing.years for drawing in CHART) == 29


@pytest.mark.parametrize("abbreviation", COUNTS)
def test_cells_are_those_of_the_chart(abbreviation):
    found = Counter(KINDS[letter] for letter in drawing_of(abbreviation).cells)
    wanted = dict(reversed(part.split(" ", 1)) for part in COUNTS[abbreviation].split(", "))
    assert found == {kind: int(count) for kind, count in wanted.items()}


def test_where_the_drawing_is_not_the_model_it_says_so():
    assert {drawing.abbreviation for drawing in CHART if drawing.differs} >= DIFFERENT
    assert not drawing_of("P").differs


@pytest.mark.parametrize("drawing", CHART, ids=lambda drawing: drawing.abbreviation)
def test_links_arcs_and_ties_name_cells_that_are_there(drawing):
    assert len(drawing.links) in (0, len(drawing.columns) - 1)
    assert all(0 <= end < len(drawing.columns) for arc in drawing.arcs for end in arc)
    assert all(0 <= end < len(drawing.cells) for tie in drawing.ties for end in tie)
    assert counted_cells(drawing.columns[0]) in drawing.words()


def test_every_listed_network_is_on_the_chart():
    assert {row.abbreviation for row in CATALOG} <= {drawing.abbreviation for drawing in CHART}
