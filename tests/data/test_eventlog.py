"""Logs of events through load: what becomes a sequence, what is refused, and what is said."""

import json
from datetime import datetime, timedelta

import numpy as np
import polars as pl
import pytest

from nnzoo.data.dataset import load, load_like
from nnzoo.data.sequencedata import read_sequences
from nnzoo.errors import DataError, ModelFileError, SchemaError, UsageError

N_ENTITIES = 30


def log(**columns):
    """Four events of each of 30 machines, an hour apart, machine after machine."""
    n = 4 * N_ENTITIES
    hours = np.tile(np.arange(4), N_ENTITIES)
    rng = np.random.default_rng(0)
    return {
        "machine": [f"m{i:02}" for i in np.repeat(np.arange(N_ENTITIES), 4)],
        "when": [f"2024-03-01 {hour:02}:00" for hour in hours],
        "heat": rng.normal(size=n).tolist(),
        "mode": rng.choice(["idle", "run"], n).tolist(),
    } | columns


def broken():
    """Return whether each machine breaks, once for each of its events."""
    return np.repeat(np.arange(N_ENTITIES) % 2, 4).tolist()


def messages(data, topic):
    return [finding.message for finding in data.findings if finding.topic == topic]


def test_the_events_of_an_entity_become_one_sequence():
    data = load(log(broken=broken()), entity="machine", time="when", target="broken")
    assert (data.kind, len(data), data.output, data.task) == ("sequence", N_ENTITIES, "sequence", "classification")
    assert data.id_column == "machine"
    assert data.frame["machine"].to_list() == [f"m{i:02}" for i in range(N_ENTITIES)]
    assert data.sequences.lengths.tolist() == [4] * N_ENTITIES
    assert [column.name for column in data.columns] == ["heat", "mode"]
    assert data.frame["broken"].to_list() == [i % 2 for i in range(N_ENTITIES)]
    np.testing.assert_array_equal(data.sequences.frame["heat"], log()["heat"])


def test_events_in_any_order_give_the_same_sequences_and_their_rows_in_the_source():
    order = np.random.default_rng(1).permutation(4 * N_ENTITIES)
    mixed = {name: [values[i] for i in order] for name, values in log().items()}
    plain, data = load(log(), entity="machine", time="when"), load(mixed, entity="machine", time="when")
    place = {name: i for i, name in enumerate(data.frame["machine"])}
    same = data.sequences.take(np.array([place[name] for name in plain.frame["machine"]]))
    assert same.frame.equals(plain.sequences.frame)
    np.testing.assert_array_equal(order[same.rows - 1] + 1, plain.sequences.rows)


def test_no_entity_is_in_two_parts_and_every_class_is_in_each():
    data = load(log(broken=broken()), entity="machine", target="broken")
    names = [set(part.frame["machine"]) for part in (data.train, data.valid, data.test)]
    assert sum(map(len, names)) == N_ENTITIES == len(set.union(*names))
    assert all(set(part.frame["broken"]) == {0, 1} for part in (data.train, data.valid, data.test))
    assert 'by "machine", none in two parts' in data.how_split


def test_a_part_takes_the_steps_of_its_rows_along():
    data = load(log(), entity="machine", time="when")
    kept = data.test.sequences.frame["heat"].to_list()
    heat = dict(zip(data.frame["machine"], np.reshape(log()["heat"], (-1, 4)).tolist(), strict=True))
    assert kept == [value for name in data.test.frame["machine"] for value in heat[name]]
    assert len(data.all.sequences) == N_ENTITIES


def test_a_target_that_changes_within_an_entity_belongs_to_the_step():
    data = load(log(alarm=[0, 0, 1, 1] * N_ENTITIES), entity="machine", time="when", target="alarm")
    assert data.output == "step"
    assert data.why_output == '"alarm" changes within an entity'
    assert data.sequences.frame["alarm"].to_list() == [0, 0, 1, 1] * N_ENTITIES
    assert "alarm" not in [column.name for column in data.columns]


def test_empty_cells_of_a_target_do_not_count_where_the_others_of_its_entity_agree():
    target = [value if i % 4 == 2 else None for i, value in enumerate(broken())]
    data = load(log(broken=target), entity="machine", target="broken")
    assert data.output == "sequence"
    assert data.frame["broken"].to_list() == [i % 2 for i in range(N_ENTITIES)]


