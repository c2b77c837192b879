"""How an image was generated, as the program that made it wrote it down."""
