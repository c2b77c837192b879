"""Workers on submitted jobs, one job at a time each. Their place; no code yet."""
