//! Scripts of commands; what is expected was recorded from redis-server 7.0.15.
