"""Images and captions that LoRAs are trained on, from videos and from pictures."""
