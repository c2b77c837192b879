"""What is made of pictures and recordings: renditions, facts, frames; in a child."""
