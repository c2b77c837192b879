"""Parts of the workers, without a network."""
