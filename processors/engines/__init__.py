"""The engines behind one port, ``processors.engine``."""
