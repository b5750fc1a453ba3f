//! Values: no I/O, no clock.
