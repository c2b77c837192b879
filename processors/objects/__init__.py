"""What is done once for each state of an object in the store, whoever wrote it."""
