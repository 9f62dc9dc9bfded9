import json
import sys

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

import nnzoo
from nnzoo.data.dataset import load_like
from nnzoo.data.kinds import infer_columns
from nnzoo.data.roles import Wishes
from nnzoo.data.splits import TEST, TRAIN, VALID
from nnzoo.data.text import TextRule, read_text, read_text_like, split_by_place, text_roles
from nnzoo.data.textcheck import check_texts
from nnzoo.data.textfile import cut_text
from nnzoo.data.vocabulary import REPLACEMENT, Vocabulary, cleaned
from nnzoo.errors import DataError, ModelFileError, SchemaError, UsageError

REVIEW = "the film was long and the film was slow but the end of the film was good and the music was good too {}"


def reviews(n=40):
    labels = ["good" if i % 2 else "bad" for i in range(n)]
    return {"review": [REVIEW.format(i) for i in range(n)], "label": labels, "stars": list(range(n))}


def write(tmp_path, content, name="a.txt"):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def topics(findings):
    return {finding.topic for finding in findings}


def checked(texts, part, unit="word", **rule):
    frame = pl.DataFrame({"t": texts}, schema={"t": pl.String})
    rule = TextRule("t", unit, "", **({"in_order": True} | rule))
    return check_texts(frame, [], None, None, np.array(part, dtype=np.int8), rule)


@given(st.text(st.sampled_from("ab \n"), max_size=300), st.integers(1, 40))
def test_the_pieces_of_a_text_give_it_again_and_none_is_too_long(text, longest):
    pieces = cut_text(text, longest)
    assert "".join(pieces) == text
    assert all(1 <= len(piece) <= longest for piece in pieces)


def test_a_piece_ends_at_a_line_end_else_at_a_space_else_where_it_is_full():
    assert cut_text("aaaa bb\ncc dd", 12) == ["aaaa bb\n", "cc dd"]
    assert cut_text("aaaa bbbb cccc", 12) == ["aaaa bbbb ", "cccc"]
    assert cut_text("a" * 20, 12) == ["a" * 12, "a" * 8]


def test_a_text_file_is_cut_into_rows_of_at_most_256_characters_in_order(tmp_path):
    text = "".join(f"line {i} of a text that goes on\n" for i in range(100))
    table = read_text(write(tmp_path, text), None)
    assert "".join(table.frame["text"]) == text
    assert table.frame["text"].str.len_chars().max() <= 256
    assert table.rows.tolist() == list(range(1, len(table.frame) + 1))
    assert (table.rule.unit, table.rule.in_order) == ("character", True)


def test_the_split_of_one_text_is_by_place():
    found = split_by_place(100)
    assert found.part.tolist() == [TRAIN] * 80 + [VALID] * 10 + [TEST] * 10
    assert "by place: the first 80 %" in found.how
    assert split_by_place(3).part.tolist() == [TRAIN, VALID, TEST]
    assert split_by_place(2).part.tolist() == [TRAIN, TRAIN]


def test_line_ends_of_windows_are_those_of_unix_and_byte_order_marks_are_left_out(tmp_path):
    for content in (b"\xef\xbb\xbfone\r\ntwo two", "one\r\ntwo two".encode("utf-16")):
        assert read_text(write(tmp_path, content), None).frame["text"].to_list() == ["one\ntwo two"]


@pytest.mark.parametrize("content", ["a\tb\n1\t2\n3\t4\n", "a,b\n1,x\n", "x\n1\n2\n3\n"])
def test_a_txt_file_whose_lines_are_those_of_a_table_is_no_text_unless_said(tmp_path, content):
    path = write(tmp_path, content)
    assert read_text(path, None) is None
    assert read_text(path, "text").frame["text"].to_list() == [content]


def test_a_txt_file_with_a_target_is_a_table(tmp_path):
    assert read_text(write(tmp_path, "one text"), None, with_target=True) is None


