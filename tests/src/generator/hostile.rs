//! What is done to a finished command: made wrong in its form, varied in its case, and kept from what cannot be compared.

use super::arguments::{TTL_MAX, TTL_MIN};
use super::collections::TIMEOUTS;
use super::{Args, Generator};

/// Byte offsets below this are written to; a value may grow so long.
const OFFSET_MAX: i64 = 2_000;

impl Generator {
    /// Drops, doubles, adds or replaces an argument.
    pub(super) fn spoil(&mut self, args: &mut Args) {
        let at = 1 + self.below(args.len());
        match self.rng.u32(..4) {
            0 if at < args.len() => {
                args.remove(at);
            }
            1 if at < args.len() => {
                let copy = args[at].clone();
                args.insert(at, copy);
            }
            2 if at < args.len() => args[at] = self.integer(),
            _ => args.push(self.value()),
        }
    }

    pub(super) fn vary_case(&mut self, args: &mut Args) {
        for (index, arg) in args.iter_mut().enumerate() {
            // Keys and values lie at odd and even places alike; changing a key's case only makes another key.
            let is_tagged = self.tag.is_some() && arg.starts_with(b"{");
            if index == 0 || (self.rng.bool() && !is_tagged) {
                for byte in arg.iter_mut().filter(|byte| byte.is_ascii_alphabetic()) {
                    if self.rng.bool() {
                        *byte ^= 0x20;
                    }
                }
            }
        }
    }

    /// Takes out what two equal servers may answer differently or what needs half a gigabyte; see the module's text.
    pub(super) fn tame(&mut self, args: &mut Args) {
        if self.sorts {
            // One that is out of range a Redis remembers until it sorts, as `errno`.
            args.iter_mut().skip(1).for_each(shorten_numbers);
        }
        if args[0].eq_ignore_ascii_case(b"COMMAND") && args.len() == 3 {
            args.push(Vec::new());
        }
        let name = String::from_utf8_lossy(&args[0]).to_uppercase();
        if name.starts_with("EVAL") && args.len() > 4 {
            let mut inner = args.split_off(4);
            self.tame(&mut inner);
            return args.extend(inner);
        }
        self.tame_collections(&name, args);
        self.tame_streams(&name, args);
        let (from, what) = match name.as_str() {
            "EXPIRE" | "PEXPIRE" | "EXPIREAT" | "PEXPIREAT" | "GETEX" | "SETEX" | "PSETEX" => {
                (2, Tame::Time)
            }
            "RESTORE" | "SET" => (if name == "SET" { 3 } else { 2 }, Tame::Time),
            "SETRANGE" => (2, Tame::Offset(OFFSET_MAX, 1 << 30)),
            "SETBIT" => (2, Tame::Offset(OFFSET_MAX * 8, 1 << 33)),
            "BITFIELD" => (2, Tame::Offset(OFFSET_MAX * 8, 1 << 33)),
            // Blocks every client, or ends them.
            "CLIENT" if args.len() > 1 => {
                let sub = args[1].to_ascii_uppercase();
                if [&b"PAUSE"[..], b"REPLY", b"KILL", b"TRACKING"].contains(&&sub[..])
                    && args.len() < 5
                {
                    args[1] = b"NOPE".to_vec();
                }
                if sub == b"ID" || sub == b"REPLY" || sub == b"KILL" {
                    args.resize(6, b"x y".to_vec());
                }
                return;
            }
            _ => return,
        };
        for arg in args.iter_mut().skip(from) {
            let digits = arg.strip_prefix(b"#").unwrap_or(arg);
            let Ok(number) = std::str::from_utf8(digits).unwrap_or_default().parse::<i64>() else {
                continue;
            };
            match what {
                Tame::Time if (1..TTL_MIN).contains(&number) => {
                    *arg = self.rng.i64(TTL_MIN..TTL_MAX).to_string().into_bytes();
                }
                Tame::Offset(most, limit) if (most..limit).contains(&number) => {
                    let hash = if digits.len() < arg.len() { "#" } else { "" };
                    *arg = format!("{hash}{}", number % most).into_bytes();
                }
                // `#n` is multiplied by a width, and the reference lets that product overflow.
                Tame::Offset(..)
                    if digits.len() < arg.len() && number.unsigned_abs() >= 1 << 50 =>
                {
                    *arg = b"#8589934592".to_vec();
                }
                _ => {}
            }
        }
    }
}

impl Generator {
    fn tame_collections(&mut self, name: &str, args: &mut Args) {
        let number = |arg: &[u8]| std::str::from_utf8(arg).unwrap_or_default().parse::<i64>().ok();
        let timeout = match name {
            "BLPOP" | "BRPOP" | "BRPOPLPUSH" | "BLMOVE" | "BZPOPMIN" | "BZPOPMAX" => args.len() - 1,
            _ => 1,
        };
        match name {
            "BLPOP" | "BRPOP" | "BRPOPLPUSH" | "BLMOVE" | "BZPOPMIN" | "BZPOPMAX" | "BLMPOP"
            | "BZMPOP"
                if args.len() > 1
                    && !TIMEOUTS.iter().any(|known| known.as_bytes() == args[timeout]) =>
            {
                args[timeout] = b"0.001".to_vec();
            }
            // Where scores differ, ranges of members say nothing.
            "ZADD"
                if args.len() > 2
                    && [b"X0", b"X1", b"X2"].iter().any(|key| args[1].ends_with(*key)) =>
            {
                args.iter_mut().skip(2).step_by(2).for_each(|score| *score = b"0".to_vec());
            }
            // Any fewer than all would be left to chance.
            "SPOP" => {
                args.truncate(2);
                args.push(b"1000000".to_vec());
            }
            // A negative count is that of elements to be answered.
            "HRANDFIELD" | "SRANDMEMBER" | "ZRANDMEMBER"
                if args.len() > 2 && number(&args[2]).is_some_and(|count| count < -500) =>
            {
                args[2] = b"-500".to_vec();
            }
            // A set that is not to be sorted has no order.
            "SORT" | "SORT_RO" => {
                for at in 2..args.len().saturating_sub(1) {
                    if args[at].eq_ignore_ascii_case(b"BY") && !args[at + 1].contains(&b'*') {
                        args[at + 1].push(b'*');
                    }
                }
            }
            // The differences `newer-withscore` and `newer-rank`.
            "ZRANK" | "ZREVRANK" if args.len() == 4 => args.truncate(3),
            "COMMAND"
                if args.len() == 6
                    && [&b"ZRANK"[..], b"ZREVRANK"]
                        .iter()
                        .any(|rank| args[2].eq_ignore_ascii_case(rank)) =>
            {
                args.truncate(5);
            }
            "LPOS" => {
                for arg in args.iter_mut().filter(|arg| number(arg) == Some(i64::MIN)) {
                    *arg = b"-1".to_vec();
                }
            }
            "HSCAN" | "SSCAN" | "ZSCAN" => {
                for (index, word) in ["0", "COUNT", "1000000"].iter().enumerate() {
                    if args.len() > 2 + index {
                        args[2 + index] = word.as_bytes().to_vec();
                    }
                }
            }
            _ => {}
        }
    }
}

/// Leaves of digits in a row as many as surely fit 64 bits.
fn shorten_numbers(arg: &mut Vec<u8>) {
    let mut digits = 0;
    arg.retain(|byte| {
        digits = if byte.is_ascii_digit() { digits + 1 } else { 0 };
        digits <= 18
    });
}

#[derive(Debug, Clone, Copy)]
enum Tame {
    Time,
    Offset(i64, i64),
}
