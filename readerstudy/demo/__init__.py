"""The demo's studies and its simulated readers."""
