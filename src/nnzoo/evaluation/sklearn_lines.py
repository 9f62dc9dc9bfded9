"""A few lines of scikit-learn that build a baseline from the user's own file, to be read, copied and run."""

import gzip
import os
from collections.abc import Iterable, Mapping
from pathlib import Path

NUMBERS, TIMES, CATEGORIES, TEXTS = "numbers", "times", "categories", "texts"
GROUP_OF = {"number": NUMBERS, "time": TIMES, "category": CATEGORIES, "boolean": CATEGORIES, "text": TEXTS}
SEPARATORS = ",;\t|"
SUFFIXES = (".csv", ".tsv", ".txt", ".parquet", ".jsonl", ".ndjson", ".xlsx", ".npy", ".npz")
WIDTH = 100


def code_lines(
    name: str,
    task: str,
    source: object,
    target: str | None,
    columns: Mapping[str, str] | Iterable[str],
    *,
    several_labels: bool = False,
    separator: str | None = None,
) -> str:
    """Return a script that reads the file, trains the baseline on a random part and prints its score on the rest.

    The script uses polars and scikit-learn only. It splits the rows anew, so its score is near the reported one.

    Parameters
    ----------
    name : str
        "constant", "linear", "nearest neighbours" or "boosted trees".
    task : str
        "classification" or "regression".
    source : path or other
        The file that was loaded, known by its ending. All else, and words such as "the table" for a frame, gives
        lines that start from a polars frame ``table``.
    target : str or None
        Column to predict; None gives no lines.
    columns : mapping of str to str, or iterable of str
        Kind of each input column ("number", "category", "boolean", "time", "text"; others are left out); names alone
        stand for numbers.
    several_labels : bool, default False
        The cells of the target hold labels joined by ``|``.
    separator : str, optional
        Of a CSV file; found in its first line where not given.

    Returns
    -------
    str
        Lines that end in a newline, or "".
    """
    if target is None:
        return ""
    kinds = columns if isinstance(columns, Mapping) else dict.fromkeys(columns, "number")
    groups: dict[str, list[str]] = {}
    for column, kind in kinds.items():
        if column != target and kind in GROUP_OF:
            groups.setdefault(GROUP_OF[kind], []).append(column)
    if not groups and name != "constant":
        return ""
    model, imports = _model(name, task, groups, several_labels)
    reading = _reading(source, separator)
    if "read_csv" in reading[0] and any('"' in column for column in (target, *kinds)):
        reading.append("""table = table.rename(lambda name: name.replace('""', '"'))  # polars keeps them doubled""")
    metric, scoring = _scoring(task, several_labels)
    body = [
        *reading,
        *_selection(target, groups, task, several_labels),
        *model,
        "",
        "# a split of its own, drawn at random: the score is near the one in the report, not the same",
        "X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.15, random_state=0)",
        "model.fit(X_train, y_train)",
        scoring,
    ]
    imports += ["from sklearn.model_selection import train_test_split", *metric]
    imports += ["from sklearn.preprocessing import MultiLabelBinarizer"] if several_labels else []
    first = [
        line for line in ("import gzip", "import numpy as np") if any(line.split()[-1] + "." in b for b in reading)
    ]
    return "\n".join([*first, "import polars as pl", *_merged(imports), "", *body]) + "\n"


def _reading(source: object, separator: str | None) -> list[str]:
    """Return the lines that make the polars frame ``table``."""
    path = os.fsdecode(source) if isinstance(source, str | os.PathLike) else ""
    plain = path.lower().removesuffix(".gz")
    suffix = Path(plain).suffix
    if suffix not in SUFFIXES:
        return ["# table: your data as a polars data frame"]
    opened = f'gzip.open({path!r}, "rb")' if plain != path.lower() else repr(path)
    if suffix == ".parquet":
        return [f"table = pl.read_parquet({path!r})"]
    if suffix in (".jsonl", ".ndjson"):
        return [f"table = pl.read_ndjson({opened}, infer_schema_length=None)"]
    if suffix == ".xlsx":
        return [f"table = pl.read_excel({path!r})"]
    if suffix in (".npy", ".npz"):
        return _reading_arrays(path, suffix)
    mark = separator or ("\t" if suffix == ".tsv" else _separator(path))
    option = "" if mark == "," else f", separator={mark!r}"
    return [f"table = pl.read_csv({path!r}{option}, infer_schema_length=None)"]


def _reading_arrays(path: str, suffix: str) -> list[str]:
    if suffix == ".npy":
        return [f"array = np.load({path!r})", *_array_frame("array")]
    return [
        f"arrays = np.load({path!r})",
        *_array_frame('arrays["X"]'),
        'table = table.with_columns(pl.Series("y", arrays["y"]))',
    ]


def _array_frame(array: str) -> list[str]:
    return [f'table = pl.DataFrame({array}, schema=[f"x{{i}}" for i in range({array}.shape[1])])']


def _separator(path: str) -> str:
    """Return the mark that the header line uses most."""
    if not Path(path).is_file():
        return ","
    opener = gzip.open if path.lower().endswith(".gz") else open
    with opener(path, "rt", encoding="utf-8", errors="replace") as lines:
        header = lines.readline(100_000)
    outside = "".join(header.split('"')[::2])
    return max(SEPARATORS, key=outside.count)


