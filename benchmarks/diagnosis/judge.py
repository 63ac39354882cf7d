"""One network and what the diagnosis says of it, beside random search at the same budget."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from benchmarks.diagnosis import kept
from benchmarks.diagnosis.faulty import FAULTY
from benchmarks.diagnosis.injected_code import summary
from benchmarks.diagnosis.problem import LEARNS, Problem
from unstuck import HandWritten, Recipe, UnstuckError

FRESH = tuple(range(101, 106))
"""No cure has seen these seeds."""
FIRST = 3
PARTS = ("faulty", "injected", "healthy", "code", "code_controls")
CONTROLS = ("healthy", "code_controls")
"""Parts whose networks learn."""
HARMLESS, LONGER = "learns in spite of a fault", "needs longer"
Diagnose = Callable[..., Any]
Search = Callable[..., Recipe | None]


@dataclass(frozen=True)
class Task:
    """A network to be diagnosed: the part it belongs to, its id (of the faulty ones) and its seed."""

    part: str
    seed: int
    id: str = ""

    @property
    def half(self) -> str:
        """The half that one may look at, even seeds, or the one that is only reported."""
        return "validation" if self.seed % 2 else "working"


@dataclass(frozen=True)
class Verdict:
    """What was said of a network. Where a question does not arise, the answer is None.

    Attributes:
        group: the id of a faulty network, the first kind injected, the data of a healthy recipe.
        made: the faults that are there.
        named: the faults that were named, the most certain first.
        noticed: it is not said to learn (of those with faults of code: be it in spite of a fault); of one that learns:
            it is accused, other than of too short a training.
        first: the most certain cause is right.
        among_first: a right one is among the first three.
        cured: the cure learns from fresh seeds; where nothing can be learned: none was offered.
        share: of the twin's gain that the cure reaches, the median over fresh seeds.
        longer: of a network that learns: it is said that nothing is wrong, and that a longer training learns more.
        found: random search, in the same time, found what learns.
        error: what was raised, if anything.
    """

    part: str
    half: str
    group: str
    seed: int
    network: str
    made: tuple[str, ...]
    state: str = ""
    named: tuple[str, ...] = ()
    noticed: bool = False
    first: bool | None = None
    among_first: bool | None = None
    cured: bool | None = None
    share: float | None = None
    seconds: float = 0.0
    longer: bool | None = None
    found: bool | None = None
    search_seconds: float | None = None
    error: str = ""


@dataclass(frozen=True, eq=False)
class Patient:
    """A network with all that is needed to judge what is said of it."""

    group: str
    network: str
    subject: Recipe | HandWritten
    problem: Problem
    made: tuple[str, ...]
    causes: frozenset[str] = frozenset()
    curable: bool = False
    gain: float = 0.0
    targets: Any = field(default=None)
    told: dict[str, Any] = field(default_factory=dict)


def patient(task: Task) -> Patient | None:
    """Return the network of a task; None where the seed gives none, or the network learns from this seed."""
    if task.part == "faulty":
        return faulty_patient(task)
    if task.part.startswith("code"):
        return code_patient(task)
    if task.part == "healthy":
        it = kept.healthy(task.seed)
        return it and Patient(it.name, f"{it.name}: {it.recipe!r}", it.recipe, it.problem, ())
    found = kept.injected(task.seed)
    return found and Patient(
        found.kinds[0],
        f"{found.problem.name}: {found.recipe!r}",
        found.recipe,
        found.problem,
        found.kinds,
        found.causes,
        found.curable,
        found.twin.level - found.twin.problem.constant,
    )


def faulty_patient(task: Task) -> Patient | None:
    it = FAULTY[task.id](task.seed)
    subject, problem = it.subject, it.problem
    gain = problem.level(it.cured, FRESH) - problem.constant if it.cured else 0.0
    if it.cured and it.fails_in and it.level() - problem.constant >= LEARNS * gain:
        return None
    return Patient(
        it.id,
        repr(subject) if isinstance(subject, Recipe) else "hand-written",
        subject,
        problem,
        tuple(sorted(it.causes)),
        it.causes,
        it.cured is not None,
        gain,
        subject.data[1] if isinstance(subject, HandWritten) else None,
    )


def code_patient(task: Task) -> Patient | None:
    it = kept.code_control(task.seed) if task.part in CONTROLS else kept.injected_code(task.seed)
    if it is None:
        return None
    program, made = it.program, filter(None, (it.kind, it.detail))
    return Patient(
        it.kind,
        f"{it.problem.name}: {summary(program)}",
        program.subject(),
        it.problem,
        tuple(made),
        it.causes,
        it.curable,
        it.gain,
        program.Y if program.widths[-1] > 1 else program.Y[:, 0],
        program.told(),
    )


def judge(task: Task, diagnose: Diagnose, search: Search | None) -> Verdict | None:
    """Diagnose one network, search beside it, and say how well that went; None where there is no such network."""
    it = patient(task)
    if it is None:
        return None
    known: dict[str, Any] = {
        "part": task.part,
        "half": task.half,
        "group": it.group,
        "seed": task.seed,
        "network": it.network,
        "made": it.made,
    }
    by_hand = task.part.startswith("code")
    arguments = (it.subject,) if isinstance(it.subject, HandWritten) else (it.subject, it.problem.X, it.problem.y)
    started = time.perf_counter()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # networks that climb overflow
            diagnosis = diagnose(*arguments, **it.told)
    except Exception as error:  # whatever it is, the rest is to be judged all the same
        wrong = None if task.part in CONTROLS else False
        known |= {"first": wrong, "among_first": wrong, "cured": wrong, "error": f"{type(error).__name__}: {error}"}
        return Verdict(**known, seconds=time.perf_counter() - started)
    seconds = time.perf_counter() - started
    named = tuple(finding.fault for finding in diagnosis.findings)
    known |= {
        "state": diagnosis.state,
        "named": named,
        "noticed": diagnosis.state != "learns" and not (by_hand and diagnosis.state == HARMLESS),
        "seconds": seconds,
    }
    if task.part in CONTROLS:
        known["longer"] = diagnosis.state == LONGER
        known["noticed"] = known["noticed"] and not known["longer"]
        return Verdict(**known)
    share = reached(it, diagnosis.cure) if it.curable and diagnosis.cure else None
    known |= {
        "first": bool(it.causes.intersection(named[:1])),
        "among_first": bool(it.causes.intersection(named[:FIRST])),
        "cured": (share or 0.0) >= LEARNS if it.curable else diagnosis.cure is None,
        "share": share,
    }
    if search and it.curable and isinstance(it.subject, Recipe):
        started = time.perf_counter()
        found = search(it.subject, it.problem.X, it.problem.y, budget=seconds, seed=task.seed)
        known["search_seconds"] = time.perf_counter() - started
        known["found"] = found is not None and reached(it, found) >= LEARNS
    return Verdict(**known)


def reached(it: Patient, cure: Recipe) -> float:
    """Return the share of the twin's gain that a cure reaches, the median over fresh seeds."""
    try:
        level = it.problem.level(cure, FRESH, it.targets)
    except UnstuckError:  # a cure that cannot be trained is none
        return 0.0
    return (level - it.problem.constant) / max(it.gain, 1e-12)


def rate(answers: Sequence[bool | None]) -> float:
    """Return the share of yes among the answers."""
    given = [answer for answer in answers if answer is not None]
    return float(np.mean(given)) if given else float("nan")
