"""Measurements, each with the command that repeats it."""

from stages.compiled import keep_apart

keep_apart()  # what is measured is the code as it is