def _selection(target: str, groups: Mapping[str, list[str]], task: str, several_labels: bool) -> list[str]:
    """Return the lines that make ``X`` and ``y``."""
    lines = [] if several_labels else [f"table = table.drop_nulls({target!r})"]
    lines += [line for group, names in groups.items() for line in _list(group, names)]
    makers = {
        NUMBERS: "pl.col(numbers).cast(pl.Float64, strict=False)",
        TIMES: 'pl.col(times).cast(pl.String).str.to_datetime(strict=False, time_zone="UTC").dt.epoch("s")',
        CATEGORIES: 'pl.col(categories).cast(pl.String).fill_null("missing")',
        TEXTS: 'pl.col(texts).cast(pl.String).fill_null("")',
    }
    lines += ["X = table.select(", *(f"    {makers[group]}," for group in groups), ")"]
    if several_labels:
        cells = f'table[{target!r}].cast(pl.String).fill_null("")'
        return [*lines, f'labels = [[one for one in cell.split("|") if one] for cell in {cells}]', *_binarizer()]
    kind = "pl.Float64" if task == "regression" else "pl.String"
    return [*lines, f"y = table[{target!r}].cast({kind}).to_numpy()"]


def _binarizer() -> list[str]:
    return ["y = MultiLabelBinarizer().fit_transform(labels)"]


def _model(name: str, task: str, groups: Mapping[str, list[str]], several_labels: bool) -> tuple[list[str], list[str]]:
    """Return the lines that make ``model``, and their imports."""
    end = "Regressor" if task == "regression" else "Classifier"
    if name == "constant":
        kind = "" if task == "regression" else 'strategy="most_frequent"'
        return [f"model = Dummy{end}({kind})"], [f"from sklearn.dummy import Dummy{end}"]
    steps, imports = _tree_steps(end, groups) if name == "boosted trees" else _numeric_steps(name, task, end)
    prepare, learner = steps
    last = "MultiOutputClassifier(learner)" if several_labels else "learner"
    if several_labels:
        imports.append("from sklearn.multioutput import MultiOutputClassifier")
    parts = [part for group, part in prepare.items() if group in groups]
    if TEXTS in groups:
        parts += [f"(TfidfVectorizer(max_features=256), {text!r})" for text in groups[TEXTS]]
        imports.append("from sklearn.feature_extraction.text import TfidfVectorizer")
    imports += ["from sklearn.compose import make_column_transformer", "from sklearn.pipeline import make_pipeline"]
    lines = ["prepare = make_column_transformer(", *(f"    {part}," for part in parts), "    sparse_threshold=0,", ")"]
    return [*lines, f"learner = {learner}", f"model = make_pipeline(prepare, {last})"], imports


Steps = tuple[tuple[dict[str, str], str], list[str]]


def _numeric_steps(name: str, task: str, end: str) -> Steps:
    linear = "Ridge()" if task == "regression" else "LogisticRegression(max_iter=300)"
    module, last = ("linear_model", linear) if name == "linear" else ("neighbors", f"KNeighbors{end}()")
    numbers = "make_pipeline(SimpleImputer(add_indicator=True), StandardScaler())"
    prepare = {
        NUMBERS: f"({numbers}, numbers)",
        TIMES: f"({numbers}, times)",
        CATEGORIES: '(OneHotEncoder(handle_unknown="ignore", max_categories=1000), categories)',
    }
    imports = [
        "from sklearn.impute import SimpleImputer",
        f"from sklearn.{module} import {last.partition('(')[0]}",
        "from sklearn.preprocessing import OneHotEncoder",
        "from sklearn.preprocessing import StandardScaler",
    ]
    return (prepare, last), imports


def _tree_steps(end: str, groups: Mapping[str, list[str]]) -> Steps:
    encoder = 'OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1, max_categories=255)'
    prepare = {
        CATEGORIES: f"({encoder}, categories)",
        NUMBERS: '("passthrough", numbers)',
        TIMES: '("passthrough", times)',
    }
    codes = "categorical_features=range(len(categories)), " if CATEGORIES in groups else ""
    imports = [
        f"from sklearn.ensemble import HistGradientBoosting{end}",
        "from sklearn.preprocessing import OrdinalEncoder",
    ]
    return (prepare, f"HistGradientBoosting{end}({codes}random_state=0)"), imports


def _scoring(task: str, several_labels: bool) -> tuple[list[str], str]:
    """Return the import of the metric and the line that prints the score."""
    if task == "regression":
        name, words = "root_mean_squared_error", "rmse"
    elif several_labels:
        name, words = "f1_score", "f1_micro"
    else:
        name, words = "accuracy_score", "accuracy"
    average = ', average="micro"' if several_labels else ""
    call = f"{name}(y_test, model.predict(X_test){average})"
    return [f"from sklearn.metrics import {name}"], f'score = {call}\nprint("{words}:", score)'


def _list(group: str, names: list[str]) -> list[str]:
    """Return the assignment of a list of names, on lines of at most about 100 characters."""
    line = f"{group} = [{', '.join(map(repr, names))}]"
    if len(line) <= WIDTH:
        return [line]
    return [f"{group} = [", *(f"    {name!r}," for name in names), "]"]


def _merged(imports: Iterable[str]) -> list[str]:
    """Return one sorted import per module."""
    modules: dict[str, set[str]] = {}
    for line in imports:
        module, name = line.removeprefix("from ").split(" import ")
        modules.setdefault(module, set()).add(name)
    return [f"from {module} import {', '.join(sorted(names))}" for module, names in sorted(modules.items())]
