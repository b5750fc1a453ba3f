//! What is said around commands so that the server runs them as their callers demand: levels (CLIENT CONSISTENCY), and what a session has seen (CLIENT TOKEN).
//!
//! ```text
//! one command   [TOKEN SET] [CONSISTENCY … ONCE]  command     [TOKEN GET]
//! several       [TOKEN SET] [CONSISTENCY …]       command …   [TOKEN GET] [CONSISTENCY … DEFAULT]
//! ```
//!
//! Connections are shared, so what is said for some commands is taken back behind them. All of it is one submission, and no other caller's command comes in between.
//! ONCE before each of several would cost a command and a reply for each, and end the batch in which the server runs them; for a transaction it would not do at
//! all, as MULTI uses it up and EXEC runs without.
//!
//! **Invariant.** Where nothing is demanded that could matter to the commands, nothing is said. **Does not know** routing: who may be asked is settled before.

use crate::consistency::{Consistency, ReadLevel};
use crate::error::{Error, Result};
use crate::reply::Value;
use crate::request::Request;
use crate::session::Session;
use torc_protocol::request::encode_request;

/// What some commands, which stand one behind the other, are run under.
#[derive(Debug, Default)]
pub(crate) struct Scope {
    session: Option<Session>,
    /// The slots of which the session says what it has seen, in order; `None` for all.
    lent: Option<Vec<u16>>,
    demands: Consistency,
    is_one: bool,
}

impl Scope {
    /// Of `requests`, of which there is at least one. The session is one that the server can keep.
    pub(crate) fn around<'r>(
        requests: impl Iterator<Item = &'r Request>,
        session: Option<&Session>,
        demands: Consistency,
    ) -> Scope {
        if session.is_none() && demands.is_default() {
            return Scope::default();
        }
        let (mut reads, mut writes, mut replies) = (false, false, 0);
        let mut lent = Some(Vec::new());
        for request in requests {
            replies += request.replies();
            reads |= request.may_read();
            writes |= request.may_write();
            if session.is_some() && request.looks_back_at_all() {
                lent = None;
            }
            if session.is_some()
                && request.looks_back()
                && let Some(slots) = &mut lent
            {
                slots.extend(request.slots().into_iter().map(|slot| slot.index() as u16));
            }
        }
        if let Some(slots) = &mut lent {
            slots.sort_unstable();
            slots.dedup();
        }
        let demands = match demands.read {
            None if session.is_some() => demands.read(ReadLevel::Session),
            _ => demands,
        };
        let demands = demands.where_it_matters(reads, writes);
        Scope { session: session.cloned(), lent, demands, is_one: replies == 1 }
    }

    /// Appends what stands before the commands; how many replies that has.
    pub(crate) fn open(&self, out: &mut Vec<u8>) -> u32 {
        if let Some(session) = &self.session {
            let token = session.lend(self.lent.as_deref());
            encode_request(out, &[b"CLIENT", b"TOKEN", b"SET", token.as_bytes()]);
        }
        if !self.demands.is_default() {
            encode(out, &self.demands.words(self.is_one));
        }
        u32::from(self.session.is_some()) + u32::from(!self.demands.is_default())
    }

    /// Appends what stands behind them; how many replies that has.
    pub(crate) fn close(&self, out: &mut Vec<u8>) -> u32 {
        if self.session.is_some() {
            encode_request(out, &[b"CLIENT", b"TOKEN", b"GET"]);
        }
        let is_to_be_ended = !self.is_one && !self.demands.is_default();
        if is_to_be_ended {
            encode(out, &self.demands.words_back());
        }
        u32::from(self.session.is_some()) + u32::from(is_to_be_ended)
    }

    /// Reads the replies to what stood behind the commands. False if the levels have not been taken back, so that nobody else is to use the connection.
    pub(crate) fn closed(&self, mut replies: impl Iterator<Item = Result<Value>>) -> bool {
        if let Some(session) = &self.session
            && let Some(Ok(token)) = replies.next()
        {
            session.learn(token);
        }
        replies.all(|reply| reply.is_ok())
    }
}

/// What a command that ran without its scope comes to: the reason, and what is known of its effect from its own reply.
pub(crate) fn unscoped<T>(reason: &Error, own: &Result<T>) -> Error {
    let applied = match own {
        Ok(_) => crate::error::Applied::Maybe,
        Err(error) => error.applied(),
    };
    reason.clone().with_applied(applied)
}

