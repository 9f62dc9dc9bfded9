"""Questions: one right answer of four, the right one says what the catalog or the computation says."""

import io
import sys

import pytest

from nnzoo.catalog import CATALOG
from nnzoo.chart import CHART
from nnzoo.cli import main
from nnzoo.explanation import quizzes

QUESTIONS = quizzes.ask(90, seed=0)


@pytest.mark.parametrize("number", range(len(QUESTIONS)))
def test_a_question_has_four_answers_and_one_is_right(number):
    question = QUESTIONS[number]
    assert len(set(question.answers)) == 4
    right = question.answers[question.right]
    if question.kind == "drawing":
        assert next(d for d in CHART if d.abbreviation == question.drawing).name == right
        same = {d.name for d in CHART if d.columns == next(e for e in CHART if e.name == right).columns}
        assert len(same & set(question.answers)) == 1
    elif question.kind == "equation":
        assert next(row for row in CATALOG if row.name == right).equations == question.shown
    else:
        assert question.reason.endswith(f"= {right}")


def test_all_kinds_are_asked_and_the_right_one_stands_anywhere():
    assert {question.kind for question in QUESTIONS} == {"drawing", "equation", "trace"}
    assert {question.right for question in QUESTIONS} == {0, 1, 2, 3}


def test_the_same_seed_asks_the_same():
    assert quizzes.ask(6, seed=3) == quizzes.ask(6, seed=3)
    assert quizzes.ask(6, seed=3) != quizzes.ask(6, seed=4)


def test_the_page_shows_drawings_without_their_names(tmp_path):
    quizzes.to_html(QUESTIONS[:3], tmp_path / "quiz.html")
    text = (tmp_path / "quiz.html").read_text()
    assert text.count("<svg") == 1
    assert text.count("<details>") == 3


def test_the_command_asks_and_counts(capsys, monkeypatch):
    right = [("abcd"[question.right]) for question in quizzes.ask(3, seed=1)]
    monkeypatch.setattr(sys, "stdin", io.StringIO("\n".join([right[0], right[1]]) + "\n"))
    assert main(["quiz", "--n", "3", "--seed", "1"]) == 0
    out = capsys.readouterr().out
    assert out.count("Right: ") == 2
    assert out.endswith("2 of 2 right.\n")
