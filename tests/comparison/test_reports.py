"""What a comparison says of itself, as text and as a page: on made-up results whose meaning is known."""

import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from nnzoo.comparison.report_html import fragment, page
from nnzoo.comparison.report_text import duration, heading, more_rows, next_step, sealed_words, size
from nnzoo.comparison.result import Comparison, Entry
from nnzoo.comparison.statistics import Gap
from nnzoo.errors import UsageError
from nnzoo.evaluation.report import evaluate_predictions
from nnzoo.evaluation.report_html import SIDES

EVIL = "<img src=x onerror=alert(1)>\"'&\x1b[31m$x_{"
VOID = {"meta", "br"}
FOLDS = range(1, 6)
CURVE = {0.25: [0.80, 0.81, 0.80], 0.5: [0.84, 0.85, 0.83], 1.0: [0.86, 0.86, 0.87]}


def entry(name, mean, *, folds=FOLDS, half=0.01, **more):
    """Return a network whose scores lie evenly around a mean."""
    scores = {fold: mean + 0.002 * (fold - 3) for fold in folds}
    fields = {
        "is_network": True,
        "network": name,
        "status": "finalist",
        "settings": ({},) * len(scores),
        "seconds": 2.34,
        "weights": 1234,
        "bytes": 41_200,
        "latency": 0.00042,
    }
    return Entry(name, scores=scores, mean=mean, low=mean - half, high=mean + half, **(fields | more))


def baseline(name, mean, **more):
    return entry(
        name,
        mean,
        is_network=False,
        network="",
        status="baseline",
        settings=(),
        weights=None,
        bytes=None,
        latency=None,
        **({"code": f"print('{name}')\n"} | more),
    )


def gap(first, second, mean, half=0.01, n_folds=5):
    outcome = "beats" if mean > half else "is worse than" if mean < -half else "cannot be told apart from"
    return Gap(first, second, mean, mean - half, mean + half, 0.01, 0.9, n_folds, outcome)


def made(**changes):
    """Return a comparison of labels that a recurrent network wins."""
    labels = {"labels": ["a", "b"], "counts": [[40, 10], [5, 45]]}
    worst = [{"row": 17, "truth": "a", "prediction": "b", "probability": 0.97}]
    entries = (
        entry("long-short-term-memory", 0.90, curve=CURVE, worst=worst, **labels),
        entry("gated-recurrent-unit", 0.89, settings=({"dropout": 0.2}, *({},) * 4), is_cut=True, **labels),
        baseline("boosted trees", 0.85),
        entry("echo-state-network", 0.97, folds=(1,), status="given up after 1 fold", settings=({},)),
        baseline("constant", 0.5, note="1,000 of the rows"),
        Entry(
            "hopfield-network", is_network=True, scores={}, status="failed", failure="its predictions are not finite"
        ),
    )
    about = {
        "data": "clicks.csv", "target": "bought", "rows": 500, "sealed": 100, "how_split": "at random", "folds": 5,
        "share": 0.25, "time_limit": 300.0, "longest_fit": 12.0, "seconds": 200.0, "seed": 7, "n_workers": 2,
        "versions": {"nnzoo": "0.1.0"}, "settings": {},
    }  # fmt: skip
    given = Comparison(
        entries,
        (
            gap("long-short-term-memory", "gated-recurrent-unit", 0.01),
            gap("boosted trees", "long-short-term-memory", -0.05),
            gap("gated-recurrent-unit", "boosted trees", 0.04),
        ),
        "accuracy",
        "higher",
        "Both recurrent networks beat the boosted trees.",
        "long-short-term-memory",
        {"score": 0.91, "low": 0.85, "high": 0.95},
        about=about,
    )
    return replace(given, **changes)


