"""From cells to answers: requests, sessions, the journal."""
