"""The notebooks run from top to bottom, and what is committed shows the full sets."""

import re
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

EXAMPLES = Path(__file__).parents[2] / "examples"
MNIST, FASHION = EXAMPLES / "mnist_feed_forward.ipynb", EXAMPLES / "fashion_mnist_convolutional.ipynb"
NOTEBOOKS = [MNIST, FASHION]
OUR_PLACES = re.compile(r"(?<![\w.:/])/(home|root|tmp|work)\b")
MAX_BYTES = 600_000


def read(path):
    return nbformat.read(path, as_version=4)


def parameters(notebook):
    return next(cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", []))


def outputs(notebook):
    return [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]


def printed(notebook):
    return "".join(output.text for output in outputs(notebook) if output.output_type == "stream")


def shown_data(notebook):
    return [output.data["text/html"] for output in outputs(notebook) if "text/html" in output.get("data", {})]


def executed(path, source, folder):
    """Return the notebook, executed in an empty folder with other parameters; an error in a cell raises."""
    notebook = read(path)
    parameters(notebook).source = source
    return NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(folder)}}).execute()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("path", "source", "stand_in"),
    [
        (MNIST, 'source = "absent.npz"', "digits of scikit-learn, 1,797 images"),
        (FASHION, 'source = "absent.npz"\nevery = 8', '1,500 images of the bundled "fashion-sample"'),
    ],
    ids=["mnist", "fashion"],
)
def test_a_notebook_whose_set_is_absent_names_its_stand_in_and_both_scores_agree(path, source, stand_in, tmp_path):
    notebook = executed(path, source, tmp_path)
    said = printed(notebook)
    assert '"absent.npz" was not found' in said
    assert 'STAND-IN: "absent.npz" cannot be had here' in said
    assert stand_in in said
    assert "The two scores agree" in said
    scores = [float(value) for value in re.findall(r"^(?:nnzoo|plain PyTorch) +(0\.\d{4})", said, re.MULTILINE)]
    assert len(scores) == 2
    assert min(scores) > 0.6


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_committed_notebook_was_executed_in_order_without_error_on_the_full_set(path):
    notebook = read(path)
    numbers = [cell.execution_count for cell in notebook.cells if cell.cell_type == "code"]
    assert numbers == list(range(1, len(numbers) + 1))
    assert not [output for output in outputs(notebook) if output.output_type == "error"]
    assert "STAND-IN" not in printed(notebook)
    assert "70,000 images" in shown_data(notebook)[0]
    assert "10,000 test images each" in printed(notebook)
    assert "The two scores agree" in printed(notebook)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_committed_notebook_is_small_and_names_no_place_of_the_machine_that_made_it(path):
    assert path.stat().st_size < MAX_BYTES
    assert not OUR_PLACES.search(path.read_text())


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_goes_through_the_five_steps_in_order(path):
    source = "\n".join(cell.source for cell in read(path).cells if cell.cell_type == "code")
    places = [source.index(f"nnzoo.{step}(") for step in ("load", "build", "train", "evaluate", "predict")]
    assert places == sorted(places)
