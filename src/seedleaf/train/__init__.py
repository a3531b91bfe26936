"""How a network is trained."""

CHECKPOINT = "checkpoint.pt"  # in a trial's folder; it stands here so that a driver can name it without torch
