"""Imports point one way; nothing heavy is loaded early; nothing that unpickles is ever named."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import nnzoo

PACKAGE = Path(nnzoo.__file__).parent
LEVELS = (
    ("__init__",),
    (
        "errors",
        "checks",
        "files",
        "plainjson",
        "tensorfile",
        "tensorlayout",
        "heads",
        "ragged",
        "trace",
        "opsteps",
        "chart",
    ),
    ("pictures",),
    ("data",),
    ("engine",),
    ("training", "evaluation", "prediction"),
    ("estimator", "fitted", "inputs", "sequences", "targets", "tracing"),
    ("networks",),
    ("catalog",),
    (
        "manifest",
        "model",
        "predictor",
        "steps",
        "suiting",
        "recipes",
        "measuring",
        "verifying",
        "doctor",
        "drawing",
        "fitting",
    ),
    ("explanation", "comparison"),
    ("cli", "__main__"),
)
"""From left to right; a module imports from its own level or from the left."""
LEVEL = {name: number for number, names in enumerate(LEVELS) for name in names}
APART = ("training", "evaluation", "prediction")
"""Steps that do not import one another."""
SHARED_BY_NETWORKS = {
    f"nnzoo.networks.{name}"
    for name in (
        "answering",
        "associative",
        "attending",
        "attending_bodies",
        "backpropagation",
        "boltzmann",
        "boltzmann_layers",
        "boltzmann_learning",
        "boltzmann_units",
        "coding",
        "contrastive",
        "contrastive_network",
        "contexts",
        "gated_cell",
        "gates",
        "kernels",
        "map_units",
        "levels",
        "margins",
        "memory",
        "parameters",
        "parts",
        "remembering",
        "reservoirs",
        "sampling",
        "showing_maps",
        "showing_recall",
        "slots",
        "sparse_coding",
        "states",
        "symbols",
        "transformer",
        "transitions",
        "unlabelled",
        "variational",
    )
}
SOURCES = sorted(PACKAGE.rglob("*.py"))


def module_name(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" and len(parts) > 2 else parts)


def imports_of(tree: ast.AST, package: str = "") -> list[str]:
    """Return the full names of all modules imported anywhere in a file, inside functions too."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = (
                ".".join([*package.split(".")[: -node.level], *filter(None, [node.module])])
                if node.level
                else node.module
            )
            found += [f"{base}.{alias.name}" for alias in node.names]
    return found


def place(name: str) -> str:
    """Return the part of the package that a full name belongs to: "nnzoo.data.kinds.parse" is in "data"."""
    parts = name.split(".")
    return parts[1] if len(parts) > 1 and parts[1] in LEVEL else "__init__"


@pytest.mark.parametrize("path", SOURCES, ids=module_name)
def test_module_imports_only_what_lies_left_of_it(path):
    name = module_name(path)
    here = place(name)
    assert name == "nnzoo" or here != "__init__" or name == "nnzoo.__init__", f"{name} has no place in LEVELS"
    for imported in imports_of(ast.parse(path.read_text()), name):
        if imported.partition(".")[0] != "nnzoo":
            continue
        there = place(imported)
        assert LEVEL[there] <= LEVEL[here], f"{name} imports {imported}, which lies right of it"
        assert not (here in APART and there in APART and here != there), f"{name} imports {imported}"


@pytest.mark.parametrize("path", sorted((PACKAGE / "networks").glob("*.py")), ids=module_name)
def test_networks_do_not_import_one_another(path):
    imported = {name.rpartition(".")[0] for name in imports_of(ast.parse(path.read_text()))}
    assert {name for name in imported if name.startswith("nnzoo.networks")} <= SHARED_BY_NETWORKS


def test_imports_inside_functions_and_relative_ones_are_seen():
    tree = ast.parse("def f():\n    from nnzoo.model import Model\n    import nnzoo.cli\n    from ..steps import load")
    assert imports_of(tree, "nnzoo.data.kinds") == ["nnzoo.model.Model", "nnzoo.cli", "nnzoo.steps.load"]
    assert [place(name) for name in imports_of(tree, "nnzoo.data.kinds")] == ["model", "cli", "steps"]


