//! Settings: one row each, from which the command line, the file, CONFIG and the docs come.

/// The settings in force. Reading one is a relaxed load.
#[derive(Debug)]
pub struct Settings {}
