"""Engines: whatever makes what a job asks for, each behind ``processors.engine``."""