class Nesting(HTMLParser):
    """Collects tags, attributes and words, and fails where tags do not close in order."""

    def __init__(self, text):
        super().__init__()
        self.open, self.tags, self.values, self.words = [], [], [], []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.values += [value or "" for name, value in attrs if not name.startswith("xmlns")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)
        self.values += [value or "" for _, value in attrs]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)


# The text


def test_text_holds_the_table_best_first_with_those_given_up_and_failed_behind():
    text = str(made())
    names = re.findall(r"^  ([a-z]+[a-z -]*?[a-z])  +\d\.\d+", text, re.MULTILINE)
    assert names == [
        "long-short-term-memory",
        "gated-recurrent-unit",
        "boosted trees",
        "constant",
        "echo-state-network",
    ]
    assert re.search(r"gated-recurrent-unit +0\.890 \[0\.880, 0\.900\] +5 +1,234 +2\.3 s\* +0\.42 ms +41 kB", text)
    assert "  * training cut short by the time limit" in text
    assert "  hopfield-network: its predictions are not finite" in text
    assert max(map(len, text.splitlines())) <= 100


def test_text_gives_the_verdict_and_the_score_on_the_sealed_rows():
    text = str(made())
    assert "Verdict\n  Both recurrent networks beat the boosted trees.\n  On the 100 sealed test rows" in text
    assert "long-short-term-memory reaches accuracy 0.910 [0.850, 0.950]." in " ".join(text.split())


def test_no_interval_is_told_on_one_fold():
    line = next(line for line in str(made()).splitlines() if "echo-state" in line)
    assert "[" not in line


def test_interval_stays_within_what_the_metric_can_be():
    found = str(made(entries=(entry("gru", 0.995),), winner="gru"))
    assert "0.995 [0.985, 1.000]" in found


def test_text_holds_no_control_characters_of_what_users_and_errors_say():
    entries = (
        entry("gru", 0.9),
        baseline("linear", 0.95, code=EVIL),
        Entry("svm", is_network=True, network="svm", scores={}, status="failed", failure=EVIL),
    )
    found = made(entries=entries, verdict=EVIL, winner="linear", about=made().about | {"data": EVIL})
    assert "\x1b" not in str(found) + page(found)


def test_entry_that_is_not_there_is_said_with_the_nearest_name():
    assert made()["constant"].mean == 0.5
    with pytest.raises(UsageError, match=r'has no "constnat". Did you mean "constant"\?'):
        made()["constnat"]


# What to do


def test_a_baseline_that_wins_comes_with_its_lines():
    found = made(winner="boosted trees")
    assert next_step(found) == ("Use boosted trees, in scikit-learn:", "print('boosted trees')\n")
    assert "    print('boosted trees')" in str(found)


@pytest.mark.parametrize(
    ("model", "about", "expected"),
    [
        (object(), {"model": "my best.nnzoo"}, "nnzoo predict 'my best.nnzoo' NEW_ROWS"),
        (object(), {}, "comparison.model.save('long-short-term-memory.nnzoo')"),
        (None, {}, "nnzoo train clicks.csv --target bought --network long-short-term-memory"),
    ],
    ids=["saved", "in memory", "not trained"],
)
def test_a_network_that_wins_comes_with_the_way_to_use_it(model, about, expected):
    found = made(model=model, about=made().about | about)
    assert next_step(found)[1] == expected


def test_command_of_a_varied_network_sets_the_factor():
    entries = (
        entry(
            "hidden_layer_sizes=64,32", 0.9, network="deep-feed-forward", settings=({"hidden_layer_sizes": (64, 32)},)
        ),
        entry("hidden_layer_sizes=8", 0.8, network="deep-feed-forward", settings=({"hidden_layer_sizes": (8,)},)),
    )
    found = made(entries=entries, winner="hidden_layer_sizes=64,32", test={})
    assert next_step(found)[1].endswith("--network deep-feed-forward --set hidden_layer_sizes=64,32")
    assert heading(found) == "Comparison of 2 settings of deep-feed-forward on clicks.csv"
    assert sealed_words(found) == "The test rows stay sealed: nothing was scored on them."


