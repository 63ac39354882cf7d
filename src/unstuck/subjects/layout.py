"""A person's own parameters, in whatever layout, and the same numbers as one flat vector.

Dicts, lists and tuples of arrays, nested or not, and one flat array are layouts. Every array in it is a block; its name
is its key, or its place:

    {"W1": ..., "b1": ...}   W1, b1          {"hidden": {"W": ..., "b": ...}}   hidden.W, hidden.b
    [W, b]                   [0], [1]        {"hidden": [W, b]}                 hidden[0], hidden[1]

None holds a place and no numbers: in [None, W1, W2] the blocks are [1] and [2].
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from unstuck.arrays import Array
from unstuck.errors import SubjectError


@dataclass(frozen=True)
class Block:
    """An array among the parameters: its name, its shape, and where it lies in the flat vector."""

    name: str
    shape: tuple[int, ...]
    part: slice

    def of(self, w: Array) -> Array:
        """Return the view of w that this block is, in its shape."""
        return w[self.part].reshape(self.shape)

    @property
    def size(self) -> int:
        """How many numbers it holds."""
        return self.part.stop - self.part.start


class Layout:
    """How a structure of arrays lies in one flat vector.

    Args:
        parameters: the structure.
        shapes: of the blocks of one flat array, by name, where that is what the parameters are.

    Raises:
        SubjectError: when the structure holds anything but real numbers, or the shapes do not fill the flat array.

    >>> layout = Layout({"W": np.zeros((2, 3)), "b": np.zeros(3)})
    >>> [(block.name, block.shape) for block in layout.blocks], layout.size
    ([('W', (2, 3)), ('b', (3,))], 9)
    >>> layout.structure(np.arange(9.0))["b"]
    array([6., 7., 8.])
    """

    def __init__(self, parameters: Any, shapes: Mapping[str, tuple[int, ...]] | None = None):
        self._pattern = parameters
        self.blocks: tuple[Block, ...] = ()
        end = 0
        for name, array in named_arrays(parameters, "the parameters"):
            self.blocks += (Block(name, array.shape, slice(end, end + array.size)),)
            end += array.size
        self.size = end
        self._ends = np.cumsum([block.size for block in self.blocks])[:-1]
        if not end:
            raise SubjectError("there are no numbers among the parameters: give the arrays that are trained")
        if shapes is not None:
            self.blocks = self._cut(shapes)

    def _cut(self, shapes: Mapping[str, tuple[int, ...]]) -> tuple[Block, ...]:
        if len(self.blocks) != 1 or len(self.blocks[0].shape) != 1:
            raise SubjectError("shapes are for parameters in one flat array; these have a layout of their own")
        if not isinstance(shapes, Mapping) or not all(map(_is_shape, shapes.values())):
            raise SubjectError(
                f'shapes must say the shape of each block, {{"W": (2, 3), "b": (3,)}}; got {shapes!r:.60}'
            )
        blocks, end = [], 0
        for name, shape in shapes.items():
            size = math.prod(shape)
            blocks.append(Block(str(name), tuple(shape), slice(end, end + size)))
            end += size
        if end != self.size:
            given = ", ".join(f"{name} {shape}" for name, shape in shapes.items())
            raise SubjectError(f"the flat array holds {self.size:,} numbers, but {given} are {end:,}")
        return tuple(blocks)

    def flat(self, structure: Any, what: str) -> Array:
        """Return the numbers of a structure like the parameters as one vector of float64.

        Args:
            structure: parameters, or a gradient.
            what: it is, for messages: "the parameters", "your gradient".

        Raises:
            SubjectError: when its names or shapes are others.
        """
        given = dict(named_arrays(structure, what))
        wanted = dict(named_arrays(self._pattern, "the parameters"))
        missing, unknown = (
            [name for name in wanted if name not in given],
            [name for name in given if name not in wanted],
        )
        if missing or unknown:
            parts = [f"lacks {', '.join(missing)}"] if missing else []
            parts += [f"has {', '.join(unknown)}, which no parameter is called"] if unknown else []
            raise SubjectError(f"{what} {' and '.join(parts)}: it must be built like the parameters")
        pieces = []
        for name, array in wanted.items():
            other = given[name]
            if other.shape != array.shape and not (other.size == array.size and _squeezed(other) == _squeezed(array)):
                hint = "; was axis=0 forgotten in a sum?" if other.size == 1 else ""
                raise SubjectError(
                    f"{what} for {name} has the shape {other.shape}, but {name} has {array.shape}: "
                    f"each entry needs the derivative by itself{hint}"
                )
            pieces.append(other.reshape(-1))
        return np.concatenate(pieces).astype(np.float64)

    def structure(self, w: Array) -> Any:
        """Return fresh arrays with the numbers of w, in the layout of the parameters."""
        return _rebuilt(self._pattern, iter(np.split(w, self._ends)))

    def without_additions(self, structure: Any) -> Any:
        """Return a structure without what it holds beside the parameters, caches say."""
        return _without_additions(structure, self._pattern)

    def changed(self, structure: Any, w: Array) -> list[str]:
        """Return the names of the blocks whose numbers in a structure are no longer those of w."""
        held = dict(named_arrays(self.without_additions(structure), "the parameters"))
        wanted = named_arrays(self.structure(w), "the parameters")
        return [name for name, array in wanted if name in held and not np.array_equal(held[name], array)]


def named_arrays(structure: Any, what: str) -> Iterator[tuple[str, npt.NDArray[Any]]]:
    """Yield name and array of every block of a structure, in its order; one array alone is called w."""
    for name, array in _walk(structure, what):
        yield name or "w", array


def _walk(structure: Any, what: str) -> Iterator[tuple[str, npt.NDArray[Any]]]:
    if isinstance(structure, Mapping):
        for key, value in structure.items():
            for rest, array in _walk(value, what):
                yield f"{key}.{rest}" if rest and not rest.startswith("[") else f"{key}{rest}", array
    elif isinstance(structure, list | tuple):
        for place, value in enumerate(structure):
            for rest, array in _walk(value, what):
                yield f"[{place}].{rest}" if rest and not rest.startswith("[") else f"[{place}]{rest}", array
    elif structure is not None:
        array = np.asarray(structure)
        if array.dtype.kind not in "fiub":
            raise SubjectError(
                f"among {what} there is {structure!r:.60}, of type {array.dtype}; real numbers are needed"
            )
        yield "", array


def _is_shape(shape: Any) -> bool:
    return isinstance(shape, list | tuple) and all(isinstance(size, int | np.integer) and size >= 0 for size in shape)


def _without_additions(structure: Any, pattern: Any) -> Any:
    """Return what a structure holds where the pattern holds something too."""
    if isinstance(structure, Mapping) and isinstance(pattern, Mapping):
        return {key: _without_additions(structure[key], pattern[key]) for key in pattern if key in structure}
    if isinstance(structure, list | tuple) and isinstance(pattern, list | tuple):
        return [_without_additions(*both) for both in zip(structure, pattern, strict=False)]
    return structure


def _rebuilt(pattern: Any, numbers: Iterator[Array]) -> Any:
    if isinstance(pattern, Mapping):
        return {key: _rebuilt(value, numbers) for key, value in pattern.items()}
    if isinstance(pattern, list | tuple):
        built: Sequence[Any] = [_rebuilt(value, numbers) for value in pattern]
        named = isinstance(pattern, tuple) and hasattr(pattern, "_fields")
        return type(pattern)(*built) if named else type(pattern)(built)
    if pattern is None:
        return None
    array = next(numbers).reshape(np.shape(pattern))
    return array.copy() if np.ndim(pattern) else array.item()


def _squeezed(array: npt.NDArray[Any]) -> tuple[int, ...]:
    return tuple(length for length in array.shape if length != 1)
