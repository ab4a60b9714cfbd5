"""Protocol, people in a study, cases, design and randomisation, locking."""
