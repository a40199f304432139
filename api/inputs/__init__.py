"""Inputs of several resources: schemas to enforce, images to fetch and decode."""
