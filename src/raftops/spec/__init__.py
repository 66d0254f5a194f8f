"""The spec: model, loader, schema."""
