"""What files say about themselves: pure functions on bytes, nothing is stored here."""
