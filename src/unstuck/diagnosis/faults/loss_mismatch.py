"""A loss that does not go with the output or the targets."""

from __future__ import annotations

import numpy as np

from unstuck.diagnosis.changes import PROPER_OUTPUT, output, proper_output
from unstuck.diagnosis.evidence import Evidence
from unstuck.diagnosis.finding import Finding, Fix
from unstuck.functions.activations import Exponential, Sigmoid, Softmax, Softplus


def examine(evidence: Evidence) -> Finding | None:
    """See whether the loss expects other outputs or other targets than it gets."""
    recipe, Y = evidence.recipe, evidence.prepared.rows.Y
    f, loss = output(recipe).activation, recipe.loss
    low, high = f.range
    several = Y.shape[1] > 1
    sums = np.allclose(Y.sum(axis=1), 1) if several else False
    wrong = ""
    suspicion = 0.9
    if loss.kind in ("binary_crossentropy", "categorical_crossentropy"):
        if Y.min() < 0 or Y.max() > 1:
            wrong = f"{loss.kind} is for targets from 0 to 1; these run from {Y.min():.4g} to {Y.max():.4g}"
        elif low < 0 or high > 1:
            wrong = f"{loss.kind} takes the logarithm of probabilities, and {f.kind} gives any number above {low:g}"
        elif loss.kind == "categorical_crossentropy" and not several:
            wrong = "categorical cross-entropy of one output sees only the rows with target 1: always 1 is its optimum"
        elif loss.kind == "categorical_crossentropy" and not isinstance(f, Softmax):
            wrong = f"categorical cross-entropy only asks the right class to rise; {f.kind} outputs may all be 1"
        elif evidence.problem.classes is None and not np.isin(Y, (0, 1)).all():
            wrong = f"{loss.kind} is for classes, and these targets are numbers between {Y.min():.3g} and {Y.max():.3g}"
            suspicion = 0.5
    elif loss.kind == "poisson" and (Y.min() < 0 or not isinstance(f, Exponential | Softplus)):
        wrong = (
            "the Poisson loss is for counts and positive outputs, which exponential gives; "
            f"here are {f.kind} and targets from {Y.min():.3g}"
        )
    elif loss.kind == "hinge" and (not np.isin(Y, (-1, 1)).all() or isinstance(f, Sigmoid | Softmax)):
        wrong = f"the hinge loss is for targets -1 and 1 and linear outputs; the output is {f.kind}"
    elif isinstance(f, Softmax) and several and evidence.problem.classes is None and not sums:
        wrong = "softmax outputs sum to 1 in each row, and the targets do not"
    elif isinstance(f, Softmax | Sigmoid) and evidence.problem.classes is not None:
        wrong = f"{loss.kind} through a {f.kind} has nearly no gradient where the output is surely wrong"
        suspicion = 0.35 if len(evidence.problem.classes) > 2 else 0.25
    elif loss.kind != "hinge" and evidence.problem.classes is not None:
        wrong = (
            f"classes are learned with {loss.kind} on {f.kind} outputs, which punishes outputs that are more than right"
        )
        suspicion = 0.15
    if not wrong:
        return None
    return Finding(
        "loss_mismatch",
        f"Loss, output and targets do not go together: {wrong}.",
        (f"loss {loss.kind}, output {f.kind}, targets from {Y.min():.4g} to {Y.max():.4g}",),
        suspicion=suspicion,
        fixes=(Fix(PROPER_OUTPUT, proper_output),),
    )
