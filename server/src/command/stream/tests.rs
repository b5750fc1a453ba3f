//! Replies are held against Redis's in `tests/conformance/stream.txt`.
