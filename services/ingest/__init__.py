"""Brings recordings in: uploads are inspected, hashed, put in their place and registered with the library.

Consumes and emits no subject.
"""
