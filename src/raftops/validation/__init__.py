"""What `validate` checks, part by part. Only `expectations.py` needs Great Expectations."""
