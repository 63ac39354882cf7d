"""An optimizer whose own settings keep it from moving: epsilon, momentum, decay of its averages."""

from __future__ import annotations

from dataclasses import fields

from unstuck.diagnosis.changes import USUAL_RATE, rate_of, with_adam
from unstuck.diagnosis.evidence import Evidence
from unstuck.diagnosis.finding import Finding, Fix
from unstuck.diagnosis.problem import Problem
from unstuck.functions.optimizers import Optimizer
from unstuck.recipe import Recipe


def examine(evidence: Evidence) -> Finding | None:
    """See which settings of the optimizer are out of the ordinary."""
    optimizer = evidence.recipe.optimizer
    odd, suspicion = _odd(optimizer)
    fixes = [Fix("Adam", with_adam)]
    if odd:
        fixes.insert(0, Fix(f"{optimizer.kind}'s usual settings", _usual))
    elif optimizer.kind in ("adam", "adamw", "nadam") and rate_of(evidence.recipe) == USUAL_RATE:
        return None
    text = f"{optimizer.kind} with {', '.join(odd)}" if odd else f"{optimizer.kind} may be the wrong optimizer here"
    proven = "" if odd else f"{optimizer.kind} is the wrong optimizer here."
    evidence_of = tuple(odd) or (repr(optimizer),)
    return Finding("optimizer", f"{text}.", evidence_of, suspicion, tuple(fixes), proven=proven)


def _odd(optimizer: Optimizer) -> tuple[list[str], float]:
    usual = type(optimizer)()
    odd, suspicion = [], 0.08
    for field in fields(optimizer):  # type: ignore[arg-type]  # made by @described
        name = field.name
        value, normal = getattr(optimizer, name), getattr(usual, name)
        if name == "learning_rate" or value == normal or not isinstance(value, float):
            continue
        if name == "epsilon" and (value >= 1e-3 or value < 1e-14):
            odd.append(f"epsilon {value:g} instead of {normal:g}")
            suspicion = max(suspicion, 0.9 if value >= 0.1 else 0.75 if value >= 1e-2 else 0.35)
        elif name != "epsilon" and 0 < value < 1 and (1 - value < (1 - normal) / 5 or value < normal - 0.5):
            odd.append(f"{name} {value:g} instead of {normal:g}")
            suspicion = max(suspicion, 0.7 if 1 - value < (1 - normal) / 20 else 0.4)
    return odd, suspicion


def _usual(recipe: Recipe, problem: Problem) -> Recipe:
    optimizer = recipe.optimizer
    return recipe.replace(optimizer=type(optimizer)().replace(learning_rate=optimizer.learning_rate))