def test_a_list_of_texts_is_running_text_and_with_targets_a_text_a_row():
    running = read_text(["one " * 100, "two " * 10], "text")
    assert running.rule.in_order
    assert "".join(running.frame["text"]) == "one " * 100 + "two " * 10
    rows = read_text((["one " * 100, "two"], [1, 0]), "text")
    assert not rows.rule.in_order
    assert rows.frame.to_dict(as_series=False) == {"text": ["one " * 100, "two"], "y": [1, 0]}
    assert rows.target == "y"
    for same in (["one", "two"], np.array(["one", "two"]), pl.Series(["one", "two"]), pd.Series(["one", "two"])):
        assert read_text(same, "text", with_target=True).frame["text"].to_list() == ["one", "two"]


def test_the_column_of_free_text_is_found_and_its_unit_follows_its_length():
    table = read_text(reviews(), "text", target="label")
    assert (table.rule.name, table.rule.unit, table.rule.in_order) == ("review", "word", False)
    short = {"t": [f"a few words {i}" for i in range(40)], "y": [0, 1] * 20}
    assert read_text(short, "text", target="y").rule.unit == "character"
    assert read_text(short, "text", target="y", unit="word").rule.why == "as you said"


def test_none_or_two_columns_of_free_text_are_refused_and_one_can_be_named():
    two = reviews() | {"title": [f"a rather long title {i}" for i in range(40)]}
    with pytest.raises(SchemaError, match=r'exactly one column of free text; got "review", "title".*text=\'review\''):
        read_text(two, "text", target="label")
    assert read_text(two, "text", target="label", text="title").rule.name == "title"
    with pytest.raises(SchemaError, match="exactly one column of free text; got none"):
        read_text({"a": [1, 2], "b": ["x", "y"]}, "text", target="a")
    with pytest.raises(SchemaError, match=r'no column "titel" for the text\. Did you mean "title"'):
        read_text(two, "text", text="titel")
    with pytest.raises(SchemaError, match='column "stars" needs texts; got'):
        read_text(two, "text", text="stars")


def test_other_texts_are_read_as_the_first_ones_and_their_column_has_the_same_name(tmp_path):
    rule = TextRule("review", "word", "", in_order=False)
    assert read_text_like(["a text", "b"], rule).frame["review"].to_list() == ["a text", "b"]
    table = read_text_like({"id": ["x", "y"], "review": ["a text", "b"]}, rule)
    assert (table.rule, table.frame.columns) == (rule, ["id", "review"])
    with pytest.raises(SchemaError, match='no column "review" for the text'):
        read_text_like({"text": ["a"]}, rule)
    running = TextRule("text", "character", "", in_order=True)
    assert read_text_like(write(tmp_path, "a,b\n1,2\n"), running).frame["text"].to_list() == ["a,b\n1,2\n"]


def test_an_unknown_unit_is_refused():
    with pytest.raises(UsageError, match='unit needs to be character or word; got "words".*Did you mean "word"'):
        read_text(reviews(), "text", unit="words")


def test_roles_are_text_target_row_name_and_the_others_are_left_out():
    frame = pl.DataFrame(reviews() | {"id": [f"r{i}" for i in range(40)]})
    roles = text_roles(frame, Wishes(target="label"), "the table", TextRule("review", "word", "", in_order=False))
    assert [column.name for column in roles.inputs] == ["review"]
    assert (roles.target.name, roles.id_column, roles.ignored) == ("label", "id", ("stars",))
    with pytest.raises(UsageError, match='"review" holds the texts'):
        text_roles(frame, Wishes(target="review"), "the table", TextRule("review", "word", "", in_order=False))


def test_B9_a_text_file_that_is_empty_or_blank_is_refused(tmp_path):
    for content in ("", " \n "):
        with pytest.raises(DataError, match=r"a\.txt needs text; got \d characters, all spaces"):
            read_text(write(tmp_path, content), "text")


