"""What requests of several resources bring along: schemas to enforce, images to fetch and decode."""
