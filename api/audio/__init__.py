"""Recordings and voices: what a request brings along, and from events to sound, text and subtitles."""
