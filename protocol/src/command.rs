//! The command table: one row a command.
