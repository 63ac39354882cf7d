"""Diagnosis: measure, decide, try, say. Why a network does not learn, and what makes it."""
