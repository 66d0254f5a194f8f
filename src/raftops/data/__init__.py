"""What a spec's data is: its files, their content in a bucket, and the rows that steps hand on."""
