"""Relations with the right gradient, told as mistakes: one that several blocks have in common is told once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from unstuck.gradients.forensics.mistakes import Mistake
from unstuck.gradients.forensics.relations import Relation
from unstuck.subjects.layout import Block


def mistakes_of(
    relations: Sequence[Relation], blocks: Sequence[Block], number_of: Callable[[str], int]
) -> Iterator[Mistake]:
    """Yield the mistakes that relations are.

    Args:
        relations: of the wrong blocks.
        blocks: all there are.
        number_of: the number of the layer that a block of this name is of, or 0.
    """
    texts = [_text(one) for one in relations]
    for text in dict.fromkeys(texts):
        alike = [one for one, its_text in zip(relations, texts, strict=True) if its_text == text]
        names = tuple(one.block for one in alike)
        numbers = {number_of(name) for name in names}
        which = names[0] if len(names) == 1 else "every block"
        if 1 < len(names) < len(blocks):
            which = f"each of {', '.join(names[:-1])} and {names[-1]}"
        yield Mistake(alike[0].kind, numbers.pop() if len(numbers) == 1 else 0, names, f"{which} {text}")


def _text(found: Relation) -> str:
    return {
        "factor": f"is {found.ratio:.6g} times the right gradient",
        "missing": "is zero: its gradient is missing",
        "other block": f"holds {_often(found.ratio)}the gradient of {found.other}",
        "transposed": f"is {_often(found.ratio)}the transpose of the right gradient",
        "point before": f"is {_often(found.ratio)}the gradient at the parameters of the call before",
        "left over": f"is {_often(found.ratio)}the right gradient and {_left(found)}",
        "penalty alone": f"is {_left(found)} and nothing else: the data do not reach it",
    }[found.kind]


def _often(ratio: float) -> str:
    return "" if abs(ratio - 1) < 1e-6 else f"{ratio:.6g} times "


def _left(found: Relation) -> str:
    names = ("w", "sign(w)", "")
    return " + ".join(f"{c:.6g} {name}".strip() for c, name in zip(found.left_over, names, strict=True) if c)
