"""A release: one content-addressed folder, promoted, rolled back, signed and stored as one thing."""
