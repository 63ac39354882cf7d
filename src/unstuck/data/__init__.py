"""Data: readers, generators, and the way from columns to what a network takes."""
