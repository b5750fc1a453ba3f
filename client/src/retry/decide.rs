//! What becomes of a call whose attempt failed.

use super::RetryPolicy;
use crate::error::{Applied, Error, ErrorKind};
use std::time::Duration;

/// Why an attempt failed, as far as routing and repeating it depend on that.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Cause {
    /// Another node serves the slot, says a node that does not.
    Moved { host: String, port: u16 },
    /// Another node has this key already, while the slot moves.
    Ask { host: String, port: u16 },
    /// Nobody can serve it just now.
    NotNow,
    /// The node could not be reached, or did not answer.
    Unreachable,
    /// As much is under way as may.
    Full,
    /// What was asked for was answered, and the answer is an error that repeating does not change.
    Final,
}

/// What to do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Decision {
    /// Give the error to the caller.
    Fail,
    /// Again at once, at the node that the redirection named. Costs no budget: a table that is old is nobody's trouble.
    Follow,
    /// Again after the wait, if the budget allows.
    Again { wait: Duration },
}

/// Redirections that a call follows without waiting. Tables that point at each other are broken, and waiting is all that helps.
const FOLLOWED_MAX: u32 = 5;

/// Reads an error. `MOVED 3999 127.0.0.1:6381`; the host may be left out, which stands for that of the node that answered.
pub(crate) fn cause_of(error: &Error) -> Cause {
    match error.kind() {
        ErrorKind::Server => {}
        ErrorKind::Connection | ErrorKind::Timeout | ErrorKind::CircuitOpen => {
            return Cause::Unreachable;
        }
        ErrorKind::Overloaded => return Cause::Full,
        _ => return Cause::Final,
    }
    let mut words = error.message().split(' ');
    let code = words.next().unwrap_or_default();
    match code {
        "MOVED" | "ASK" => {
            let place = words.nth(1).and_then(|place| place.rsplit_once(':'));
            let Some((host, Ok(port))) = place.map(|(host, port)| (host, port.parse())) else {
                return Cause::Final;
            };
            let host = host.trim_matches(['[', ']']).to_owned();
            if code == "MOVED" { Cause::Moved { host, port } } else { Cause::Ask { host, port } }
        }
        "TRYAGAIN" | "CLUSTERDOWN" | "LOADING" | "MASTERDOWN" | "UNREACHABLE" | "NOREPLICAS"
        | "TIMEOUT" => Cause::NotNow,
        // A replica that was a primary, or a primary that became one.
        "READONLY" => Cause::NotNow,
        _ => Cause::Final,
    }
}

/// Decides. `attempt` counts from 1, redirections included in `followed` are not attempts. `unit` is random, from 0 to 1.
pub(crate) fn decide(
    policy: &RetryPolicy,
    cause: &Cause,
    applied: Applied,
    is_idempotent: bool,
    attempt: u32,
    followed: u32,
    unit: f64,
) -> Decision {
    if applied == Applied::Maybe && !is_idempotent {
        return Decision::Fail;
    }
    match cause {
        Cause::Final => Decision::Fail,
        Cause::Moved { .. } | Cause::Ask { .. } if followed < FOLLOWED_MAX => Decision::Follow,
        _ if attempt >= policy.attempts_max => Decision::Fail,
        Cause::Moved { .. } | Cause::Ask { .. } => {
            Decision::Again { wait: backoff(policy, followed - FOLLOWED_MAX + 1, unit) }
        }
        Cause::NotNow | Cause::Unreachable | Cause::Full => {
            Decision::Again { wait: backoff(policy, attempt, unit) }
        }
    }
}

/// Full jitter: anything up to a bound that doubles with each attempt, so that clients which failed together do not come back together.
fn backoff(policy: &RetryPolicy, attempt: u32, unit: f64) -> Duration {
    let doubled = policy.backoff_min.saturating_mul(1u32.checked_shl(attempt.min(20)).unwrap_or(1));
    doubled.min(policy.backoff_max).mul_f64(unit.clamp(0.0, 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(line: &str) -> Error {
        Error::server(line.as_bytes())
    }

    #[test]
    fn errors_have_causes() {
        let moved = |host: &str, port| Cause::Moved { host: host.into(), port };
        assert_eq!(cause_of(&server("MOVED 3999 127.0.0.1:6381")), moved("127.0.0.1", 6381));
        assert_eq!(cause_of(&server("MOVED 3999 :6381")), moved("", 6381));
        assert_eq!(cause_of(&server("MOVED 3999 ::1:6381")), moved("::1", 6381));
        assert_eq!(cause_of(&server("ASK 1 h:2")), Cause::Ask { host: "h".into(), port: 2 });
        assert_eq!(cause_of(&server("MOVED nonsense")), Cause::Final);
        assert_eq!(cause_of(&server("LOADING wait")), Cause::NotNow);
        assert_eq!(cause_of(&server("ERR no")), Cause::Final);
        assert_eq!(cause_of(&Error::timeout(Applied::Maybe)), Cause::Unreachable);
    }

    #[test]
    fn nothing_is_applied_twice() {
        let policy = RetryPolicy::default();
        for cause in [Cause::NotNow, Cause::Unreachable, Cause::Full] {
            let decide = |applied, idempotent| {
                decide(&policy, &cause, applied, idempotent, 1, 0, 0.5) != Decision::Fail
            };
            assert!(!decide(Applied::Maybe, false));
            assert!(decide(Applied::Maybe, true));
            assert!(decide(Applied::No, false));
            assert!(decide(Applied::No, true));
        }
    }

    #[test]
    fn waits_grow_and_end() {
        let policy = RetryPolicy::default();
        let wait = |attempt| match decide(
            &policy,
            &Cause::Unreachable,
            Applied::No,
            false,
            attempt,
            0,
            1.0,
        ) {
            Decision::Again { wait } => Some(wait.as_millis()),
            _ => None,
        };
        assert_eq!([wait(1), wait(2), wait(3)], [Some(4), Some(8), Some(16)]);
        assert_eq!((wait(63), wait(64)), (Some(500), None));
    }

    #[test]
    fn redirections_are_followed_until_they_go_in_circles() {
        let policy = RetryPolicy::none();
        let moved = Cause::Moved { host: String::new(), port: 1 };
        let decide = |followed| decide(&policy, &moved, Applied::No, false, 1, followed, 0.5);
        assert_eq!(decide(0), Decision::Follow);
        assert_eq!(decide(FOLLOWED_MAX), Decision::Fail);
    }
}
