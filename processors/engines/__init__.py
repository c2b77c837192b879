"""The engines, one port (``processors.engine``): what they make is told by their names."""
