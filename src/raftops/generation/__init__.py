"""Messages to text: engines behind the `Generator` protocol."""
