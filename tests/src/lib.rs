//! Shared by the suites: starting nodes and reference servers, speaking raw RESP to them.
