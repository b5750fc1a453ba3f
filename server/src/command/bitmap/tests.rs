//! Replies recorded from redis-server 7.0.15.

use crate::command::testing::check_file;

#[test]
fn bits_are_set_counted_found_and_combined() {
    check_file(include_str!("bits.txt"));
}

#[test]
fn fields_are_read_written_and_incremented() {
    check_file(include_str!("fields.txt"));
}
