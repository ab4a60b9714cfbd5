"""Planning: how many readers and cases a study needs."""