def test_without_a_target_the_output_is_what_comes_next():
    data = load(log(), entity="machine")
    assert (data.output, data.task, data.target) == ("next", None, None)


def test_the_only_column_of_times_orders_the_events_unasked():
    data = load({name: values[::-1] for name, values in log().items()}, entity="machine")
    assert data.schema.time.name == "when"
    assert data.sequences.frame["when"].dt.hour().to_list() == [0, 1, 2, 3] * N_ENTITIES


def test_numbers_can_order_the_events():
    data = load(log(when=[3.5, 1, 2, 0] * N_ENTITIES), entity="machine", time="when")
    assert data.sequences.frame["when"].to_list() == [0, 1, 2, 3.5] * N_ENTITIES


def test_a_group_of_entities_stays_in_one_part():
    sites = [f"s{i // 12}" for i in range(4 * N_ENTITIES)]
    data = load(log(site=sites), entity="machine", group="site")
    parts = [set(part.frame["site"]) for part in (data.train, data.valid, data.test)]
    assert sum(map(len, parts)) == len(set(sites))
    assert [column.name for column in data.columns] == ["heat", "mode"]


def test_a_group_that_changes_within_an_entity_is_refused():
    with pytest.raises(SchemaError, match=r'one value of the group "mode" for each "machine"; it differs within "m'):
        load(log(), entity="machine", group="mode")


def test_an_ignored_column_is_not_read():
    data = load(log(), entity="machine", columns={"heat": "ignore"})
    assert [column.name for column in data.columns] == ["mode"]
    assert data.roles.ignored == ("heat",)


def test_the_summary_says_steps_order_and_output():
    text = str(load(log(broken=broken()), entity="machine", time="when", target="broken"))
    assert "30 sequences, 120 steps" in text
    assert 'Steps   4 in every sequence; in the order of "when"' in text
    assert 'Output  sequence: "broken" is the same in all events of an entity' in text


def test_the_summary_is_plain_json():
    told = json.loads(json.dumps(load(log(), entity="machine").to_json(), allow_nan=False))
    assert told["sequences"]["n_steps"] == 4 * N_ENTITIES


# what does not fit


def test_an_unknown_entity_lists_the_nearest_names():
    with pytest.raises(SchemaError, match=r'no column "machines" for the entity\. Did you mean "machine"'):
        load(log(), entity="machines")


def test_the_entity_needs_a_column_of_its_own():
    with pytest.raises(UsageError, match=r'"machine" has another part\. Name another'):
        load(log(), entity="machine", target="machine")


def test_entity_beside_the_kind_table_is_refused():
    with pytest.raises(UsageError, match='entity and lengths are for sequences; got kind="table"'):
        load(log(), entity="machine", kind="table")


def test_a_missing_entity_names_the_rows():
    columns = log()
    columns["machine"][6] = None
    with pytest.raises(SchemaError, match=r'the entity "machine" in every row; it is missing in row 7\.'):
        load(columns, entity="machine")


def test_an_entity_without_a_target_is_named_or_left_out():
    target = [None] * 4 + broken()[4:]
    with pytest.raises(SchemaError, match=r'target "broken" of every "machine"; it is missing for "m00"\.'):
        load(log(broken=target), entity="machine", target="broken")
    data = load(log(broken=target), entity="machine", target="broken", on_bad_row="skip")
    assert len(data) == N_ENTITIES - 1
    assert [reject.reason for reject in data.rejects] == ['("m00") has no target']


def test_a_step_without_a_target_is_named_or_left_out():
    target = [None, 0, 1, 1] + [0, 0, 1, 1] * (N_ENTITIES - 1)
    with pytest.raises(SchemaError, match=r'the target "alarm" in every row; it is missing in row 1\.'):
        load(log(alarm=target), entity="machine", target="alarm")
    data = load(log(alarm=target), entity="machine", target="alarm", on_bad_row="skip")
    assert data.sequences.lengths.tolist() == [3] + [4] * (N_ENTITIES - 1)


def test_a_column_of_words_cannot_order_the_events():
    with pytest.raises(SchemaError, match='column "mode" needs times or numbers to order the events; got category'):
        load(log(), entity="machine", time="mode")


# B7, B8


