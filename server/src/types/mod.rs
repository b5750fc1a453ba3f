//! Values: no I/O, no clock.

pub mod long_double;
