//! Replies recorded from redis-server 7.0.15.

use crate::command::testing::check_file;

#[test]
fn elements_are_added_counted_and_merged() {
    check_file(include_str!("elements.txt"));
}
