"""Template filters of the jobs room."""
