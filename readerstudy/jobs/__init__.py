"""Long work: a row that tells the truth, a message that nudges a worker."""
