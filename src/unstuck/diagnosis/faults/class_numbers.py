"""Class numbers 0, 1, 2, ... as targets of a single unit, as if class 1 lay between class 0 and class 2."""

from __future__ import annotations

from unstuck.diagnosis.changes import as_classes, output
from unstuck.diagnosis.evidence import Evidence
from unstuck.diagnosis.finding import Finding, Fix
from unstuck.diagnosis.problem import counted
from unstuck.functions.losses import Poisson


def examine(evidence: Evidence) -> Finding | None:
    """See whether more than two classes are coded as numbers of one unit."""
    problem = evidence.problem
    if evidence.network.outputs > 1 or problem.y.ndim > 1 or isinstance(evidence.recipe.loss, Poisson):
        return None
    classes = counted(problem.y)
    if classes is None:
        return None
    f = output(evidence.recipe).activation
    return Finding(
        "class_numbers",
        f"{len(classes)} classes are asked of one {f.kind} unit as the numbers {classes[0]} to {classes[-1]}.",
        (
            f"y takes only the values {', '.join(map(str, classes[:8]))}, and the network has one output",
            "a single number can only separate classes that lie in a row, in the order of their numbers",
        ),
        suspicion=0.9 if problem.classes is not None else 0.6,
        fixes=(Fix("one softmax unit a class, with cross-entropy", as_classes),),
    )
