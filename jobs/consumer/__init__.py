"""What every consumer of a queue needs: registration with RQ, and the writing of events."""
