//! Who may connect and run what: passwords and protected mode.
