"""Domain core of the asset catalog: models, rules, ports and adapters.

Read ``catalog.models`` first, then the three ``base`` modules (the ports), then
``catalog.describe`` and ``catalog.search.projection`` (the two pure functions that
everything else serves). This package imports nothing by itself.
"""