def test_B7_entities_of_one_event_are_loaded_and_counted():
    single = {"machine": "new", "when": "2024-03-01", "heat": 0.0, "mode": "idle"}
    data = load({name: [*values, single[name]] for name, values in log().items()}, entity="machine")
    assert data.sequences.lengths.tolist() == [4] * N_ENTITIES + [1]
    assert messages(data, "one step") == ["1 sequence of 31 has one step only."]


def test_B7_a_million_events_are_loaded_and_a_very_long_sequence_is_said():
    n = 1_000_000
    rng = np.random.default_rng(0)
    frame = pl.DataFrame({"who": np.where(np.arange(n) < 2000, np.arange(n) % 1000, 1000), "x": rng.normal(size=n)})
    data = load(frame, entity="who")
    assert data.sequences.lengths.max() == n - 2000
    (message,) = messages(data, "very long")
    assert "up to 998,000 steps" in message
    assert "truncated backpropagation" in message


def test_B7_unsorted_events_are_sorted_and_counted():
    data = load(log(when=["2024-03-01 03:00", "2024-03-01", "2024-03-02", "2024-03-03"] * N_ENTITIES), entity="machine")
    assert data.sequences.frame["when"].dt.hour().to_list()[:4] == [0, 3, 0, 0]
    assert messages(data, "unsorted") == ['30 steps stood behind a later one: all were sorted by "when".']
    assert next(finding for finding in data.findings if finding.topic == "unsorted").level == "warning"


def test_B7_events_of_one_time_stay_in_the_order_of_the_source_and_are_counted():
    data = load(log(when=["2024-03-01"] * 4 * N_ENTITIES), entity="machine", time="when")
    np.testing.assert_array_equal(data.sequences.frame["heat"], log()["heat"])
    (message,) = messages(data, "equal times")
    assert message.startswith('90 steps of a sequence have the same "when" as the one before')


@pytest.mark.parametrize("times", [[0.0, float("nan"), 2.0, 3.0], ["2024-03-01", None, "2024-03-03", "2024-03-04"]])
def test_B7_a_missing_time_names_its_rows_or_its_rows_are_skipped(times):
    columns = log(when=times + times[:1] * (4 * N_ENTITIES - 4))
    with pytest.raises(SchemaError, match=r'the time "when" in every row; it is missing in row 2\.'):
        load(columns, entity="machine", time="when")
    data = load(columns, entity="machine", time="when", on_bad_row="skip")
    assert data.sequences.n_steps == 4 * N_ENTITIES - 1
    assert [reject.row for reject in data.rejects] == [2]


def test_B7_a_time_that_is_none_is_never_taken_as_missing():
    columns = log()
    columns["when"][5] = "noon"
    with pytest.raises(SchemaError, match=r'row 6, column "when" needs a date .*; got "noon"'):
        load(columns, entity="machine", time="when", coerce=True)


def test_B7_an_infinite_time_is_refused():
    with pytest.raises(DataError, match=r'row 1, column "when" needs finite numbers; got inf'):
        load(log(when=[float("inf"), 1, 2, 3] * N_ENTITIES), entity="machine", time="when")


def test_B8_times_of_several_zones_are_ordered_in_utc():
    zones = ["2024-03-01 12:00+05:00", "2024-03-01 06:00Z", "2024-03-01 05:30-01:00", "2024-03-01 08:30+01:00"]
    data = load(log(when=zones * N_ENTITIES), entity="machine", time="when")
    hours = data.sequences.frame["when"][:4].dt.to_string("%H:%M").to_list()
    assert hours == ["06:00", "06:30", "07:00", "07:30"]
    assert messages(data, "mixed time zones") == []


def test_B8_times_with_and_without_a_zone_are_taken_as_utc_with_a_warning():
    mixed = ["2024-03-01 12:00+05:00", "2024-03-01 08:00", "2024-03-01 09:00", "2024-03-01 10:00"]
    data = load(log(when=mixed * N_ENTITIES), entity="machine", time="when")
    assert messages(data, "mixed time zones") == [
        '30 of 120 times in "when" name an offset from UTC, the others are taken as UTC.'
    ]


