"""Descriptions: immutable values made of validated plain data.

A recipe and everything in it (layers, activations, losses, optimizers, ...) are descriptions. Each is a frozen
dataclass whose fields pydantic checks, each can be written as plain data (for TOML) and read back without loss, and
each reports every problem it finds at once, as a `RecipeError`.

The members of a family are told apart by their `kind`: `LeakyReLU(slope=0.2)` is `{kind = "leaky_relu", slope = 0.2}`
in a file, and a member that needs no fields may be given by its kind alone, `"relu"`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from functools import cache, wraps
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Self, TypeVar, dataclass_transform

from pydantic import ConfigDict, GetCoreSchemaHandler, TypeAdapter, ValidationError, ValidationInfo, field_validator
from pydantic.dataclasses import dataclass as pydantic_dataclass
from pydantic_core import CoreSchema, core_schema

from unstuck.errors import RecipeError, did_you_mean

_CONFIG = ConfigDict(extra="forbid", allow_inf_nan=False, str_strip_whitespace=True)
SIMPLE = {"bool", "int", "float", "str"}
T = TypeVar("T", bound="type[Description]")
V = TypeVar("V")

if TYPE_CHECKING:

    class Given(Generic[V]):
        """The type of a field that holds a V and may be given by its kind or as plain data, too."""

        def __get__(self, description: object, owner: object) -> V: ...

        def __set__(self, description: object, value: V | str | Mapping[Any, Any]) -> None: ...

else:

    class Given:
        """Nothing, at run time."""

        def __class_getitem__(cls, value: Any) -> Any:
            return value


def default(value: Any) -> Any:
    """Return the default of a field that is `Given`: type checkers compare a default with what the field holds."""
    return value


class Description:
    """The base of all descriptions. A subclass that passes `kind=...` joins the family of the base it names."""

    kind: ClassVar[str] = ""
    family: ClassVar[dict[str, type[Description]]]

    def __init_subclass__(cls, kind: str = "", **options: Any) -> None:
        super().__init_subclass__(**options)
        if kind:
            cls.kind = kind
            cls.family[kind] = cls
        elif cls.__base__ is Description:
            cls.family = {}

    @classmethod
    def from_data(cls, data: object) -> Self:
        """Build from plain data: a kind, or a mapping of field names to values (with `kind` where there is a choice).

        Raises:
            RecipeError: with all problems at once.
        """
        if isinstance(data, cls):
            return data
        if isinstance(data, str) and cls.family:
            data = {"kind": data}
        if not isinstance(data, Mapping):
            expected = f"one of {', '.join(sorted(cls.family))}" if cls.family else "a table of fields"
            raise RecipeError([("", f"expected {expected}; got {data!r}")], cls._label())
        fields = dict(data)
        if not cls.family:
            return _build(cls, fields)
        if "kind" not in fields:
            raise RecipeError([("kind", f"missing; choose from {', '.join(sorted(cls.family))}")], cls._label())
        kind = str(fields.pop("kind"))
        member = cls.family.get(kind)
        if member is None:
            raise RecipeError(
                [("", f"there is no {cls._label()} {kind!r}{did_you_mean(kind, cls.family)}")], cls._label()
            )
        if not issubclass(member, cls):  # asked for one member, given another
            raise RecipeError([("kind", f"expected {cls.kind!r}; got {kind!r}")], cls._label())
        return _build(member, fields)

    def to_data(self) -> dict[str, Any]:
        """Return the plain data that `from_data` reads: every field, defaults included, `None` left out."""
        fields = {name: _plain(value) for name, value in self._fields().items() if value is not None}
        return {"kind": self.kind, **fields} if self.kind else fields

    def replace(self, **changes: Any) -> Self:
        """Return a copy with some fields changed; everything is validated again."""
        return _build(type(self), {**self._fields(), **changes})

    def __repr__(self) -> str:
        changed = [
            repr(value) if position == 0 and field.default is dataclasses.MISSING else f"{field.name}={value!r}"
            for position, field in enumerate(dataclasses.fields(self))  # type: ignore[arg-type]  # made by @described
            if (value := getattr(self, field.name)) != _default(field)
        ]
        return f"{type(self).__name__}({', '.join(changed)})"

    def _fields(self) -> dict[str, Any]:
        return {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}  # type: ignore[arg-type]

    @classmethod
    def _label(cls) -> str:
        return cls.__name__ if cls.kind or not cls.family else cls.__name__.lower()

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        if dataclasses.is_dataclass(cls):
            return handler(source)
        return core_schema.no_info_plain_validator_function(cls.from_data)


@dataclass_transform(frozen_default=True)
def described(cls: T) -> T:
    """Make a `Description` of a class: frozen, validated, its problems reported as a `RecipeError`."""
    cls._refuse_booleans = field_validator("*", mode="before")(_refuse_booleans)  # type: ignore[attr-defined]
    made = pydantic_dataclass(frozen=True, repr=False, config=_CONFIG)(cls)
    validate = made.__init__

    @wraps(validate)
    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:  # noqa: N807  # it becomes the class's own
        try:
            validate(self, *args, **kwargs)
        except ValidationError as error:
            raise _recipe_error(made, error) from None

    made.__init__ = __init__  # type: ignore[method-assign]
    return made  # type: ignore[return-value]  # cls itself


def _refuse_booleans(cls: type[Any], value: Any, info: ValidationInfo) -> Any:
    """Keep True and False out of fields that are not for them; to pydantic they are 1 and 0."""
    if isinstance(value, bool) and cls.__pydantic_fields__[info.field_name].annotation is not bool:
        raise ValueError(f"this is not a question of yes or no; got {value}")
    return value


def _build(cls: type[Any], fields: Mapping[str, Any]) -> Any:
    """Validate `fields` as `cls`, which also turns nested plain data into descriptions."""
    try:
        return _adapter(cls).validate_python(dict(fields))  # type: ignore[arg-type]  # a class can be hashed
    except ValidationError as error:
        raise _recipe_error(cls, error) from None


@cache
def _adapter(cls: type[Any]) -> TypeAdapter[Any]:
    return TypeAdapter(cls)


def _recipe_error(cls: type[Any], error: ValidationError) -> RecipeError:
    problems: list[tuple[str, str]] = []
    known = [field.name for field in dataclasses.fields(cls)]
    for problem in error.errors(include_url=False):
        if problem["type"] == "unexpected_positional_argument":
            problems.append(("", f"has no more fields than {', '.join(known)}; {problem['input']!r} is one too many"))
            continue
        unknown = problem["type"] in ("unexpected_keyword_argument", "unexpected_property", "extra_forbidden")
        # the alternatives of a union have places of their own, such as "int" and "constrained-int"
        parts = [
            part
            for part in problem["loc"]
            if unknown or isinstance(part, int) or (part.isidentifier() and part not in SIMPLE)
        ]
        if parts and isinstance(parts[0], int):  # an argument given by position
            parts[0] = known[parts[0]]
        place = ".".join(map(str, parts))
        cause = problem.get("ctx", {}).get("error")
        if isinstance(cause, RecipeError):
            problems += [(".".join(filter(None, (place, inner))), text) for inner, text in cause.problems]
        elif unknown:
            name = str(problem["loc"][-1])
            siblings = known if len(problem["loc"]) == 1 else []
            problems.append((place, f"unknown field{did_you_mean(name, siblings) if siblings else ''}"))
        elif problem["type"].startswith("missing"):
            problems.append((place, "missing"))
        elif cause is not None:
            problems.append((place, str(cause)))
        else:
            text, got = f"{problem['msg'][0].lower()}{problem['msg'][1:]}", f"; got {problem['input']!r}"
            if problems and problems[-1][0] == place and problems[-1][1].endswith(got):  # the next of a union
                before = problems.pop()[1].removesuffix(got).split(", ")[0]
                text = f"{before} or {text.removeprefix('input should be ')}"
            problems.append((place, text + got))
    return RecipeError(problems, cls.__name__)


@cache
def optional_fields() -> frozenset[str]:
    """Return the names of the fields that are None unless they are given, of all descriptions that can be named."""
    names = set[str]()
    ahead = Description.__subclasses__()
    while ahead:
        cls = ahead.pop()
        ahead += cls.__subclasses__()
        if dataclasses.is_dataclass(cls):
            names |= {field.name for field in dataclasses.fields(cls) if field.default is None}
    return frozenset(names)


def _plain(value: Any) -> Any:
    """Descriptions become tables, a description without fields its kind, tuples lists."""
    if isinstance(value, Description):
        data = value.to_data()
        return data["kind"] if data.keys() == {"kind"} else data
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    return value


def _default(field: dataclasses.Field[Any]) -> Any:
    return field.default_factory() if field.default_factory is not dataclasses.MISSING else field.default
