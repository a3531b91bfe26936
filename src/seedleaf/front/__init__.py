"""Lighter networks beside the best: which, how they are trained, and what they are delivered as."""
