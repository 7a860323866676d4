"""Problem to finished Transcript: one turn, with retries and a number of requests in flight that fits the server."""
