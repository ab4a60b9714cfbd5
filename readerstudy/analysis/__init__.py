"""Reader-study statistics on plain arrays and data frames. Knows no Django."""
