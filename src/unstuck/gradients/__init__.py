"""Derivatives one can trust."""
