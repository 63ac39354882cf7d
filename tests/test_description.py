from __future__ import annotations

import copy
import dataclasses
import pickle

import numpy as np
import pytest
from pydantic import PositiveFloat, PositiveInt

from unstuck.description import Description, described
from unstuck.errors import RecipeError


class Shape(Description):
    """A family, as those of unstuck are."""


@described
class Circle(Shape, kind="circle"):
    radius: PositiveFloat = 1.0


@described
class Point(Shape, kind="point"):
    pass


@described
class Polygon(Shape, kind="polygon"):
    corners: PositiveInt
    inner: Shape = Point()
    marks: tuple[Shape, ...] = ()
    label: str | None = None

    def __post_init__(self):
        if self.corners < 3:
            raise ValueError(f"a polygon has at least 3 corners; got {self.corners}")


@described
class Picture(Description):
    """No family: without kind."""

    shape: Shape
    title: str = ""


def problems(call, *arguments, **fields):
    with pytest.raises(RecipeError) as raised:
        call(*arguments, **fields)
    return raised.value.problems


EXAMPLES = [
    Point(),
    Circle(0.1),
    Polygon(4, inner=Circle(2.0), marks=[Point(), Polygon(3, label="x")]),
    Picture(Polygon(5, marks=["circle"]), title="five"),
]
EVERY = pytest.mark.parametrize("value", EXAMPLES, ids=repr)


@EVERY
def test_data_lead_back_to_an_equal_value(value):
    assert type(value).from_data(value.to_data()) == value


@EVERY
def test_repr_is_the_code_that_makes_the_value(value):
    assert eval(repr(value)) == value  # of this file's own examples


@EVERY
@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy, lambda value: pickle.loads(pickle.dumps(value))])
def test_copies_are_equal_and_have_the_same_hash(value, duplicate):
    assert duplicate(value) == value
    assert hash(duplicate(value)) == hash(value)


@EVERY
def test_values_cannot_be_changed(value):
    for field in dataclasses.fields(value):
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(value, field.name, getattr(value, field.name))


def test_data_are_plain_and_complete_and_a_member_without_fields_is_its_kind():
    assert EXAMPLES[2].to_data() == {
        "kind": "polygon",
        "corners": 4,
        "inner": {"kind": "circle", "radius": 2.0},
        "marks": ["point", {"kind": "polygon", "corners": 3, "inner": "point", "marks": [], "label": "x"}],
    }
    assert Picture("point").to_data() == {"shape": "point", "title": ""}


def test_repr_shows_the_first_field_plainly_and_leaves_defaults_out():
    assert repr(EXAMPLES[2]) == "Polygon(4, inner=Circle(radius=2.0), marks=(Point(), Polygon(3, label='x')))"
    assert repr(Polygon(corners=3, inner=Point())) == "Polygon(3)"


@pytest.mark.parametrize("data", [Circle(), "circle", {"kind": "circle"}, {"kind": "circle", "radius": 1}])
def test_a_member_may_be_given_in_four_ways(data):
    assert Shape.from_data(data) == Circle()
    assert Picture(data) == Picture(Circle())


def test_equality_is_of_kind_and_fields():
    assert Circle(1) == Circle(1.0)
    assert len({Circle(1), Circle(1.0), Circle(2), Point(), Point()}) == 3
    assert Circle() != Point()
    assert Circle() != "circle"


def test_a_family_holds_its_members_only():
    assert Shape.family == {"circle": Circle, "point": Point, "polygon": Polygon}
    assert not Picture.family


def test_replace_changes_a_copy_and_validates_again():
    value = Polygon(4)
    assert value.replace(corners=5, inner="circle") == Polygon(5, inner=Circle())
    assert value == Polygon(4)
    assert problems(value.replace, corners=2) == [("", "a polygon has at least 3 corners; got 2")]
    assert problems(value.replace, corner=5) == [("corner", "unknown field; did you mean 'corners'?")]


@pytest.mark.parametrize("number", [np.float32(2), np.float64(2), np.int64(2), np.uint8(2)], ids=repr)
def test_numpy_scalars_become_pythons(number):
    assert type(Circle(number).radius) is float
    assert Circle(number) == Circle(2)
    assert type(Polygon(np.int32(3)).corners) is int


def test_all_problems_are_reported_at_once_with_their_places():
    inner, marks = {"kind": "circle", "radius": -1}, ["point", {"kind": "polygon"}]
    found = problems(Polygon, 0, inner=inner, marks=marks, lable="x")
    assert found == [
        ("corners", "input should be greater than 0; got 0"),
        ("inner.radius", "input should be greater than 0; got -1"),
        ("marks.1.corners", "missing"),
        ("lable", "unknown field; did you mean 'label'?"),
    ]


def test_the_message_names_the_class_and_lists_every_problem():
    with pytest.raises(RecipeError) as raised:
        Circle(radius=0, colour="red")
    assert str(raised.value).splitlines() == [
        "2 problems in Circle:",
        "  radius: input should be greater than 0; got 0",
        "  colour: unknown field; choose from radius",
    ]


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        ("cirlce", ("", "there is no shape 'cirlce'; did you mean 'circle'?")),
        ("banana", ("", "there is no shape 'banana'; choose from circle, point, polygon")),
        ({"kind": "cirlce"}, ("", "there is no shape 'cirlce'; did you mean 'circle'?")),
        ({"kind": 3}, ("", "there is no shape '3'; choose from circle, point, polygon")),
        ({"radius": 3}, ("kind", "missing; choose from circle, point, polygon")),
        (3, ("", "expected one of circle, point, polygon; got 3")),
        (None, ("", "expected one of circle, point, polygon; got None")),
        ([Circle()], ("", "expected one of circle, point, polygon; got [Circle()]")),
        (Picture("point"), ("", "expected one of circle, point, polygon; got Picture(Point())")),
        ({"kind": "circle", "radius": []}, ("radius", "input should be a valid number; got []")),
        ({"kind": "circle", "radius": float("nan")}, ("radius", "input should be a finite number; got nan")),
        ({"kind": "circle", "radius": float("inf")}, ("radius", "input should be a finite number; got inf")),
        ({"kind": "circle", "radius": None}, ("radius", "input should be a valid number; got None")),
    ],
    ids=repr,
)
def test_what_is_no_member_is_refused(data, problem):
    place, text = problem
    assert problems(Shape.from_data, data) == [(place, text)]
    assert problems(Picture, data) == [(f"shape.{place}".rstrip("."), text)]


@pytest.mark.parametrize(("cls", "field"), [(Circle, "radius"), (Polygon, "corners")])
@pytest.mark.parametrize("value", [True, False])
def test_true_and_false_are_no_numbers(cls, field, value):
    expected = [(field, f"this is not a question of yes or no; got {value}")]
    assert problems(cls, **{field: value}) == expected
    assert problems(Shape.from_data, {"kind": cls.kind, field: value}) == expected


def test_too_many_arguments_are_refused():
    assert problems(Circle, 1, 2) == [("", "has no more fields than radius; 2 is one too many")]


def test_asked_for_one_member_another_is_refused():
    assert problems(Circle.from_data, {"kind": "point"}) == [("kind", "expected 'circle'; got 'point'")]


def test_no_family_takes_no_kind():
    assert problems(Picture.from_data, {"kind": "circle", "shape": "point"}) == [
        ("kind", "unknown field; choose from shape, title")
    ]
    assert problems(Picture.from_data, "point") == [("", "expected a table of fields; got 'point'")]
