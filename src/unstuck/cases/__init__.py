"""The five networks this project exists for: as they were, and cured."""

from unstuck.cases.case import Case as Case
from unstuck.cases.case import Outcome as Outcome
from unstuck.cases.gallery import CASES as CASES
from unstuck.cases.gallery import run_cases as run_cases