fn encode(out: &mut Vec<u8>, words: &[String]) {
    encode_request(out, &words.iter().map(|word| word.as_bytes()).collect::<Vec<_>>());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::consistency::WriteLevel;
    use crate::request::tests::request;
    use torc_protocol::slot::slot_of;

    /// What is said before and behind, as words.
    fn said(lines: &[&str], session: Option<&Session>, demands: Consistency) -> [String; 2] {
        let requests: Vec<Request> = lines.iter().map(|line| request(line)).collect();
        let scope = Scope::around(requests.iter(), session, demands);
        let (mut before, mut behind) = (Vec::new(), Vec::new());
        let counts = [scope.open(&mut before), scope.close(&mut behind)];
        let commands = [before, behind].map(|bytes| {
            let text = String::from_utf8(bytes).unwrap();
            let lines = text.split("\r\n").filter(|line| !line.starts_with('$'));
            let joined = lines.collect::<Vec<_>>().join(" ");
            let parts = joined.split('*').skip(1).map(|part| part[1..].trim().to_owned());
            parts.collect::<Vec<_>>()
        });
        assert_eq!(counts, [commands[0].len() as u32, commands[1].len() as u32]);
        commands.map(|parts| parts.join(", "))
    }

    #[test]
    fn only_what_matters_is_said() {
        let demands = Consistency::new().write(WriteLevel::All).read(ReadLevel::Any);
        let check = |lines: &[&str], demands: Consistency, before: &str, behind: &str| {
            assert_eq!(said(lines, None, demands), [before, behind], "{lines:?}");
        };
        check(&["set a 1", "get a"], Consistency::new(), "", "");
        check(&["get a"], Consistency::new().write(WriteLevel::All), "", "");
        check(&["get a", "get b"], Consistency::new().write(WriteLevel::All), "", "");
        check(&["set a 1"], Consistency::new().read(ReadLevel::Any), "", "");
        check(&["get a"], demands, "CLIENT CONSISTENCY R ANY ONCE", "");
        check(&["set a 1"], demands, "CLIENT CONSISTENCY W ALL ONCE", "");
        check(&["nonsense"], demands, "CLIENT CONSISTENCY W ALL R ANY ONCE", "");
        check(
            &["set a 1", "get a"],
            demands,
            "CLIENT CONSISTENCY W ALL R ANY",
            "CLIENT CONSISTENCY W DEFAULT R DEFAULT",
        );
        check(
            &["set a 1", "set a 2"],
            demands.timeout(std::time::Duration::from_millis(7)),
            "CLIENT CONSISTENCY W ALL TIMEOUT 7",
            "CLIENT CONSISTENCY W DEFAULT TIMEOUT DEFAULT",
        );
    }

    #[test]
    fn a_session_lends_what_its_reads_look_back_at() {
        let slots: Vec<u16> =
            ["a", "b", "c"].iter().map(|key| slot_of(key.as_bytes()).index() as u16).collect();
        let entry = |slot: u16| {
            let bytes = slot.to_le_bytes().into_iter().chain(1u64.to_le_bytes());
            bytes.map(|byte| format!("{byte:02x}")).collect::<String>()
        };
        let all: String = slots.iter().map(|&slot| entry(slot)).collect();
        let session = Session::from_token(&all).unwrap();
        let said = |lines: &[&str]| said(lines, Some(&session), Consistency::new());
        let get = "CLIENT TOKEN GET";
        assert_eq!(said(&["set a 1"]), ["CLIENT TOKEN SET", get]);
        let one =
            format!("CLIENT TOKEN SET {}, CLIENT CONSISTENCY R SESSION ONCE", entry(slots[0]));
        assert_eq!(said(&["get a"]), [one, get.to_owned()]);
        let mut two = [slots[0], slots[2]];
        two.sort_unstable();
        let lent: String = two.iter().map(|&slot| entry(slot)).collect();
        let several = format!("CLIENT TOKEN SET {lent}, CLIENT CONSISTENCY R SESSION");
        let back = format!("{get}, CLIENT CONSISTENCY R DEFAULT");
        assert_eq!(said(&["get a", "set b 1", "get c", "get a"]), [several, back]);
        let [before, _] = said(&["mget c a"]);
        assert!(before.contains(&lent), "{before}");
        let [before, _] = said(&["wait 1 10"]);
        assert!(slots.iter().all(|&slot| before.contains(&entry(slot))), "{before}");
        assert!(said(&["dbsize"])[0].starts_with("CLIENT TOKEN SET, "), "it has no slot");
    }

    #[test]
    fn what_is_said_behind_is_read() {
        let requests = [request("get a"), request("get b")];
        let session = Session::default();
        let scope = Scope::around(requests.iter(), Some(&session), Consistency::new());
        let token = Value::Bulk("0100ff00000000000000".into());
        let refused = || Err(Error::server(b"NOPERM no"));
        assert!(scope.closed([Ok(token), Ok(Value::Ok)].into_iter()));
        assert_eq!(session.token(), "0100ff00000000000000");
        assert!(!scope.closed([Ok(Value::Null), refused()].into_iter()));
        // A token that is not to be had leaves nothing behind on the connection.
        assert!(scope.closed([refused(), Ok(Value::Ok)].into_iter()));
        assert_eq!(session.token(), "0100ff00000000000000");
    }
}
