"""What a terminal shows of a run: line by line, or live."""
