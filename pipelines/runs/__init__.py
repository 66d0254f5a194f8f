"""What a run is, wherever it runs: its record, its events, what it would cost, how it is told."""