def test_B8_the_hour_that_daylight_saving_repeats_gives_no_negative_step():
    autumn = ["2024-10-27T02:30:00+02:00", "2024-10-27T02:15:00+01:00", "2024-10-27T02:45:00+01:00"]
    data = load(log(when=[*autumn, "2024-10-27T03:00:00+01:00"] * N_ENTITIES), entity="machine", time="when")
    steps = data.sequences.frame["when"].to_physical().to_numpy().reshape(-1, 4)
    assert (np.diff(steps, axis=1) > 0).all()
    assert messages(data, "unsorted") == []


# the same log again, and another one


@pytest.mark.parametrize("target", [broken(), [0, 0, 1, 1] * N_ENTITIES, None])
def test_stored_settings_read_the_same_log_to_the_same_parts(target):
    columns = log() if target is None else log(y=target)
    data = load(columns, entity="machine", time="when", target=None if target is None else "y")
    again = load_like(columns, json.loads(json.dumps(data.settings)))
    np.testing.assert_array_equal(again.part, data.part)
    assert again.sequences.frame.equals(data.sequences.frame)
    assert again.schema == data.schema


def test_another_log_is_all_test_and_keeps_the_output_of_the_first():
    columns = log(alarm=[0, 0, 1, 1] * N_ENTITIES)
    data = load(columns, entity="machine", time="when", target="alarm")
    calm = {name: values[:4] for name, values in log(alarm=[0] * 4 * N_ENTITIES, new=[1] * 4 * N_ENTITIES).items()}
    other = load_like(calm, data.settings)
    assert (other.output, len(other.test), other.extra) == ("step", 1, ("new",))


def test_another_log_whose_target_changes_within_an_entity_is_refused_where_it_did_not():
    data = load(log(y=broken()), entity="machine", time="when", target="y")
    with pytest.raises(SchemaError, match=r'one value of the target "y" for each "machine"; it differs within "m00"'):
        load_like(log(y=[0, 0, 0, 1, *broken()[4:]]), data.settings)


def test_another_log_needs_the_columns_of_the_first():
    data = load(log(), entity="machine", time="when")
    with pytest.raises(SchemaError, match='needs the column "heat", which is missing'):
        load_like({name: values for name, values in log().items() if name != "heat"}, data.settings)


@pytest.mark.parametrize(
    ("key", "odd"), [("output", "other"), ("layout", "heap"), ("columns", [{}]), ("name", 3), ("time", "when")]
)
def test_odd_stored_settings_are_refused(key, odd):
    data = load(log(), entity="machine", time="when")
    settings = data.settings | {"sequences": data.settings["sequences"] | {key: odd}}
    with pytest.raises(ModelFileError, match="The model file, "):
        load_like(log(), settings)


def test_a_log_is_no_source_that_holds_only_sequences():
    assert read_sequences(log(), "sequence") is None


def sensors(n=3, length=40):
    """Return a log of a few sensors that go on: no target, each some numbers over time."""
    times = [datetime(2024, 1, 1) + timedelta(hours=hour) for hour in range(length)]
    rows = [(f"s{i}", when, float(i + step)) for i in range(n) for step, when in enumerate(times)]
    return pl.DataFrame(rows, schema=["sensor", "when", "level"], orient="row")


def test_a_few_long_series_are_cut_by_time_into_pieces_of_each():
    data = load(sensors(), entity="sensor", time="when")
    assert data.how_split == 'each "sensor" by time: the first steps are train, the last steps are the test'
    assert data.part.tolist() == [0, 1, 2] * 3
    assert data.sequences.lengths.tolist() == [28, 6, 6] * 3
    assert data.frame["sensor"].to_list() == ["s0"] * 3 + ["s1"] * 3 + ["s2"] * 3
    assert data.test.sequences.frame["level"].to_list() == [float(i + step) for i in range(3) for step in range(34, 40)]
    again = load_like(sensors(), data.settings)
    assert (again.part == data.part).all()
    assert repr(data).startswith("<Data: 9 pieces of")


def test_other_series_for_a_model_of_series_are_not_cut():
    other = load_like(sensors(2, 12), load(sensors(), entity="sensor", time="when").settings)
    assert other.sequences.lengths.tolist() == [12, 12]
    assert other.part.tolist() == [2, 2]


@pytest.mark.parametrize("events", [sensors(25), sensors(3, 9)])
def test_many_or_short_series_are_split_by_entity(events):
    data = load(events, entity="sensor", time="when")
    assert len(data) == events["sensor"].n_unique()
    assert data.how_split.startswith('by "sensor", none in two parts')