def test_B9_nul_and_halves_of_surrogate_pairs_become_the_replacement_character_and_are_counted(tmp_path):
    content = b"a\0b" + b"c" * 200 + b"\xed\xa0\x80"
    table = read_text(write(tmp_path, content), None)
    assert table.frame["text"].to_list() == ["a" + REPLACEMENT + "b" + "c" * 200 + REPLACEMENT]
    findings = checked(table.frame["text"].to_list(), [TRAIN], unit="character")
    (found,) = [finding for finding in findings if finding.topic == "replaced characters"]
    assert found.message.startswith("2 characters in 1 text are U+FFFD")
    assert read_text(write(tmp_path, b"a\0b"), "text").frame["text"].to_list() == ["a" + REPLACEMENT + "b"]
    assert read_text(["a\ud800b"], "text").frame["text"].to_list() == ["a" + REPLACEMENT + "b"]
    assert read_text({"t": ["a\0b", "c"], "y": [0, 1]}, "text", text="t").frame["t"][0] == "a" + REPLACEMENT + "b"
    assert read_text({"t": ["a\ud800b", "c"], "y": [0, 1]}, "text", text="t").frame["t"][0] == f"a{REPLACEMENT}b"
    assert cleaned("\ud83d\ude00") == "\U0001f600"


def test_B9_a_file_that_is_not_text_is_refused_with_its_place(tmp_path):
    with pytest.raises(DataError, match="got the byte 0xe9 at byte offset 3, which is not utf-8"):
        read_text(write(tmp_path, b"caf\xe9 "), "text")
    with pytest.raises(DataError, match="needs text; got 50 NUL characters among 100"):
        read_text(write(tmp_path, b"\0a" * 50), "text")


def test_B9_a_word_of_10_megabytes_counts_64_characters_and_long_texts_are_cut():
    vocabulary = Vocabulary.learn(["x" * 10_000_000 + " b b", "x" * 64], "word")
    assert vocabulary.tokens == ("b", "x" * 64)
    tokens = Vocabulary("character", ("x",)).encode(["x" * 10_000_000, "x"], 1000)
    assert tokens.lengths.tolist() == [1000, 1]
    assert tokens.cut.tolist() == [True, False]


def test_words_are_folded_and_signs_stand_alone():
    vocabulary = Vocabulary.learn(["Straße STRASSE, e\u0301 \u00e9"] * 2, "word")
    assert vocabulary.tokens == ("strasse", "\u00e9", ",")
    # folded, this letter is a j and a mark behind it
    assert Vocabulary.learn(["\u01f0 \u01f0"], "word").tokens == ("\u01f0",)


def test_characters_need_three_occurrences_and_words_two():
    assert Vocabulary.learn(["aaabb"], "character").tokens == ("a",)
    assert Vocabulary.learn(["a a b"], "word").tokens == ("a",)
    with pytest.raises(SchemaError, match="words that occur at least 2 times in the training texts; got none among 2"):
        Vocabulary.learn(["a b"], "word")


def test_at_most_20000_tokens_are_kept_the_most_frequent_ones():
    words = [f"w{i}" for i in range(20_001)]
    vocabulary = Vocabulary.learn([" ".join([*words, *words, "w20000"])], "word")
    assert len(vocabulary.tokens) == 20_000
    assert vocabulary.tokens[0] == "w20000"


@given(st.text(st.characters(codec="utf-8"), min_size=1, max_size=40))
def test_known_characters_come_back_as_they_were(text):
    vocabulary = Vocabulary.learn([text] * 3, "character")
    tokens = vocabulary.encode([text])
    again = vocabulary.decode(tokens.codes)
    assert vocabulary.encode([again]).codes.tolist() == tokens.codes.tolist()


def test_decoded_words_have_spaces_between_them_but_not_before_signs():
    vocabulary = Vocabulary.learn(["Yes, (he) said."] * 2, "word")
    codes = vocabulary.encode(["Yes, (he) said again."]).codes
    assert vocabulary.decode(codes) == "yes, (he) said <unk>."


@pytest.mark.parametrize("unit", ["character", "word"])
def test_a_vocabulary_survives_json_and_refuses_what_is_none(unit):
    vocabulary = Vocabulary.learn(["to be or not to be"] * 3, unit)
    assert Vocabulary.from_json(vocabulary.to_json()) == vocabulary
    for state in (
        {"unit": unit, "tokens": []},
        {"unit": "byte", "tokens": ["a"]},
        {"unit": unit, "tokens": ["a" * 65]},
    ):
        with pytest.raises(ModelFileError, match="vocabulary"):
            Vocabulary.from_json(state)


def test_a_text_rule_survives_json():
    rule = TextRule("review", "word", "as you said", in_order=False)
    assert TextRule.from_json(rule.to_json()) == rule
    with pytest.raises(ModelFileError, match="text rule"):
        TextRule.from_json(rule.to_json() | {"max_length": 0})


