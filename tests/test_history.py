from __future__ import annotations

import numpy as np
import pytest

from unstuck import OptionError
from unstuck.history import History

ROWS = [{"epoch": 1, "loss": 0.7, "r2": float("nan")}, {"epoch": 2, "loss": 0.5, "r2": 0.1}]


def recorded(rows=ROWS):
    history = History()
    for row in rows:
        history.append(row)
    return history


def test_columns_rows_and_the_last_record():
    history = recorded()
    assert history.columns == ("epoch", "loss", "r2")
    assert len(history) == 2
    assert history["loss"].tolist() == [0.7, 0.5]
    assert history.last() == ROWS[1]
    assert "loss" in history
    assert "accuracy" not in history


def test_as_arrays_and_back():
    history = recorded()
    again = History(history.arrays())
    assert again == history
    again.append(ROWS[0])
    assert again != history
    assert len(history) == 2


def test_as_a_table():
    table = recorded().frame()
    assert table.columns == ["epoch", "loss", "r2"]
    assert np.array_equal(table.to_numpy(), [[1, 0.7, np.nan], [2, 0.5, 0.1]], equal_nan=True)


def test_the_user_cannot_change_it_by_accident():
    history = recorded()
    history["loss"][:] = 0
    history.arrays()["loss"][:] = 0
    history.last()["loss"] = 0
    assert history["loss"].tolist() == [0.7, 0.5]


def test_a_column_that_is_not_there():
    with pytest.raises(OptionError, match="did you mean 'loss'"):
        recorded()["los"]


def test_an_empty_history():
    history = History()
    assert len(history) == 0
    assert history.columns == ()
    assert history.last() == {}
    assert history == History({})
    assert history.frame().is_empty()
    with pytest.raises(OptionError, match="empty"):
        history["loss"]


def test_equal_only_to_a_history_of_the_same_numbers():
    assert recorded() == recorded()
    assert recorded() != recorded(ROWS[:1])
    assert recorded() != recorded([ROWS[0], ROWS[1] | {"loss": 0.5 + 1e-16 * 2}])
    assert recorded() != "history"