@pytest.mark.parametrize(
    ("better", "half", "whole", "words"),
    [
        ("higher", [0.8, 0.8], [0.82, 0.81], "gained 1.5 points (gains of 1.0 to 2.0 on 2 folds), better on each"),
        ("higher", [0.8, 0.8], [0.82, 0.79], "gained 0.5 points (gains of -1.0 to 2.0 on 2 folds), too uneven"),
        ("higher", [0.8, 0.8], [0.8, 0.78], "lost 1.0 points (gains of -2.0 to 0.0 on 2 folds), better on none"),
        ("lower", [3.0, 4.0], [2.0, 3.5], "gained 0.750 in RMSE (gains of 0.500 to 1.000 on 2 folds), better on each"),
    ],
)
def test_learning_curve_is_told_as_a_gain_with_its_spread(better, half, whole, words):
    metric = "accuracy" if better == "higher" else "rmse"
    curved = entry("gru", 0.8, curve={0.5: half, 1.0: whole})
    found = more_rows(made(entries=(curved,), metric=metric, better=better))
    assert found[0].startswith(f"From half of the training rows to all of them, gru {words}")
    assert found[1] == "So few folds are a hint, no proof."


@pytest.mark.parametrize(("seconds", "words"), [(None, ""), (0.0099, "9.9 ms"), (0.9, "900 ms"), (59.2, "59 s")])
def test_durations_are_told_in_the_unit_that_fits(seconds, words):
    assert duration(seconds) == words


def test_no_size_is_no_word():
    assert size(None) == ""


# The page


def test_page_is_well_formed_and_asks_for_nothing_from_outside():
    found = Nesting(page(made()))
    assert not {"script", "img", "link", "iframe", "a"} & set(found.tags)
    values = [value for value in found.values if not value.startswith("data:image/png;base64,")]
    assert not [value for value in values if "//" in value or value.startswith("javascript")]
    assert "default-src 'none'; style-src 'unsafe-inline'; img-src data:" in found.values
    assert fragment(made()).startswith('<div class="nnzoo comparison">')


def test_page_shows_words_of_users_and_errors_as_text_never_as_markup():
    evil = {"labels": [EVIL, "b"], "counts": [[4, 1], [0, 5]], "curve": CURVE}
    entries = (
        entry(EVIL, 0.9, settings=({EVIL: EVIL},) * 5, **evil),
        baseline("linear", 0.95, code=EVIL, note=EVIL),
        Entry("svm", is_network=True, network="svm", scores={}, status="failed", failure=EVIL),
    )
    gaps = (gap(EVIL, "linear", -0.05),)
    about = made().about | {"data": EVIL, "command": EVIL, "how_split": EVIL}
    found = Nesting(page(made(entries=entries, gaps=gaps, verdict=EVIL, winner="linear", about=about)))
    assert not {"img", "b"} & set(found.tags)
    assert sum("<img src=x onerror" in words for words in found.words) >= 10


def test_every_figure_of_the_page_has_a_sentence_before_and_a_table_after_it():
    pictured = [section for section in re.split(r"<h2>", page(made()))[1:] if "<svg" in section]
    assert len(pictured) == 4
    for section in pictured:
        assert section.index("<p>") < section.index("<svg") < section.index("<table>")


@pytest.mark.parametrize(
    ("mean", "outcome"), [(0.05, "beats"), (0.0, "cannot be told apart from"), (-0.05, "is worse than")]
)
@pytest.mark.parametrize("is_first", [True, False])
def test_side_of_the_verdict_says_how_the_best_network_stands_to_the_best_baseline(mean, outcome, is_first):
    names = ("long-short-term-memory", "boosted trees")
    found = gap(*names, mean) if is_first else gap(*names[::-1], -mean)
    assert f'class="verdict" style="border-color:{SIDES[outcome]}"' in page(made(gaps=(found,)))


