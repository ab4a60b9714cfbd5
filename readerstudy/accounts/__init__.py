"""People: who signs in, and the profile of those who read."""
