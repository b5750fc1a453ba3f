"""What the measurements of benches/ share. The Python standard library is all that it needs."""