def test_page_puts_the_better_one_of_a_pair_first():
    words = " ".join(Nesting(page(made())).words)
    assert "long-short-term-memory beats boosted trees 5.0 4.0 to 6.0 5" in words
    assert "long-short-term-memory cannot be told apart from gated-recurrent-unit 1.0 0.0 to 2.0 5" in words


def test_page_names_those_that_failed_and_those_that_were_cut_short():
    text = page(made())
    assert "<td>hopfield-network</td><td>its predictions are not finite</td>" in text
    assert "<td>training cut short by the time limit</td>" in text
    assert "<td>1,000 of the rows</td>" in text


def test_page_sets_what_labels_are_found_beside_each_other_and_the_confusion_of_the_best():
    text = page(made())
    assert '<td>a</td><td class="n">50</td><td class="n">80%</td><td class="n">80%</td>' in text
    assert "<h2>What is taken for what: long-short-term-memory</h2>" in text
    assert "<h2>Surest mistakes: long-short-term-memory, first fold</h2>" in text


def test_page_holds_lines_that_train_each_network_on_its_folds_with_their_seeds():
    text = page(made())
    code = re.search(r"<summary>gated-recurrent-unit</summary><pre>(.*?)</pre>", text, re.DOTALL)[1]
    assert "load(&#x27;clicks.csv&#x27;, target=&#x27;bought&#x27;)" in code
    assert "    1: {&#x27;dropout&#x27;: 0.2},\n    2: {},\n" in code
    assert "Folds(data, seed=7).make(fold)" in code
    assert "params, seed=7 + fold)" in code
    assert "<td>gated-recurrent-unit</td><td>1</td><td>dropout=0.2</td>" in text
    assert "<td>gated-recurrent-unit</td><td>2, 3, 4, 5</td><td>as suits the data</td>" in text


def test_page_shows_the_final_model_on_the_sealed_rows():
    report = evaluate_predictions("classification", list("aabb"), list("abbb"))
    text = page(made(report=report))
    start = text.index("on the sealed test rows</h2>")
    assert "<summary>What stands behind these numbers</summary><h2>Label by label</h2>" in text[start:]


def test_page_of_numbers_is_in_the_unit_of_the_target():
    worst = [{"row": 3, "truth": 10.0, "prediction": 4.5, "probability": None}]
    entries = (entry("gru", 2.0, worst=worst), baseline("linear", 2.5))
    text = page(made(entries=entries, gaps=(gap("gru", "linear", 0.5),), winner="gru", metric="rmse", better="lower"))
    assert "<h2>Largest errors: gru, first fold</h2>" in text
    assert '<td class="n">0.500</td><td class="n">0.490 to 0.510</td>' in text
    assert "lower is better" in text


@pytest.mark.parametrize(
    "entries",
    [
        (),
        (Entry("gru", is_network=True, network="gru", scores={}, status="failed", failure="too few rows"),),
        (entry("gru", 0.9, folds=(1,)),),
    ],
    ids=["nothing", "all failed", "one fold"],
)
def test_comparison_that_came_to_little_is_shorter_not_broken(entries):
    found = Comparison(entries, (), "accuracy", "higher", "Nothing can be said.", None)
    Nesting(page(found))
    assert "Nothing can be said." in str(found)
    assert "nan" not in str(found) + page(found)


def test_page_of_a_large_comparison_stays_below_a_megabyte():
    labels = [f"label {i}" for i in range(50)]
    counts = [[3] * 50] * 50
    networks = [entry(f"network-{i}", 0.9 - i / 100, labels=labels, counts=counts, curve=CURVE) for i in range(30)]
    gaps = tuple(gap(a.name, b.name, 0.02) for i, a in enumerate(networks[:8]) for b in networks[i + 1 : 8])
    assert len(page(made(entries=tuple(networks), gaps=gaps, winner="network-0")).encode()) < 1_000_000
