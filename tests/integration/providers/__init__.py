"""Engines of real providers, against one on this machine."""