def loaded_after(code: str) -> set[str]:
    ask = f"{code}\nimport sys\nprint(*sorted({{name.partition('.')[0] for name in sys.modules}}))"
    done = subprocess.run([sys.executable, "-c", ask], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


@pytest.mark.parametrize(
    "code",
    [
        "import nnzoo; nnzoo.errors; nnzoo.catalog.find('mlp'); dir(nnzoo)",
        "import nnzoo.data.dataset, nnzoo.tensorfile",
    ],
    ids=["nnzoo", "nnzoo.data"],
)
def test_neither_torch_nor_scikit_learn_nor_matplotlib_is_loaded(code):
    assert not loaded_after(code) & {"torch", "sklearn", "matplotlib", "scipy"}


def test_import_of_the_package_alone_loads_no_third_party_module():
    assert not loaded_after("import nnzoo") & {"numpy", "polars", "pyarrow", "narwhals", "typer", "rich"}


def test_names_of_the_package_are_there_and_an_unknown_one_is_said():
    assert [name for name in nnzoo.__all__ if not hasattr(nnzoo, name)] == []
    assert set(nnzoo.__all__) <= set(dir(nnzoo))
    with pytest.raises(AttributeError, match="module 'nnzoo' has no attribute 'perceptron_'"):
        nnzoo.perceptron_  # noqa: B018


# Forbidden names: the package never unpickles and never runs text

MODULES = {"pickle", "_pickle", "cPickle", "joblib", "shelve", "dill", "cloudpickle", "marshal"}
MODULES |= {"torch.distributed.checkpoint", "sklearn.externals", "pandas.read_pickle", "torch.load", "torch.save"}
ATTRIBUTES = {"read_pickle", "to_pickle", "all_gather_object", "gather_object", "broadcast_object_list"}
ATTRIBUTES |= {"scatter_object_list", "send_object_list", "recv_object_list"}
BUILT_INS = {"eval", "exec", "compile", "__import__"}
OF_TORCH = {"load", "save"}


WORKERS = {"multiprocessing", "concurrent.futures.ProcessPoolExecutor", "torch.utils.data", "torch.multiprocessing"}


STARTS_WORKERS = "nnzoo.comparison.executor"
"""Whose workers train whole networks, and may die."""


@pytest.mark.parametrize("path", [path for path in SOURCES if module_name(path) != STARTS_WORKERS], ids=module_name)
def test_C9_no_data_worker_can_die_because_there_is_none(path):
    imported = imports_of(ast.parse(path.read_text()))
    assert not [name for name in imported if any(name == bad or name.startswith(f"{bad}.") for bad in WORKERS)]


def forbidden(source: str) -> list[str]:
    """Return what a source uses that it must not, with the line."""
    found = []
    for node in ast.walk(ast.parse(source)):
        said = ""
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = imports_of(node)
            said = next((n for n in names if any(n == bad or n.startswith(f"{bad}.") for bad in MODULES)), "")
        elif isinstance(node, ast.Attribute):
            owner = ast.unparse(node.value)
            if node.attr in ATTRIBUTES or (node.attr in OF_TORCH and owner in ("torch", "th")):
                said = f"{owner}.{node.attr}"
            elif f"{owner}.{node.attr}" == "torch.distributed.checkpoint":
                said = "torch.distributed.checkpoint"
        elif isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            pickles = [k for k in node.keywords if k.arg == "allow_pickle" and ast.unparse(k.value) != "False"]
            said = called if called in BUILT_INS else f"{called}(allow_pickle)" if pickles else ""
        if said:
            found.append(f"line {node.lineno}: {said}")
    return found


@pytest.mark.parametrize("path", SOURCES, ids=module_name)
def test_module_uses_no_forbidden_name(path):
    assert forbidden(path.read_text()) == []


@pytest.mark.parametrize(
    "source",
    [
        "import pickle", "def f():\n    from joblib import load", "import torch\ntorch.load('f')", "torch.save(x, 'f')",
        "from torch import load", "pd.read_pickle('f')", "np.load('f', allow_pickle=True)", "eval('1')", "exec('1')",
        "np.load('f', allow_pickle=flag)", "import torch.distributed.checkpoint as dcp", "import marshal, shelve",
        "dist.broadcast_object_list(x)", "from torch.distributed import checkpoint", "from cloudpickle import loads",
    ],
)  # fmt: skip
def test_lint_finds_what_is_forbidden(source):
    assert len(forbidden(source)) == 1


@pytest.mark.parametrize(
    "source", ["model.eval()", "np.load('f', allow_pickle=False)", "nnzoo.load('f')", "re.compile('x')", "self.save(1)"]
)
def test_lint_lets_through_what_only_looks_alike(source):
    assert forbidden(source) == []
