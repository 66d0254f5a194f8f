"""QLoRA: from conversations to adapters and served weights."""