def test_the_check_up_counts_empty_and_long_texts_and_unknown_tokens():
    texts = ["a b " * 600, "", None, "c d e", "a b"]
    findings = {f.topic: f for f in checked(texts, [TRAIN, TRAIN, TRAIN, VALID, TEST], in_order=False)}
    assert findings["empty texts"].message == "2 texts are empty: read as the single token <empty>."
    assert findings["long texts"].message == "1 text is longer than 1,000 words: cut off at the end."
    assert findings["unknown tokens"].level == "warning"
    assert '100% of the words in the valid part are rare or new in train, such as "c", "d", "e"' in (
        findings["unknown tokens"].message
    )
    assert "missing" not in findings


def test_the_check_up_finds_copies_across_parts_but_not_within_one_text():
    texts, part = [f"the same text again {i % 5}" for i in range(40)], [TRAIN] * 30 + [VALID] * 5 + [TEST] * 5
    frame = pl.DataFrame({"t": texts})
    columns = infer_columns(frame, overrides={"t": "text"})
    apart = TextRule("t", "word", "", in_order=False)
    found = check_texts(frame, columns, None, None, np.array(part, dtype=np.int8), apart)
    assert any("cop" in topic for topic in topics(found))
    assert not any("cop" in topic for topic in topics(checked(texts, part)))


def test_load_says_of_a_text_what_is_predicted_and_how_it_is_split():
    data = nnzoo.load("genesis")
    assert (data.kind, data.output, data.task) == ("text", "next", None)
    told = " ".join(str(data).split())
    assert "genesis.txt: 954 pieces" in told
    assert "one text in pieces, split into characters: running text" in told
    assert "Output next: no target is given: the next character" in told
    assert "train 764, valid 95, test 95 pieces; by place: the first 80 % of the text are train" in told
    assert data.train.frame["text"][0].startswith("In the beginning")


def test_load_makes_a_table_of_texts_with_a_target_a_classification():
    data = nnzoo.load(reviews(), kind="text", target="label")
    assert (data.output, data.task, data.text.unit) == ("sequence", "classification", "word")
    assert (len(data.train), len(data.valid), len(data.test)) == (28, 6, 6)
    assert data.roles.ignored == ("stars",)
    assert nnzoo.load(reviews(), kind="text", target="stars", task="regression").task == "regression"
    given = nnzoo.load(reviews()["review"], kind="text", target=np.arange(40) % 2)
    assert (given.task, given.target, given.output) == ("classification", "y", "sequence")


def test_text_or_unit_says_that_the_kind_is_text_and_goes_with_no_other():
    assert nnzoo.load(reviews(), target="label", unit="character").kind == "text"
    with pytest.raises(UsageError, match=r'text and unit are for texts; got kind="table".*kind="text"'):
        nnzoo.load(reviews(), kind="table", unit="word")


def test_the_same_texts_are_split_as_before_and_others_are_not_split(tmp_path):
    for source, target in ((reviews(), "label"), ("genesis", None)):
        data = nnzoo.load(source, kind="text", target=target)
        settings = json.loads(json.dumps(data.settings))
        again = load_like(source, settings)
        assert (again.text, again.task) == (data.text, data.task)
        np.testing.assert_array_equal(again.part, data.part)
        other = load_like(reviews(20) if target else write(tmp_path, "another text"), settings)
        assert set(other.part.tolist()) == {TEST}
    with pytest.raises(ModelFileError, match="settings"):
        load_like("genesis", settings | {"kind": "table"})


def test_a_group_of_texts_is_in_one_part():
    data = nnzoo.load(
        reviews() | {"author": [f"a{i % 8}" for i in range(40)]}, kind="text", target="label", group="author"
    )
    parts = data.frame.with_columns(part=data.part).group_by("author").agg(pl.col("part").n_unique())
    assert parts["part"].to_list() == [1] * 8


def test_reading_texts_loads_neither_torch_nor_scikit_learn():
    import subprocess

    code = "import sys, nnzoo.data.text, nnzoo.data.textrecipe; print('torch' in sys.modules, 'sklearn' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]
