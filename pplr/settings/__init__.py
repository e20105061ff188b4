"""params.yaml and schedule.yaml: what is in them, what they may hold, how they are written."""
