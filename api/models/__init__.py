"""Models: which there are, where more can be had, how they come and go."""
