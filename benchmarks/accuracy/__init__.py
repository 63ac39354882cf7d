"""The estimators beside others, on real tables."""
