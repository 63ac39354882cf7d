"""Showing: terminal and pictures. Nothing here computes."""
