"""Any layout of arrays and one flat vector hold the same numbers."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from unstuck.errors import SubjectError
from unstuck.subjects.layout import Layout


class Weights(NamedTuple):
    W: np.ndarray
    b: np.ndarray


W, b = np.arange(6.0).reshape(2, 3), np.arange(3.0)
LAYOUTS = {
    "dict": ({"W1": W, "b1": b}, ["W1", "b1"]),
    "list": ([W, b], ["[0]", "[1]"]),
    "tuple": ((W, b), ["[0]", "[1]"]),
    "named tuple": (Weights(W, b), ["[0]", "[1]"]),
    "dict of lists": ({"hidden": [W, b], "output": [b]}, ["hidden[0]", "hidden[1]", "output[0]"]),
    "list of dicts": ([{"W": W, "b": b}, {"W": W}], ["[0].W", "[0].b", "[1].W"]),
    "dict of dicts": ({"hidden": {"W": W, "b": b}}, ["hidden.W", "hidden.b"]),
    "list of lists": ([[W, b], [W]], ["[0][0]", "[0][1]", "[1][0]"]),
    "one array": (W, ["w"]),
    "numbers": ({"slope": 2.0, "offset": 3}, ["slope", "offset"]),
    "numbered from 1": ([None, W, b], ["[1]", "[2]"]),
}


def flattened(structure):
    """The numbers in order, naively."""
    if isinstance(structure, dict):
        return [number for value in structure.values() for number in flattened(value)]
    if isinstance(structure, list | tuple):
        return [number for value in structure for number in flattened(value)]
    return [] if structure is None else list(np.ravel(structure))


@pytest.mark.parametrize("name", LAYOUTS)
def test_there_and_back(name):
    structure, names = LAYOUTS[name]
    layout = Layout(structure)
    assert [block.name for block in layout.blocks] == names
    w = layout.flat(structure, "the parameters")
    assert w.dtype == np.float64
    assert w.tolist() == flattened(structure)
    back = layout.structure(w)
    assert type(back) is type(structure)
    assert flattened(back) == w.tolist()
    assert layout.flat(back, "the parameters").tolist() == w.tolist()


@given(st.lists(arrays(np.float64, st.lists(st.integers(1, 3), max_size=3).map(tuple)), min_size=1, max_size=4))
def test_blocks_are_the_arrays(pieces):
    layout = Layout(pieces)
    w = layout.flat(pieces, "the parameters")
    for block, piece in zip(layout.blocks, pieces, strict=True):
        assert block.shape == piece.shape
        assert block.size == piece.size
        np.testing.assert_array_equal(block.of(w), piece)


def test_what_is_handed_out_is_a_copy():
    layout = Layout({"W": W})
    w = layout.flat({"W": W}, "the parameters")
    handed = layout.structure(w)
    handed["W"] += 1
    assert w.tolist() == W.ravel().tolist()
    assert layout.changed(handed, w) == ["W"]
    assert layout.changed(layout.structure(w) | {"cache": "theirs"}, w) == []


def test_complex_numbers_stay_complex():
    assert Layout([W, 1.0]).structure(1j * np.arange(7.0))[1] == 6j


def test_a_flat_array_with_shapes():
    layout = Layout(np.arange(9.0), {"W": (2, 3), "b": (3,)})
    assert [(block.name, block.shape) for block in layout.blocks] == [("W", (2, 3)), ("b", (3,))]
    assert layout.blocks[1].of(np.arange(9.0)).tolist() == [6, 7, 8]
    assert layout.structure(np.arange(9.0)).shape == (9,)


def test_float32_and_whole_numbers_become_float64():
    assert Layout([np.float32(W)]).flat([np.float32(W)], "the parameters").dtype == np.float64
    assert Layout([1, 2]).flat([1, 2], "the parameters").tolist() == [1, 2]


def test_a_gradient_may_be_a_row_where_the_parameter_is_a_column():
    layout = Layout({"b": np.zeros((1, 3))})
    assert layout.flat({"b": b}, "your gradient").tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    ("parameters", "shapes", "message"),
    [
        ({}, None, "no numbers among the parameters"),
        (None, None, "no numbers among the parameters"),
        ({"W": np.array([1, "a"])}, None, "real numbers are needed"),
        ({"W": np.array([1, None])}, None, "of type object"),
        ({"W": np.array([1j])}, None, "complex128"),
        ({"W": "W"}, None, "'W'"),
        ({"W": W}, {"W": (6,)}, "shapes are for parameters in one flat array"),
        (np.zeros(9), {"W": (2, 3), "b": (2,)}, r"holds 9 numbers, but W \(2, 3\), b \(2,\) are 8"),
    ],
)
def test_what_is_no_layout_is_refused(parameters, shapes, message):
    with pytest.raises(SubjectError, match=message):
        Layout(parameters, shapes)


@pytest.mark.parametrize(
    ("gradient", "message"),
    [
        ({"W": W}, r"your gradient lacks b: it must be built like"),
        ({"W": W, "db": b}, r"lacks b and has db, which no parameter is called"),
        ([W, b], r"lacks W, b and has \[0\], \[1\]"),
        ({"W": W.T, "b": b}, r"for W has the shape \(3, 2\), but W has \(2, 3\)"),
        ({"W": W, "b": 0.0}, r"for b has the shape \(\), but b has \(3,\)"),
        ({"W": W * 1j, "b": b}, "complex128"),
        ({"W": W, "b": np.array([None] * 3)}, "of type object"),
    ],
)
def test_a_gradient_of_another_build_is_refused(gradient, message):
    with pytest.raises(SubjectError, match=message):
        Layout({"W": W, "b": b}).flat(gradient, "your gradient")
