//! Models of the index, checked by loom.
